import { testTenant } from '@aether/signin/testing';
import { beforeAll, expect, test } from 'vitest';
import { until } from '../../testing.ts';
import { startTestConsole, type TestConsole } from '../testing.ts';

let app: TestConsole;
beforeAll(async () => {
  app = await startTestConsole();
  const superuser = await app.database.connect('postgres');
  await superuser.query(`update platform.users set role = 'steward' where id = 'maya'`);
  const mia = { subject: 'mia', email: 'mia@aether.example', name: 'Mia', tenantId: testTenant, objectId: 'mia' };
  await app.console.signInUser(mia);
  await superuser.query(`update platform.users set role = 'admin' where id = 'mia'`);
});

// biome-ignore lint/suspicious/noExplicitAny: what a test looks at
type Answer = { status: number } & Record<string, any>;

/** Asks as a person, or as a machine with these scopes. A text is sent as a list. */
async function ask(as: string | string[], method: string, path: string, body?: string | object): Promise<Answer> {
  const headers = Array.isArray(as)
    ? { Authorization: `Bearer ${await app.issuer.tokenFor('service', { roles: as })}` }
    : await app.headersOf(as);
  const answer = await fetch(`${app.url}/api/privacy/${path}`, {
    method,
    headers: {
      ...headers,
      ...(body !== undefined && {
        'Content-Type': typeof body === 'string' ? 'application/octet-stream' : 'application/json',
      }),
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { ...((await answer.json()) as object), status: answer.status };
}

async function add(...emails: string[]): Promise<string[]> {
  const foundation = await app.database.connect('foundation_app');
  const { rows } = await foundation.query(
    `insert into platform.customers (email, name) select e, 'Ada' from unnest($1::text[]) e returning id`,
    [emails],
  );
  return rows.map(({ id }) => id);
}

/** The job when nobody runs it any more. */
async function ended(id: string, as: string | string[] = 'maya'): Promise<Answer> {
  let found: Answer | undefined;
  await until(async () => {
    found = await ask(as, 'GET', `jobs/${id}`);
    return !found.is_running;
  });
  return found as Answer;
}

test('a list is looked at by a steward, erased by an administrator behind the answer, and its outcome is a file; a receipt is lifted', async () => {
  const [one, two, held] = await add('one@list.example', 'two@list.example', 'held@list.example');
  const foundation = await app.database.connect('foundation_app');
  await foundation.query(`select * from platform.add_address($1, 'too@list.example', 'too@list.example')`, [one]);
  const { id: hold } = await ask('maya', 'POST', 'holds', { customer: held, reason: 'A lawsuit' });
  const list = `# from the form\none@list.example\n\n${two}\nheld@list.example\nnobody@list.example\ntwo words\nTOO@list.example\n`;

  const look = await ask('maya', 'POST', 'jobs/preview', list);
  expect([look.status, look.needs_two]).toEqual([200, false]);
  expect(look.lines).toMatchObject([
    { line: 2, state: 'present', customer: one, records: 1, refusal: null },
    { line: 4, state: 'present', customer: two },
    {
      line: 5,
      state: 'refused',
      customer: held,
      refusal: 'held',
      why: 'A legal hold keeps this customer.',
      tables: [],
    },
    { line: 6, state: 'refused', customer: null, refusal: 'unknown' },
    { line: 7, state: 'refused', refusal: 'unreadable' },
    { line: 8, state: 'present', customer: one },
  ]);
  expect(look.lines[0].tables).toContainEqual({ table: 'platform.customer_emails', act: 'delete', rows: 2 });

  for (const [as, status] of [
    ['maya', 403],
    [['privacy.read'], 403],
  ] as const)
    expect(await ask(as as string, 'POST', 'jobs?reason=request%2012', list)).toMatchObject({ status });
  expect(await ask('boss', 'POST', 'jobs', list)).toMatchObject({ status: 422 });
  const begun = await ask(['privacy.write'], 'POST', 'jobs?reason=request%2012', list);
  expect(begun).toEqual({ status: 200, id: expect.any(String) });
  expect(await ended(begun.id)).toMatchObject({
    ...{ status: 200, reason: 'request 12', begun_by: 'machine', people: 6, erased: 3, open: 0, again: 1 },
    refused: [{ refusal: 'unreadable' }, { refusal: 'unknown' }, { refusal: 'held', lines: 1 }],
    seconds_left: null,
  });
  expect((await ask('maya', 'GET', 'jobs')).jobs).toMatchObject([{ id: begun.id, erased: 3 }]);
  const page = await ask('maya', 'GET', `jobs/${begun.id}/lines?state=erased`);
  expect(page).toMatchObject({ next: null, lines: [{ line: 2 }, { line: 4 }, { line: 8 }] });
  const file = await fetch(`${app.url}/api/privacy/jobs/${begun.id}/lines.csv`, {
    headers: await app.headersOf('maya'),
  });
  expect([file.status, file.headers.get('content-type')]).toEqual([200, 'text/csv; charset=utf-8']);
  const csv = await file.text();
  expect(csv).toContain(`2,erased,${one},${page.lines[0].receipt},,`);
  expect(csv).toContain(`5,refused,${held},,A legal hold keeps this customer.,`);
  expect(csv).not.toContain('@');

  // The hold is released: the job goes on without its list, and tries the line again.
  expect(await ask('maya', 'POST', `jobs/${begun.id}/run`, {})).toMatchObject({ status: 403 });
  await ask('maya', 'POST', `holds/${hold}/release`, { reason: 'It is settled' });
  expect(await ask('boss', 'POST', `jobs/${begun.id}/run`, {})).toMatchObject({ status: 200 });
  expect(await ended(begun.id)).toMatchObject({ erased: 4, again: 0, run_by_name: 'Bo Boss' });
  expect(await ask('boss', 'POST', `jobs/${begun.id}/run`, {})).toMatchObject({ status: 409, code: 'nothing-left' });

  // All that one erasure keeps away comes back by its receipt, with a reason, by an administrator.
  const receipt = page.lines[0].receipt;
  const lifting = { reason: 'They came back' };
  expect(await ask('maya', 'GET', `receipts/${receipt}`)).toMatchObject({ kept_away: 2, lifted: [] });
  expect(await ask('maya', 'POST', `receipts/${receipt}/lift`, lifting)).toMatchObject({ status: 403 });
  expect(await ask(['privacy.write'], 'POST', `receipts/${receipt}/lift`, lifting)).toMatchObject({ status: 403 });
  expect(await ask('boss', 'POST', `receipts/${receipt}/lift`, { reason: ' ' })).toMatchObject({ status: 422 });
  expect(await ask('boss', 'POST', `receipts/${one}/lift`, lifting)).toMatchObject({ status: 404 });
  expect(await ask('boss', 'POST', `receipts/${receipt}/lift`, lifting)).toEqual({ status: 200, lifted: 2 });
  expect(await ask('boss', 'POST', `receipts/${receipt}/lift`, lifting)).toEqual({ status: 200, lifted: 0 });
  expect(await ask('maya', 'GET', `receipts/${receipt}`)).toMatchObject({
    kept_away: 0,
    lifted: [{ by: 'boss', by_name: 'Bo Boss', reason: 'They came back', count: 2 }],
  });
  expect(await add('one@list.example')).toHaveLength(1);
});

test('where two people are needed, one asks for a list, the same one is refused, and another one confirms it', async () => {
  await add('three@list.example', 'four@list.example');
  const superuser = await app.database.connect('postgres');
  await superuser.query('update platform.privacy_settings set two_people = true');
  const list = 'three@list.example\nfour@list.example';
  const { id } = await ask('boss', 'POST', 'jobs?reason=request%2013', list);
  expect(await ended(id, 'boss')).toMatchObject({ asked: 2, erased: 0, confirmable: 0 });
  expect(await ask('boss', 'POST', `jobs/${id}/run`, {})).toMatchObject({ status: 409, code: 'needs-another-person' });
  expect(await ask('mia', 'GET', `jobs/${id}`)).toMatchObject({ asked: 2, confirmable: 2 });
  expect(await ask('mia', 'POST', `jobs/${id}/run`, {})).toMatchObject({ status: 200 });
  const done = await ended(id);
  expect(done).toMatchObject({ asked: 0, erased: 2, begun_by: 'boss', run_by: 'mia' });
  const { receipts } = await ask('maya', 'GET', 'receipts');
  expect(receipts[0]).toMatchObject({ asked_by: 'boss', erased_by: 'mia', reason: 'request 13' });
  await superuser.query('update platform.privacy_settings set two_people = false');
});

test('a running job is stopped by an administrator, and is not run twice', async () => {
  const people = Array.from({ length: 5 }, (_, n) => `stop${n}@list.example`);
  await add(...people);
  const superuser = await app.database.connect('postgres');
  await superuser.query('begin');
  await superuser.query('select from platform.customers where email_key = $1 for update', [people[2]]);
  const { id } = await ask('boss', 'POST', 'jobs?reason=request%2014', people.join('\n'));
  // The clean-up of an earlier job may wait for the same transaction.
  await until(async () => (await ask('maya', 'GET', `jobs/${id}`)).open === 3);
  expect(await ask('maya', 'GET', `jobs/${id}`)).toMatchObject({ is_running: true, people: 5, left: 3 });
  for (const path of [`jobs/${id}/run`, 'jobs?reason=request%2014'])
    expect(await ask('boss', 'POST', path, path.includes('?') ? people.join('\n') : {})).toMatchObject({
      ...{ status: 409, code: 'job-runs' },
    });
  expect(await ask('maya', 'POST', `jobs/${id}/stop`, {})).toMatchObject({ status: 403 });
  expect(await ask('boss', 'POST', `jobs/${id}/stop`, {})).toEqual({ status: 200, stopped: true });
  await superuser.query('commit');
  const stopped = await ended(id);
  expect(stopped).toMatchObject({ stopped_by_name: 'Bo Boss', erased: 3, open: 2 });
  expect(await ask('boss', 'POST', `jobs/${id}/run`, {})).toMatchObject({ status: 200 });
  expect(await ended(id)).toMatchObject({ erased: 5, stopped_at: null });
});

test.each([
  ['jobs?reason=x', '# nobody\n', 422, 'no-list'],
  ['jobs?reason=x', `${'x@y.example\n'.repeat(100_001)}`, 422, 'no-list'],
  ['jobs?reason=x', 'x'.repeat(8 * 1_048_576 + 1), 413, 'body-too-large'],
  ['jobs/preview', '\n', 422, 'no-list'],
  ['jobs/preview', 'x@y.example\n'.repeat(201), 422, 'too-many-people'],
])('%s refuses a list that is none, and says why', async (path, list, status, code) => {
  expect(await ask('boss', 'POST', path, list)).toMatchObject({ status, code, detail: expect.any(String) });
});

test('bytes that are no text, and a job that is not there, are refused', async () => {
  const answer = await fetch(`${app.url}/api/privacy/jobs/preview`, {
    method: 'POST',
    headers: { ...(await app.headersOf('boss')), 'Content-Type': 'application/octet-stream' },
    body: new Uint8Array([0xff, 0xfe, 0x61]),
  });
  expect([answer.status, await answer.json()]).toEqual([422, expect.objectContaining({ code: 'no-list' })]);
  const nowhere = 'jobs/01890000-0000-7000-8000-000000000000';
  for (const [method, path] of [
    ['GET', nowhere],
    ['GET', `${nowhere}/lines`],
    ['GET', `${nowhere}/lines.csv`],
    ['POST', `${nowhere}/stop`],
    ['POST', `${nowhere}/run`],
  ] as const)
    expect([path, (await ask('boss', method, path, method === 'POST' ? {} : undefined)).status]).toEqual([path, 404]);
});
