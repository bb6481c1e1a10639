import { openCsv } from '@aether/http/testing.csv';
import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from './testing.ts';

let app: TestFoundation;
let superuser: pg.Client;
beforeAll(async () => {
  app = await startTestFoundation();
  superuser = await app.database.connect('postgres');
  await app.foundation.updateUser('maya', { role: 'admin' });
});

const read = async (query = '') => (await app.call('GET', `/api/setting-changes${query}`)).body;

test('an act of several rows is one entry, with its person, its trace, and each field before and after', async () => {
  const { body: made } = await app.call('POST', '/api/pipelines', { name: 'Partners' });
  await app.call('PATCH', `/api/pipelines/${made.id}`, { name: 'Resellers', expected_version: made.version });
  const { acts } = await read('?kind=pipeline&person=maya');
  expect(acts).toHaveLength(2);
  expect(acts[0]).toMatchObject({
    actor: 'maya',
    actor_name: 'Maya Okafor',
    app: 'foundation',
    login: 'foundation_app',
    trace: expect.stringMatching(/^00-[0-9a-f]{32}-/),
    count: 1,
    changes: [
      {
        kind: 'pipeline',
        key: String(made.id),
        name: 'Resellers',
        change: 'changed',
        fields: [{ field: 'name', before: 'Partners', after: 'Resellers', is_hidden: false }],
      },
    ],
  });
  const stages: { name: string }[] = made.stages;
  expect(acts[1].count).toBe(1 + stages.length);
  expect(acts[1].changes.map(({ part, part_name }: Record<string, unknown>) => [part, part_name])).toEqual([
    [null, null],
    ...stages.map(({ name }) => ['stage', name]),
  ]);
});

test('an act has what was changed of the stages and nothing else, also when one gets the former name of another', async () => {
  const { body: made } = await app.call('POST', '/api/pipelines', { name: 'Renewals' });
  const save = (stages: object[]) => app.call('PUT', `/api/pipelines/${made.id}/stages`, { stages });
  const [first, second, ...others] = made.stages;
  await save([{ ...first, probability_percent: 17 }, second, ...others]);
  await save([
    first,
    { ...second, name: 'Warm' },
    { name: second.name, outcome: 'open', probability_percent: 30 },
    ...others,
  ]);
  const { acts } = await read(`?kind=pipeline&key=${made.id}`);
  expect(acts[1].changes).toEqual([
    expect.objectContaining({
      part_name: first.name,
      fields: [expect.objectContaining({ field: 'probability_percent', after: 17 })],
    }),
  ]);
  expect(JSON.stringify(acts[0].changes)).toContain(`"after":"Warm"`);
  expect(await save([{ ...first, name: second.name }, { ...second, name: first.name }, ...others])).toMatchObject({
    status: 200,
  });
});

test('a change by SQL is there without a person; filters by person, kind and day leave it out, and pages meet without a gap', async () => {
  await superuser.query(`insert into crm.loss_reasons (name) values ('By SQL')`);
  for (const name of ['Red', 'Green', 'Blue']) await app.call('POST', '/api/tags', { name });
  const [bySql] = (await read('?kind=loss_reason')).acts;
  expect(bySql).toMatchObject({ actor: null, app: 'operator', login: 'postgres', trace: null });
  expect((await read('?kind=loss_reason&person=maya')).acts).toEqual([]);
  expect((await read('?from=2001-01-01&to=2001-01-31&zone=Europe/Oslo')).acts).toEqual([]);
  const names: string[] = [];
  for (let cursor = ''; ; ) {
    const { acts, next_cursor } = await read(`?kind=tag&limit=1${cursor}`);
    names.push(...acts.map(({ changes }: { changes: [{ name: string }] }) => changes[0].name));
    if (!next_cursor) break;
    cursor = `&cursor=${next_cursor}`;
  }
  expect(names).toEqual(['Blue', 'Green', 'Red']);
});

test('the file has a row for each field', async () => {
  await app.call('POST', '/api/tags', { name: 'Filed', colour: 'gold' });
  const file = await fetch(`${app.url}/api/setting-changes.csv?kind=tag`, { headers: await app.headersOf('maya') });
  const rows = openCsv(await file.text());
  const by = { person: 'Maya Okafor', app: 'foundation', kind: 'tag', name: 'Filed', change: 'created', before: '' };
  expect(rows.slice(0, 2)).toMatchObject([
    { ...by, field: 'name', after: 'Filed' },
    { ...by, field: 'colour', after: 'gold' },
  ]);
});

test('who has changed something is listed, and somebody who is no administrator is refused', async () => {
  expect((await app.call('GET', '/api/setting-changes/people')).body).toEqual({
    people: [{ id: 'maya', name: 'Maya Okafor' }],
  });
  await superuser.query(`update platform.users set role = 'steward' where id = 'maya'`);
  for (const path of ['', '.csv', '/people'])
    expect((await app.call('GET', `/api/setting-changes${path}`)).body).toMatchObject({ status: 403 });
  await superuser.query(`update platform.users set role = 'admin' where id = 'maya'`);
});

test.each([
  ['?kind=Wid get', 'kind'],
  ['?from=yesterday', 'from'],
  ['?zone=Mars', 'zone'],
  ['?cursor=x', 'cursor'],
])('a question that cannot be answered is refused by its field: %s', async (query, field) => {
  expect(await read(query)).toMatchObject({ status: 422, errors: [{ field }] });
});
