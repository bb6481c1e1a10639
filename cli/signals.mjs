const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const parentPollMs = 500;

/**
 * Calls `onSignal` when somebody asks this process to end, also by ending npm, which ran it: a signal that is sent to npm alone ends
 * npm and its shell, and is not passed on.
 */
export function listenForSignals(onSignal) {
  const parent = process.ppid;
  const timer =
    process.env.npm_command === undefined
      ? undefined // whoever started it without npm may go: it is a service
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
