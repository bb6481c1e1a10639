import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { aetherHere, newHome } from './testing.ts';

let home: string;
let database: TestDatabase;
let foundation: pg.Client;
beforeAll(async () => {
  home = await newHome();
  database = await createTestDatabase();
  foundation = await database.connect('foundation_app');
});

const run = (...args: string[]) => aetherHere(home, args, { SYNC_APP_URL: database.url('sync_app') });
const add = async (email: string, name: string): Promise<string> =>
  (await foundation.query('insert into platform.customers (email, name) values ($1, $2) returning id', [email, name]))
    .rows[0].id;
const nameOf = async (id: string) =>
  (await foundation.query('select name, merged_into from platform.customers where id = $1', [id])).rows[0];

test('aether merge shows what it would do, makes two customers one, and aether unmerge takes them apart again', async () => {
  const [survivor, loser] = [await add('ada@cli.example', 'Ada'), await add('a.king@cli.example', 'Ada King')];
  const preview = await run('merge', survivor, loser, '--preview');
  expect(preview.code, preview.output).toBe(0);
  expect(preview.output).toContain('platform.customer_emails: 1 would move');
  expect(await nameOf(loser)).toEqual({ name: 'Ada King', merged_into: null });

  const merged = await run('merge', survivor, loser, '--field', 'name=loser', '--reason', 'One person', '--json');
  expect(merged.code, merged.output).toBe(0);
  const [{ merge, version }] = merged.records() as [{ merge: string; version: number }];
  expect(version).toBe(2);
  expect(await nameOf(survivor)).toEqual({ name: 'Ada King', merged_into: null });
  expect(await nameOf(loser)).toEqual({ name: 'Ada King', merged_into: survivor });
  const refused = await run('merge', survivor, loser, '--preview');
  expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('It would be refused: ')]);
  const { rows } = await (await database.connect('postgres')).query('select actor, reason, login from platform.merges');
  expect(rows).toEqual([{ actor: expect.stringMatching(/^command:/), reason: 'One person', login: 'sync_app' }]);

  const undone = await run('unmerge', merge);
  expect(undone.code, undone.output).toBe(0);
  expect(undone.output).toContain('fields back: name');
  expect(await nameOf(survivor)).toEqual({ name: 'Ada', merged_into: null });
  expect(await nameOf(loser)).toEqual({ name: 'Ada King', merged_into: null });
  const again = await run('unmerge', merge);
  expect([again.code, again.output]).toEqual([1, expect.stringContaining('taken back')]);
  const look = await run('unmerge', merge, '--preview');
  expect([look.code, look.output]).toEqual([1, expect.stringContaining('taken back')]);
});

test.each([
  [['merge', 'no-id', '01890000-0000-7000-8000-000000000000'], 'no such customer'],
  [['merge', '01890000-0000-7000-8000-000000000000', '01890000-0000-7000-8000-000000000001'], 'no such customer'],
  [['unmerge', '01890000-0000-7000-8000-000000000000'], 'no such merge'],
])('aether %j is refused with what is wrong', async (args, words) => {
  const { code, output } = await run(...args);
  expect([code, output.toLowerCase()]).toEqual([1, expect.stringContaining(words.toLowerCase())]);
});

test('aether duplicates asks for a look through all customers and says how far it is; an app may not ask', async () => {
  const asked = await run('duplicates', 'find');
  expect(asked.code, asked.output).toBe(0);
  const status = await run('duplicates', 'status');
  expect([status.code, status.output]).toEqual([0, expect.stringContaining('Step 1 of 2: their keys. 0 of about')]);
  const refused = await aetherHere(home, ['duplicates', 'find'], { SYNC_APP_URL: database.url('foundation_app') });
  expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('permission denied')]);
});
