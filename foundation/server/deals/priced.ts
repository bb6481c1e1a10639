import type { Parameter, Queryable } from '@aether/platform';

/** What one unit of each currency is worth today in the reporting currency. A currency without a rate is absent. */
export type Priced = { currencies: string[]; rates: string[] };

/** Reads today's rates into the reporting currency. */
export async function readPriced(on: Queryable): Promise<Priced> {
  const rows = await on.query<{ currency: string; rate: string }>(
    `select s.currency, '1' as rate from crm.report_settings s
     union all
     (select distinct on (r.currency) r.currency, r.rate::text
      from crm.currency_rates r join crm.report_settings s on s.currency = r.base
      where r.valid_from <= current_date and r.currency <> s.currency order by r.currency, r.valid_from desc)`,
  );
  return { currencies: rows.map(({ currency }) => currency), rates: rows.map(({ rate }) => rate) };
}

/** The rates as a table `r (currency, rate)` of a query. */
export const ratesTable = ({ currencies, rates }: Priced, parameter: Parameter): string =>
  `unnest(${parameter(currencies, 'text[]')}, ${parameter(rates, 'numeric[]')}) r (currency, rate)`;

/** A query for how many open deals a customer has, and what they are worth by currency. @param id an SQL expression for the customer's id */
export const openDealsOf = (id: string) =>
  `select coalesce(sum(o.deals), 0)::integer as open_deals, coalesce(jsonb_object_agg(o.currency, o.amount), '{}') as open_deals_value
   from (select d.currency, count(*) as deals, sum(d.amount) as amount from crm.deals d
     where d.customer_id = ${id} and d.status = 'open' group by d.currency) o`;
