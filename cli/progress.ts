const patienceMs = 2_000;

/**
 * Runs one step of a start and says how it went: a line with its time when done, and a sign of life every two seconds before.
 */
export async function step<T>(label: string, work: (note: (line: string) => void) => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const seconds = () => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
  const timer = setInterval(() => console.log(`  … ${label}, ${seconds()}`), patienceMs);
  try {
    const notes: string[] = [];
    const result = await work((line) => notes.push(line));
    console.log(`  ✓ ${label}${notes.length > 0 ? ` (${notes.join(', ')})` : ''}, ${seconds()}`);
    return result;
  } catch (error) {
    console.log(`  ✗ ${label}, ${seconds()}`);
    throw error;
  } finally {
    clearInterval(timer);
  }
}
