import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTestDatabase, type TestDatabase, untilSomebodyWaits } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { aether, aetherHere, newHome } from './testing.ts';

let home: string;
let database: TestDatabase;
let foundation: pg.Client;
beforeAll(async () => {
  home = await newHome();
  database = await createTestDatabase();
  foundation = await database.connect('foundation_app');
  await foundation.query(`
    insert into platform.customers (email, name, phone, phone_key) values
      ('ada@cli.example', 'Ada King', '+49301234567', '+49301234567'), ('ben@cli.example', 'Ben', '+49301234567', '+49301234567')`);
});

const variables = () => ({ PRIVACY_APP_URL: database.url('privacy_app'), AETHER_ACTOR: 'eve' });
const run = (...args: string[]) => aetherHere(home, ['privacy', ...args], variables());

test('aether privacy find says what is held where and why, and asks which of two customers is meant', async () => {
  const found = await run('find', 'ADA@cli.example');
  expect(found, found.output).toMatchObject({ code: 0 });
  expect(found.output).toMatch(/^Customer [0-9a-f-]{36}: Ada King, ada@cli\.example\n/);
  expect(found.output).toMatch(/platform\.customer_emails +1 +Addresses and numbers +Addresses by which/);
  const [record] = (await run('find', 'ada@cli.example', '--json')).records();
  expect(record).toMatchObject({ customers: [{ name: 'Ada King' }], person: { emails: ['ada@cli.example'] } });

  const both = await run('find', '+49 30 1234567');
  expect(both).toMatchObject({ code: 1 });
  expect(both.output).toContain('2 customers are meant. Ask again with the id of one:');
  expect(await run('find', 'nobody@cli.example')).toMatchObject({
    code: 0,
    output: 'No customer.\nNothing is held.\n',
  });
  expect(await run('find', 'two words')).toMatchObject({ code: 1 });
});

test('aether privacy export writes a zip that only its owner may read, and overwrites nothing', async () => {
  const out = join(home, 'ada.zip');
  const written = await run('export', 'ada@cli.example', '--out', out);
  expect(written, written.output).toMatchObject({ code: 0 });
  expect(written.output).toMatch(/^Written to .*ada\.zip\. The export is operation \d+ of the log\.\n$/);
  expect((await readFile(out)).subarray(0, 4).toString('latin1')).toBe('PK\x03\x04');
  expect((await stat(out)).mode & 0o777).toBe(0o600);

  await writeFile(join(home, 'mine.zip'), 'mine');
  const refused = await run('export', 'ada@cli.example', '--out', join(home, 'mine.zip'));
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.output).toContain('mine.zip is there already');
  expect(await readFile(join(home, 'mine.zip'), 'utf8')).toBe('mine');
  expect(await run('export', '+49301234567', '--out', join(home, 'two.zip'))).toMatchObject({ code: 1 });
  await expect(stat(join(home, 'two.zip'))).rejects.toThrow('ENOENT');
});

const add = async (email: string): Promise<string> =>
  (await foundation.query(`insert into platform.customers (email, name) values ($1, 'Ada') returning id`, [email]))
    .rows[0].id;

test('aether privacy erase looks, asks for --confirm, erases to the end of the clean-up and shows the receipt', async () => {
  const customer = await add('eva@cli.example');
  const look = await run('erase', 'EVA@cli.example', '--reason', 'Asked', '--dry-run');
  expect([look.code, look.output]).toEqual([0, expect.stringMatching(/platform\.customer_emails +1 +gone/)]);
  const unsure = await run('erase', 'eva@cli.example', '--reason', 'Asked');
  expect([unsure.code, unsure.output]).toEqual([1, expect.stringContaining('say --confirm')]);
  const done = await run('erase', 'eva@cli.example', '--reason', 'Asked', '--confirm', '--json');
  expect(done.code, done.output).toBe(0);
  expect(done.records()[0]).toMatchObject({
    customer,
    state: 'clean',
    erasedBy: 'command:eve',
    again: false,
    addresses: 1,
  });
  const nobody = await run('erase', 'eva@cli.example', '--reason', 'Asked', '--confirm');
  expect([nobody.code, nobody.output]).toEqual([1, expect.stringContaining('No customer is known by')]);
  const again = await run('erase', customer, '--reason', 'Asked', '--confirm');
  expect([again.code, again.output]).toEqual([0, expect.stringContaining('This person was erased before.')]);
  const receipts = await run('receipts', '--of', customer);
  expect(receipts.output).toContain('backups expire on a day that no setting says');
  expect((await run('clean-up', '--json')).records()).toEqual([{ ended: 0, open: 0 }]);
});

test('aether privacy erase --list is one job: it goes on after a kill, does nothing twice, and says which lines it refuses and why', async () => {
  const [one, two, held] = [
    await add('one@list.example'),
    await add('two@list.example'),
    await add('held@list.example'),
  ];
  await foundation.query('select * from platform.add_address($1, $2, $2)', [one, 'one.too@list.example']);
  expect((await run('hold', held, '--reason', 'A lawsuit')).code).toBe(0);
  const file = join(home, 'list.txt');
  const lines = [
    '# from the form',
    'one@list.example',
    '',
    two,
    held,
    'nobody@list.example',
    'two words',
    'ONE.too@list.example',
  ];
  await writeFile(file, lines.join('\n'));
  const command = ['erase', '--list', file, '--reason', 'Request 12'];

  const look = await run(...command, '--dry-run');
  expect(look.output).toContain('2 people would be erased, 1 lines name somebody of them or who was erased before.');
  expect(look.output).toContain('line 5 would be refused: A legal hold keeps this customer.');
  expect([look.code, look.output]).toEqual([1, expect.stringMatching(/platform\.customer_emails +3 +gone/)]);
  expect([await run(...command), await run(...command, 'one@list.example', '--confirm')]).toMatchObject([
    { code: 1, output: expect.stringContaining('say --confirm') },
    { code: 1, output: expect.stringContaining('one of the two') },
  ]);

  // It is killed at its second person, whom somebody holds.
  const superuser = await database.connect('postgres');
  await superuser.query('begin');
  await superuser.query('select from platform.customers where id = $1 for update', [two]);
  const killed = aether(home, ['privacy', ...command, '--confirm'], variables());
  await untilSomebodyWaits(superuser);
  killed.child.kill('SIGKILL');
  await killed.ends();
  // What it had sent to the server ends there, as when the server finds out that nobody listens.
  await superuser.query(
    'select pg_terminate_backend(l.pid, 5000) from pg_locks l where not l.granted and pg_backend_pid() = any (pg_blocking_pids(l.pid))',
  );
  await superuser.query('rollback');
  const erased =
    'select customer_id as customer from platform.erasures where customer_id = any ($1) order by erased_at';
  expect((await superuser.query(erased, [[one, two, held]])).rows).toEqual([{ customer: one }]);

  const again = await run(...command, '--confirm');
  expect(again.output).toMatch(/^Job [0-9a-f-]{36} goes on: 1 of 6 were done before\.$/m);
  expect([again.code, again.output]).toEqual([1, expect.stringContaining('6 people: 3 erased, 3 refused')]);
  expect(again.output).toContain(`customer ${two} is erased`);
  for (const refused of [
    'line 5: refused. A legal hold keeps this customer.',
    'line 6: refused. No customer is known by this.',
    'line 7: refused. It is no address, no telephone number and no id.',
  ])
    expect(again.output).toContain(refused);
  expect(again.output).not.toContain('@list.example');
  expect((await superuser.query(erased, [[one, two, held]])).rows).toEqual([{ customer: one }, { customer: two }]);

  // A refused line is tried again; who has come back since is another person, and no line of the job means them.
  expect((await run('hold', held, '--release', '--reason', 'Settled')).code).toBe(0);
  expect((await run('lift', 'one@list.example', '--reason', 'They signed up')).code).toBe(0);
  const back = await add('one@list.example');
  const third = (await run(...command, '--confirm', '--json')).records();
  expect(third.map(({ line, state }) => [line, state])).toEqual([
    ...[2, 4, 5].map((line) => [line, 'erased']),
    ...[6, 7].map((line) => [line, 'refused']),
    [8, 'erased'],
    [undefined, undefined],
  ]);
  expect(third[2]).toMatchObject({ receipt: { customer: held, state: 'clean', reason: 'Request 12' } });
  expect(third.at(-1)).toMatchObject({ people: 6, before: 3, erased: 4, refused: 2, open: 0 });
  expect((await superuser.query('select erased_at from platform.customers where id = $1', [back])).rows).toEqual([
    { erased_at: null },
  ]);
});

test('aether privacy hold keeps a person, and lift lets one come back with a reason', async () => {
  const customer = await add('held@cli.example');
  expect((await run('hold', 'held@cli.example', '--reason', 'A lawsuit')).code).toBe(0);
  const refused = await run('erase', customer, '--reason', 'Asked', '--confirm');
  expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('a legal hold keeps this customer')]);
  expect((await run('holds')).output).toContain('A lawsuit');
  expect((await run('hold', 'held@cli.example', '--release', '--reason', 'Settled')).code).toBe(0);
  expect((await run('erase', customer, '--reason', 'Asked', '--confirm')).code).toBe(0);
  await expect(add('held@cli.example')).rejects.toMatchObject({ constraint: 'person_erased' });

  const kept = await run('keep');
  expect(kept.code, kept.output).toBe(0);
  const lifted = await run('lift', 'held@cli.example', '--reason', 'They signed up');
  expect([lifted.code, lifted.output]).toEqual([0, expect.stringContaining('may come back')]);
  expect(await add('held@cli.example')).toMatch(/^[0-9a-f-]{36}$/);

  const [receipt] = (await run('receipts', '--of', customer, '--json')).records();
  const rest = await run('lift', '--receipt', receipt.erasure, '--reason', 'They signed up', '--json');
  expect([rest.code, rest.records()]).toEqual([1, [{ lifted: false }]]); // the address was all there was
  for (const args of [[], ['held@cli.example', '--receipt', receipt.erasure]])
    expect(await run('lift', ...args, '--reason', 'They signed up')).toMatchObject({
      code: 1,
      output: expect.stringContaining('one of the two'),
    });
});

test('aether privacy settings shows them without a trace, and records who changed what', async () => {
  const shown = await run('settings');
  expect([shown.code, shown.output]).toEqual([
    0,
    'Erasures need one person.\nNobody has said how long backups are kept.\n',
  ]);
  const changed = await run('settings', '--backups-days', '35', '--json');
  expect([changed.code, changed.records()]).toEqual([0, [{ twoPeople: false, backupsDays: 35 }]]);
  const superuser = await database.connect('postgres');
  const { rows } = await superuser.query(
    `select actor, outcome from sync.operations where kind = 'privacy.settings' order by id`,
  );
  expect(rows).toEqual([
    {
      actor: 'command:eve',
      outcome: {
        before: { two_people: false, backups_kept_days: null },
        after: { two_people: false, backups_kept_days: 35 },
      },
    },
  ]);
});

test('aether privacy hold --release ends a hold on a record that was merged since', async () => {
  const [survivor, loser] = [await add('goes-on@cli.example'), await add('merged@cli.example')];
  expect((await run('hold', loser, '--reason', 'A lawsuit')).code).toBe(0);
  const worker = await database.connect('sync_app');
  await worker.query(`select set_config('aether.actor', 'tom', false)`);
  await worker.query('select platform.merge_customers($1, array[$2]::uuid[])', [survivor, loser]);
  const released = await run('hold', survivor, '--release', '--reason', 'Settled', '--json');
  expect([released.code, released.records()]).toEqual([0, [{ customer: survivor, released: [expect.any(String)] }]]);
  expect((await run('hold', survivor, '--release', '--reason', 'Settled')).code).toBe(1);
});

test('a restored database is told again who was erased, before anything else', async () => {
  const customer = await add('restored@cli.example');
  const list = JSON.stringify({
    customer,
    people: [customer],
    reason: 'Asked',
    erasedAt: '2026-01-01T00:00:00Z',
    suppressed: [{ kind: 'email', hash: 'ab'.repeat(32) }],
  });
  await writeFile(`${home}/erased.jsonl`, `${list}\n`);
  const repeated = await run('repeat', `${home}/erased.jsonl`, '--json');
  expect(repeated.code, repeated.output).toBe(0);
  expect(repeated.records()).toEqual([{ erased: 1, suppressed: 1, unknown: 0, held: [] }]);
  await expect(add('restored@cli.example')).rejects.toMatchObject({ constraint: 'person_erased' });
  expect((await run('repeat', `${home}/erased.jsonl`, '--json')).records()).toEqual([
    { erased: 0, suppressed: 0, unknown: 0, held: [] },
  ]);
  const held = await add('restored-and-held@cli.example');
  expect((await run('hold', held, '--reason', 'A lawsuit')).code).toBe(0);
  await writeFile(`${home}/erased.jsonl`, `${list.replaceAll(customer, held)}\n`);
  const kept = await run('repeat', `${home}/erased.jsonl`);
  expect([kept.code, kept.output]).toEqual([1, expect.stringContaining(`Customer ${held} was not erased again`)]);
});
