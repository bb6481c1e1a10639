import { chooseLocale, formatNumber } from '@aether/ui/formats.ts';
import { Bars } from '@aether/ui/reports/Bars.tsx';
import { Report } from '@aether/ui/reports/Report.tsx';
import { type ReportColumn, ReportTable } from '@aether/ui/reports/ReportTable.tsx';
import type { Asked, ForecastReport as Found } from '../api/reports.ts';
import type { DealSearch } from '../deals/search.ts';
import { DealsLink } from './DealsLink.tsx';
import { Amount, showAmount } from './money.tsx';

type Row = Found['rows'][number];

/** The open deals by the month in which they are expected to close, and by owner. */
export function ForecastReport({ report: { months, rows, total, currency }, asked }: { report: Found; asked: Asked }) {
  const columns: ReportColumn<Row>[] = [
    { key: 'month', label: 'Expected', isText: true, by: orderOf, render: nameMonth },
    { key: 'owner', label: 'Owner', isText: true, by: nameOwner, render: nameOwner },
    {
      key: 'deals',
      label: 'Deals',
      by: ({ deals }) => deals,
      render: (row) => (
        <DealsLink
          count={row.deals}
          of={`${nameMonth(row)}, ${nameOwner(row)}`}
          filters={asked}
          search={{ status: 'open', ...searchOf(row) }}
        />
      ),
      total: <DealsLink count={total.deals} of="open" filters={asked} search={{ status: 'open' }} />,
    },
    {
      key: 'amount',
      label: 'Amount',
      by: ({ amount }) => Number(amount),
      render: (row) => <Amount sum={row} currency={currency} />,
      total: <Amount sum={total} currency={currency} />,
    },
    {
      key: 'weighted',
      label: 'Weighted',
      by: ({ weighted }) => Number(weighted),
      render: ({ weighted }) => showAmount(weighted, currency),
      total: showAmount(total.weighted, currency),
    },
  ];
  return (
    <Report
      title="Forecast"
      meaning="The open deals by the month in which they are expected to close, whatever the days above say."
      file={{
        path: '/api/reports/forecast.csv',
        filters: { pipeline: asked.pipeline, owner: asked.owner, zone: asked.zone },
      }}
    >
      <Bars
        along="time"
        series={['Amount', 'Weighted']}
        bars={months
          .filter(({ when, deals }) => when === 'month' || deals > 0)
          .map((month) => ({
            key: month.from ?? month.when,
            label: nameMonth(month),
            values: [Number(month.amount), Number(month.weighted)],
            said: `${formatNumber(month.deals)} deals, ${showAmount(month.amount, currency)}, weighted ${showAmount(month.weighted, currency)}`,
          }))}
      />
      <ReportTable
        label="forecast by month and owner"
        columns={columns}
        rows={rows}
        keyOf={(row) => `${row.when} ${row.from} ${row.owner?.id}`}
        none="No deal is open."
      />
    </Report>
  );
}

function searchOf({ when, from, to, owner }: Row): DealSearch {
  const lacks = [...(owner ? [] : ['owner']), ...(when === 'undated' ? ['expected'] : [])];
  return {
    ...(owner && { owner: owner.id }),
    ...(from !== null && { expected_from: from }),
    ...(to !== null && { expected_to: to }),
    ...(lacks.length > 0 && { lacks: lacks.join(',') }),
  };
}

type Month = Pick<Row, 'when' | 'from'>;

function nameMonth({ when, from }: Month): string {
  if (when === 'overdue') return 'Overdue';
  if (when === 'undated') return 'No date';
  const month = new Intl.DateTimeFormat(chooseLocale(navigator.languages), {
    month: 'short',
    year: 'numeric',
    timeZone: 'UTC',
  }).format(new Date(`${from}T00:00:00Z`));
  return when === 'later' ? `${month} and later` : month;
}

const orderOf = ({ when, from }: Month): string => from ?? (when === 'overdue' ? '0' : '9');
const nameOwner = ({ owner }: Row): string => owner?.name ?? 'Nobody';
