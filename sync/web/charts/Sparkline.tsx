import classes from './charts.module.css';
import { describeLine } from './lines.ts';
import { formatValue } from './units.ts';

type SparklineProps = {
  /** What the line is: `findings of the last 30 days`. A screen reader gets it with the least, the largest and the last value. */
  label: string;
  /** One value for each step of time; null where nobody measured: there the line has a gap. */
  values: readonly (number | null)[];
  unit?: string;
  width?: number;
  height?: number;
};

/** A small trend beside a number. The last measured value has a dot. */
export function Sparkline({ label, values, unit = 'count', width = 96, height = 24 }: SparklineProps) {
  const measured = values.filter((value) => value !== null);
  const most = Math.max(...measured, 0);
  const least = Math.min(...measured, most === 0 ? 0 : most);
  const scale = most === least ? 0 : (height - 6) / (most - least);
  const x = (index: number) => 3 + (index * (width - 6)) / Math.max(values.length - 1, 1);
  const y = (value: number) => (scale === 0 ? height / 2 : height - 3 - (value - least) * scale);
  const last = values.findLastIndex((value) => value !== null);
  return (
    <svg
      className={classes.spark}
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={describeLine({ label, values: [...values] }, (value) => formatValue(value, unit))}
    >
      {runsOf(values).map((run) => (
        <polyline
          key={run[0]?.index}
          points={run.map(({ index, value }) => `${x(index)},${y(value)}`).join(' ')}
          fill="none"
        />
      ))}
      {last >= 0 && <circle cx={x(last)} cy={y(values[last] as number)} r={2.2} />}
    </svg>
  );
}

/** The stretches without a gap. A value between two gaps is a stretch of its own, as wide as a dot. */
function runsOf(values: readonly (number | null)[]): { index: number; value: number }[][] {
  const runs: { index: number; value: number }[][] = [];
  for (const [index, value] of values.entries()) {
    if (value === null) continue;
    if (index > 0 && values[index - 1] !== null) runs.at(-1)?.push({ index, value });
    else runs.push([{ index, value }]);
  }
  return runs.map((run) => (run.length === 1 ? [...run, ...run] : run));
}
