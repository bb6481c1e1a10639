import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { aetherHere, newHome } from '../testing.ts';

let home: string;
let database: TestDatabase;
let foundation: pg.Client;
beforeAll(async () => {
  home = await newHome();
  database = await createTestDatabase();
  foundation = await database.connect('foundation_app');
});

const run = (...args: string[]) => aetherHere(home, ['import', ...args], { SYNC_APP_URL: database.url('sync_app') });
async function file(name: string, text: string): Promise<string> {
  const path = join(home, name);
  await writeFile(path, text);
  return path;
}
const addresses = async () =>
  (await foundation.query('select email, phone from platform.customers order by email')).rows.map(({ email, phone }) =>
    phone === null ? email : `${email} ${phone}`,
  );

test('aether import plans, applies, verifies and undoes a file, and the mended rows of it run alone', {
  timeout: 60_000,
}, async () => {
  const people = await file(
    'people.csv',
    'Nr,E-mail,Name,Phone\n1,ada@cli.example,Ada King,+49301234567\n2,ben@cli.example,Ben\n3,carla@cli.example,Carla Sol,\n',
  );
  const shoes = await file(
    'shoes.csv',
    'Email,Name,Shoe\na@shoe.example,Ann,43\nb@shoe.example,Bo,\nc@shoe.example,Cy,41\n',
  );
  const leaving = ['plan', shoes, '--map', 'Shoe='];
  expect((await run(...leaving)).output).toContain('Left out: Shoe, in 2 lines, such as 43, 41');
  expect((await run(...leaving, '--json')).records()).toMatchObject([
    { unmapped: { column: { Shoe: 2 } }, read: [{ leftOut: [{ column: 'Shoe', cells: 2, samples: ['43', '41'] }] }] },
  ]);
  const planned = await run('plan', people, '--source', 'old-crm', '--map', 'Nr=id', '--json');
  expect(planned.code, planned.output).toBe(0);
  const [plan] = planned.records() as [{ run: string; counts: Record<string, number> }];
  expect(plan.counts).toMatchObject({ created: 2, rejected: 1 });
  expect(await addresses()).toEqual([]);

  expect(await run('apply', plan.run)).toMatchObject({ code: 0, output: '2 created, 1 rejected\n' });
  expect(await addresses()).toEqual(['ada@cli.example +49301234567', 'carla@cli.example']);
  expect(await run('verify', plan.run)).toMatchObject({ code: 0 });
  expect((await run('runs')).output).toMatch(/applied +people\.csv +3 +2 created, 1 rejected .*command:/);

  const { output } = await run('rows', plan.run, '--outcome', 'rejected', '--csv');
  expect(output).toContain('import line,import outcome,import reason,Nr,E-mail,Name,Phone\r\n3,rejected,');
  const mended = await file(
    'mended.csv',
    output.replace('2,ben@cli.example,Ben,', '2,ben@cli.example,Ben,+49301234568'),
  );
  const again = await run('plan', mended, '--source', 'old-crm', '--map', 'Nr=id', '--json');
  const [second] = again.records() as [{ run: string; counts: Record<string, number> }];
  expect(second.counts, again.output).toMatchObject({ created: 1, rejected: 0 });
  await run('apply', second.run);
  expect(await addresses()).toContain('ben@cli.example +49301234568');

  await foundation.query(`update platform.customers set name = 'Ada Lovelace' where email = 'ada@cli.example'`);
  const undone = await run('undo', plan.run, '--reason', 'an old list');
  expect(undone.output).toMatch(/^1 customers removed, 0 values put back, 1 kept\.[\s\S]*name +Ada King +Ada Lovelace/);
  expect(await addresses()).toEqual(['ada@cli.example +49301234567', 'ben@cli.example +49301234568']);
});

test('aether import refuses a column, a run and a state that are not there, and says what is', async () => {
  const people = await file('few.csv', 'Email,Name\nada@few.example,Ada\n');
  expect(await run('plan', people, '--map', 'Mail=email')).toMatchObject({
    code: 1,
    output: expect.stringContaining('There is no column Mail. The columns are: Email, Name.'),
  });
  expect(await run('apply', '999')).toMatchObject({ code: 1, output: expect.stringContaining('There is no run 999') });
  const [plan] = (await run('plan', people, '--json')).records() as [{ run: string }];
  expect(await run('undo', plan.run)).toMatchObject({
    code: 1,
    output: expect.stringContaining('only what was applied'),
  });
  expect(await run('abandon', plan.run)).toMatchObject({ code: 1, output: expect.stringContaining('--reason') });
  const given = await run('abandon', plan.run, '--reason', 'a test', '--json');
  expect(given.records()).toEqual([{ run: plan.run, state: 'abandoned' }]);
  expect((await run('rows', plan.run)).code).toBe(0);
});

test('aether import asks about pairs of a plan, follows the answers, and says what another rule would change', async () => {
  const people = await file(
    'pairs.csv',
    'Email,Name\nboth@pairs.example,Cleo Moreau\nboth@pairs.example,Dmitri Novak\n',
  );
  const [plan] = (await run('plan', people, '--json')).records() as [{ run: string }];
  expect((await run('candidates', plan.run)).output).toMatch(/1 +Cleo Moreau, both@pairs\.example +2 +Dmitri Novak/);
  expect((await run('answer', plan.run, '1', 'two', 'same')).output).toContain('or the id of a customer');
  expect((await run('answer', plan.run, '1', '2', 'same')).output).toContain(`aether import replan ${plan.run}`);
  expect(await run('apply', plan.run)).toMatchObject({ code: 1, output: expect.stringContaining('import replan') });
  const follows = await run('replan', plan.run, '--set', 'family=4', '--json');
  expect(follows.records()).toMatchObject([{ counts: { created: 1, unchanged: 1, held: 0 } }]);
  expect((await run('what-if', plan.run, '--set', 'address=off')).output).toMatch(
    /^0 pairs would be gained.*\n0 pairs/,
  );
  expect((await run('what-if', plan.run, '--set', 'colour=red')).output).toContain('There is no setting colour');
  expect((await run('replan', plan.run, '--set', 'standard', '--json')).records()).toMatchObject([
    { counts: { created: 1 } },
  ]);
});

test('aether import --from reads another database, may only read there, and never prints its password', async () => {
  const other = await createTestDatabase();
  const owner = await other.connect('postgres');
  await owner.query(`
    create table public.old_people (id bigint, full_name text, mail text);
    insert into public.old_people values (1, 'Eve Elder', 'eve@elder.example'), (2, 'Fay Elder', 'fay@elder.example')`);
  const url = other.url('postgres');
  const secret = new URL(url).password || 'secret-of-the-test';
  const withSecret = Object.assign(new URL(url), { password: secret }).href;
  const query = 'select id, full_name as name, mail as email from public.old_people order by id';
  const from = (sql: string, at = withSecret) =>
    run('plan', '--from', at, '--query', sql, '--source', 'elder', '--json');
  const planned = await from(query);
  expect(planned.code, planned.output).toBe(0);
  const [plan] = planned.records() as [{ run: string }];
  expect(plan).toMatchObject({
    counts: { created: 2 },
    read: [{ mapping: { id: 'id', name: 'name', email: 'email' } }],
  });
  await run('apply', plan.run);
  expect(await addresses()).toEqual(expect.arrayContaining(['eve@elder.example', 'fay@elder.example']));
  await owner.query(`update public.old_people set full_name = 'Fay Younger' where id = 2`);
  expect((await from(query)).records()).toMatchObject([{ counts: { unchanged: 2, created: 0 } }]);

  // What the other database is told: nothing may be written, and no statement runs for ever.
  const told = await from(
    `select 3 as id, 'x@elder.example' as email,
       current_setting('transaction_read_only') || ' ' || current_setting('statement_timeout') as name`,
  );
  const [toldPlan] = told.records() as [{ run: string }];
  expect((await run('rows', toldPlan.run, '--json')).records()).toMatchObject([{ rows: [{ name: 'on 10min' }] }]);

  const refused = [
    [await from('select * from public.no_such_table'), 'relation "public.no_such_table" does not exist'],
    [await from('with gone as (delete from public.old_people returning id) select id from gone'), 'refuses the query'],
    [await from('select pg_sleep(5), 1 as id where false; drop table public.old_people'), 'refuses the query'],
    [await from(`select nextval('public.s') as id`), 'does not exist'],
    [await from(query, 'mysql://root:hunter2@localhost/old'), 'A database is given as postgres://login@host/database.'],
    [await from(query, 'postgres://root:hunter2@127.0.0.1:1/old'), '127.0.0.1:1/old cannot be reached'],
    [await run('plan', '--from', withSecret), '--from and --query go together.'],
  ] as const;
  for (const [{ code, output }, words] of refused) {
    expect([code, output]).toEqual([1, expect.stringContaining(words)]);
    expect(output).not.toContain('hunter2');
    expect(output).not.toContain(`:${secret}@`);
  }
  expect((await owner.query('select count(*)::integer as people from public.old_people')).rows).toEqual([
    { people: 2 },
  ]);
  const { rows } = await (await database.connect('postgres')).query(
    `select count(*)::integer as found from sync.import_runs r join sync.import_files f on f.run = r.id
     where (r.settings::text || f.name) like '%' || $1 || '%' or (r.settings::text || f.name) like '%hunter2%'`,
    [secret],
  );
  expect(rows).toEqual([{ found: 0 }]);
});
