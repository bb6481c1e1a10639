import type { Parameter } from '@aether/platform';
import type { CustomField } from '../customfields/customfields.ts';
import { type Priced, ratesTable } from '../deals/priced.ts';

/*
 * Conditions of a filter as SQL over a customer `c`. While a list is read in its order, each of a few customers is looked at with one search
 * of an index: a scalar subquery, because PostgreSQL would make a join of an "exists", and read all values of the field for a thousand
 * customers. If a list is made of all that fit, an "exists" is that join, and an index finds the few.
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

/** The condition that a query of this part `from` has a row for the customer. */
const hasRow = (from: string, mode: MatchMode) =>
  mode === 'rows' ? `((select true ${from} limit 1) is true)` : `exists (select ${from})`;

/** The values of a custom field with the key by which they are sorted, as a part of a query. */
export function customOrder({ id, type }: Pick<CustomField, 'id' | 'type'>): {
  type: string;
  rows: (test: string) => string;
} {
  const [by, is] = type === 'number' ? [customNumber, isNumber] : [customText, isOther];
  return {
    type: type === 'number' ? 'numeric' : 'text',
    rows: (test) =>
      `select v.customer_id, ${by} as value from crm.custom_field_values v
       where v.field_id = ${Number(id)} and ${is} and ${test}`,
  };
}

/** A condition that the customer has a row like that, or `isNot`: has none like that. */
type RowTest = { is: string; isNot: boolean };

const matchRows = ({ is, isNot }: RowTest, from: string, mode: MatchMode): string =>
  `${isNot ? 'not ' : ''}${hasRow(`${from} and ${is}`, mode)}`;

/** What such a condition says of a customer's only row. */
export const writeOnRow = ({ is, isNot }: RowTest): string => (isNot ? `(${is}) is not true` : is);

export const matchCustom = (
  field: Pick<CustomField, 'id' | 'type'>,
  op: string,
  value: unknown,
  parameter: Parameter,
  mode: MatchMode,
): string =>
  matchRows(
    testCustom(field, op, value, parameter),
    `from crm.custom_field_values v where v.field_id = ${Number(field.id)} and v.customer_id = c.id`,
    mode,
  );

/** What a condition on a custom field says of a value `v`. */
export function testCustom(
  { type }: Pick<CustomField, 'type'>,
  op: string,
  value: unknown,
  parameter: Parameter,
): RowTest {
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
  const compare = (test: (by: string) => string) =>
    type === 'number' ? `${isNumber} and ${test(customNumber)}` : `${isOther} and ${test(customText)}`;
  const bound = (given: unknown) => (type === 'number' ? parameter(given, 'numeric') : text(given));
  const yes = (is: string) => ({ is, isNot: false });
  const no = (is: string) => ({ is, isNot: true });
  switch (op) {
    case 'empty':
      return no('true');
    case 'not_empty':
      return yes('true');
    case 'yes':
      return yes(compare((by) => `${by} = 'true'`));
    case 'no':
      return no(compare((by) => `${by} = 'true'`));
    case 'is':
      return yes(type === 'text' ? isSame() : compare((by) => `${by} = ${bound(value)}`));
    case 'is_not':
      return no(isSame());
    case 'contains':
      return yes(contains());
    case 'contains_not':
      return no(contains());
    case 'any_of':
      return yes(isAnyOf());
    case 'none_of':
      return no(isAnyOf());
    case 'between': {
      const [from, to] = value as [unknown, unknown];
      return yes(compare((by) => `${by} >= ${bound(from)} and ${by} <= ${bound(to)}`));
    }
    default:
      return yes(compare((by) => `${by} ${op === 'over' || op === 'after' ? '>' : '<'} ${bound(value)}`));
  }
}

export const matchLastActivity = (op: string, moment: string, parameter: Parameter, mode: MatchMode): string =>
  matchRows(testLastActivity(op, moment, parameter), 'from crm.customer_activity k where k.customer_id = c.id', mode);

/**
 * What a condition on the last activity says of a row `k` of crm.customer_activity. A customer without one has had none for any number of
 * days, and none before a day either.
 */
export function testLastActivity(op: string, moment: string, parameter: Parameter): RowTest {
  const at = () => parameter(moment, 'timestamptz');
  if (op === 'never') return { is: 'k.last_at is not null', isNot: true };
  if (op === 'none_for') return { is: `k.last_at >= ${at()}`, isNot: true };
  return { is: `k.last_at ${op === 'before' ? '<' : '>='} ${at()}`, isNot: false };
}

/** The condition on the open deals; amounts are what they are worth together in the reporting currency. */
export function matchDeals(
  op: string,
  value: unknown,
  parameter: Parameter,
  { mode, priced }: { mode: MatchMode; priced: Priced | undefined },
): string {
  const open = `from crm.deals d where d.customer_id = c.id and d.status = 'open'`;
  if (op === 'some') return hasRow(open, mode);
  if (op === 'none') return `not ${hasRow(open, mode)}`;
  if (op === 'stage') return hasRow(`${open} and d.stage_id = any (${parameter(value, 'bigint[]')})`, mode);
  if (!priced) throw new Error('Rates are missing.');
  const isBeyond = `sum(d.amount * r.rate) ${op === 'over' ? '>' : '<'} ${parameter(value, 'numeric')}`;
  const rates = ratesTable(priced, parameter);
  if (mode === 'rows')
    return `((select ${isBeyond} from crm.deals d join ${rates} on r.currency = d.currency
      where d.customer_id = c.id and d.status = 'open') is true)`;
  return `c.id in (select d.customer_id from crm.deals d join ${rates} on r.currency = d.currency
    where d.status = 'open' group by d.customer_id having ${isBeyond})`;
}

/**
 * What the open deals of each customer are worth together, as a part of a query, in order: then PostgreSQL looks only at those customers
 * whom a page shows. Deals in a currency without a rate count for nothing.
 */
export const dealsOrder = (priced: Priced, parameter: Parameter, direction = 'asc'): string =>
  `select d.customer_id, sum(d.amount * r.rate) as value from crm.deals d join ${ratesTable(priced, parameter)} on r.currency = d.currency
   where d.status = 'open' group by d.customer_id order by value ${direction}, d.customer_id ${direction} offset 0`;

export function matchTag(op: string, value: number[], parameter: Parameter, mode: MatchMode): string {
  const has = (test: string) => hasRow(`from crm.customer_tags k where k.customer_id = c.id${test}`, mode);
  if (op === 'empty') return `not ${has('')}`;
  if (op === 'not_empty') return has('');
  const isOne = has(` and k.tag_id = any (${parameter(value, 'bigint[]')})`);
  return op === 'any_of' ? isOne : `not ${isOne}`;
}

export function matchCompanyOf(op: string, value: string[], parameter: Parameter): string {
  const isOne = `c.company_id = any (${parameter(value, 'uuid[]')})`;
  return op === 'any_of' ? isOne : `(${isOne}) is not true`;
}
