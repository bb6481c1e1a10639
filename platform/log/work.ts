/**
 * Work that belongs to a trace: a transaction, or a handler at work on events. It says no statement, key or value, so that whoever publishes
 * it gives nothing personal away.
 */
export type Work = {
  kind: 'transaction' | 'handler';
  /** Of a handler its subscription; of a transaction the app. */
  name: string;
  /** W3C traceparent of what asked for it: a request, or the change whose event is handled. */
  trace: string;
  /** In milliseconds since 1970. */
  startedAt: number;
  ms: number;
  /** Undefined if it went well. */
  error: unknown;
};

export type WorkListener = (work: Work) => void;

/** Tells those who listen of work that has ended. While nobody does, or without a trace, it costs a comparison. */
export type WorkWatch = {
  /** Runs work and tells of it. */
  time<T>(work: Pick<Work, 'kind' | 'name'> & { trace: string | null | undefined }, run: () => Promise<T>): Promise<T>;
  /** @returns ends it. */
  watch(listener: WorkListener): () => void;
};

export function createWorkWatch(): WorkWatch {
  const listeners = new Set<WorkListener>();
  async function measure<T>(work: Pick<Work, 'kind' | 'name' | 'trace'>, run: () => Promise<T>): Promise<T> {
    const startedAt = Date.now();
    const began = performance.now();
    const tell = (error?: unknown) => {
      const ended: Work = { ...work, startedAt, ms: performance.now() - began, error };
      for (const listener of listeners) listener(ended);
    };
    try {
      const result = await run();
      tell();
      return result;
    } catch (error) {
      tell(error);
      throw error;
    }
  }
  return {
    time: ({ trace, ...work }, run) => (listeners.size === 0 || !trace ? run() : measure({ ...work, trace }, run)),
    watch(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
