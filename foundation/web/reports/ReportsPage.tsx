import { dayOf, formatNumber } from '@aether/ui/formats.ts';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { Picker } from '@aether/ui/Picker.tsx';
import { Figure, Figures, Reports } from '@aether/ui/reports/Report.tsx';
import classes from '@aether/ui/reports/reports.module.css';
import { SpanPicker } from '@aether/ui/reports/SpanPicker.tsx';
import { daysOfSpan, ownZone } from '@aether/ui/reports/spans.ts';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { pipelinesQuery } from '../api/pipelines.ts';
import {
  type Asked,
  forecastReportQuery,
  lossReportQuery,
  outcomeReportQuery,
  pipelineReportQuery,
} from '../api/reports.ts';
import { PersonPicker } from '../inputs/Picker.tsx';
import { useMe } from '../shell/person.ts';
import { ForecastReport } from './ForecastReport.tsx';
import { LossReport } from './LossReport.tsx';
import { showAmount } from './money.tsx';
import { OutcomeReports } from './OutcomeReports.tsx';
import { PipelineReport } from './PipelineReport.tsx';
import type { ReportSearch } from './search.ts';

const fallback = '90d';

/** What the deals come to: open ones by stage and month, closed ones by time, owner and reason. */
export function ReportsPage() {
  const search = useSearch({ from: '/reports' });
  const navigate = useNavigate({ from: '/reports' });
  const change = (part: Partial<ReportSearch>) =>
    void navigate({ search: (before) => ({ ...before, ...part }), replace: true });
  const { data: known } = useQuery(pipelinesQuery);
  const days = daysOfSpan(search, fallback, dayOf(new Date()));
  const asked: Asked = { ...days, zone: ownZone(), pipeline: search.pipeline, owner: search.owner };
  return (
    <>
      <PageHead title="Reports">
        {known && known.pipelines.length > 1 && (
          <Picker
            aria-label="Pipeline"
            placeholder="All pipelines"
            w={170}
            clearable
            data={known.pipelines.map(({ id, name }) => ({ value: String(id), label: name }))}
            value={search.pipeline === undefined ? null : String(search.pipeline)}
            onChange={(id) => change({ pipeline: id === null ? undefined : Number(id) })}
          />
        )}
        <PersonPicker
          aria-label="Owner"
          placeholder="Any owner"
          w={160}
          value={search.owner ?? null}
          onChange={(owner) => change({ owner: owner ?? undefined })}
        />
        <SpanPicker search={search} fallback={fallback} days={days} onChange={change} />
      </PageHead>
      <Shown asked={asked} />
    </>
  );
}

function Shown({ asked }: { asked: Asked }) {
  const me = useMe();
  const pipeline = useQuery(pipelineReportQuery(asked));
  const outcomes = useQuery(outcomeReportQuery(asked));
  const forecast = useQuery(forecastReportQuery(asked));
  const losses = useQuery(lossReportQuery(asked));
  const all = [pipeline, outcomes, forecast, losses];
  const failed = all.find(({ error, data }) => error && !data);
  if (failed)
    return (
      <ErrorNotice
        title="The reports could not be loaded"
        error={failed.error}
        onRetry={() => all.map(({ refetch }) => refetch())}
      />
    );
  if (!pipeline.data || !outcomes.data || !forecast.data || !losses.data) return <Waiting lines={10} />;
  const { currency, total: open } = pipeline.data;
  const { won, lost, win_percent, days_to_win } = outcomes.data.total;
  const unpriced = open.unpriced + won.unpriced + lost.unpriced;
  return (
    <div className={classes.page}>
      <p className={classes.said}>
        Sums are in {currency}: closed deals at the rate of the day of their closing, open ones at today’s. Days and
        months are those of {asked.zone.replaceAll('_', ' ')}.
        {unpriced > 0 && (
          <>
            {' '}
            <b>
              {formatNumber(unpriced)} {unpriced === 1 ? 'deal has' : 'deals have'} no rate and{' '}
              {unpriced === 1 ? 'is' : 'are'} in no sum.
            </b>{' '}
            {me.isAdmin ? <Link to="/settings/currencies">Add rates</Link> : 'An administrator can add rates.'}
          </>
        )}
      </p>
      <Figures>
        <Figure label="Open pipeline" value={sayBig(open.amount, currency)} detail={sayDeals(open.deals)} />
        <Figure label="Weighted by probability" value={sayBig(open.weighted, currency)} />
        <Figure label="Won" value={sayBig(won.amount, currency)} detail={sayDeals(won.deals)} />
        <Figure
          label="Win rate"
          value={win_percent === null ? '–' : `${formatNumber(win_percent)} %`}
          detail={`of ${formatNumber(won.deals + lost.deals)} closed`}
        />
        <Figure
          label="Time to win"
          value={days_to_win === null ? '–' : `${formatNumber(days_to_win)} days`}
          detail="the median"
        />
      </Figures>
      <Reports>
        <PipelineReport report={pipeline.data} asked={asked} />
        <OutcomeReports report={outcomes.data} asked={asked} />
        <ForecastReport report={forecast.data} asked={asked} />
        <LossReport report={losses.data} asked={asked} />
      </Reports>
    </div>
  );
}

/** In short if it is long: the tables below have all of its digits. */
const sayBig = (amount: string, currency: string): string => showAmount(amount, currency, Number(amount) >= 100_000);

const sayDeals = (deals: number): string => (deals === 1 ? '1 deal' : `${formatNumber(deals)} deals`);
