import { execFile } from 'node:child_process';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { urlFor } from '@aether/database';
import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { startTestPooler } from '@aether/platform/testing.pooler';
import pg from 'pg';
import { beforeAll, expect, inject, test } from 'vitest';
import { formatLine } from './loginsfile.ts';
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
  // The second time without passwords: the logins keep theirs, which nobody can read.
  const bootstrap = ['bootstrap', '--admin-url', adminUrl, '--database', database.name];
  const repeated = await run(bootstrap);
  expect(repeated).toEqual({
    code: 0,
    output: expect.stringMatching(/kept the password they have, which cannot be read/),
  });
  expect(repeated.output).not.toContain('_URL=');

  const file = join(home, 'logins.env');
  await run([...bootstrap, '--to', file], passwords);
  const written = await readFile(file, 'utf8');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(written).toContain(`PLATFORM_MIGRATOR_URL=${url}\n`);
  expect(await run([...bootstrap, '--to', file])).toMatchObject({ code: 0 });
  expect(await readFile(file, 'utf8')).toBe(written);
  const { stdout } = await promisify(execFile)('sh', ['-c', `set -a; . ${file}; env`]);
  expect(stdout).toContain(`PLATFORM_MIGRATOR_URL=${url}\n`);

  // What is somebody else's stays as it is, and so does the file when the server refuses.
  const elsewhere = written.replaceAll(`/${database.name}`, '/another');
  await writeFile(file, elsewhere);
  expect(await run([...bootstrap, '--to', file])).toMatchObject({
    code: 1,
    output: expect.stringContaining('name another file'),
  });
  await writeFile(file, 'PATH=/bin\n');
  expect(await run([...bootstrap, '--to', file])).toMatchObject({
    code: 1,
    output: expect.stringContaining('is not a file of logins'),
  });
  await writeFile(file, written);
  const refused = ['bootstrap', '--admin-url', url, '--database', database.name, '--new-passwords', '--to', file];
  expect(await run(refused)).toMatchObject({ code: 1 });
  expect([await readFile(file, 'utf8'), (await readdir(home)).filter((name) => name.endsWith('.new'))]).toEqual([
    written,
    [],
  ]);
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

test('bootstrap sends no password in clear text to another machine unless it is asked to', async () => {
  const admin = 'postgresql://admin:secret@db.invalid/postgres';
  const bootstrap = (address: string, ...more: string[]) => run(['bootstrap', '--admin-url', address, ...more]);
  expect(await bootstrap(`${admin}?sslmode=disable`)).toEqual({
    code: 1,
    output: expect.stringContaining('could be read on the way'),
  });
  expect(await bootstrap(`${admin}?sslmode=prefer`)).toEqual({
    code: 1,
    output: expect.stringContaining('would go on without TLS'),
  });
  expect((await bootstrap(`${admin}?sslmode=disable`, '--clear-text')).output).toContain('db.invalid');
});

test('a line of a login is one for a shell and for a file of variables, whatever its password', async () => {
  const address = urlFor('postgresql://admin@db.example:5432/p?sslmode=require', 'sync_app', `o'p(e)n $x & ~"\`!`);
  const line = formatLine('sync_app', address);
  const { stdout } = await promisify(execFile)('sh', ['-c', `${line} printf %s "$SYNC_APP_URL"`]);
  expect(decodeURIComponent(new URL(stdout).password)).toBe(`o'p(e)n $x & ~"\`!`);
  expect(line).not.toMatch(/['"$`()&]/);
  const two = formatLine('sync_app', `${address}&sslrootcert=/ca.pem`);
  expect((await promisify(execFile)('sh', ['-c', `${two} printf %s "$SYNC_APP_URL"`])).stdout).toMatch(
    /&sslrootcert=\/ca\.pem$/,
  );
});

test('a migration as a superuser is refused, and nothing is changed', async () => {
  const refused = await run(['up', '--url', database.url('postgres')]);
  expect(refused).toEqual({ code: 1, output: expect.stringContaining('never run as a superuser') });
});
