import { collectValues, type Parameter, type Queryable } from '@aether/platform';
import type { ReportSettings } from './rates.ts';

/*
 * Sums of deals by some keys, in the reporting currency. PostgreSQL calculates all of it with exact numbers: first the amounts of each
 * key, currency and day are added up, then that sum is multiplied by the rate of the day, and only the result is rounded, to the decimals
 * of the reporting currency. So a total is not the sum of rounded numbers, and a rate is looked up once for a currency and a day and not
 * for each deal.
 */

/** What some deals are worth. Amounts are texts, because they are exact. */
export type Sum = {
  deals: number;
  /** In the reporting currency, without the deals that have no rate. */
  amount: string;
  /** The same, each deal by the probability of its stage. */
  weighted: string;
  /** The deals whose currency has no rate on their day: they are in none of the two sums. */
  unpriced: number;
  /** The amounts as they are in the deals, by currency, also without a rate. */
  sums: Record<string, string>;
};

/** Of closed deals: they have no probability any more. */
export type ClosedSum = Omit<Sum, 'weighted'>;

export type Keyed<Key extends string> = { keys: Record<Key, string | null> } & Sum;

type Asked<Key extends string> = {
  /** The keys, each an expression over a deal `d` and its stage `s` that gives a text. */
  keys: Record<Key, string>;
  /** The day whose rate holds, an expression over `d`. */
  day: string;
  where: string[];
};

/** @returns the sums of each combination of keys that there is, and of all together. */
export async function sumDeals<Key extends string>(
  on: Queryable,
  { currency, decimals }: Pick<ReportSettings, 'currency' | 'decimals'>,
  write: (parameter: Parameter) => Asked<Key>,
): Promise<{ rows: Keyed<Key>[]; total: Sum }> {
  const { values, parameter } = collectValues();
  const { keys, day, where } = write(parameter);
  const key = `jsonb_build_object(${Object.entries<string>(keys)
    .map(([name, expression]) => `'${name}', ${expression}`)
    .join(', ')})`;
  const base = parameter(currency, 'text');
  const found = await on.query<{ is_total: boolean; keys: Record<Key, string | null> | null } & Sum>(
    `with found as (
       select ${key} as keys, d.currency, ${day} as day, count(*) as deals, sum(d.amount) as amount,
         sum(d.amount * s.probability_percent) / 100 as weighted
       from crm.deals d join crm.pipeline_stages s on s.id = d.stage_id
       where ${where.join(' and ')}
       group by 1, 2, 3),
     rates as materialized (
       select asked.currency, asked.day, case when asked.currency = ${base} then 1 else (
           select r.rate from crm.currency_rates r
           where r.base = ${base} and r.currency = asked.currency and r.valid_from <= asked.day
           order by r.valid_from desc limit 1) end as rate
       from (select distinct f.currency, f.day from found f) asked),
     summed as (
       select f.keys, f.currency, grouping(f.keys) = 1 as is_total, sum(f.deals) as deals, sum(f.amount) as amount,
         sum(f.amount * r.rate) as priced, sum(f.weighted * r.rate) as weighted, sum(f.deals) filter (where r.rate is null) as unpriced
       from found f join rates r on r.currency = f.currency and r.day = f.day
       group by grouping sets ((f.keys, f.currency), (f.currency)))
     select x.is_total, x.keys, sum(x.deals)::integer as deals,
       round(coalesce(sum(x.priced), 0), ${parameter(decimals, 'integer')})::text as amount,
       round(coalesce(sum(x.weighted), 0), ${parameter(decimals, 'integer')})::text as weighted,
       coalesce(sum(x.unpriced), 0)::integer as unpriced,
       jsonb_object_agg(x.currency, trim_scale(x.amount)::text order by x.currency) as sums
     from summed x group by x.is_total, x.keys`,
    values,
  );
  const rows: Keyed<Key>[] = [];
  let total = nothing(decimals);
  for (const { is_total, keys: held, ...sum } of found) {
    if (is_total) total = sum;
    else rows.push({ keys: held as Record<Key, string | null>, ...sum });
  }
  return { rows, total };
}

/** The sum of no deals. */
export function nothing(decimals: number): Sum {
  const zero = (0).toFixed(decimals);
  return { deals: 0, amount: zero, weighted: zero, unpriced: 0, sums: {} };
}
