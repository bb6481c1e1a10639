import { lazyPage } from '@aether/ui/parts/lazy.tsx';
import { Button } from '@mantine/core';
import { IconChartLine, IconTable } from '@tabler/icons-react';
import { type KeyboardEvent, memo, useState } from 'react';
import { useUtc } from '../times/zone.ts';
import classes from './charts.module.css';
import { dashes } from './dashes.ts';
import { type ChartData, drawnLines, type Line, lastOf } from './lines.ts';
import { saySoFar } from './ticks.ts';
import { formatValue } from './units.ts';

const Plot = lazyPage(() => import('./Plot.tsx'), 'Plot', 'panel');

export type ChartProps = {
  title: string;
  /** What the numbers are, in a sentence for somebody who sees them for the first time. */
  meaning?: string | undefined;
  /** What is said instead of a chart that has no values. */
  none?: string | undefined;
  chart: ChartData;
  /** The ends of the time axis, in seconds since 1970. */
  from: number;
  to: number;
  stepSeconds: number;
};

/**
 * Lines over time: read by mouse, by touch or with the arrow keys. Each line has dashes of its own and its value in the legend; the table has all
 * values of all lines. Where nobody measured there is a gap. Its page asks for other things every two seconds.
 */
export const Chart = memo(function Chart({ title, meaning, none, chart, from, to, stepSeconds }: ChartProps) {
  const [at, setAt] = useState<number | undefined>();
  const [isTable, setTable] = useState(false);
  const isUtc = useUtc();
  const lines = drawnLines(chart);
  const isMeasured = lines.some(({ values }) => lastOf(values) !== null);
  const shown = at !== undefined && at < chart.times.length ? at : undefined;
  const say = (value: number | null) => formatValue(value, chart.unit);
  const readout =
    shown === undefined ? 'Last' : saySoFar(chart.times[shown] as number, stepSeconds, Date.now() / 1_000, isUtc);
  const shownValue = ({ values }: Line) => (shown === undefined ? lastOf(values) : (values[shown] ?? null));
  const spoken = `${readout}: ${lines.map((line) => `${line.label} ${say(shownValue(line))}`).join(', ')}`;
  const step = (event: KeyboardEvent) => {
    const last = chart.times.length - 1;
    const here = shown ?? last;
    const next = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: last, Escape: undefined }[event.key];
    if (next === undefined && event.key !== 'Escape') return;
    event.preventDefault();
    setAt(next === undefined ? undefined : Math.min(Math.max(next, 0), last));
  };
  return (
    <section className={classes.chart} aria-label={title}>
      <div className={classes.head}>
        <h3 className={classes.title}>{title}</h3>
        {isMeasured && (
          <Button
            variant="subtle"
            color="gray"
            size="compact-xs"
            mih={24}
            leftSection={isTable ? <IconChartLine size={14} /> : <IconTable size={14} />}
            onClick={() => setTable(!isTable)}
            aria-label={isTable ? `${title} as a chart` : `${title} as a table`}
          >
            {isTable ? 'Chart' : 'Table'}
          </Button>
        )}
      </div>
      {meaning && <p className={classes.meaning}>{meaning}</p>}
      {!isMeasured && <p className={classes.none}>{none ?? 'Nobody has measured this in that time.'}</p>}
      {isMeasured && isTable && <Table chart={chart} stepSeconds={stepSeconds} isUtc={isUtc} title={title} />}
      {isMeasured && !isTable && (
        <>
          <div
            className={classes.plot}
            role="slider"
            tabIndex={0}
            aria-label={`${title}, moment`}
            aria-valuemin={0}
            aria-valuemax={chart.times.length - 1}
            aria-valuenow={shown ?? chart.times.length - 1}
            aria-valuetext={spoken}
            onKeyDown={step}
            onBlur={() => setAt(undefined)}
          >
            <Plot chart={chart} lines={lines} from={from} to={to} isUtc={isUtc} at={shown} onPoint={setAt} />
          </div>
          <ul className={classes.legend}>
            <li className={classes.readout}>{readout}</li>
            {lines.map((line, index) => (
              <li key={line.label}>
                <svg width="22" height="8" aria-hidden="true">
                  <line
                    x1="1"
                    y1="4"
                    x2="21"
                    y2="4"
                    stroke={`var(--chart-${index + 1})`}
                    strokeWidth="2"
                    strokeDasharray={dashes[index]?.join(' ')}
                  />
                </svg>
                {line.label !== 'all' && <span>{line.label}</span>}
                <b>{say(shownValue(line))}</b>
              </li>
            ))}
          </ul>
        </>
      )}
      <p className={classes.source}>Source: {chart.source}</p>
    </section>
  );
});

type TableProps = { chart: ChartData; stepSeconds: number; isUtc: boolean; title: string };

/** All values of a chart, the newest first. */
function Table({ chart: { times, lines, unit }, stepSeconds, isUtc, title }: TableProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it is scrolled with the keyboard
    <section className={classes.table} tabIndex={0} data-sideways aria-label={`All values of ${title.toLowerCase()}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">{isUtc ? 'From (UTC)' : 'From'}</th>
            {lines.map(({ label }) => (
              <th key={label} scope="col">
                {label === 'all' ? 'Value' : label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {times
            .map((at, index) => (
              <tr key={at}>
                <th scope="row">{saySoFar(at, stepSeconds, Date.now() / 1_000, isUtc)}</th>
                {lines.map(({ label, values }) => (
                  <td key={label}>{values[index] === null ? '–' : formatValue(values[index] ?? null, unit)}</td>
                ))}
              </tr>
            ))
            .reverse()}
        </tbody>
      </table>
    </section>
  );
}
