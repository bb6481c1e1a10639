import { createTestDatabase } from '@aether/database/testing';
import { expect, test } from 'vitest';

test('the checks read as much after a burst as before it, although its pages are still in the outbox', async () => {
  const database = await createTestDatabase();
  const [superuser, sync] = await Promise.all([database.connect('postgres'), database.connect('sync_app')]);
  const look = async () => {
    await superuser.query(`update sync.health set evaluated_at = '-infinity'`);
    const { rows } = await sync.query('explain (analyze, buffers, format json) select * from sync.evaluate_checks()');
    const { Plan: plan } = rows[0]['QUERY PLAN'][0];
    return plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
  };
  const waiting = async () =>
    Number(
      (await superuser.query(`select measures ->> 'waiting' as waiting from sync.check_states where slug = 'outbox'`))
        .rows[0].waiting,
    );
  const put = (count: number) =>
    superuser.query(
      `insert into sync.outbox (type, key, row_id, version, audience, app, login, data)
       select 'customer.updated', 'k' || n, 'x', n, 'platform', 'foundation', 'foundation_app', '{}'
       from generate_series(1, $1::integer) n`,
      [count],
    );
  await look(); // plans everything
  const before = await look();
  await put(20_000);
  await look();
  expect(await waiting()).toBe(10_001);
  // As the worker does, which numbers them and moves its floor; what comes last keeps the pages before it.
  await superuser.query('update sync.sequencer set floor_id = (select max(id) from sync.outbox)');
  await superuser.query('delete from sync.outbox');
  await put(3);
  await look();
  expect(await look()).toBeLessThan(before + 50);
  expect(await waiting()).toBe(3);
});
