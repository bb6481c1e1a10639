import { atEnd } from '@aether/database/testing';
import { connectPlatform, type PlatformDb } from '@aether/platform';
import { addThirdApp, type ThirdApp } from '@aether/platform/testing.thirdapp';
import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { replayPaused, startTestPlatform, type TestPlatform } from '../testing.ts';

let platform: TestPlatform;
let app: ThirdApp;
let billing: PlatformDb;
let worker: pg.Client;
beforeAll(async () => {
  platform = await startTestPlatform();
  app = await addThirdApp(platform.database);
  billing = await connectPlatform({ app: app.name, variables: { PLATFORM_DB_URL: app.url } });
  atEnd(() => billing.close());
  worker = await platform.database.connect('sync_app');
  await platform.superuser.query(`
    insert into platform.users (id, email, name, role) values ('tom', 'tom@example.com', 'Tom', 'steward');
    insert into support.widgets (key, name) values ('merges-widget', 'W')`);
});

/** Numbers that a seed decides. */
function createRandom(seed: number) {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 8) / 2 ** 24;
  };
  return <Value>(from: readonly Value[]): Value => from[Math.floor(next() * from.length)] as Value;
}

test('a third app’s subscription by the recipe of its page ends the same live, from the beginning and replayed, whatever was merged, taken apart, moved and edited', async () => {
  const { keepRecipients, writeRecipient } = await app.load();
  const first = keepRecipients(billing);
  await first.ready;
  const seed = Math.floor(Math.random() * 1e9);
  const pick = createRandom(seed);
  const { foundation, support } = platform;
  const customers: string[] = [];
  for (let n = 0; n < 6; n++)
    customers.push((await foundation.createCustomer({ email: `m${n}@merges.example`, name: `Customer ${n}` })).id);
  const merges: string[] = [];
  const presentOf = async (id: string) => (await foundation.getCustomerById(id))?.id as string;
  const acts: (() => Promise<unknown>)[] = [
    async () => {
      const [survivor, loser] = [await presentOf(pick(customers)), await presentOf(pick(customers))];
      if (survivor === loser) return;
      const { rows } = await worker.query('select platform.merge_customers($1, array[$2]::uuid[]) as answer', [
        survivor,
        loser,
      ]);
      merges.push(rows[0].answer.merges[0].merge);
    },
    async () => {
      if (merges.length === 0) return;
      const id = pick(merges);
      merges.splice(merges.indexOf(id), 1);
      await worker.query('select platform.unmerge_customers($1)', [id]);
    },
    async () =>
      foundation.updateCustomer(await presentOf(pick(customers)), { name: `Edited ${pick([1, 2, 3, 4, 5])}` }),
    async () =>
      support.transaction({ actor: 'tom' }, async (tx) => {
        const [from, to] = [await presentOf(pick(customers)), await presentOf(pick(customers))];
        const [chat] = await tx.query<{ id: string }>(
          `insert into support.sessions (widget_id, customer_id, visitor_name, token_hash)
           select id, $1, 'V', sha256(uuid_send(gen_random_uuid())) from support.widgets limit 1 returning id`,
          [from],
        );
        if (from !== to) await support.moveRecord({ kind: 'session', id: chat?.id as string, to }, { tx });
      }),
    async () =>
      billing.transaction({}, async (tx) => {
        const id = await presentOf(pick(customers));
        await tx.query(`insert into ${app.name}.invoices (customer_id, amount) values ($1, 1)`, [id]);
        await writeRecipient(billing, tx, id);
      }),
  ];
  for (let n = 0; n < 60; n++) await pick([...acts, acts[0] as () => Promise<unknown>])();

  const name = `${app.name}.recipients`;
  const read = async () =>
    (await app.owner.query(`select customer_id, name, invoices from ${app.name}.recipients order by customer_id`)).rows;
  await platform.settled(name);
  const live = await read();
  const { rows: right } = await platform.superuser.query(
    `select c.id as customer_id, c.name, (select count(*)::integer from ${app.name}.invoices i where i.customer_id = c.id) as invoices
     from platform.customers c where c.merged_into is null order by c.id`,
  );
  expect(live, `seed ${seed}`).toEqual(right);

  await app.owner.query(`delete from ${app.name}.recipients`);
  const again = keepRecipients(billing, `${name}_again`);
  await again.ready;
  await platform.settled(`${name}_again`);
  expect(await read(), `from the beginning, seed ${seed}`).toEqual(right);

  await replayPaused(platform.sync, { subscription: name });
  await platform.settled(name);
  expect(await read(), `replayed, seed ${seed}`).toEqual(right);
  await Promise.all([first.stop(), again.stop()]);
  // All of it was taken into account: merged customers are not among the recipients.
  expect(right.length).toBe(6 - merges.length);
}, 60_000);
