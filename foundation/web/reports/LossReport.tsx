import { formatNumber } from '@aether/ui/formats.ts';
import { Bars } from '@aether/ui/reports/Bars.tsx';
import { Report } from '@aether/ui/reports/Report.tsx';
import { type ReportColumn, ReportTable } from '@aether/ui/reports/ReportTable.tsx';
import type { Asked, LossReport as Found } from '../api/reports.ts';
import { DealsLink } from './DealsLink.tsx';
import { Amount } from './money.tsx';

type Row = Found['rows'][number];

/** Why deals were lost. */
export function LossReport({ report, asked }: { report: Found; asked: Asked }) {
  const { rows, total, currency } = report;
  const within = { status: 'lost', closed_from: report.begins, closed_before: report.ends } as const;
  const columns: ReportColumn<Row>[] = [
    { key: 'reason', label: 'Reason', isText: true, by: nameReason, render: nameReason },
    {
      key: 'deals',
      label: 'Deals',
      by: ({ deals }) => deals,
      render: (row) => (
        <DealsLink
          count={row.deals}
          of={`lost, ${nameReason(row)}`}
          filters={asked}
          search={{ ...within, ...(row.reason ? { reason: row.reason.id } : { lacks: 'reason' }) }}
        />
      ),
      total: <DealsLink count={total.deals} of="lost" filters={asked} search={within} />,
    },
    {
      key: 'percent',
      label: 'Share',
      by: ({ percent }) => percent,
      render: ({ percent }) => `${formatNumber(percent)} %`,
    },
    {
      key: 'amount',
      label: 'Amount',
      by: ({ amount }) => Number(amount),
      render: (row) => <Amount sum={row} currency={currency} />,
      total: <Amount sum={total} currency={currency} />,
    },
  ];
  return (
    <Report
      title="Loss reasons"
      meaning="What people said when they closed a deal as lost in this time."
      file={{
        path: '/api/reports/losses.csv',
        filters: {
          pipeline: asked.pipeline,
          owner: asked.owner,
          zone: asked.zone,
          from: asked.from,
          to: asked.to,
        },
      }}
    >
      <Bars
        along="names"
        bars={rows.map((row) => ({
          key: String(row.reason?.id ?? ''),
          label: nameReason(row),
          values: [row.deals],
          said: `${formatNumber(row.deals)} deals`,
        }))}
      />
      <ReportTable
        label="lost deals by reason"
        columns={columns}
        rows={rows}
        keyOf={({ reason }) => String(reason?.id ?? '')}
        none="No deal was lost in this time."
      />
    </Report>
  );
}

const nameReason = ({ reason }: Row): string => reason?.name ?? 'No reason given';
