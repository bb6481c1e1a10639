import { formatNumber } from '@aether/ui/formats.ts';
import { Bars } from '@aether/ui/reports/Bars.tsx';
import { Report } from '@aether/ui/reports/Report.tsx';
import { type ReportColumn, ReportTable } from '@aether/ui/reports/ReportTable.tsx';
import type { Asked, PipelineReport as Found } from '../api/reports.ts';
import { DealsLink } from './DealsLink.tsx';
import { Amount, showAmount, showSums } from './money.tsx';

type Row = Found['rows'][number];

/** The open deals by stage. */
export function PipelineReport({ report: { rows, total, currency }, asked }: { report: Found; asked: Asked }) {
  const isSeveral = new Set(rows.map(({ pipeline }) => pipeline.id)).size > 1;
  const nameOf = ({ stage, pipeline }: Row) => (isSeveral ? `${pipeline.name}: ${stage.name}` : stage.name);
  const columns: ReportColumn<Row>[] = [
    { key: 'stage', label: 'Stage', isText: true, by: nameOf, render: nameOf },
    {
      key: 'deals',
      label: 'Deals',
      by: ({ deals }) => deals,
      render: (row) => (
        <DealsLink
          count={row.deals}
          of={`open in ${nameOf(row)}`}
          filters={{ owner: asked.owner, pipeline: row.pipeline.id }}
          search={{ status: 'open', stage: row.stage.id }}
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
      key: 'probability',
      label: 'Probability',
      by: ({ probability_percent }) => probability_percent,
      render: ({ probability_percent }) => `${formatNumber(probability_percent)} %`,
    },
    {
      key: 'weighted',
      label: 'Weighted',
      by: ({ weighted }) => Number(weighted),
      render: ({ weighted }) => showAmount(weighted, currency),
      total: showAmount(total.weighted, currency),
    },
    { key: 'sums', label: 'As entered', render: ({ sums }) => showSums(sums), total: showSums(total.sums) },
  ];
  return (
    <Report
      title="Pipeline"
      meaning="The open deals by stage. Weighted: each amount by the probability of its stage."
      file={{
        path: '/api/reports/pipeline.csv',
        filters: { pipeline: asked.pipeline, owner: asked.owner, zone: asked.zone },
      }}
    >
      <Bars
        along="names"
        series={['Amount', 'Weighted']}
        bars={rows.map((row) => ({
          key: String(row.stage.id),
          label: nameOf(row),
          values: [Number(row.amount), Number(row.weighted)],
          said: `${showAmount(row.amount, currency)}, weighted ${showAmount(row.weighted, currency)}`,
        }))}
      />
      <ReportTable
        label="pipeline by stage"
        columns={columns}
        rows={rows}
        keyOf={({ stage }) => String(stage.id)}
        none="There is no open stage yet."
      />
    </Report>
  );
}
