import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** By then the apps have read the keys of the identity provider, which leaves garbage of its own. */
const firstMs = 12_000;
const quietMs = 1_500;
/** The part of `quietMs` in which a quiet process is busy. */
const busyMax = 0.1;

/**
 * Gives the memory back that the start has left, once, at the first quiet moment: a tenth of a process that has just started is garbage and
 * gaps between what is kept, and V8 collects neither while a process has little to do. The collection takes 0.1 to 0.4 s, in which nothing is
 * answered, so a busy process is left alone: its work makes V8 collect anyway.
 */
export function giveBackMemory(times = { firstMs, quietMs }, collect = collectGarbage): void {
  let before: ReturnType<typeof performance.eventLoopUtilization> | undefined;
  const look = () => {
    const now = performance.eventLoopUtilization();
    const isQuiet = before && performance.eventLoopUtilization(now, before).utilization < busyMax;
    before = now;
    if (isQuiet) collect();
    else setTimeout(look, times.quietMs).unref();
  };
  setTimeout(look, times.firstMs).unref();
}

function collectGarbage(): void {
  // Node offers the collection under a flag only. It is taken back, because compiled modules are kept for a set of flags.
  setFlagsFromString('--expose-gc');
  const collect: NodeJS.GCFunction = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  // Most of what ran by now ran once, to load: its compiled form goes, 2 MB, and what runs again is compiled again.
  setFlagsFromString('--stress-flush-code');
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  setFlagsFromString('--no-stress-flush-code');
}
