import { setTimeout as wait } from 'node:timers/promises';
import { createLine, type Line } from './line.ts';

/*
 * The bulk work on frozen sets of failures. One call of sync.work_run does a batch of one run in one transaction: it settles what came of
 * the events that were given back, and gives back or skips the next ones. All that it knows is in the database, so a worker that is killed
 * loses at most a batch that was not committed, and any worker goes on. Any number of workers may run: each run is worked by one at a time.
 * A run whose batches end in an error is tried less and less often, and holds up no other.
 */

export type BulkWorker = {
  /** Settles within two seconds, whether or not the database answers. */
  stop(): Promise<void>;
};

/** A batch may wait ten seconds for the subscription's step under way. */
const answerMsDefault = 30_000;
/** The database gives up a batch before the line is cut: then it writes down that the batch has failed, and other runs have their turn. */
const statementPart = 0.8;
const stopWithinMs = 2_000;
/** A run is due every quarter of a second, so a worker that has work looks more often than one that has none. */
const busyLookMs = 100;
const staysBusyMs = 2_000;
const trimEveryMs = 60_000;

/** Works on confirmed runs until it is stopped, and removes what has had its time: records of operations, and what the rules of retention name. */
export function startBulk({
  url,
  idleLookMs = 1_000,
  answerMs = answerMsDefault,
  onError,
}: {
  /** As sync_app. */
  url: string;
  idleLookMs?: number;
  answerMs?: number;
  onError: (error: unknown) => void;
}): BulkWorker {
  const stopping = new AbortController();
  let line: Line | undefined;
  let trimmedAt = Number.NEGATIVE_INFINITY;
  let workedAt = Number.NEGATIVE_INFINITY;
  let retainedAt = Number.NEGATIVE_INFINITY;
  let hasOld = false;

  async function look(): Promise<void> {
    if (!line || line.isLost()) {
      line = createLine({ url, name: 'aether-bulk', answerMs });
      await line.open(
        `set statement_timeout = ${Math.floor(answerMs * statementPart)}; set idle_session_timeout = '60s'`,
      );
    }
    if (performance.now() - trimmedAt > trimEveryMs) {
      // Before it is tried: what cannot be removed now keeps no run from its work.
      trimmedAt = performance.now();
      await line.query('select sync.trim_operations()');
    }
    // A step a minute while nothing is due; while something is, a step at each look.
    if (hasOld || performance.now() - retainedAt > trimEveryMs) {
      retainedAt = performance.now();
      const [step] = await line.query<{ step: object | null }>('select platform.apply_retention() as step');
      hasOld = step?.step != null;
      if (hasOld) workedAt = performance.now();
    }
    const [row] = await line.query<{ run: string | null }>('select sync.work_run() as run');
    if (row?.run == null) return;
    workedAt = performance.now();
    const [failed] = await line.query<{ fault: string }>(
      'select fault from sync.bulk_runs where id = $1 and faults > 0',
      [row.run],
    );
    if (failed)
      onError(new Error(`A batch of run ${row.run} was undone by an error of the database: ${failed.fault}.`));
  }

  const running = (async () => {
    while (!stopping.signal.aborted) {
      let restMs = idleLookMs;
      try {
        await look();
        if (performance.now() - workedAt < staysBusyMs) restMs = Math.min(busyLookMs, idleLookMs);
      } catch (error) {
        if (!stopping.signal.aborted) onError(error);
      }
      await wait(restMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
    await line?.close();
  })();
  return {
    async stop() {
      stopping.abort();
      const timer = setTimeout(() => line?.cut(), stopWithinMs / 2);
      await Promise.race([running, wait(stopWithinMs, undefined, { ref: false })]);
      clearTimeout(timer);
    },
  };
}
