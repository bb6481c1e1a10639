import { setTimeout as wait } from 'node:timers/promises';
import { createLine, type Line } from '../worker/line.ts';

export type QualityScanner = {
  /** Settles within a second, whether or not the database answers. */
  stop(): Promise<void>;
};

type Step = { scan: string | null; is_asked: boolean; fault: string | null; failed: string | null };

const answerMs = 20_000;
const stopWithinMs = 1_000;
/** The database gives up a step before the line is cut: then it writes down that the step has failed, and other scans have their turn. */
const stepMsMax = 15_000;
/** So long at least it rests between two steps, also if a repair that is at work leaves it none. */
const restMsMin = 10;
/** While nobody waits it takes a twentieth of the time at most. On a busy machine, where a step takes longer, it rests for longer. */
const restFactor = 19;

/**
 * Looks for what is wrong with the records, a step of about 50 ms every `everyMs` or less often, until it is stopped: see 0010_quality.sql.
 * While somebody waits for a whole round, the steps follow each other with pauses that are as long as the steps. Any number of workers may
 * run it: each scan is at one of them. A scan whose steps end in an error holds up no other, and goes on behind a row that fails alone.
 */
export function startQualityScans({
  url,
  everyMs = 1_000,
  waitFor,
  onError,
}: {
  /** As sync_app. */
  url: string;
  everyMs?: number;
  /** Awaited before each step: what comes first. */
  waitFor?: (signal: AbortSignal) => Promise<unknown>;
  onError: (error: unknown) => void;
}): QualityScanner {
  const stopping = new AbortController();
  let line: Line | undefined;

  async function open(): Promise<Line> {
    if (line && !line.isLost()) return line;
    line = createLine({ url, name: 'aether-quality', answerMs });
    await line.open(`set statement_timeout = ${stepMsMax}; set lock_timeout = '1s'`);
    return line;
  }

  /** @returns how long to rest before the next step */
  async function step(): Promise<number> {
    const began = performance.now();
    const [done] = await (await open()).query<Step>('select scan, is_asked, fault, failed from sync.quality_step()');
    const took = performance.now() - began;
    if (done?.failed)
      onError(
        new Error(`The scan of ${done.scan} went on behind ${done.failed}: the look at it fails with ${done.fault}.`),
      );
    else if (done?.fault)
      onError(new Error(`A step of the scan of ${done.scan} was undone by an error of the database: ${done.fault}.`));
    return done?.is_asked && !done.fault
      ? Math.min(Math.max(took, restMsMin), everyMs)
      : Math.max(everyMs, took * restFactor);
  }

  const running = (async () => {
    while (!stopping.signal.aborted) {
      await waitFor?.(stopping.signal);
      if (stopping.signal.aborted) break;
      const restMs = await step().catch((error) => {
        if (!stopping.signal.aborted) onError(error);
        return everyMs * 5;
      });
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
