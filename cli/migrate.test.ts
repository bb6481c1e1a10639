import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { startTestPooler } from '@aether/platform/testing.pooler';
import pg from 'pg';
import { beforeAll, expect, inject, test } from 'vitest';
import { aether, aetherHere, newHome } from './testing.ts';

let home: string;
let database: TestDatabase;
let url: string;
beforeAll(async () => {
  home = await newHome();
  database = await createTestDatabase({ template: 'template0' });
  url = database.url('platform_migrator');
});

async function run(args: string[], variables: Record<string, string> = {}) {
  const { code, output } = await aetherHere(home, ['migrate', ...args], variables);
  return { code, output };
}

test('bootstrap, up, status and check bring another server to the committed schema, and check finds a drift', {
  timeout: 60_000,
}, async () => {
  const { adminUrl, urls } = inject('aetherServer');
  // The other test files log in with these passwords, so bootstrap must set the same ones.
  const passwords = Object.fromEntries(
    Object.entries(urls).map(([login, loginUrl]) => [
      `${login.toUpperCase()}_PASSWORD`,
      decodeURIComponent(new URL(loginUrl).password),
    ]),
  );
  const bootstrapped = await run(['bootstrap', '--admin-url', adminUrl, '--database', database.name], passwords);
  expect(bootstrapped.code).toBe(0);
  expect(bootstrapped.output).toContain(`PLATFORM_MIGRATOR_URL=${url}`);
  // The second time without passwords: the logins keep theirs.
  const repeated = await run(['bootstrap', '--admin-url', adminUrl, '--database', database.name]);
  expect(repeated).toEqual({
    code: 0,
    output: expect.stringMatching(/kept the password they have.*MIGRATOR_URL=.*:PASSWORD@/s),
  });
  expect((await run(['status', '--url', url])).code).toBe(0);

  expect(await run(['status', '--url', url])).toEqual({
    code: 0,
    output: expect.stringMatching(/^0 applied, \d+ to run\.\n {2}1 house: to run/),
  });
  expect(await run(['check', '--url', url])).toEqual({ code: 1, output: expect.stringContaining('aether migrate up') });
  expect(await run(['up', '--url', url])).toEqual({ code: 0, output: expect.stringMatching(/\d+ applied\.\n$/) });
  expect(await run(['up', '--url', url])).toEqual({ code: 0, output: 'Up to date.\n' });
  expect(await run(['check'], { PLATFORM_MIGRATOR_URL: url })).toMatchObject({ code: 0 });

  const owner = await database.connect('platform_migrator');
  await owner.query('set role platform_owner');
  await owner.query('grant update (account_tier) on platform.customers to support_role');
  const check = aether(home, ['migrate', 'check', '--url', url]);
  expect([await check.ends(), check.output()]).toEqual([
    1,
    expect.stringMatching(/\+ .*grant update.*account_tier.*untested grant: update \(account_tier\)/s),
  ]);
});

test('a migration through a transaction pooler is refused, and nothing is left on the shared connection', async () => {
  const fresh = await createTestDatabase();
  const pooler = await startTestPooler(fresh.url('platform_migrator'), 1);
  try {
    for (const args of [['up'], ['status'], ['check']])
      expect(await run([...args, '--url', pooler.url])).toEqual({
        code: 1,
        output: expect.stringMatching(/pooler that lends its connections .* Give the address of PostgreSQL itself/),
      });
    const shared = new pg.Client({ connectionString: pooler.url });
    await shared.connect();
    const { rows } = await shared.query(
      `select current_user as role, (select count(*)::integer from pg_locks
        where locktype = 'advisory' and pid = pg_backend_pid()) as locks`,
    );
    await shared.end();
    expect(rows).toEqual([{ role: 'platform_migrator', locks: 0 }]);
  } finally {
    await pooler.close();
  }
});

test('a migration as a superuser is refused, and nothing is changed', async () => {
  const refused = await run(['up', '--url', database.url('postgres')]);
  expect(refused).toEqual({ code: 1, output: expect.stringContaining('never run as a superuser') });
});
