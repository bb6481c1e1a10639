/** npm passes on the Ctrl-C that the terminal has sent here already: what follows within this is the same one. */
const sameMs = 1_000;

export type StopSignal = {
  /** Settles when somebody asks to stop. */
  asked: Promise<void>;
  isAsked(): boolean;
  /** The work's result; fails when somebody asks to stop before. */
  orAfter<T>(work: Promise<T>): Promise<T>;
  /** Stops listening, and ends the process if something it gave up still hangs. */
  end(): void;
};

/**
 * Listens for Ctrl-C, SIGTERM and a hang-up. The first asks; one that comes later cuts the stopping short.
 *
 * @param cut does what must be done before the process ends at once.
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
    process.exit(130);
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
