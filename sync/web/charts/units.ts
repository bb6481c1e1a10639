const decimals = (value: number) => (Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);
const plain = (value: number, where?: string) =>
  new Intl.NumberFormat(where, { maximumFractionDigits: decimals(value) }).format(value);

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
