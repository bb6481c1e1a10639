/** The moment at which a day, such as `2026-01-31`, begins in the person's time zone. */
export function beginOf(day: string | undefined): string | undefined {
  const begin = day ? new Date(`${day}T00:00`) : undefined;
  return begin && !Number.isNaN(begin.getTime()) ? begin.toISOString() : undefined;
}
