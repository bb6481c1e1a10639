import { dashes } from './dashes.ts';
import { kindOf } from './units.ts';

/** One line of a chart, as the server measures it. */
export type MeasuredSeries = {
  name: string;
  unit: string;
  label?: string | undefined;
  source: string;
  /** The beginning of each step in seconds since 1970, and the value; null where nobody measured. */
  points: [at: number, value: number | null][];
};

export type Line = { label: string; values: (number | null)[] };

/** What one chart shows: its lines have a value, or null, for each of its times. */
export type ChartData = { name: string; unit: string; source: string; times: number[]; lines: Line[] };

/** More lines cannot be told apart by their dashes; the rest is one line, and the table has all. */
export const linesMax = dashes.length;

/** Puts series of one name into one chart, in the order in which the names come. The largest line is first. Pure. */
export function groupSeries(series: readonly MeasuredSeries[]): ChartData[] {
  return [...Map.groupBy(series, ({ name }) => name)].map(([name, group]) => {
    const times = [...new Set(group.flatMap(({ points }) => points.map(([at]) => at)))].sort(
      (one, other) => one - other,
    );
    const lines = group.map(({ label, points }) => {
      const known = new Map(points);
      return { label: label || 'all', values: times.map((at) => known.get(at) ?? null) };
    });
    const { unit, source } = group[0] as MeasuredSeries;
    return { name, unit, source, times, lines: sortLines(lines) };
  });
}

/** Percentiles stay in their order; of other lines the one with the largest values is first. */
function sortLines(lines: Line[]): Line[] {
  if (lines.every(({ label }) => /^p\d+$/.test(label)))
    return lines.toSorted((one, other) => Number(other.label.slice(1)) - Number(one.label.slice(1)));
  return lines.toSorted((one, other) => sumOf(other) - sumOf(one) || (one.label < other.label ? -1 : 1));
}

const sumOf = ({ values }: Line) => values.reduce<number>((sum, value) => sum + (value ?? 0), 0);

/** The lines that are drawn: at most `linesMax`, the smallest ones added up if they are counts that may be added. Pure. */
export function drawnLines({ lines, unit }: Pick<ChartData, 'lines' | 'unit'>): Line[] {
  if (lines.length <= linesMax) return lines;
  const kept = lines.slice(0, linesMax - 1);
  const rest = lines.slice(linesMax - 1);
  if (kindOf(unit) !== 'count') return [...kept, rest[0] as Line];
  const values = (rest[0] as Line).values.map((_, at) => {
    const measured = rest.map((line) => line.values[at]).filter((value) => typeof value === 'number');
    return measured.length === 0 ? null : measured.reduce((sum, value) => sum + value, 0);
  });
  return [...kept, { label: `${rest.length} others`, values }];
}

/** The last value that was measured; null if there is none. Pure. */
export function lastOf(values: readonly (number | null)[]): number | null {
  return values.findLast((value) => value !== null) ?? null;
}

/** What a line does, in words for people who do not see it. Pure. */
export function describeLine({ label, values }: Line, say: (value: number | null) => string): string {
  const measured = values.filter((value) => value !== null);
  if (measured.length === 0) return `${label}: not measured.`;
  const [least, most] = [Math.min(...measured), Math.max(...measured)];
  const gaps = values.length - measured.length;
  return `${label}: from ${say(least)} to ${say(most)}, at last ${say(lastOf(values))}${gaps > 0 ? `; not measured at ${gaps} of ${values.length} times` : ''}.`;
}
