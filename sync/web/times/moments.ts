const made = new Map<string, Intl.DateTimeFormat>();

/** A moment to the second with its zone: `28 Nov 2026, 19:40:12 UTC`. */
export function formatMomentIn(value: string | number | Date, isUtc: boolean, where?: string): string {
  const key = `${where} ${isUtc}`;
  const format =
    made.get(key) ??
    new Intl.DateTimeFormat(where, {
      day: 'numeric',
      month: 'short',
      year: 'numeric',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      hourCycle: 'h23',
      timeZoneName: 'short',
      ...(isUtc && { timeZone: 'UTC' }),
    });
  made.set(key, format);
  return format.format(new Date(value));
}

/** How long ago, in few words: `now`, `12 s ago`, `3 min ago`, `5 h ago`, `2 days ago`; `in 3 min` for what is to come. */
export function formatSince(value: string | number | Date, now: number): string {
  const seconds = Math.round((now - new Date(value).getTime()) / 1_000);
  const length = inFewWords(Math.abs(seconds));
  if (length === undefined) return 'now';
  return seconds > 0 ? `${length} ago` : `in ${length}`;
}

/** How long something lasts that began then: `12 s`, `3 min`, `2 days`. */
export function formatLength(since: string | number | Date, now: number): string {
  const seconds = Math.max(Math.round((now - new Date(since).getTime()) / 1_000), 0);
  return inFewWords(seconds) ?? 'a moment';
}

function inFewWords(seconds: number): string | undefined {
  if (seconds < 2) return undefined;
  if (seconds < 100) return `${seconds} s`;
  if (seconds < 6_000) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}
