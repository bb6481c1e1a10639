import { rowsOf, type Sql } from '../sql.ts';

export type LegalHold = {
  id: string;
  customer_id: string;
  reason: string;
  held_at: Date;
  held_by: string;
  released_at: Date | null;
  released_by: string | null;
  release_reason: string | null;
};

/** Keeps a customer from being erased. @returns the id of the hold */
export async function placeHold(client: Sql, customer: string, reason: string): Promise<string> {
  const [row] = await rowsOf<{ id: string }>(client, 'select platform.place_hold($1, $2) as id', [customer, reason]);
  return (row as { id: string }).id;
}

/** @returns whether the hold was in force */
export async function releaseHold(client: Sql, hold: string, reason: string): Promise<boolean> {
  const [row] = await rowsOf<{ done: boolean }>(client, 'select platform.release_hold($1, $2) as done', [hold, reason]);
  return row?.done === true;
}

/** Ends every hold on a person, also one that was placed on a record before it was merged. @returns the ids of the holds */
export async function releaseHoldsOf(client: Sql, customer: string, reason: string): Promise<string[]> {
  const rows = await rowsOf<{ id: string }>(
    client,
    `select h.id from platform.legal_holds h, platform.person($1) p
     where h.customer_id = any (p.people) and h.released_at is null and platform.release_hold(h.id, $2) order by h.held_at, h.id`,
    [customer, reason],
  );
  return rows.map(({ id }) => id);
}

/** Holds that are in force, or all of them, the newest first. */
export async function listHolds(client: Sql, { all = false } = {}): Promise<LegalHold[]> {
  return rowsOf<LegalHold>(
    client,
    `select id, customer_id, reason, held_at, held_by, released_at, released_by, release_reason from platform.legal_holds
     where released_at is null or $1 order by held_at desc, id limit 1000`,
    [all],
  );
}
