/** A visitor who has waited this long has waited too long. */
export const waitingMsMax = 5 * 60_000;

/** Milliseconds → `42 s`, `3:07 min`, `1 h 5 min`, `2 days`: short enough for a row, exact enough to see it tick. */
export function formatWaiting(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${String(seconds % 60).padStart(2, '0')} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days`;
}
