/** `missing`: it is wanted and could not be loaded. `isTrying`: another attempt is on its way. */
export type PartState<Module> =
  | { is: 'idle' | 'loading' }
  | { is: 'missing'; error: unknown; isTrying: boolean }
  | { is: 'ready'; module: Module };

export type Part<Module> = ReturnType<typeof createPart<Module>>;

/** The waits before the second attempt and those after it. Then only the person or the line's return begins another. */
const delaysMs = [1_000, 3_000, 9_000, 27_000];

type Surroundings = {
  /** Runs it later. @returns what prevents that */
  after: (ms: number, run: () => void) => () => void;
  /** Runs it each time the line is back. @returns what ends that */
  whenOnline: (run: () => void) => () => void;
};

const ofBrowser: Surroundings = {
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  whenOnline(run) {
    window.addEventListener('online', run);
    return () => window.removeEventListener('online', run);
  },
};

/** A part of the app that is loaded when it is needed, or ahead. While it is needed, it is tried again until it is there. */
export function createPart<Module>(load: () => Promise<Module>, { after, whenOnline }: Surroundings = ofBrowser) {
  const listeners = new Set<() => void>();
  let state: PartState<Module> = { is: 'idle' };
  let running: Promise<void> | undefined;
  /** How many places on the screen need it. */
  let demands = 0;
  let failures = 0;
  let cancel = () => {};
  let stopListening = () => {};

  function become(next: PartState<Module>): void {
    state = next;
    for (const listener of listeners) listener();
  }
  async function run(): Promise<void> {
    try {
      const module = await load();
      running = undefined;
      become({ is: 'ready', module });
    } catch (error) {
      running = undefined;
      become(demands > 0 ? { is: 'missing', error, isTrying: false } : { is: 'idle' });
      const delay = delaysMs[failures];
      failures += 1;
      if (demands > 0 && delay !== undefined) cancel = after(delay, () => void attempt());
    }
  }
  function attempt(): Promise<void> {
    cancel();
    if (state.is === 'ready') return Promise.resolve();
    if (running) return running;
    running = Promise.resolve().then(run);
    become(state.is === 'missing' ? { ...state, isTrying: true } : { is: 'loading' });
    return running;
  }
  function again(): void {
    failures = 0;
    void attempt();
  }

  return {
    getState: () => state,
    subscribe(listener: () => void): () => void {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    /** One attempt, for a part that may be needed soon. Resolves also if it fails. */
    ahead: attempt,
    /** The part is needed from now on. @returns what says that it is not any more */
    demand(): () => void {
      demands += 1;
      if (demands === 1) {
        stopListening = whenOnline(again);
        again();
      }
      return () => {
        demands -= 1;
        if (demands > 0) return;
        stopListening();
        cancel();
        if (state.is === 'missing') become({ is: 'idle' });
      };
    },
    /** The person wants another attempt now. */
    retry: again,
  };
}
