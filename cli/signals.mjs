const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const parentPollMs = 500;

/**
 * Calls `onSignal` when this process should end, also when the npm that ran it ends: a signal to npm alone ends npm and
 * its shell, and is not passed on.
 */
export function listenForSignals(onSignal) {
  const parent = process.ppid;
  const timer =
    process.env.npm_command === undefined
      ? undefined // without npm it is a service, which outlives its parent
      : setInterval(() => {
          if (process.ppid === parent) return;
          clearInterval(timer);
          onSignal('SIGTERM');
        }, parentPollMs);
  timer?.unref();
  for (const signal of signals) process.on(signal, onSignal);
  return {
    end() {
      clearInterval(timer);
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
