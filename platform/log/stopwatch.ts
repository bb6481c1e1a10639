/** Called after each statement: how long its answer took, and the error if it failed. */
export type QueryListener = (seconds: number, error?: unknown) => void;

/** Measures statements for those who listen. While nobody does, a statement costs one comparison more. */
export type Stopwatch = {
  time<T>(work: () => Promise<T>): Promise<T>;
  /** @returns ends it. */
  watch(listener: QueryListener): () => void;
};

export function createStopwatch(): Stopwatch {
  const listeners = new Set<QueryListener>();
  async function measure<T>(work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const tell = (error?: unknown) => {
      const seconds = (performance.now() - startedAt) / 1_000;
      for (const listener of listeners) listener(seconds, error);
    };
    try {
      const answer = await work();
      tell();
      return answer;
    } catch (error) {
      tell(error);
      throw error;
    }
  }
  return {
    time: (work) => (listeners.size === 0 ? work() : measure(work)),
    watch(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
