import { NotFound, type Queryable } from '@aether/platform';
import { type ListedDeal, listedDealColumns, listedDealTables, matchDeals } from './deals.ts';
import { collectValues } from './keyset.ts';
import type { Stage } from './pipelines.ts';

/** Money per currency: { EUR: 1200 }. */
export type Sums = Record<string, number>;
export type BoardColumn = {
  stage: Stage;
  /** Of all its open deals, also those that are not shown. */
  count: number;
  sums: Sums;
  /** Each by the stage's probability. */
  weighted: Sums;
  /** Next to be closed first. */
  deals: ListedDeal[];
};

/** A pipeline's stages with their deals: those of an open stage, and of won and lost those of the last thirty days. @throws NotFound */
export async function readBoard(
  on: Queryable,
  pipelineId: number,
  { owner, search, perStage }: { owner?: string; search?: string; perStage: number },
): Promise<BoardColumn[]> {
  const { values, parameter } = collectValues();
  const pipeline = parameter(pipelineId, 'bigint');
  const filters = matchDeals({ owner, search }, parameter);
  const max = parameter(perStage, 'integer');
  const rows = await on.query<{ stage: Stage; count: number; sums: Sums; deals: ListedDeal[] }>(
    `with found as materialized (
       select ${listedDealColumns}, row_number() over (partition by d.stage_id order by d.expected_close_on nulls last, d.id) as place
       from ${listedDealTables}
       where d.pipeline_id = ${pipeline} and (d.status = 'open' or d.closed_at > now() - interval '30 days') and ${filters})
     select jsonb_build_object('id', p.id, 'name', p.name, 'outcome', p.outcome, 'probability_percent', p.probability_percent) as stage,
       (select count(*)::integer from found where stage_id = p.id) as count,
       (select coalesce(jsonb_object_agg(m.currency, m.amount), '{}')
        from (select currency, sum(amount) as amount from found where stage_id = p.id group by currency) m) as sums,
       (select coalesce(jsonb_agg(to_jsonb(f) - 'place' order by f.place), '[]') from found f where f.stage_id = p.id and f.place <= ${max}) as deals
     from crm.pipeline_stages p where p.pipeline_id = ${pipeline} order by p.position`,
    values,
  );
  if (rows.length === 0 && (await on.query('select from crm.pipelines where id = $1', [pipelineId])).length === 0)
    throw new NotFound('pipeline');
  return rows.map((row) => ({
    ...row,
    weighted: Object.fromEntries(
      Object.entries(row.sums).map(([currency, sum]) => [currency, (sum * row.stage.probability_percent) / 100]),
    ),
  }));
}
