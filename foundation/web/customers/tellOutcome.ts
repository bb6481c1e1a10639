import { formatNumber } from '@aether/ui/formats.ts';
import { Refusal } from '@aether/ui/refusal.ts';
import { showDone, showUndo } from '@aether/ui/toasts.tsx';
import type { QueryClient } from '@tanstack/react-query';
import { type ActOutcome, undoAct } from '../api/acts.ts';

const customers = (count: number) => `${formatNumber(count)} ${count === 1 ? 'customer' : 'customers'}`;

/** What an act has done, in one sentence. Pure. */
export function sayOutcome(done: string, { changed, unchanged, refused_count }: ActOutcome): string {
  const said = [
    `${customers(changed)} ${changed === 1 ? done.replace(/^have /, 'has ') : done} now`,
    ...(unchanged > 0 ? [`${formatNumber(unchanged)} did before`] : []),
    ...(refused_count > 0 ? [`${formatNumber(refused_count)} not changed`] : []),
  ];
  return `${said.join(', ')}.`;
}

/** Says what was done, with an undo of exactly that; what was not done is shown by name. */
export function tellOutcome(
  done: string,
  outcome: ActOutcome,
  { client, onRefused }: { client: QueryClient; onRefused: (outcome: ActOutcome) => void },
): void {
  const { id } = outcome;
  if (outcome.refused_count > 0) onRefused(outcome);
  const message = sayOutcome(done, outcome);
  if (id === null) {
    showDone(message);
    return;
  }
  const offer = (message: string) =>
    showUndo({
      message,
      undo: async () => {
        const undone = await undoAct(id).catch((error) => {
          // An undo that failed can be tried again. Of one that was done there is nothing to try.
          if (!(error instanceof Refusal && error.status === 404)) offer(message);
          throw error;
        });
        void client.invalidateQueries({ queryKey: ['customers'] });
        if (undone.refused_count === 0) return `Undone for ${customers(undone.changed)}.`;
        if (undone.refused.some(({ code }) => code === 'not-done')) offer('The rest is to be undone.');
        const [first] = undone.refused;
        const who = `${first?.customer.name ?? 'a customer'}: ${first?.detail ?? ''}`;
        return `Undone for ${customers(undone.changed)}. ${formatNumber(undone.refused_count)} stay as they are: ${who}`;
      },
    });
  offer(message);
}

/** Says that no answer came to an act, with an undo of what may have been done of it. */
export function tellLost(id: string, client: QueryClient): void {
  showUndo({
    message: 'No answer came: it may be done, or a part of it.',
    undo: async () => {
      try {
        const { changed } = await undoAct(id);
        return `Undone for ${customers(changed)}.`;
      } catch (error) {
        if (error instanceof Refusal && error.status === 404) return 'Nothing had been changed.';
        tellLost(id, client);
        throw error;
      } finally {
        void client.invalidateQueries({ queryKey: ['customers'] });
      }
    },
  });
}
