/** Languages for answering customers, by ISO 639-1; the API accepts others. */
const codes =
  'ar bg bn bs ca cs cy da de el en es et eu fa fi fr ga gl gu he hi hr hu hy id is it ja ka kk km ko lt lv mk ml mn mr ms mt nb ne nl pa pl pt ro ru sk sl sq sr sv sw ta te th tl tr uk ur uz vi zh zu';

const names = new Intl.DisplayNames(undefined, { type: 'language' });

/** `de` → `German`; an unknown language stays as it is. */
export function nameLanguage(code: string | null): string {
  if (!code) return '';
  try {
    return names.of(code) ?? code;
  } catch {
    return code;
  }
}

export function listLanguages(present: string | null): { value: string; label: string }[] {
  const all = codes.split(' ');
  if (present && !all.includes(present)) all.push(present);
  return all
    .map((value) => ({ value, label: nameLanguage(value) }))
    .sort((one, other) => one.label.localeCompare(other.label));
}

export function listTimeZones(present: string | null): string[] {
  const all = Intl.supportedValuesOf('timeZone');
  return present && !all.includes(present) ? [present, ...all] : all;
}

/** The time there, with the day if it differs: `23:10` or `Tue 00:10`; undefined for an unknown time zone. */
export function formatTimeThere(now: number, timeZone: string): { text: string; hour: number } | undefined {
  try {
    const at = new Date(now);
    const day = (zone?: string) => new Intl.DateTimeFormat('en-CA', { timeZone: zone, dateStyle: 'short' }).format(at);
    const text = new Intl.DateTimeFormat(undefined, {
      timeZone,
      timeStyle: undefined,
      hour: '2-digit',
      minute: '2-digit',
      ...(day(timeZone) !== day() && { weekday: 'short' as const }),
    }).format(at);
    const hour = Number(new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit' }).format(at));
    return { text, hour };
  } catch {
    return undefined;
  }
}
