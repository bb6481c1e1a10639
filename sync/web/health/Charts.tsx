import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { SegmentedControl } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { type Range, seriesQuery } from '../api/health.ts';
import { Chart } from '../charts/Chart.tsx';
import { groupSeries } from '../charts/lines.ts';
import { measurePools, sortCharts } from './charts.ts';
import classes from './health.module.css';
import { ranges } from './search.ts';

type ChartsProps = { range: Range; onRange: (range: Range) => void };

/** Every series over the chosen stretch of time. */
export function Charts({ range, onRange }: ChartsProps) {
  const { data, error, refetch, isPlaceholderData } = useQuery(seriesQuery(range));
  const groups = useMemo(() => data && sortCharts(groupSeries(measurePools(data.series))), [data]);
  const seconds = (moment: string) => Math.round(new Date(moment).getTime() / 1_000);
  return (
    <section aria-label="Charts" aria-busy={isPlaceholderData}>
      <div className={classes.bar}>
        <h2 className={classes.title}>Charts</h2>
        <SegmentedControl
          aria-label="Stretch of the charts"
          data={ranges}
          value={range}
          onChange={(value) => onRange(value as Range)}
        />
      </div>
      {!data && !error && <Waiting />}
      {error && <ErrorNotice title="The charts could not be loaded" error={error} onRetry={refetch} />}
      {groups?.length === 0 && (
        <p className={classes.quiet}>Nothing has been measured yet. The worker measures once a minute.</p>
      )}
      {groups?.map(({ title, charts }) => (
        <section key={title} aria-label={title} className={classes.group}>
          <h3 className={classes.subtitle}>{title}</h3>
          <div className={classes.grid}>
            {charts.map(({ chart, title: name, meaning, none }) => (
              <Chart
                key={chart.name}
                title={name}
                meaning={meaning}
                none={none}
                chart={chart}
                from={seconds(data?.from as string)}
                to={seconds(data?.to as string)}
                stepSeconds={data?.stepSeconds as number}
              />
            ))}
          </div>
        </section>
      ))}
    </section>
  );
}
