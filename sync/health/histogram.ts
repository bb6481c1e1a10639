/**
 * The upper bounds of the buckets in which each process counts how long its queries took, in milliseconds. The last bucket has no bound.
 * Buckets of several processes and minutes add up, which percentiles do not. The processes count by the same bounds: see
 * platform/log/measures.ts.
 */
export const bucketBoundsMs = [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192] as const;

/**
 * The value below which this share of what was counted lies, within its bucket as if that were evenly filled; null if nothing was counted. A
 * value in the last bucket is at least its lower bound, and that is what is returned. Pure.
 *
 * @param share from 0 to 1: 0.95 for the 95th percentile
 */
export function percentile(counts: readonly number[], share: number): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let before = 0;
  for (const [index, count] of counts.entries()) {
    const lower = index === 0 ? 0 : (bucketBoundsMs[index - 1] as number);
    const upper = bucketBoundsMs[index] ?? lower;
    if (before + count >= share * total && count > 0)
      return lower + ((share * total - before) / count) * (upper - lower);
    before += count;
  }
  return bucketBoundsMs.at(-1) as number;
}
