/** The first language that Intl accepts. Some systems use names of their own (`en-US@posix`). */
export function chooseLocale(languages: readonly string[]): string {
  for (const language of languages) {
    const tag = language.replace(/[@.].*$/, '').replaceAll('_', '-');
    if (/^[a-z]{2,8}(-[a-z0-9]{1,8})*$/i.test(tag) && Intl.NumberFormat.supportedLocalesOf(tag).length > 0) return tag;
  }
  return 'en';
}

const chosen = chooseLocale(typeof navigator === 'undefined' ? [] : (navigator.languages ?? [navigator.language]));
const locale = () => chosen;

const made = new Map<string, unknown>();

/** Formatters are costly to make, so there is one of each kind. */
function keep<Format>(key: string, make: () => Format): Format {
  if (!made.has(key)) made.set(key, make());
  return made.get(key) as Format;
}

/** `1234.5` → `1,234.5` in the person's locale. */
export function formatNumber(value: number, where = locale()): string {
  return keep(`number ${where}`, () => new Intl.NumberFormat(where)).format(value);
}

/** The currencies of ISO 4217 that do not have two decimals. Intl differs for some: there an Iraqi dinar has none. */
const otherDecimals: Record<string, number> = {
  ...Object.fromEntries(
    'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'.split(' ').map((code) => [code, 0]),
  ),
  ...Object.fromEntries('BHD IQD JOD KWD LYD OMR TND'.split(' ').map((code) => [code, 3])),
  ...Object.fromEntries('CLF UYW'.split(' ').map((code) => [code, 4])),
};

/** The number of decimals of an amount in this currency. A test of Foundation compares it with crm.currencies. */
export function decimalsOf(currency: string): number {
  return otherDecimals[currency] ?? 2;
}

/** An amount in whole smallest units of its currency, for sums that JavaScript has calculated. */
export function roundMoney(amount: number, currency: string): number {
  return Number(amount.toFixed(decimalsOf(currency)));
}

/** Money with the decimals of its currency, without decimals if all are zero; short (`€1.2M`) for sums in little space. */
export function formatMoney(amount: number, currency: string, { short = false, where = locale() } = {}): string {
  const decimals = Number.isInteger(amount) ? 0 : decimalsOf(currency);
  return keep(
    `money ${where} ${currency} ${short} ${decimals}`,
    () =>
      new Intl.NumberFormat(where, {
        style: 'currency',
        currency,
        ...(short
          ? { notation: 'compact', minimumFractionDigits: 0, maximumFractionDigits: 1 }
          : { minimumFractionDigits: decimals, maximumFractionDigits: decimals }),
      }),
  ).format(amount);
}

/** Sums per currency: `{ EUR: 1200, USD: 300 }` → `€1,200 + US$300`; nothing → `—`. */
export function formatSums(sums: Record<string, number>, options?: { short?: boolean; where?: string }): string {
  const parts = Object.entries(sums).filter(([, amount]) => amount !== 0);
  if (parts.length === 0) return '—';
  return parts.map(([currency, amount]) => formatMoney(amount, currency, options)).join(' +\u00a0');
}

/** `2026-01-31`, or a moment → `31 Jan 2026`. A day has no time zone and gets none. */
export function formatDay(value: string, where = locale()): string {
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(value);
  const format = keep(
    `day ${where} ${isDay}`,
    () => new Intl.DateTimeFormat(where, { dateStyle: 'medium', ...(isDay && { timeZone: 'UTC' }) }),
  );
  return format.format(new Date(value));
}

/** A moment with its time, in the person's time zone. */
export function formatMoment(value: string, where = locale()): string {
  return keep(
    `moment ${where}`,
    () => new Intl.DateTimeFormat(where, { dateStyle: 'medium', timeStyle: 'short' }),
  ).format(new Date(value));
}

/** `14:05`, as the locale writes it. */
export function formatTime(value: string, where = locale()): string {
  return keep(`time ${where}`, () => new Intl.DateTimeFormat(where, { timeStyle: 'short' })).format(new Date(value));
}

/** The day of a moment in the person's time zone, such as `2026-01-31`: it sorts as the days do. */
export function dayOf(moment: string | Date, timeZone?: string): string {
  // The Swedish way of writing a day is that of ISO 8601.
  return keep(`iso day ${timeZone}`, () => new Intl.DateTimeFormat('sv', { timeZone })).format(new Date(moment));
}

/** `14:05`, with the day if it is not today: beside a line of another day a time alone would contradict that line. */
export function formatWhen(value: string, now = new Date(), where = locale()): string {
  return dayOf(value) === dayOf(now) ? formatTime(value, where) : formatMoment(value, where);
}

const units: [unit: Intl.RelativeTimeFormatUnit, seconds: number][] = [
  ['year', 31_557_600],
  ['month', 2_629_800],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/** `3 hours ago`, `in 2 days`; under a minute `now`. */
export function formatAgo(value: string, now = Date.now(), where = locale()): string {
  const seconds = (new Date(value).getTime() - now) / 1_000;
  const format = keep(`ago ${where}`, () => new Intl.RelativeTimeFormat(where, { numeric: 'auto' }));
  const [unit, length] = units.find(([, size]) => Math.abs(seconds) >= size) ?? ['second', 0];
  return length === 0 ? format.format(0, 'second') : format.format(Math.trunc(seconds / length), unit);
}

/** Seconds → `under 1 s`, `45 s`, `12 min`, `1 h 5 min`. */
export function formatDuration(seconds: number): string {
  if (seconds < 1) return 'under 1 s';
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `today`, `yesterday`, otherwise the day: the heading of a group of entries. */
export function formatDayHeading(value: string, now = new Date(), where = locale()): string {
  const dayOf = (moment: Date) => new Date(moment.getFullYear(), moment.getMonth(), moment.getDate()).getTime();
  const days = Math.round((dayOf(new Date(value)) - dayOf(now)) / 86_400_000);
  if (days > 0 || days < -1) return formatDay(value, where);
  const words = keep(`ago ${where}`, () => new Intl.RelativeTimeFormat(where, { numeric: 'auto' })).format(days, 'day');
  return words.charAt(0).toLocaleUpperCase(where) + words.slice(1);
}
