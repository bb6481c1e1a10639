export type Measurement = { count: number; perSecond: number; p50Ms: number; p99Ms: number };

/** Runs a number of callers for a length of time. Each calls again as soon as it has its answer. */
export async function measure(
  ask: () => Promise<unknown>,
  { callers, forMs }: { callers: number; forMs: number },
): Promise<Measurement> {
  const latencies: number[] = [];
  const startedAt = performance.now();
  const endAt = startedAt + forMs;
  await Promise.all(
    Array.from({ length: callers }, async () => {
      for (let askedAt = performance.now(); askedAt < endAt; ) {
        await ask();
        const answeredAt = performance.now();
        latencies.push(answeredAt - askedAt);
        askedAt = answeredAt;
      }
    }),
  );
  const perSecond = (latencies.length / (performance.now() - startedAt)) * 1000;
  latencies.sort((a, b) => a - b);
  return { count: latencies.length, perSecond, p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99) };
}

export function median(values: number[]): number {
  return quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}

/** The median, and the interval that holds the true one with 95 %, by the ranks of the sorted values (binomial, normal approximation). */
export function medianWithin(values: number[]): { least: number; middle: number; most: number } {
  const sorted = values.toSorted((a, b) => a - b);
  const reach = (1.96 * Math.sqrt(sorted.length)) / 2;
  const rank = (at: number) => sorted[Math.min(Math.max(Math.round(at), 0), sorted.length - 1)] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return { least: rank(middle - reach), middle: quantile(sorted, 0.5), most: rank(middle + reach) };
}

export function quantile(sorted: number[], fraction: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN;
}
