import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { beforeAll, expect, test } from 'vitest';
import { aetherHere, newHome } from './testing.ts';

let home: string;
let database: TestDatabase;
beforeAll(async () => {
  home = await newHome();
  database = await createTestDatabase();
  const superuser = await database.connect('postgres');
  await superuser.query(
    `insert into sync.alerts (slug, kind, status, previous, reason, since)
     values ('subscription:a', 'subscription', 'parked', 'ok', '3 events are dead and wait for a person.', clock_timestamp());
     insert into sync.alert_states (slug, kind, told, sent, alert_id) select slug, kind, status, status, id from sync.alerts`,
  );
});

const run = (...args: string[]) => aetherHere(home, ['alerts', ...args], { SYNC_APP_URL: database.url('sync_app') });

test('aether alerts lists what is open and ends with 1, silences a check with a reason, and tests the targets', async () => {
  const listed = await run('list', '--open', '--json');
  expect(listed.code).toBe(1);
  expect(listed.records()).toMatchObject([{ slug: 'subscription:a', status: 'parked', is_open: true }]);
  const silenced = await run('silence', '--check', 'subscription:a', '--for', '2h', 'The target moves.');
  expect(silenced).toMatchObject({ code: 0, output: expect.stringMatching(/^subscription:a is silenced until 2/) });
  expect(await run('silence', '--kind', 'nothing', '--for', '2h', 'x')).toMatchObject({
    code: 1,
    output: expect.stringContaining('nothing is no check that has ever been made.'),
  });
  expect(await run('test')).toMatchObject({ code: 1, output: expect.stringContaining('no process has a target') });
  expect((await run('list', '--silences')).output).toMatch(
    /subscription:a .*command:\S+ .*The target moves\. .*in force/,
  );
});
