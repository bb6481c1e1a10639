import { createTestDatabase } from '@aether/database/testing';
import { expect, test } from 'vitest';
import { connectPlatform } from '../index.ts';
import { takeDue } from './parked.ts';

test('parked events that are due are read page by page, so that a process holds few of them if they are large', async () => {
  const database = await createTestDatabase();
  const superuser = await database.connect('postgres');
  await superuser.query(
    `insert into sync.events (position, id, type, key, row_id, audience, app, login, data, previous, occurred_at)
     select n, n, 'support.large', n, n, 'platform', 'support', 'support_app', jsonb_build_object('text', repeat('x', size)), '{}', now()
     from unnest('{10,1500000,1500000,1500000,9000000,20,30}'::integer[]) with ordinality s (size, n)`,
  );
  await superuser.query(`insert into sync.subscriptions (name, app, position) values ('support.large', 'support', 7)`);
  await superuser.query(
    `insert into sync.parked (subscription, position, key, state, attempt_at)
     select 'support.large', n, n, 'retrying', now() - interval '1 second' from generate_series(1, 7) n where n <> 6
     union all select 'support.large', 6, '6', 'retrying', now() + interval '1 hour'`,
  );
  const db = await connectPlatform({ app: 'support', variables: { PLATFORM_DB_URL: database.url('support_app') } });
  const pages: number[][] = [];
  for (let due = await takeDue(db, { name: 'support.large' }, 100); due.length > 0; ) {
    pages.push(due.map(({ position }) => position));
    await superuser.query('delete from sync.parked where position = any ($1)', [pages.at(-1)]);
    due = await takeDue(db, { name: 'support.large' }, 100);
  }
  expect(pages).toEqual([[1, 2, 3, 4], [5], [7]]);
  await db.close();
});
