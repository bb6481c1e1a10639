import { codeOf } from '../exitcodes.ts';

/**
 * npm passes on the Ctrl-C that the terminal has already sent here. A second signal within this time is the same
 * Ctrl-C.
 */
const sameMs = 1_000;

export type StopSignal = {
  /** Settles at the first signal to stop. */
  asked: Promise<void>;
  isAsked(): boolean;
  /** Returns the result of the work; rejects if a signal to stop comes first. */
  orAfter<T>(work: Promise<T>): Promise<T>;
  /** Stops listening, and ends the process if abandoned work still hangs. */
  end(): void;
};

/**
 * Listens for Ctrl-C, SIGTERM and a hang-up. The first signal starts the stop; a later one cuts it short.
 *
 * @param cut does the work that is necessary before the process ends at once.
 */
export function listenForStop(cut: () => Promise<void>): StopSignal {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  let askedAt: number | undefined;
  let isCut = false;
  const onSignal = async () => {
    askedAt ??= performance.now();
    resolve();
    if (isCut || performance.now() - askedAt < sameMs) return;
    isCut = true;
    await cut();
    process.exit(codeOf('start', 'cut'));
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  return {
    asked,
    isAsked: () => askedAt !== undefined,
    orAfter: (work) =>
      Promise.race([
        work,
        asked.then(() => {
          throw new Error('Stopped while starting.');
        }),
      ]),
    end() {
      for (const signal of signals) process.off(signal, onSignal);
      if (askedAt !== undefined) setTimeout(() => process.exit(), sameMs).unref();
    },
  };
}
