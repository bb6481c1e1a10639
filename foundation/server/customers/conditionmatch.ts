import type { Parameter } from '@aether/platform';
import type { CustomField } from '../customfields/customfields.ts';
import { type Priced, ratesTable } from '../deals/priced.ts';

/*
 * Conditions of a filter as SQL over a customer `c`. Each is an "exists" with the customer's id, which PostgreSQL answers row by row with one
 * search of an index while a list is read in its order, and as a join with all that fit when a list is made of the few that do.
 *
 * The expressions over custom values are those of the indexes in database/migrations/0071_filters.sql.
 */

/** `rows`: a few customers are looked at one by one. `all`: all customers that fit are found. */
export type MatchMode = 'rows' | 'all';

export const customText = `lower(left(v.value #>> '{}', 100) collate platform.people)`;
export const customNumber = `case when jsonb_typeof(v.value) = 'number' then v.value::numeric end`;
/** Says which of the indexes has the value. */
const isNumber = `v.customer_id is not null and jsonb_typeof(v.value) = 'number'`;
const isOther = `v.customer_id is not null and jsonb_typeof(v.value) <> 'number'`;
const isText = `v.customer_id is not null and jsonb_typeof(v.value) = 'string'`;

/** The values of a custom field with the key by which they are sorted, as a part of a query. */
export function customOrder({ id, type }: Pick<CustomField, 'id' | 'type'>): { type: string; rows: string } {
  const [by, is] = type === 'number' ? [customNumber, isNumber] : [customText, isOther];
  return {
    type: type === 'number' ? 'numeric' : 'text',
    rows: `select v.customer_id, ${by} as value from crm.custom_field_values v where v.field_id = ${Number(id)} and ${is}`,
  };
}

/** The condition that a custom field has a value, or none, or one that fits. */
export function matchCustom(
  { id, type }: Pick<CustomField, 'id' | 'type'>,
  op: string,
  value: unknown,
  parameter: Parameter,
): string {
  const has = (test: string) =>
    `exists (select from crm.custom_field_values v where v.field_id = ${Number(id)} and v.customer_id = c.id and ${test})`;
  const text = (given: unknown) => parameter(given, 'text');
  /** The beginning of the text leads to the index, and the text decides. */
  const isSame = () => {
    const given = text(value);
    const whole = (of: string) => `lower(${of} collate platform.people)`;
    return `${isText} and ${customText} = lower(left(${given}, 100) collate platform.people) and ${whole(`v.value #>> '{}'`)} = ${whole(given)}`;
  };
  const contains = () => {
    const pattern = parameter(`%${String(value).replace(/[\\%_]/g, '\\$&')}%`, 'text');
    return `${isText} and lower(v.value #>> '{}' collate pg_c_utf8) like lower(${pattern} collate pg_c_utf8)`;
  };
  const isAnyOf = () => {
    const given = parameter(value, 'text[]');
    return `${isOther} and ${customText} = any (
        array(select lower(left(g.word, 100) collate platform.people) from unnest(${given}) g (word)))
      and v.value #>> '{}' = any (${given})`;
  };
  const number = (test: (by: string) => string) => `${isNumber} and ${test(customNumber)}`;
  const day = (test: (by: string) => string) => `${isOther} and ${test(customText)}`;
  const compare = type === 'number' ? number : day;
  const bound = (given: unknown) => (type === 'number' ? parameter(given, 'numeric') : text(given));
  switch (op) {
    case 'empty':
      return `not ${has('true')}`;
    case 'not_empty':
      return has('true');
    case 'yes':
      return has(day((by) => `${by} = 'true'`));
    case 'no':
      return `not ${has(day((by) => `${by} = 'true'`))}`;
    case 'is':
      return has(type === 'text' ? isSame() : compare((by) => `${by} = ${bound(value)}`));
    case 'is_not':
      return `not ${has(isSame())}`;
    case 'contains':
      return has(contains());
    case 'contains_not':
      return `not ${has(contains())}`;
    case 'any_of':
      return has(isAnyOf());
    case 'none_of':
      return `not ${has(isAnyOf())}`;
    case 'between': {
      const [from, to] = value as [unknown, unknown];
      return has(compare((by) => `${by} >= ${bound(from)} and ${by} <= ${bound(to)}`));
    }
    default:
      return has(compare((by) => `${by} ${op === 'over' || op === 'after' ? '>' : '<'} ${bound(value)}`));
  }
}

/** The condition on the last activity. A customer without one has had none for any number of days, and none before a day either. */
export function matchLastActivity(op: string, moment: string, parameter: Parameter): string {
  const has = (test: string) =>
    `exists (select from crm.customer_activity k where k.customer_id = c.id and ${test})`;
  const at = () => parameter(moment, 'timestamptz');
  if (op === 'never') return `not ${has('k.last_at is not null')}`;
  if (op === 'none_for') return `not ${has(`k.last_at >= ${at()}`)}`;
  return has(`k.last_at ${op === 'before' ? '<' : '>='} ${at()}`);
}

/** The condition on the open deals; amounts are what they are worth together in the reporting currency. */
export function matchDeals(
  op: string,
  value: unknown,
  parameter: Parameter,
  { mode, priced }: { mode: MatchMode; priced: Priced | undefined },
): string {
  const open = `from crm.deals d where d.customer_id = c.id and d.status = 'open'`;
  if (op === 'some') return `exists (select ${open})`;
  if (op === 'none') return `not exists (select ${open})`;
  if (op === 'stage') return `exists (select ${open} and d.stage_id = any (${parameter(value, 'bigint[]')}))`;
  if (!priced) throw new Error('Rates are missing.');
  const isBeyond = `sum(d.amount * r.rate) ${op === 'over' ? '>' : '<'} ${parameter(value, 'numeric')}`;
  const rates = ratesTable(priced, parameter);
  if (mode === 'rows')
    return `exists (select from crm.deals d join ${rates} on r.currency = d.currency
      where d.customer_id = c.id and d.status = 'open' having ${isBeyond})`;
  return `c.id in (select d.customer_id from crm.deals d join ${rates} on r.currency = d.currency
    where d.status = 'open' group by d.customer_id having ${isBeyond})`;
}

/** What the open deals of each customer are worth together, as a part of a query. Deals in a currency without a rate count for nothing. */
export const dealsOrder = (priced: Priced, parameter: Parameter): string =>
  `select d.customer_id, sum(d.amount * r.rate) as value from crm.deals d join ${ratesTable(priced, parameter)} on r.currency = d.currency
   where d.status = 'open' group by d.customer_id`;

export function matchTag(op: string, value: number[], parameter: Parameter): string {
  const has = (test: string) => `exists (select from crm.customer_tags k where k.customer_id = c.id${test})`;
  if (op === 'empty') return `not ${has('')}`;
  if (op === 'not_empty') return has('');
  const isOne = has(` and k.tag_id = any (${parameter(value, 'bigint[]')})`);
  return op === 'any_of' ? isOne : `not ${isOne}`;
}

export function matchCompanyOf(op: string, value: string[], parameter: Parameter): string {
  const isOne = `c.company_id = any (${parameter(value, 'uuid[]')})`;
  return op === 'any_of' ? isOne : `(${isOne}) is not true`;
}
