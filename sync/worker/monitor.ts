import { setTimeout as wait } from 'node:timers/promises';
import { evaluateHealth } from '../health/evaluation.ts';
import type { Health } from '../health/health.ts';
import { createLine, type Line } from './line.ts';

/*
 * The monitor makes the checks and keeps the rollup.
 *
 * Any number of workers run one, and so does the console. None of them leads: each turn belongs to the one that locks the row of sync.health
 * first, for the length of one statement, and the others skip it or take what it found. So a monitor that is stopped or cut off holds nothing
 * that another one needs. The database writes down each change of state once, whoever found it.
 */

export type MonitorState = { turns: number; rollups: number };

export type Monitor = {
  state(): MonitorState;
  /** What the last turn found; undefined before the first one, and while the database does not answer. */
  health(): Health | undefined;
  /** What the last turn failed with; undefined after one that did not. */
  failure(): unknown;
  /** Settles within two seconds, whether or not the database answers. */
  stop(): Promise<void>;
};

export type MonitorOptions = {
  /** As sync_app, past any transaction pooler. */
  url: string;
  everyMs?: number;
  /** How long connecting, or a statement, may go without an answer. */
  answerMs?: number;
  /** Called after each turn, also of those whose checks another process has made. */
  onHealth?: (health: Health) => void;
  onError?: (error: unknown) => void;
};

/** How often the checks are made: a part of how soon silence shows. */
export const evaluateEveryMs = 2_000;
const answerMsDefault = 3_000;
const stopWithinMs = 2_000;
/** A step counts 50,000 events at most: see sync.roll_up. */
const stepsMax = 4;
/** A failure is reported at once, and then once a minute. */
const repeatErrorMs = 60_000;

/** Makes the checks every so often, and keeps the rollup beside them, until it is stopped. A rollup that fails leaves the checks as they are. */
export function startMonitor({
  url,
  everyMs = evaluateEveryMs,
  answerMs = answerMsDefault,
  onHealth = () => {},
  onError = () => {},
}: MonitorOptions): Monitor {
  const stopping = new AbortController();
  const state: MonitorState = { turns: 0, rollups: 0 };
  let line: Line | undefined;
  let found: Health | undefined;
  let failure: unknown;
  let toldAt = Number.NEGATIVE_INFINITY;

  async function openLine(): Promise<Line> {
    if (line && !line.isLost()) return line;
    line = createLine({ url, name: 'aether-monitor', answerMs });
    await line.open(`set statement_timeout = ${answerMs}; set idle_session_timeout = '60s'`);
    return line;
  }

  async function check(): Promise<void> {
    const { query } = await openLine();
    found = await evaluateHealth((text, values) => query(text, values));
    failure = undefined;
    state.turns++;
    onHealth(found);
  }

  /** Counts what has been numbered since the last turn, and writes the minute that has ended. What is left of a burst waits for the next turn. */
  async function rollUp(): Promise<void> {
    const { query } = await openLine();
    for (let step = 0; step < stepsMax; step++) {
      const [rollup] = await query<{ done: boolean | null }>('select sync.roll_up() as done');
      if (rollup?.done) state.rollups++;
      else if (rollup?.done === false) return;
    }
  }

  function report(error: unknown): void {
    if (stopping.signal.aborted || performance.now() - toldAt < repeatErrorMs) return;
    toldAt = performance.now();
    onError(error);
  }

  const running = (async () => {
    while (!stopping.signal.aborted) {
      await check()
        .then(rollUp, (error) => {
          found = undefined;
          failure = error;
          throw error;
        })
        .catch(report);
      await wait(everyMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
    await line?.close();
  })();
  return {
    state: () => ({ ...state }),
    health: () => found,
    failure: () => failure,
    async stop() {
      stopping.abort();
      const timer = setTimeout(() => line?.cut(), stopWithinMs / 2);
      await Promise.race([running, wait(stopWithinMs, undefined, { ref: false })]);
      clearTimeout(timer);
    },
  };
}
