import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { startTestPlatform, type TestPlatform, until } from '../testing.ts';
import { lateMs } from './pace.ts';
import { createPostponed } from './postponed.ts';

let platform: TestPlatform;
let asked: pg.Client;
let now = 0;
beforeAll(async () => {
  platform = await startTestPlatform();
  asked = platform.sync;
});

const on = () => ({
  query: async (text: string, values?: unknown[]) => (await asked.query(text, values)).rows as never,
});
const made = async (n: number) =>
  (await platform.foundation.createCustomer({ name: `Postponed ${n}`, email: `p${n}@postponed.example` })).id;
/** The last position, once all is numbered. */
async function head(): Promise<number> {
  await until(async () => (await asked.query('select sync.outbox_age() is null as done')).rows[0].done);
  return Number((await asked.query('select sync.head() as head')).rows[0].head);
}

test('who changes again in the log that is there is looked at then, and everybody else now', async () => {
  const [again, other, once, winner, loser] = await Promise.all([1, 2, 3, 4, 5].map(made));
  const ids = [again, other, once, winner, loser] as string[];
  const last = await head();
  await platform.foundation.updateCustomer(again as string, { name: 'Postponed Again' });
  await platform.foundation.updateCustomer(other as string, { account_tier: 'premium' }); // which no look is made for
  // The event of a merge is one of its winner's row.
  await platform.sync.query('select platform.merge_customers($1, $2)', [winner, [loser]]);
  const present = await head();
  const { leaveOut } = createPostponed(['name', 'email'], () => now);
  expect(await leaveOut(on(), ids, last)).toEqual([other, once, loser]);
  expect(await leaveOut(on(), [again as string], present)).toEqual([again]);
});

test('who changes again and again is looked at after twenty seconds all the same', async () => {
  const id = await made(6);
  const { leaveOut } = createPostponed(['name'], () => now);
  const seen: boolean[] = [];
  for (const afterMs of [0, lateMs, 1, 0, lateMs + 1]) {
    now += afterMs;
    const last = await head();
    await platform.foundation.updateCustomer(id, { name: `Again at ${now}, ${seen.length}` });
    await head();
    seen.push((await leaveOut(on(), [id], last)).length > 0);
  }
  expect(seen).toEqual([false, false, true, false, true]);
});

test('who was looked at without being asked for has waited for nothing when it changes again', async () => {
  const id = await made(8);
  const { leaveOut, forget } = createPostponed(['name'], () => now);
  const changed = async () => {
    const last = await head();
    await platform.foundation.updateCustomer(id, { name: `Again at ${now}` });
    await head();
    return leaveOut(on(), [id], last);
  };
  expect(await changed()).toEqual([]);
  forget([id]);
  now += lateMs + 1;
  expect(await changed()).toEqual([]);
  now += lateMs + 1;
  expect(await changed()).toEqual([id]);
});

test('each customer is found by its key, however long the log is', async () => {
  const id = await made(7);
  await asked.query('begin');
  await createPostponed(['name']).leaveOut(on(), [id], 0);
  const { rows } = await asked.query(
    `select relname from pg_stat_xact_all_tables where relname like 'events%' and seq_scan > 0`,
  );
  await asked.query('commit');
  expect(rows).toEqual([]);
});
