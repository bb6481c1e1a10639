import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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
