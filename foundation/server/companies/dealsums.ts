import type { Queryable } from '@aether/platform';

/** The number of deals, and money per currency: { EUR: 1200 }. */
export type DealSums = { count: number; sums: Record<string, number> };
export type CompanyDealSums = Record<'open' | 'won' | 'won_since' | 'lost', DealSums>;

type Row = { status: 'open' | 'won' | 'lost'; currency: string; count: number; amount: number } & {
  count_since: number;
  amount_since: number;
};

/**
 * The sums of a company's deals.
 *
 * @param since the time from which a won deal counts for `won_since`; by default the beginning of the year in UTC.
 */
export async function sumDeals(on: Queryable, companyId: string, since?: string): Promise<CompanyDealSums> {
  const rows = await on.query<Row>(
    `select d.status, d.currency, count(*)::integer as count, sum(d.amount)::float8 as amount,
       count(*) filter (where d.closed_at >= t.since)::integer as count_since,
       coalesce(sum(d.amount) filter (where d.closed_at >= t.since), 0)::float8 as amount_since
     from crm.deals d, (select coalesce($2::timestamptz, date_trunc('year', now(), 'UTC')) as since) t
     where d.company_id = $1
     group by d.status, d.currency order by d.currency`,
    [companyId, since ?? null],
  );
  const none = (): DealSums => ({ count: 0, sums: {} });
  const sums: CompanyDealSums = { open: none(), won: none(), won_since: none(), lost: none() };
  const add = (to: DealSums, currency: string, count: number, amount: number) => {
    if (count === 0) return;
    to.count += count;
    to.sums[currency] = amount;
  };
  for (const { status, currency, count, amount, count_since, amount_since } of rows) {
    add(sums[status], currency, count, amount);
    if (status === 'won') add(sums.won_since, currency, count_since, amount_since);
  }
  return sums;
}
