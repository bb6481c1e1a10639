/**
 * Counts how long statements took, in buckets that double: up to 0.25 ms, 0.5 ms, 1 ms … 8,192 ms, and one beyond. The buckets of all
 * processes add up; sync/health/histogram.ts reads percentiles off them.
 */
export type Latencies = {
  count(ms: number): void;
  /** `queries_1` to `queries_17`; buckets that are empty are left out. */
  counters(): Record<string, number>;
};

const buckets = 17;
const firstMs = 0.25;

export function countLatencies(): Latencies {
  const counts = new Float64Array(buckets);
  return {
    count(ms) {
      const quarters = Math.ceil(ms / firstMs);
      const index = quarters <= 1 ? 0 : Math.min(32 - Math.clz32(quarters - 1), buckets - 1);
      counts[index] = (counts[index] as number) + 1;
    },
    counters: () =>
      Object.fromEntries([...counts].flatMap((count, index) => (count > 0 ? [[`queries_${index + 1}`, count]] : []))),
  };
}
