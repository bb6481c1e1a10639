import { setTimeout as wait } from 'node:timers/promises';
import { createLine, type Line } from '../worker/line.ts';

export type QualityScanner = {
  /** Settles within a second, whether or not the database answers. */
  stop(): Promise<void>;
};

type Step = { scan: string | null; looked: number; is_asked: boolean };

const answerMs = 20_000;
const stopWithinMs = 1_000;
const rowsMin = 20;
const rowsMax = 2_000;
/** A step that takes longer has fewer rows the next time: writers of its customers may wait for it that long. */
const stepMsGoal = 50;

/**
 * Looks for what is wrong with the records, a step of some hundred rows every `everyMs`, until it is stopped: see 0010_quality.sql. While
 * somebody waits for a whole round, the steps follow each other with pauses that are as long as the steps. Any number of workers may run
 * it: each scan is at one of them.
 */
export function startQualityScans({
  url,
  everyMs = 1_000,
  onError,
}: {
  /** As sync_app. */
  url: string;
  everyMs?: number;
  onError: (error: unknown) => void;
}): QualityScanner {
  const stopping = new AbortController();
  let line: Line | undefined;
  let rows = 200;

  async function open(): Promise<Line> {
    if (line && !line.isLost()) return line;
    line = createLine({ url, name: 'aether-quality', answerMs });
    await line.open(`set statement_timeout = ${answerMs}; set lock_timeout = '1s'`);
    return line;
  }

  /** @returns how long to rest before the next step */
  async function step(): Promise<number> {
    const began = performance.now();
    const [done] = await (await open()).query<Step>('select scan, looked, is_asked from sync.quality_step($1)', [rows]);
    const took = performance.now() - began;
    if (done && done.looked === rows) rows = nextRows(rows, took);
    return done?.is_asked ? Math.min(took, everyMs) : everyMs;
  }

  const running = (async () => {
    while (!stopping.signal.aborted) {
      const restMs = await step().catch((error) => {
        if (!stopping.signal.aborted) onError(error);
        rows = rowsMin;
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

/** As many rows as a step of the goal's length would have had, at most twice as many as before. Pure. */
export function nextRows(rows: number, tookMs: number): number {
  const fitting = Math.round((rows * stepMsGoal) / Math.max(tookMs, 1));
  return Math.min(Math.max(fitting, rowsMin), rows * 2, rowsMax);
}
