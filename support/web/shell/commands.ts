import { useEffect, useEffectEvent } from 'react';

type Command = { label: string; run: () => void };

let offered: Command[] = [];
const listeners = new Set<() => void>();

function offer(next: Command[]): void {
  offered = next;
  for (const listener of listeners) listener();
}

export const listCommands = () => offered;

export function subscribeCommands(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Adds a page's actions to the palette while the page is shown. */
export function useCommands(commands: Command[]): void {
  const run = useEffectEvent((label: string) => commands.find((command) => command.label === label)?.run());
  const labels = JSON.stringify(commands.map(({ label }) => label));
  useEffect(() => {
    const named: string[] = JSON.parse(labels);
    offer(named.map((label) => ({ label, run: () => run(label) })));
    return () => offer([]);
  }, [labels]);
}
