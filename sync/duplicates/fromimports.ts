import { setTimeout as wait } from 'node:timers/promises';
import { reasonOfWords } from '@aether/importer';
import { createLine, type Line } from '../worker/line.ts';

export type ImportQueueing = {
  /** Settles within a second, whether or not the database answers. */
  stop(): Promise<void>;
};

type Found = { a: string; b: string; score: number; reasons: string[] };
type NextPairs = {
  of_run: string | null;
  queued_from: number | null;
  queued_to: number | null;
  rules: string | null;
  pairs: Found[] | null;
};

const answerMs = 20_000;
const stopWithinMs = 1_000;
const linesPerStep = 500;
/** Between two steps, so that a large import leaves most of the database to others. */
const restMs = 50;

/**
 * Puts the pairs that an applied import found likely into the queue of duplicates, once: see 0021_duplicates.sql. A step is one transaction,
 * which says how far the run is: a worker that is killed loses at most a step, and of several workers one does each.
 */
export function queueImports({
  url,
  everyMs = 2_000,
  onError,
}: {
  /** As sync_app. */
  url: string;
  everyMs?: number;
  onError: (error: unknown) => void;
}): ImportQueueing {
  const stopping = new AbortController();
  let line: Line | undefined;

  async function open(): Promise<Line> {
    if (line && !line.isLost()) return line;
    line = createLine({ url, name: 'aether-duplicates', answerMs });
    await line.open(`set statement_timeout = ${answerMs}; set lock_timeout = '1s'`);
    return line;
  }

  const running = (async () => {
    while (!stopping.signal.aborted) {
      const more = await queueNextPairs(await open().catch(report), onError).catch(report);
      await wait(more ? restMs : everyMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
    await line?.close();
  })();

  function report(error: unknown): undefined {
    if (!stopping.signal.aborted) onError(error);
    return undefined;
  }

  return {
    async stop() {
      stopping.abort();
      const timer = setTimeout(() => line?.cut(), stopWithinMs / 2);
      await Promise.race([running, wait(stopWithinMs, undefined, { ref: false })]);
      clearTimeout(timer);
    },
  };
}

/**
 * One step. A run whose pairs the database cannot queue is told of, and tried again later: others have their turn.
 *
 * @returns whether there was something to do
 */
export async function queueNextPairs(
  line: Pick<Line, 'query'> | undefined,
  onFault: (fault: Error) => void,
): Promise<boolean> {
  if (!line) return false;
  const [next] = await line.query<NextPairs>('select * from sync.next_import_pairs($1)', [linesPerStep]);
  if (!next || next.of_run === null) return false;
  const pairs = (next.pairs ?? []).map((pair) => ({ ...pair, reasons: pair.reasons.map(reasonOfWords) }));
  const [queued] = await line.query<{ done: boolean }>('select sync.queue_import_pairs($1, $2, $3, $4, $5) as done', [
    next.of_run,
    next.queued_from,
    next.queued_to,
    next.rules,
    JSON.stringify(pairs),
  ]);
  if (queued?.done) return true;
  const [failed] = await line.query<{ fault: string }>(
    'select fault from sync.queued_imports where run = $1 and fault is not null',
    [next.of_run],
  );
  if (failed) onFault(new Error(`The pairs of import ${next.of_run} could not be queued: ${failed.fault}.`));
  return true;
}
