import { formatNumber } from '@aether/ui/formats.ts';

type Numbers = {
  state: string;
  ended_at: string | null;
  total: number;
  tried: number;
  handled: number;
  failed: number;
  held_back: number;
  skipped: number;
  mended: number;
  refused: number;
  gone: number;
  untouched: number;
};

/** What a run has done, in numbers that add up to its set. Pure. */
export function sayRun(run: Numbers): string {
  const states: Record<string, string> = {
    running: 'Running',
    paused: 'Paused',
    cancelled: 'Cancelling',
    done: 'Done',
  };
  const state = run.ended_at && run.state === 'cancelled' ? 'Cancelled' : (states[run.state] ?? run.state);
  const parts: [number, string][] = [
    [run.handled, 'handled'],
    [run.failed, 'failed again'],
    [run.held_back, 'held back by another failure'],
    [run.skipped, 'skipped'],
    [run.mended, 'mended'],
    [run.refused, 'refused'],
    [run.gone, 'gone already'],
    [run.tried, 'being tried'],
    [run.untouched, run.ended_at ? 'left untouched' : 'to come'],
  ];
  const said = parts.filter(([count]) => count > 0).map(([count, word]) => `${formatNumber(count)} ${word}`);
  return `${state}: ${said.length > 0 ? said.join(', ') : 'no events'}, of ${formatNumber(run.total)}.`;
}

/** `1 attempt`, `12 attempts`. Pure. */
export const sayAttempts = (count: number) => `${count} ${count === 1 ? 'attempt' : 'attempts'}`;
