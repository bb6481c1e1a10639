import 'uplot/dist/uPlot.min.css';
import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useEffectEvent, useRef } from 'react';
import uPlot from 'uplot';
import { dashes } from './dashes.ts';
import type { ChartData, Line } from './lines.ts';
import { nameTicks } from './ticks.ts';
import { formatValue, kindOf } from './units.ts';

type PlotProps = {
  chart: Pick<ChartData, 'times' | 'unit'>;
  lines: Line[];
  /** The ends of the time axis in seconds; steps without a measurement are there as a gap. */
  from: number;
  to: number;
  isUtc: boolean;
  /** The step that is read at present; undefined if none is. */
  at: number | undefined;
  onPoint: (at: number | undefined) => void;
};

const height = 168;

/** The steps of an axis of durations: whole minutes, hours and days. */
const secondSteps = [
  ...[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800],
  ...[3_600, 7_200, 14_400, 28_800, 43_200, 86_400, 172_800, 432_000, 864_000, 1_728_000, 4_320_000, 8_640_000],
];

/** The lines of a chart on a canvas. Its words are in the legend and in the table, so that it is hidden from screen readers. */
export function Plot({ chart, lines, from, to, isUtc, at, onPoint }: PlotProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const scheme = useComputedColorScheme();
  /** uPlot also calls it when it is made, drawn again or moved by a key: only a pointer counts here. */
  const point = useEffectEvent(({ left = -1, idx }: uPlot.Cursor) => {
    if (left >= 0 && host.current?.matches(':hover')) onPoint(idx ?? undefined);
  });
  const shape = JSON.stringify([lines.map(({ label }) => label), chart.unit, isUtc, scheme]);
  const data = [chart.times, ...lines.map(({ values }) => values)] as uPlot.AlignedData;
  const options = useEffectEvent((width: number): uPlot.Options => {
    const style = getComputedStyle(host.current as HTMLElement);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: colour('--quiet'),
      font: `12px ${style.fontFamily}`,
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { show: false },
    };
    return {
      width,
      height,
      padding: [10, 18, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      ...(isUtc && { tzDate: (seconds: number) => uPlot.tzDate(new Date(seconds * 1_000), 'Etc/UTC') }),
      scales: {
        x: { range: () => [from, to] },
        y: { range: (_, least, most) => [Math.min(least ?? 0, 0), most > 0 ? most * 1.08 : 1] },
      },
      series: [
        {},
        ...lines.map(({ label }, index) => ({
          label,
          stroke: colour(`--chart-${index + 1}`),
          width: 1.75,
          dash: dashes[index],
          spanGaps: false,
          points: { show: false, size: 5, filter: listLonely },
        })),
      ],
      axes: [
        { ...axis, size: 28, values: (_, marks, __, ___, step) => nameTicks(marks, step, isUtc) },
        {
          ...axis,
          size: 58,
          ...(kindOf(chart.unit) === 'seconds' && { incrs: secondSteps }),
          values: (_, marks) => marks.map((mark) => formatValue(mark, chart.unit)),
        },
      ],
      hooks: { setCursor: [(drawn: uPlot) => point(drawn.cursor)] },
    };
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: another shape is another plot; its data follow below
  useEffect(() => {
    const place = host.current as HTMLDivElement;
    const drawn = new uPlot(options(place.clientWidth), data, place);
    plot.current = drawn;
    const observer = new ResizeObserver(() => drawn.setSize({ width: place.clientWidth, height }));
    observer.observe(place);
    return () => {
      observer.disconnect();
      drawn.destroy();
      plot.current = undefined;
    };
  }, [shape, from, to]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the arrays are new at each drawing; their content counts
  useEffect(() => plot.current?.setData(data), [JSON.stringify(data)]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another plot gets the reading of the one before
  useEffect(() => {
    const drawn = plot.current;
    if (!drawn || (drawn.cursor.idx ?? undefined) === at) return;
    const left = at === undefined ? -10 : drawn.valToPos(chart.times[at] as number, 'x');
    drawn.setCursor({ left, top: at === undefined ? -10 : 10 }, false);
  }, [at, chart.times, shape, from, to]);
  return <div ref={host} aria-hidden="true" style={{ height }} onPointerLeave={() => onPoint(undefined)} />;
}

/** A value between two gaps has no line, and gets a dot. */
function listLonely(plot: uPlot, seriesIndex: number): number[] | null {
  const values = plot.data[seriesIndex] as (number | null)[];
  const lonely = values.flatMap((value, at) =>
    value !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null ? [at] : [],
  );
  return lonely.length === 0 ? null : lonely;
}
