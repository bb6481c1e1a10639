import type { Queryable } from './log/query.ts';

/*
 * Lists that are read page by page. A page begins behind a place: what the last row of the page before was sorted by, and its id. The
 * place holds the value and not the row alone: when that row changes between two pages, the second page still begins where the first
 * one ended. PostgreSQL goes to the place by an index, so that a late page costs no more than the first.
 */

export type Direction = 'asc' | 'desc';
type Key = { by: string; type: string };

/**
 * An order of a list: an expression over a row that is never null, the row's id, and the types of both. An index has them side by side.
 * `first` is compared before them, in a direction of its own.
 */
export type Order = Key & { id: string; idType: string; first?: Key & { direction: Direction } };

/** Where a page ended: what its last row was sorted by, and its id, as PostgreSQL writes them; times in UTC, to the microsecond. */
export type ListPlace = [by: string | null, id: string, first?: string];
export type Placed<Row> = Row & { place: ListPlace };

/** Which page of a list. */
export type Paging = { after?: ListPlace; limit: number };

/** Collects the values of a query's parameters: `parameter(value)` is how the SQL names it. */
export function collectValues() {
  const values: unknown[] = [];
  return { values, parameter: (value: unknown, type = '') => `$${values.push(value)}${type && `::${type}`}` };
}
export type Parameter = ReturnType<typeof collectValues>['parameter'];

/**
 * Reads one page of a list.
 *
 * @param write gives the columns, the tables and the conditions of the list's filters; its values go through `parameter`.
 * @returns the rows in order, each with its place.
 */
export async function readList<Row extends object>(
  on: Queryable,
  { order, direction, after, limit }: { order: Order; direction: Direction } & Paging,
  write: (parameter: Parameter) => { columns: string; from: string; where: string[] },
): Promise<Placed<Row>[]> {
  const { values, parameter } = collectValues();
  const { columns, from, where } = write(parameter);
  const { where: isBehind, orderBy, place } = keyset(order, direction, after, parameter);
  return on.query<Placed<Row>>(
    `select ${columns}, ${place}
     from ${from}
     where ${[...where, isBehind].join(' and ')}
     order by ${orderBy} limit ${parameter(limit)}`,
    values,
  );
}

/**
 * The parts of a query that give the rows behind a place, for lists whose query is more than `readList` writes.
 *
 * @returns `place`: a column that says where each row is.
 */
export function keyset(
  order: Order,
  direction: Direction,
  after: ListPlace | undefined,
  parameter: Parameter,
): { where: string; orderBy: string; place: string } {
  const { by, type, id, idType, first } = order;
  const rowOrder = `${by} ${direction}, ${id} ${direction}`;
  const orderBy = first ? `${first.by} ${first.direction}, ${rowOrder}` : rowOrder;
  const place = placeColumn(order);
  if (!after) return { where: 'true', orderBy, place };
  const value = boundOf(after[0], type, parameter);
  const row = `(${by}, ${id}) ${beyond(direction)} (${value}, ${boundOf(after[1], idType, parameter)})`;
  if (!first) return { where: row, orderBy, place };
  const firstValue = boundOf(after[2], first.type, parameter);
  const where = `(${first.by} ${beyond(first.direction)} ${firstValue} or (${first.by} = ${firstValue} and ${row}))`;
  return { where, orderBy, place };
}

/** The column that says where a row is in an order. */
export function placeColumn({ by, type, id, idType, first }: Order): string {
  const parts = [textOf({ by, type }), textOf({ by: id, type: idType }), ...(first ? [textOf(first)] : [])];
  return `array[${parts.join(', ')}] as place`;
}

const beyond = (direction: Direction) => (direction === 'asc' ? '>' : '<');

/** Times are written in UTC, so that places compare as text as their rows do, in whatever time zone the connection is. */
const textOf = ({ by, type }: Key) => (type === 'timestamptz' ? `((${by}) at time zone 'UTC')::text` : `(${by})::text`);

const boundOf = (value: unknown, type: string, parameter: Parameter) =>
  type === 'timestamptz' ? `(${parameter(value, 'timestamp')} at time zone 'UTC')` : parameter(value, type);
