import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing.ts';

export const ada = '00000000-0000-7000-8000-00000000000a'; // Foundation made her
export const bob = '00000000-0000-7000-8000-00000000000b'; // Support made him
export const acme = '00000000-0000-7000-8000-0000000000ac';
export const theirs = '00000000-0000-7000-8000-0000000000f0'; // Foundation's activity
export const ours = '00000000-0000-7000-8000-0000000000f1'; // Support's activity
export const session = '00000000-0000-7000-8000-0000000000e0';

type App = 'foundation_app' | 'support_app';
const apps: App[] = ['foundation_app', 'support_app'];

export type World = { database: TestDatabase; superuser: pg.Client } & Record<App, pg.Client>;

/** A database with a few records of each app and a connection of each login. */
export function createWorld(): World {
  const world = {} as World;
  beforeAll(async () => {
    world.database = await createTestDatabase();
    world.superuser = await world.database.connect('postgres');
    await world.superuser.query(records);
    for (const app of apps) world[app] = await world.database.connect(app);
  });
  return world;
}

/**
 * Makes bootstraps of other test files wait: roles belong to the whole server, and two sessions that alter one at once
 * collide.
 */
export function holdRoles(): void {
  const holder = new pg.Client({ connectionString: inject('aetherServer').adminUrl });
  beforeAll(async () => {
    await holder.connect();
    await holder.query(`select pg_advisory_lock(hashtext('aether bootstrap'))`);
  });
  afterAll(() => holder.end());
}

const records = `
  insert into platform.users (id, email, name, role)
    values ('u-admin', 'root@example.com', 'Root', 'admin'), ('u-agent', 'agent@example.com', 'Agent', 'user');
  insert into platform.companies (id, name, domain, created_by_app) values ('${acme}', 'Acme', 'acme.example', 'foundation');
  insert into platform.customers (id, email, name, created_by_app, crm_id, support_id, account_tier, preferred_language) values
    ('${ada}', 'ada@example.com', 'Ada', 'foundation', 1, null, 'basic', null),
    ('${bob}', 'bob@example.com', 'Bob', 'support', null, 1, null, 'en');
  insert into crm.pipelines (name) values ('Sales');
  insert into crm.pipeline_stages (pipeline_id, name, position) values (1, 'New', 1);
  insert into crm.deals (customer_id, pipeline_id, stage_id, name) values ('${ada}', 1, 1, 'Secret deal');
  insert into crm.activities (id, customer_id, type, description, created_by_app, created_by_login, idempotency_key) values
    ('${theirs}', '${ada}', 'note', 'secret', 'foundation', 'foundation_app', null),
    ('${ours}', '${ada}', 'support_chat', '7', 'support', 'support_app', 'session:1');
  insert into support.widgets (key, name) values ('widget-1', 'Shop');
  insert into support.sessions (id, widget_id, customer_id, visitor_email, visitor_name, token_hash)
    select '${session}', id, '${ada}', 'ada@example.com', 'Ada', sha256('x') from support.widgets;
  insert into support.messages (session_id, number, author, client_id, body) values ('${session}', 1, 'visitor', 'c1', 'secret');`;

/**
 * Runs SQL in a transaction that is rolled back, and returns its end in one line: "42501 permission denied for …"; if
 * it succeeded, "1 row", or "done" for a statement that counts no rows.
 */
export async function attempt(client: pg.ClientBase, sql: string): Promise<string> {
  await client.query('begin');
  try {
    const results = [await client.query(sql)].flat();
    const { rowCount } = results.at(-1) as pg.QueryResult;
    return rowCount === null ? 'done' : `${rowCount} row${rowCount === 1 ? '' : 's'}`;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (!code) throw error;
    return `${code} ${message}`;
  } finally {
    await client.query('rollback');
  }
}

/** An attack by an app, the error that stops it, and the nearest statement that the app may run. */
export type Refusal = { attack: string; ends: string; neighbour: string };

/**
 * One test for each entry: the attack, made by this login, ends as stated, and its neighbour succeeds with at least one
 * row. This shows that the attack was refused for what it does and not for a typing mistake.
 */
export function refuse(world: World, app: App, refusals: Record<string, Refusal>): void {
  test.each(Object.entries(refusals))(`${app.replace('_app', '')} %s`, async (_, { attack, ends, neighbour }) => {
    expect(await attempt(world[app], attack)).toBe(ends);
    expect(await attempt(world[app], neighbour)).toMatch(/^([1-9]\d* rows?|done)$/);
  });
}

/** The columns of a customer that crm.customer_context names. */
export const customerColumnNames =
  `id email name phone phone_key phone_extension company_id version created_at updated_at created_by_app crm_id account_tier
  account_manager_id support_id preferred_language timezone merged_into erased_at`.split(/\s+/);
