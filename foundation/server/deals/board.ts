import { collectValues, keyset, NotFound, type Parameter, type Placed, type Queryable } from '@aether/platform';
import type { Stage } from '../pipelines/pipelines.ts';
import { type ListedDeal, listedDealColumns, listedDealTables } from './deals.ts';
import { dealOrders, findRarest, matchDeals, matchWords } from './dealsearch.ts';

/** Money per currency: { EUR: 1200 }. */
export type Sums = Record<string, number>;
export type BoardColumn = {
  stage: Stage;
  /** The number of its deals, also of those that are not shown. */
  count: number;
  sums: Sums;
  /** The sums times the stage's probability, in whole smallest units of the currency. */
  weighted: Sums;
  /** The deals with the earliest closing date first. */
  deals: Placed<ListedDeal>[];
};

type Filters = { owner?: string; search?: string };

/**
 * A pipeline's stages with their deals: the open ones, and those that were won or lost in the last thirty days.
 *
 * @throws NotFound
 */
export async function readBoard(
  on: Queryable,
  pipelineId: number,
  { perStage, ...filters }: Filters & { perStage: number },
): Promise<BoardColumn[]> {
  const rarest = filters.search ? await findRarest(on, filters.search) : undefined;
  const word = rarest?.isFrequent ? undefined : rarest?.word;
  const [stages, deals] = await Promise.all([
    readSums(on, pipelineId, filters, word),
    readCards(on, pipelineId, filters, word, perStage),
  ]);
  if (stages.length === 0 && (await on.query('select from crm.pipelines where id = $1', [pipelineId])).length === 0)
    throw new NotFound('pipeline');
  const columns = new Map(stages.map((row) => [row.stage.id, { ...row, deals: [] as Placed<ListedDeal>[] }]));
  for (const deal of deals) columns.get(deal.stage_id)?.deals.push(deal);
  return [...columns.values()];
}

function matchShown({ owner, search }: Filters, word: string | undefined, parameter: Parameter): string {
  return `(d.status = 'open' or d.closed_at > now() - interval '30 days') and ${matchDeals({ owner }, parameter)}
    and ${search ? matchWords(search, parameter, word) : 'true'}`;
}

/** Reads only crm.deals for the sums, so that an index alone answers. */
async function readSums(on: Queryable, pipelineId: number, filters: Filters, word: string | undefined) {
  const { values, parameter } = collectValues();
  const pipeline = parameter(pipelineId, 'bigint');
  return on.query<Omit<BoardColumn, 'deals'>>(
    `with sums as (
       select d.stage_id, d.currency, count(*) as count, sum(d.amount) as amount from crm.deals d
       where d.pipeline_id = ${pipeline} and ${matchShown(filters, word, parameter)} group by d.stage_id, d.currency)
     select jsonb_build_object('id', p.id, 'name', p.name, 'outcome', p.outcome, 'probability_percent', p.probability_percent) as stage,
       coalesce(sum(s.count), 0)::integer as count,
       coalesce(jsonb_object_agg(s.currency, s.amount) filter (where s.currency is not null), '{}') as sums,
       coalesce(jsonb_object_agg(s.currency, round(s.amount * p.probability_percent / 100, k.decimals::integer))
                filter (where s.currency is not null), '{}') as weighted
     from crm.pipeline_stages p left join sums s on s.stage_id = p.id left join crm.currencies k on k.code = s.currency
     where p.pipeline_id = ${pipeline} group by p.id order by p.position`,
    values,
  );
}

/** The first deals of each stage, with the names that a card shows. */
async function readCards(
  on: Queryable,
  pipelineId: number,
  filters: Filters,
  word: string | undefined,
  perStage: number,
): Promise<Placed<ListedDeal>[]> {
  const { values, parameter } = collectValues();
  const order = { ...dealOrders.close, id: 'd.id', idType: 'bigint' };
  const { orderBy, place } = keyset(order, 'asc', undefined, parameter);
  const pipeline = parameter(pipelineId, 'bigint');
  return on.query<Placed<ListedDeal>>(
    `select ${listedDealColumns}, ${place}
     from crm.pipeline_stages p cross join lateral (
       select d.* from crm.deals d where d.pipeline_id = ${pipeline} and d.stage_id = p.id and ${matchShown(filters, word, parameter)}
       order by ${orderBy} limit ${parameter(perStage)}) d ${listedDealTables}
     where p.pipeline_id = ${pipeline} order by ${orderBy}`,
    values,
  );
}
