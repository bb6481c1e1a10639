import { atEnd } from '@aether/database/testing';
import { startSync } from '@aether/sync';
import { beforeAll, expect, test } from 'vitest';
import { startTestSupport, type TestSupport } from '../testing.ts';
import { keepCustomerCache } from './customercache.ts';

let app: TestSupport;
beforeAll(async () => {
  app = await startTestSupport();
  const worker = await startSync({ variables: { PLATFORM_DB_URL: app.database.url('sync_app') } });
  atEnd(worker.close);
});

const columns = `id, version, email, name, phone, company_id, account_tier, account_manager_id, crm_id, support_id, preferred_language, timezone,
  created_by_app, created_at, merged_into, erased_at`;

/** How many customers the cache shows differently from the table. */
async function countDiffering(): Promise<number> {
  const superuser = await app.database.connect('postgres');
  const { rows } = await superuser.query(
    `select count(*)::integer as differing from (
       (select ${columns} from platform.customers except select ${columns} from support.customer_cache)
       union all (select ${columns} from support.customer_cache except select ${columns} from platform.customers)) d`,
  );
  await superuser.end();
  return rows[0].differing;
}
const isEqual = () => expect.poll(countDiffering, { timeout: 10_000, interval: 20 }).toBe(0);

test('loaded under load, it ends up equal to the table, and follows whoever changes what', async () => {
  const ids = await Promise.all(
    Array.from(
      { length: 20 },
      async (_, n) => (await app.foundation.createCustomer({ name: `C${n}`, email: `c${n}@example.com` })).id,
    ),
  );
  const changes = ids.flatMap((id, n) => [
    () => app.foundation.updateCustomer(id, { account_tier: n % 2 ? 'premium' : 'standard' }),
    () => app.support.updateCustomer(id, { timezone: 'Europe/Berlin', name: `Renamed ${n}` }),
    () => app.foundation.updateCustomer(id, { phone: null, email: `new${n}@example.com` }),
    () => app.support.findOrCreateCustomer({ email: `more${n}@example.com`, name: 'More' }),
  ]);
  await Promise.all(changes.map((change) => change()));
  await isEqual();
  const owner = await app.database.connect('platform_migrator');
  await owner.query('set role platform_owner');
  await owner.query('update platform.customers set merged_into = $2 where id = $1', [ids[0], ids[1]]);
  await isEqual();
});

test('an event that it knows already changes nothing, and one that it missed is laid over', async () => {
  const customer = await app.foundation.createCustomer({ name: 'Replayed', email: 'replayed@example.com' });
  await app.foundation.updateCustomer(customer.id, { account_tier: 'premium' });
  await isEqual();
  const sync = await app.database.connect('sync_app');
  await sync.query(
    `update sync.subscriptions set replay_until = position, position = 0 where name = 'support.customer-cache'`,
  );
  await expect
    .poll(
      async () =>
        (
          await sync.query(
            `select position >= replay_until as done from sync.subscriptions where name = 'support.customer-cache'`,
          )
        ).rows[0].done,
      { timeout: 10_000 },
    )
    .toBe(true);
  expect(await countDiffering()).toBe(0);
});

test('what an event says that somebody skipped is read from the table with the next one', async () => {
  const customer = await app.foundation.createCustomer({ name: 'Skipped', email: 'skipped@example.com' });
  await isEqual();
  const sync = await app.database.connect('sync_app');
  const set = (what: string) =>
    sync.query(`update sync.subscriptions set ${what} where name = 'support.customer-cache'`);
  await set(`is_paused = true, pause_reason = 'test'`);
  await app.foundation.updateCustomer(customer.id, { account_tier: 'premium' });
  await expect
    .poll(async () => (await sync.query('select sync.outbox_age() is null as empty')).rows[0].empty)
    .toBe(true);
  await set('position = sync.head()');
  await app.foundation.updateCustomer(customer.id, { phone: '+1 555' });
  await set('is_paused = false, pause_reason = null');
  await isEqual();
});

test('a second process keeps the same cache, and doubles nothing', async () => {
  const subscription = keepCustomerCache(app.support, () => {});
  const customer = await app.foundation.createCustomer({ name: 'Two', email: 'two@example.com' });
  for (let n = 0; n < 10; n++) await app.foundation.updateCustomer(customer.id, { name: `Two ${n}` });
  await isEqual();
  await subscription.stop();
});

test('Foundation cannot read it', async () => {
  await expect(app.foundation.query('select from support.customer_cache')).rejects.toMatchObject({ code: '42501' });
});
