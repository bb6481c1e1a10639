import type { Queryable } from '@aether/platform';

/*
 * A snapshot is read page by page, each in a statement of its own: a transaction that lasts as long as a download would keep the database from
 * cleaning up. The price is that two pages show different moments. The position and the versions make up for it: a change that a page does not
 * show is an event after the position of the first page, and an event whose change it does show has no newer version.
 */

export type SnapshotCustomer = {
  id: string;
  version: number;
  name: string | null;
  email: string | null;
  phone_key: string | null;
  company_id: string | null;
  account_tier: string | null;
  preferred_language: string | null;
  timezone: string | null;
  created_at: string;
  merged_into: string | null;
  erased_at: string | null;
};
export type SnapshotPage = { position: string; customers: SnapshotCustomer[]; next: string | null };
type Row = SnapshotCustomer & { position: string };

/** The head of the log and the rows are of one moment, because they are of one statement. */
const select = (from: string) =>
  `select h.position, c.id, c.version, c.created_at, c.merged_into, c.erased_at, r.*
   from (select sync.head()::text as position) h
   left join lateral (${from}) c on true
   left join lateral (
     select c.name, c.email, c.phone_key, c.company_id, c.account_tier, c.preferred_language, c.timezone
     where c.erased_at is null) r on true
   order by c.id`;
const page = select('select * from platform.customers where ($1::uuid is null or id > $1) order by id limit $2');
const some = select('select * from platform.customers where id = any ($1::uuid[])');

/** @param after the last id of the page before */
export async function readSnapshotPage(db: Queryable, after: string | undefined, limit: number): Promise<SnapshotPage> {
  const found = toPage(await db.query<Row>(page, [after ?? null, limit]));
  return { ...found, next: found.customers.length === limit ? (found.customers.at(-1)?.id ?? null) : null };
}

/** These customers; those that do not exist are missing. */
export async function readCustomers(db: Queryable, ids: string[]): Promise<SnapshotPage> {
  return toPage(await db.query<Row>(some, [ids]));
}

function toPage(rows: Row[]): SnapshotPage {
  const position = rows[0]?.position ?? '0';
  return {
    position,
    customers: rows.filter(({ id }) => id !== null).map(({ position: _position, ...customer }) => customer),
    next: null,
  };
}
