import { execFile } from 'node:child_process';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { urlFor } from '@aether/database';
import { atEnd, createTestDatabase, type TestDatabase } from '@aether/database/testing';
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
  const superuser = await database.connect('postgres');
  expect(await run(['restored', '--url', url])).toMatchObject({ code: 0 });
  await superuser.query('set session authorization foundation_app');
  await superuser.query(`insert into platform.customers (email, name) values ('ada@example.com', 'Ada')`);
  await superuser.query(`reset session authorization; select setval('sync.outbox_id', 1, false)`);
  const repeats = await run(['restored', '--url', url]);
  expect([repeats.code, repeats.output]).toEqual([1, expect.stringContaining('sync.outbox_id')]);
  await superuser.query(`select setval('sync.outbox_id', 1000)`);
  // A dump of a server with an added app has its row and tables, and no role: what was given to that role got lost.
  const role = `lost${process.pid}_role`;
  await superuser.query(`create role ${role} nologin; grant app_role to ${role} with inherit true, set false`);
  await superuser.query(`insert into platform.apps (name, role, audience) values ('lost', '${role}', 'lost')`);
  expect(await run(['restored', '--url', url])).toMatchObject({ code: 0 });
  await superuser.query(`drop role ${role}`);
  expect(await run(['restored', '--url', url])).toEqual({
    code: 1,
    output: expect.stringContaining(`The role ${role} of the app lost is not on this server`),
  });
  await superuser.query(
    `set session_replication_role = replica; delete from platform.apps where name = 'lost'; reset session_replication_role`,
  );

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

test('an app is added in one command, which never overwrites the only copy of a password, and migrate check stays clean', {
  timeout: 60_000,
}, async () => {
  const name = `shop${process.pid}`;
  // Behind the end of the database, whose schema needs them.
  atEnd(async () => {
    const last = new pg.Client({ connectionString: inject('aetherServer').adminUrl });
    await last.connect();
    await last.query(`drop role if exists ${name}_app; drop role if exists ${name}_role`);
    await last.end();
  });
  const fresh = await createTestDatabase();
  const [admin, owner] = [fresh.url('aether_admin'), fresh.url('platform_migrator')];
  const app = async (args: string[], variables: Record<string, string> = {}) => {
    const urls = { PLATFORM_ADMIN_URL: admin, PLATFORM_MIGRATOR_URL: owner };
    const { code, output } = await aetherHere(home, ['app', ...args], { ...urls, ...variables });
    return { code, output };
  };
  const sql = await fresh.connect('aether_admin');
  const asOwner = await fresh.connect('platform_migrator');
  await asOwner.query('set role platform_owner');
  const file = join(home, 'shop.env');
  const types = join(home, 'shop.d.ts');
  const others = `OBSERVER_APP_URL=${fresh.url('observer_app')}\n`;
  await writeFile(file, others);

  // What is refused leaves nothing behind.
  for (const [bad, words] of [
    ['Shop', 'is not the name of an app'],
    ['support', 'is taken'],
    ['bulk', 'belongs to the house'],
    ['deal', 'is reserved'],
    ['ext', 'there is a schema ext'],
  ] as const)
    expect(await app(['add', bad])).toEqual({ code: 1, output: expect.stringContaining(words) });
  const asSupport = { PLATFORM_MIGRATOR_URL: fresh.url('support_app') };
  expect(await app(['add', name], asSupport)).toMatchObject({
    code: 1,
    output: expect.stringContaining('may not act as platform_owner'),
  });
  expect(await app(['add', name], { PLATFORM_ADMIN_URL: fresh.url('support_app') })).toMatchObject({
    code: 1,
    output: expect.stringContaining('CREATEROLE and CREATEDB'),
  });
  await sql.query(`create role ${name}_role nologin createdb`);
  expect(await app(['add', name])).toMatchObject({
    code: 1,
    output: expect.stringContaining(`${name}_role is a maker of databases`),
  });
  await sql.query(`drop role ${name}_role`);
  expect((await sql.query(`select from pg_roles where starts_with(rolname, '${name}')`)).rowCount).toBe(0);

  const added = await app(['add', name, '--to', file, '--types', types, '--client', 'shop-machine']);
  expect(added).toEqual({
    code: 0,
    output: expect.stringContaining(`the login ${name}_app with the role ${name}_role`),
  });
  const written = await readFile(file, 'utf8');
  expect(written).toMatch(new RegExp(`^${others}${name.toUpperCase()}_APP_URL=postgres.*\\n$`));
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readFile(types, 'utf8')).toMatch(/'platform\.customers': Customers;.*}/s);
  const url = /_APP_URL=(.*shop.*)\n$/.exec(written)?.[1] as string;
  const login = new pg.Client({ connectionString: url });
  await login.connect();
  login.on('error', () => {});
  expect((await login.query('select platform.current_app() as app')).rows).toEqual([{ app: name }]);

  // Again: the name is taken, and the file is as it was.
  expect(await app(['add', name, '--to', file])).toMatchObject({
    code: 1,
    output: expect.stringContaining('is taken'),
  });
  expect(await readFile(file, 'utf8')).toBe(written);
  expect(await app(['list'])).toMatchObject({
    code: 0,
    output: expect.stringMatching(new RegExp(`${name} +${name}_app +${name} +shop-machine \\(customers.read .*`)),
  });
  expect(await app(['client', 'support', 'shop-machine'])).toMatchObject({
    code: 1,
    output: expect.stringContaining('belongs to another app'),
  });

  expect(await app(['events', name, 'deal.closed', '--amounts'])).toEqual({
    code: 0,
    output: expect.stringContaining(`${name} is told from now on: deal.closed, with amounts.`),
  });
  expect((await app(['list'])).output).toContain('deal.closed with amounts');

  // Its own schema is its own business; a right beyond it is found.
  await asOwner.query(`create table ${name}.orders (id bigint primary key, amount numeric not null default 0, tags text[],
      customer_id uuid references platform.customers);
    create index on ${name}.orders (customer_id);
    call platform.require_present_customer('${name}.orders'); call platform.move_in_merges('${name}.orders');
    call platform.protect_table('${name}.orders'); create policy own on ${name}.orders to ${name}_role using (true) with check (true);
    grant select, insert (id, tags) on ${name}.orders to ${name}_role;
    call platform.classify('${name}.orders', 'r.customer_id = any ($1)', 'keep', 'A test.',
      content => 'amount tags', stays => 'amount tags', technical => 'id customer_id')`);
  expect(await run(['check', '--url', owner])).toEqual({ code: 0, output: expect.anything() });
  const printed = await app(['types', name], { PLATFORM_DB_URL: url });
  expect(printed.output).toContain(`export interface Orders {
  id: Column<number, number, never>;
  amount: Column<string, never, never>;
  tags: Column<string[] | null, string[] | null | undefined, never>;
  customer_id: Column<string | null, never, never>;
}`);
  await asOwner.query(`grant select on ${name}.orders to privacy_role`);
  expect(await run(['check', '--url', owner])).toMatchObject({
    code: 1,
    output: expect.stringContaining(`select on table ${name}.orders to privacy_role`),
  });
  await asOwner.query(`revoke select on ${name}.orders from privacy_role`);
  await asOwner.query(`grant usage on schema crm to ${name}_role`);
  expect(await run(['check', '--url', owner])).toMatchObject({
    code: 1,
    output: expect.stringContaining(`usage on schema crm to ${name}_role`),
  });
  await asOwner.query(`revoke usage on schema crm from ${name}_role`);
  await sql.query(`alter role ${name}_app createdb`);
  expect(await run(['check', '--url', owner])).toMatchObject({
    code: 1,
    output: expect.stringContaining(`${name}_app is a maker of databases`),
  });
  await sql.query(`alter role ${name}_app nocreatedb`);

  // A webhook of it, by command.
  const hook = (...args: string[]) => aetherHere(home, ['webhook', ...args, '--url', fresh.url('sync_app')]);
  expect(await hook('add', `${name}.hook`, 'http://hooks.example/', '--types', 'customer.updated')).toMatchObject({
    code: 1,
    output: expect.stringContaining('for this machine only'),
  });
  const hooked = await hook('add', `${name}.hook`, 'https://hooks.example/', '--types', 'customer.updated');
  expect(hooked).toMatchObject({ code: 0, output: expect.stringMatching(/^whsec_.+\nshop\d+\.hook is told of/) });
  expect((await hook('list')).output).toMatch(/hooks\.example.*nothing delivered yet/);
  const moved = ['change', `${name}.hook`, '--address', 'https://hooks.example/b'];
  expect((await hook(...moved)).output).toContain('is changed');
  expect(await hook('change', `${name}.hook`)).toMatchObject({
    code: 1,
    output: expect.stringContaining('Say what changes'),
  });
  expect((await hook('test', `${name}.hook`)).output).toContain('within seconds');
  expect(await hook('attempts', `${name}.hook`)).toMatchObject({ code: 0, output: expect.stringMatching(/^time/) });
  expect((await hook('rotate', `${name}.hook`)).output).toMatch(/^whsec_/);
  expect((await hook('remove', `${name}.hook`)).code).toBe(0);

  // Out of service, and back.
  expect(await app(['remove', 'support'])).toMatchObject({
    code: 1,
    output: expect.stringContaining('belongs to the house'),
  });
  expect(await app(['remove', name])).toMatchObject({
    code: 0,
    output: expect.stringContaining(`${name}_app is gone`),
  });
  await expect(login.query('select')).rejects.toThrow();
  expect(await app(['list'])).toMatchObject({
    output: expect.stringMatching(/out of service .*shop-machine \(nothing\)/),
  });
  expect(await app(['add', name])).toMatchObject({
    code: 0,
    output: expect.stringMatching(/_APP_URL=.*in service again/s),
  });
});
