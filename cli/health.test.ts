import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { statuses } from '@aether/sync';
import { beforeAll, expect, test } from 'vitest';
import { healthCommand } from './health.ts';
import { aetherHere, newHome } from './testing.ts';

let home: string;
let database: TestDatabase;
beforeAll(async () => {
  home = await newHome();
  database = await createTestDatabase();
});

const run = (...args: string[]) => aetherHere(home, ['health', ...args], { SYNC_APP_URL: database.url('sync_app') });

test('aether health ends with 3 while nothing has reported, names the worst first, and gives JSON', async () => {
  const { code, output } = await run();
  expect(code).toBe(3);
  expect(output).toMatch(/ are unknown\.\n\ncheck +status +since +reason\n\S+ +unknown /);
  expect(output).toMatch(/\ndatabase +ok +\d{4}-\d\d-\d\dT/);
  const health = JSON.parse((await run('--json')).output);
  expect(health.worst).toBe('unknown');
  expect(health.checks.every(({ status }: { status: (typeof statuses)[number] }) => statuses.includes(status))).toBe(
    true,
  );
});

test('aether health ends with 2 when something is silent, and with 1 for a warning', async () => {
  const sync = await database.connect('sync_app');
  const superuser = await database.connect('postgres');
  await superuser.query(`delete from sync.health_sources where function_name <> 'sync.check_disk'`);
  await superuser.query(`update sync.health_limits set value = 0.001 where name = 'worsens_seconds'`);
  const measured = (bytes: number) =>
    superuser.query(
      `update sync.health set evaluated_at = '-infinity', log_measured_at = clock_timestamp(), log_bytes = $1`,
      [bytes],
    );
  /** A worse state counts when it is seen for the second time. */
  const codeOf = async (bytes: number) => {
    await measured(bytes);
    await run();
    await measured(bytes);
    return (await run()).code;
  };
  expect(await codeOf(1_000)).toBe(0);
  await run('limit', 'log_bytes', '1100', '--reason', 'a small disk');
  expect(await codeOf(1_000)).toBe(1);
  expect(await codeOf(1_200)).toBe(2);
  expect((await run('limits')).output).toMatch(/\nlog_bytes +1100 +/);
  expect((await sync.query(`select reason from sync.operations`)).rows).toEqual([{ reason: 'a small disk' }]);
});

test('aether health ends with 3 and a sentence when the database is out of reach', async () => {
  expect(await run('--url', 'postgresql://sync_app@127.0.0.1:9/platform')).toMatchObject({
    code: 3,
    output: expect.stringMatching(/127\.0\.0\.1:9/),
  });
});

test('a limit that is no number above 0 is refused before the database is asked', async () => {
  const command = healthCommand();
  for (const each of command.commands) each.exitOverride().configureOutput({ writeErr() {} });
  const refused = command.parseAsync(['limit', 'log_bytes', '0', '--url', 'x'], { from: 'user' });
  await expect(refused).rejects.toThrow('must be a number above 0.');
});
