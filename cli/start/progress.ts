const patienceMs = 2_000;

export type Step = {
  /** Describes the present work. It is shown only if the step takes long. */
  doing(what: string): void;
  /** Adds to the line that is shown when the step is done. */
  note(what: string): void;
};

/**
 * Runs one step of a start and reports it: a sign of life every two seconds, and a line with its time when it is done.
 */
export async function step<T>(label: string, work: (step: Step) => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const seconds = () => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
  let present = label;
  const notes: string[] = [];
  const timer = setInterval(() => console.log(`  … ${present}, ${seconds()}`), patienceMs);
  try {
    const result = await work({
      doing(what) {
        present = `${label}: ${what}`;
      },
      note: (what) => notes.push(what),
    });
    console.log(`  ✓ ${label}${notes.length > 0 ? ` (${notes.join(', ')})` : ''}, ${seconds()}`);
    return result;
  } catch (error) {
    console.log(`  ✗ ${label}, ${seconds()}`);
    throw error;
  } finally {
    clearInterval(timer);
  }
}
