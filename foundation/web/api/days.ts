/** A day as the person means it, such as `2026-01-31`, as the moment it begins in their time zone. */
export function beginOf(day: string | undefined): string | undefined {
  const begin = day ? new Date(`${day}T00:00`) : undefined;
  return begin && !Number.isNaN(begin.getTime()) ? begin.toISOString() : undefined;
}
