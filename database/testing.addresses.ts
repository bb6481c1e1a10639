import type pg from 'pg';
import { until } from './testing.scope.ts';
import { createTestDatabase } from './testing.ts';

/** What a function of the addresses answers. */
type Changed = { held: string | null; address_id: string | null; version: string | null };

export const primaryStays = { code: '23514', constraint: 'customer_emails_primary_stays' };
export const taken = { code: '23505', constraint: 'customer_emails_pkey' };
export const denied = { code: '42501' };

let count = 0;
export const newEmail = () => `address-${++count}@example.com`;

export async function one<Row>(client: pg.Client, sql: string, values: unknown[] = []): Promise<Row> {
  const { rows } = await client.query(sql, values);
  return rows[0] as Row;
}
/** A database of its own, with the logins that change addresses and the changes that they make. */
export async function openAddresses() {
  const database = await createTestDatabase();
  const superuser = await database.connect('postgres');
  const owner = await database.connect('platform_migrator');
  await owner.query('set role platform_owner');
  const foundation = await database.connect('foundation_app');
  const support = await database.connect('support_app');

  async function create(client: pg.Client, email = newEmail()) {
    const customer = await one<{ id: string; version: string }>(
      client,
      `insert into platform.customers (email, name) values ($1, 'Ada') returning *`,
      [email],
    );
    return { ...customer, email };
  }
  const add = (client: pg.Client, customer: string, email: string, version: string | null = null) =>
    one<Changed>(client, 'select * from platform.add_address($1, $2, $2, $3)', [customer, email, version]);
  const change = (what: 'make_address_primary' | 'remove_address' | 'restore_address') => {
    return (client: pg.Client, customer: string, address: string | null, version: string | null = null) =>
      one<Changed>(client, `select * from platform.${what}($1, $2, $3)`, [customer, address, version]);
  };
  const [makePrimary, remove, restore] = [
    change('make_address_primary'),
    change('remove_address'),
    change('restore_address'),
  ];
  const prove = (client: pg.Client, email: string, name = 'Ada Proven') =>
    one<{ id: string; created: boolean; taken_from: string | null }>(
      client,
      'select (customer).id, created, taken_from from platform.prove_address($1, $1, $2)',
      [email, name],
    );
  const ownerOf = async (email: string) =>
    (
      await one<{ customer_id: string } | undefined>(
        support,
        'select customer_id from platform.customer_emails where email_key = $1',
        [email],
      )
    )?.customer_id;
  const addressOf = (email: string) =>
    one<Record<string, unknown>>(support, 'select * from platform.customer_emails where email_key = $1', [email]);
  const versionOf = async (id: string) =>
    Number(
      (await one<{ version: string }>(support, 'select version from platform.customers where id = $1', [id])).version,
    );
  const candidatesOf = async (id: string) =>
    (
      await foundation.query(
        `select reason, state, evidence, case customer_id when $1 then other_id else customer_id end as other
         from platform.review_candidates where $1 in (customer_id, other_id)`,
        [id],
      )
    ).rows;

  const untilBlocked = (login: string) =>
    until(async () => {
      const { rowCount } = await superuser.query(
        `select from pg_stat_activity where datname = current_database() and usename = $1 and wait_event_type = 'Lock'`,
        [login],
      );
      return rowCount;
    });
  /**
   * Makes two transactions meet: the second starts when the first has done its work; the first commits when the second
   * waits. Returns the result of the second.
   */
  async function meet<Result>(first: [pg.Client, () => Promise<unknown>], second: [string, () => Promise<Result>]) {
    const [client, work] = first;
    const [login, contend] = second;
    await client.query('begin');
    await work();
    const contending = contend().then(
      (value) => ({ value }),
      (error) => ({ error }),
    );
    await untilBlocked(login);
    await client.query('commit');
    return contending as Promise<{ value?: Result; error?: { code: string; constraint?: string } }>;
  }

  return {
    database,
    create,
    add,
    makePrimary,
    remove,
    restore,
    prove,
    ownerOf,
    addressOf,
    versionOf,
    candidatesOf,
    meet,
    superuser,
    owner,
    foundation,
    support,
  };
}
