import { createTestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';

let long: pg.Client;
let short: pg.Client;
let sync: pg.Client;
beforeAll(async () => {
  const database = await createTestDatabase();
  long = await database.connect('foundation_app');
  short = await database.connect('support_app');
  sync = await database.connect('sync_app');
});

const age = async (): Promise<number | null> =>
  (await sync.query('select extract(epoch from sync.outbox_age())::float8 as seconds')).rows[0].seconds;
const publish = (client: pg.Client, app: string) => client.query(`select sync.publish('${app}.aged', 'k', '{}')`);

test('an event that waits for its number is as old as its commit, not as its statement', async () => {
  expect(await age()).toBeNull();
  await long.query('begin');
  await publish(long, 'foundation');
  await long.query('select pg_sleep(1.2)');
  expect(await age()).toBeNull();
  const committedAt = performance.now();
  await long.query('commit');
  const found = await age();
  expect(found).toBeLessThan((performance.now() - committedAt) / 1_000 + 0.1); // its statement is a second older
  await sync.query('select pg_sleep(0.5)');
  expect(await age()).toBeGreaterThan(0.5);
});

test('one that was written first and commits last does not hide how long the others have waited', async () => {
  await sync.query('begin; select from sync.sequencer for update; select sync.sequence(100, 0); commit');
  await long.query('begin');
  await publish(long, 'foundation');
  await publish(short, 'support');
  await long.query('select pg_sleep(0.5)');
  await long.query('commit');
  expect(await age()).toBeGreaterThan(0.5);
});
