const whole = new Map<string | undefined, Intl.NumberFormat>();
const short = new Map<string | undefined, Intl.NumberFormat>();

/** Three digits, or all of a larger number without its decimals. */
function plain(value: number, where?: string): string {
  const isLarge = Math.abs(value) >= 100;
  const made = isLarge ? whole : short;
  const format =
    made.get(where) ??
    new Intl.NumberFormat(where, isLarge ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 });
  made.set(where, format);
  return format.format(value);
}

const byteNames = ['B', 'kB', 'MB', 'GB', 'TB'];

type Kind = 'percent' | 'milliseconds' | 'seconds' | 'bytes' | 'count';
const kinds: Record<string, Kind> = { '%': 'percent', ms: 'milliseconds', s: 'seconds', B: 'bytes' };

/** How numbers of this unit are written and whether they may be added: `customers` and the like are counts. */
export const kindOf = (unit: string): Kind =>
  kinds[unit] ?? (['percent', 'milliseconds', 'seconds', 'bytes'].includes(unit) ? (unit as Kind) : 'count');

/** A value with its unit in words for people: `1,234`, `12.5 ms`, `97 %`, `1.2 GB`, `3 min`. */
export function formatValue(value: number | null, unit: string, where?: string): string {
  if (value === null) return 'not measured';
  switch (kindOf(unit)) {
    case 'percent':
      return `${plain(value, where)} %`;
    case 'milliseconds':
      return value >= 10_000 ? formatValue(value / 1_000, 'seconds', where) : `${plain(value, where)} ms`;
    case 'seconds':
      if (value !== 0 && Math.abs(value) < 1) return formatValue(value * 1_000, 'milliseconds', where);
      if (Math.abs(value) >= 172_800) return `${plain(value / 86_400, where)} days`;
      if (Math.abs(value) >= 6_000) return `${plain(value / 3_600, where)} h`;
      return Math.abs(value) >= 100 ? `${plain(value / 60, where)} min` : `${plain(value, where)} s`;
    case 'bytes': {
      const step = Math.min(Math.floor(Math.log10(Math.max(Math.abs(value), 1)) / 3), byteNames.length - 1);
      return `${plain(value / 1_000 ** step, where)} ${byteNames[step]}`;
    }
    default:
      return plain(value, where);
  }
}
