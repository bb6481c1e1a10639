import { atEnd, createTestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { connectPlatform, type PlatformDb } from './index.ts';
import { createCustomers, mergeWorld } from './testing.merging.ts';

let db: PlatformDb;
let superuser: pg.Client;
let foundation: pg.Client;
let support: pg.Client;
let privacy: pg.Client;
let customer: ReturnType<typeof createCustomers>;
beforeAll(async () => {
  const database = await createTestDatabase();
  [superuser, foundation, support, privacy] = await Promise.all([
    database.connect('postgres'),
    database.connect('foundation_app'),
    database.connect('support_app'),
    database.connect('privacy_app'),
  ]);
  await superuser.query(mergeWorld);
  customer = createCustomers(superuser);
  db = await connectPlatform({ app: 'console', variables: { PLATFORM_DB_URL: database.url('console_app') } });
  atEnd(() => db.close());
});

/** The customers whose kept last activity is not that of their activities. */
async function findDifferences(): Promise<unknown[]> {
  const { rows } = await superuser.query(`
    select * from (
      select a.customer_id, max(a.occurred_at) filter (where a.occurred_at <= now()) as last_at,
        min(a.occurred_at) filter (where a.occurred_at > now()) as next_at
      from crm.activities a join platform.customers c on c.id = a.customer_id and c.erased_at is null group by 1) a
    full join crm.customer_activity k using (customer_id)
    where (a.last_at, a.next_at) is distinct from (k.last_at, k.next_at)`);
  return rows;
}

const keptOf = async (id: string) =>
  (await superuser.query('select last_at from crm.customer_activity where customer_id = $1', [id])).rows[0]?.last_at;

let made = 0;
const add = (client: pg.Client, id: string, at: string) =>
  client === support
    ? client.query(
        `insert into crm.activities (customer_id, type, description, occurred_at, idempotency_key)
         values ($1, 'support_session', 'Chat', now() + $2::interval, $3)`,
        [id, at, `test:${++made}`],
      )
    : client.query(
        `insert into crm.activities (customer_id, type, description, occurred_at) values ($1, 'note', 'x', now() + $2::interval)`,
        [id, at],
      );

test('the last activity is that of either app, and of next week only what is past counts', async () => {
  const id = await customer();
  await superuser.query('delete from crm.activities where customer_id = $1', [id]);
  expect(await keptOf(id)).toBe(undefined);
  await add(foundation, id, '7 days');
  expect(await keptOf(id)).toBe(null);
  await add(foundation, id, '-9 days');
  await add(support, id, '-3 days');
  await add(foundation, id, '-5 days');
  expect(await findDifferences()).toEqual([]);
  const last = await keptOf(id);
  await superuser.query(`delete from crm.activities where customer_id = $1 and created_by_app = 'support'`, [id]);
  expect((await keptOf(id)).getTime()).toBeLessThan(last.getTime());
  await foundation.query(
    `update crm.activities set occurred_at = now() where customer_id = $1 and occurred_at < now()`,
    [id],
  );
  expect(await findDifferences()).toEqual([]);
});

test('what lay ahead and has come is settled when a list is read', async () => {
  const id = await customer();
  await add(foundation, id, '7 days');
  // As it is a week later.
  await superuser.query(`set session_replication_role = replica;
    update crm.activities set occurred_at = now() - interval '1 hour' where customer_id = '${id}' and occurred_at > now();
    update crm.customer_activity set next_at = now() - interval '1 hour' where customer_id = '${id}';
    set session_replication_role = default`);
  const { rows } = await foundation.query('select crm.settle_activities() as settled');
  expect(rows).toEqual([{ settled: 1 }]);
  expect(await findDifferences()).toEqual([]);
  expect((await foundation.query('select crm.settle_activities() as settled')).rows).toEqual([{ settled: 0 }]);
});

test('two who write activities of one customer at once leave the later one', async () => {
  const id = await customer();
  await superuser.query('delete from crm.activities where customer_id = $1', [id]);
  await foundation.query('begin');
  await support.query('begin');
  await add(foundation, id, '-1 days');
  await add(support, id, '-2 days');
  await Promise.all([foundation.query('commit'), support.query('commit')]);
  expect(await findDifferences()).toEqual([]);
});

test('it follows the activities through a merge, its unmerge and a move, and goes with an erasure', async () => {
  const [survivor, loser] = [await customer(), await customer()];
  await add(foundation, survivor, '-30 days');
  await add(support, loser, '-1 minute');
  const before = [await keptOf(survivor), await keptOf(loser)];
  const { merges } = await db.mergeCustomers(survivor, [loser], { actor: 'tom' });
  expect([await keptOf(survivor), await keptOf(loser), await findDifferences()]).toEqual([before[1], undefined, []]);
  await db.unmergeCustomers(merges[0]?.merge as string, { actor: 'tom' });
  expect([await keptOf(survivor), await keptOf(loser), await findDifferences()]).toEqual([...before, []]);

  await add(foundation, loser, '0 days');
  const { rows } = await superuser.query(
    `select id from crm.activities where customer_id = $1 and type = 'note' order by occurred_at desc limit 1`,
    [loser],
  );
  await foundation.query(`select set_config('aether.actor', 'maya', false)`);
  await foundation.query('select platform.move_record($1, $2, $3)', ['activity', rows[0].id, survivor]);
  expect(await findDifferences()).toEqual([]);
  expect(await keptOf(survivor)).not.toEqual(before[0]);

  await privacy.query(`select set_config('aether.actor', 'tom', false)`);
  await privacy.query('select platform.erase_customer($1, $2)', [survivor, 'A request']);
  expect([await keptOf(survivor), await findDifferences()]).toEqual([undefined, []]);
});

test('no app writes it', async () => {
  for (const app of [foundation, support])
    for (const write of ['delete from crm.customer_activity', 'update crm.customer_activity set last_at = now()'])
      await expect(app.query(write)).rejects.toMatchObject({ code: '42501' });
  await expect(support.query('select crm.settle_activities()')).rejects.toMatchObject({ code: '42501' });
});
