import { formatDay, formatNumber } from '@aether/ui/formats.ts';
import { Bars } from '@aether/ui/reports/Bars.tsx';
import { Report } from '@aether/ui/reports/Report.tsx';
import { type ReportColumn, ReportTable } from '@aether/ui/reports/ReportTable.tsx';
import { shortDay } from '@aether/ui/reports/spans.ts';
import type { Asked, OutcomeReport } from '../api/reports.ts';
import type { DealSearch } from '../deals/search.ts';
import { DealsLink } from './DealsLink.tsx';
import { Amount, showAmount } from './money.tsx';

type Outcomes = OutcomeReport['total'];

/** Won and lost deals, by time and by owner. */
export function OutcomeReports({ report, asked }: { report: OutcomeReport; asked: Asked }) {
  const { currency, periods, owners, total } = report;
  const filters = { pipeline: asked.pipeline, owner: asked.owner, zone: asked.zone, from: asked.from, to: asked.to };
  const within = { closed_from: report.begins, closed_before: report.ends };
  const byTime = outcomeColumns<OutcomeReport['periods'][number]>({
    currency,
    asked,
    total,
    within,
    searchOf: ({ begins, ends }) => ({ closed_from: begins, closed_before: ends }),
    nameOf: nameDays,
  });
  const byOwner = outcomeColumns<OutcomeReport['owners'][number]>({
    currency,
    asked,
    total,
    within,
    searchOf: ({ owner }) => ({ ...within, ...(owner ? { owner: owner.id } : { lacks: 'owner' }) }),
    nameOf: nameOwner,
  });
  return (
    <>
      <Report
        title="Won and lost"
        meaning="By the day on which deals were closed. A deal that was opened again is not among them."
        file={{ path: '/api/reports/outcomes.csv', filters }}
      >
        <Bars
          along="time"
          series={['Won', 'Lost']}
          bars={periods.map((period) => ({
            key: period.from,
            label: nameDays(period),
            short: shortDay(period.from),
            values: [Number(period.won.amount), Number(period.lost.amount)],
            said: `won ${showAmount(period.won.amount, currency)}, lost ${showAmount(period.lost.amount, currency)}`,
          }))}
        />
        <ReportTable
          label="won and lost by time"
          columns={[{ key: 'when', label: 'Days', isText: true, by: ({ from }) => from, render: nameDays }, ...byTime]}
          rows={periods}
          keyOf={({ from }) => from}
          none="No days."
        />
      </Report>
      <Report
        title="Win rate by owner"
        meaning="Who closed what in this time. The win rate is the won ones of all that were closed."
        file={{ path: '/api/reports/owners.csv', filters }}
      >
        <Bars
          along="names"
          series={['Won', 'Lost']}
          bars={owners.map((row) => ({
            key: row.owner?.id ?? '',
            label: nameOwner(row),
            values: [row.won.deals, row.lost.deals],
            said: `${row.won.deals} won, ${row.lost.deals} lost`,
          }))}
        />
        <ReportTable
          label="won and lost by owner"
          columns={[{ key: 'owner', label: 'Owner', isText: true, by: nameOwner, render: nameOwner }, ...byOwner]}
          rows={owners}
          keyOf={({ owner }) => owner?.id ?? ''}
          none="No deal was closed in this time."
        />
      </Report>
    </>
  );
}

type Parts<Row> = {
  currency: string;
  asked: Asked;
  total: Outcomes;
  within: DealSearch;
  searchOf: (row: Row) => DealSearch;
  nameOf: (row: Row) => string;
};

function outcomeColumns<Row extends Outcomes>(parts: Parts<Row>): ReportColumn<Row>[] {
  const { currency, asked, total, within, searchOf, nameOf } = parts;
  const of = (status: 'won' | 'lost', label: string): ReportColumn<Row>[] => [
    {
      key: status,
      label,
      by: (row) => row[status].deals,
      render: (row) => (
        <DealsLink
          count={row[status].deals}
          of={`${status}, ${nameOf(row)}`}
          filters={asked}
          search={{ status, ...searchOf(row) }}
        />
      ),
      total: <DealsLink count={total[status].deals} of={status} filters={asked} search={{ status, ...within }} />,
    },
    {
      key: `${status}-amount`,
      label: `${label}, amount`,
      by: (row) => Number(row[status].amount),
      render: (row) => <Amount sum={row[status]} currency={currency} />,
      total: <Amount sum={total[status]} currency={currency} />,
    },
  ];
  return [
    ...of('won', 'Won'),
    ...of('lost', 'Lost'),
    {
      key: 'rate',
      label: 'Win rate',
      by: ({ win_percent }) => win_percent,
      render: ({ win_percent }) => sayPercent(win_percent),
      total: sayPercent(total.win_percent),
    },
    {
      key: 'days',
      label: 'Days to win',
      by: ({ days_to_win }) => days_to_win,
      render: ({ days_to_win }) => sayNumber(days_to_win),
      total: sayNumber(total.days_to_win),
    },
  ];
}

const sayNumber = (value: number | null): string => (value === null ? '–' : formatNumber(value));
const sayPercent = (value: number | null): string => (value === null ? '–' : `${formatNumber(value)} %`);
const nameOwner = ({ owner }: { owner: { name: string } | null }): string => owner?.name ?? 'Nobody';

/** `31 Jan 2026`, or the first and the last day. */
const nameDays = ({ from, to }: { from: string; to: string }): string =>
  from === to ? formatDay(from) : `${formatDay(from)} – ${formatDay(to)}`;
