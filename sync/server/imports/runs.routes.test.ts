import { beforeAll, expect, test } from 'vitest';
import { startTestConsole, type TestConsole } from '../testing.ts';
import { type ImportCalls, importCallsOf, pause, startImportWorker } from './testing.imports.ts';

let app: TestConsole;
let calls: ImportCalls;
beforeAll(async () => {
  app = await startTestConsole();
  calls = importCallsOf(app);
  startImportWorker(app);
});

const find = async (email: string) =>
  (await app.call('GET', `/api/customers?search=${email}`)).body.customers as { id: string; name: string }[];

async function plan(name: string, text: string): Promise<string> {
  const id = await calls.upload(name, text);
  await calls.recognised(id);
  const { body } = await calls.boss('POST', '/api/imports/plans', { app: 'foundation', files: [id] });
  const job = await calls.ended(body.job);
  expect(job).toMatchObject({ state: 'done', error: null, files: [id], actor_name: 'Bo Boss' });
  return job.run;
}
async function step(run: string, kind: string, reason = 'a test') {
  const { status, body } = await calls.boss('POST', `/api/imports/runs/${run}/${kind}`, { reason });
  expect(status).toBe(202);
  return calls.ended(body.job);
}

test('a file goes the whole way: plan, apply, verify, a preview of the undo field by field, and the undo', async () => {
  const { boss } = calls;
  const foundation = await app.database.connect('foundation_app');
  await foundation.query(`insert into platform.customers (email, name) values ('known@acme.org', 'Jonathan Person')`);
  const run = await plan(
    'old-crm.csv',
    'id,email,name,phone\n1,ada@acme.org,Ada King,+493012345\n2,known@acme.org,Jon Person,+493099999\n3,bo@acme.org,Bo Berg,\n4,ragged@acme.org\n5,,Nobody Known,\n',
  );
  const planned = (await app.call('GET', `/api/imports/runs/${run}`)).body;
  expect(planned).toMatchObject({
    state: 'planned',
    createdByName: 'Bo Boss',
    counts: { created: 2, updated: 1, rejected: 1, held: 1, unchanged: 0 },
    steps: [{ step: 'plan', actor_name: 'Bo Boss' }],
  });
  expect(await find('ada@acme.org')).toEqual([]); // no app sees a plan
  const rows = async (query: string) => (await app.call('GET', `/api/imports/runs/${run}/rows?${query}`)).body.rows;
  expect(await rows('conflicts=true')).toMatchObject([
    {
      line: 3,
      conflicts: [{ field: 'name', ours: 'Jonathan Person', theirs: 'Jon Person' }],
      fills: [{ field: 'phone', theirs: '+493099999' }],
    },
  ]);
  expect(await rows('outcome=held')).toMatchObject([{ because: expect.stringContaining('no e-mail address') }]);
  expect(await rows('outcome=rejected')).toMatchObject([{ line: 5, raw: '4,ragged@acme.org' }]);

  expect((await app.call('POST', `/api/imports/runs/${run}/apply`, {})).body.code).toBe('admin-only');
  expect((await boss('POST', `/api/imports/runs/${run}/undo`, { reason: 'x' })).status).toBe(409); // nothing is written yet
  const applied = await step(run, 'apply');
  expect(applied).toMatchObject({
    state: 'done',
    outcome: { counts: { created: 2, updated: 1 }, verified: { isRight: true } },
  });
  expect(await find('ada@acme.org')).toMatchObject([{ name: 'Ada King' }]);
  expect(await step(run, 'verify')).toMatchObject({ outcome: { verified: { isRight: true } } });

  const [bo] = await find('bo@acme.org');
  await foundation.query(`update platform.customers set name = 'Bo Changed' where id = $1`, [bo?.id]);
  expect(await step(run, 'preview')).toMatchObject({ outcome: { removed: 1, restored: 1, kept: 1 } });
  const kept = { person: { name: 'Bo Changed' }, field: 'name', written: 'Bo Berg', present: 'Bo Changed' };
  expect((await app.call('GET', `/api/imports/runs/${run}/kept`)).body).toMatchObject({ preview: [kept], undone: [] });
  expect(await find('ada@acme.org')).toHaveLength(1); // a preview changes nothing
  const refusals = [
    await boss('POST', `/api/imports/runs/${run}/undo`, {}),
    await boss('POST', `/api/imports/runs/${run}/abandon`, { reason: 'no' }),
    await app.call('POST', `/api/imports/runs/${run}/abandon`, { reason: 'no' }),
  ].map(({ status, body }) => [status, body.detail]);
  expect(refusals).toMatchObject([
    [422, 'A reason has 1 to 500 characters.'],
    [409, `Run ${run} is applied: undo it instead.`],
    [403, expect.any(String)],
  ]);
  expect(await step(run, 'undo', 'the wrong list')).toMatchObject({ outcome: { removed: 1, restored: 1, kept: 1 } });
  expect((await app.call('GET', `/api/imports/runs/${run}/kept`)).body).toMatchObject({ undone: [kept] });
  expect([await find('ada@acme.org'), await find('bo@acme.org')]).toMatchObject([[], [{ name: 'Bo Changed' }]]);

  const superuser = await app.database.connect('postgres');
  const { rows: records } = await superuser.query(
    `select kind, reason, actor, login from sync.operations
     where kind in ('import.plan', 'import.apply', 'import.undo', 'import.end') order by id`,
  );
  expect(records.filter(({ kind }) => kind !== 'import.end')).toEqual([
    { kind: 'import.plan', reason: null, actor: 'boss', login: 'console_app' },
    { kind: 'import.apply', reason: 'a test', actor: 'boss', login: 'console_app' },
    { kind: 'import.undo', reason: 'the wrong list', actor: 'boss', login: 'console_app' },
  ]);
  expect(records.filter(({ kind }) => kind === 'import.end')).toEqual(
    Array(3).fill({ kind: 'import.end', reason: null, actor: 'boss', login: 'sync_app' }),
  );
});

test('rejected lines download as they were with their reasons, and the mended file is read and planned like the first', async () => {
  const run = await plan(
    'mending.csv',
    'id;E-Mail;Name\n7;cy@acme.org;Cy Moss\n8;di@acme.org\n9;"ed@acme.org";"Ed; Nett"\n',
  );
  const answer = await fetch(`${app.url}/api/imports/runs/${run}/lines?outcome=rejected`, {
    headers: await app.headersOf('maya'),
  });
  const text = await answer.text();
  expect(answer.headers.get('content-disposition')).toContain(`run-${run}-rejected.csv`);
  expect(text).toMatch(/^\ufeff?aether_line;aether_reason;id;E-Mail;Name\n3;[^;]*;8;di@acme\.org\n$/);
  const mended = await calls.recognised(
    await calls.upload('mended.csv', text.replace('di@acme.org', 'di@acme.org;Di Fry')),
  );
  expect(mended).toMatchObject({
    is_remembered: true,
    recognition: { rows: 1, mapping: { aether_line: null, aether_reason: null, 'E-Mail': 'email' } },
  });
  const { body } = await calls.boss('POST', '/api/imports/plans', { app: 'foundation', files: [mended.id] });
  const { run: second } = await calls.ended(body.job);
  expect((await app.call('GET', `/api/imports/runs/${second}`)).body.counts).toMatchObject({ created: 1, rejected: 0 });
  expect((await calls.boss('POST', `/api/imports/runs/${second}/abandon`, {})).status).toBe(422);
  expect((await calls.boss('POST', `/api/imports/runs/${second}/abandon`, { reason: 'a trial' })).status).toBe(204);
  expect((await app.call('GET', `/api/imports/runs/${second}`)).body).toMatchObject({
    state: 'abandoned',
    goesAt: null,
    steps: [{ step: 'plan' }, { step: 'abandon', actor_name: 'Bo Boss', reason: 'a trial' }],
  });
});

test('a steward answers for a pair of a plan, the plan follows, and a what-if says what another rule would change', async () => {
  const { boss } = calls;
  const run = await plan(
    'two-names.csv',
    'id,email,name\n1,both@asked.org,Cleo Moreau\n2,both@asked.org,Dmitri Novak\n3,ann@asked.org,Ann Lee\n4,ann@asked.org,Ann Lee\n',
  );
  const twin = await plan(
    'two-names.csv',
    'id,email,name\n1,both@asked.org,Cleo Moreau\n2,both@asked.org,Dmitri Novak\n',
  );
  const path = `/api/imports/runs/${run}`;
  const read = async (of = path) => (await app.call('GET', of)).body;
  const pairs = async () => (await app.call('GET', `${path}/candidates`)).body.candidates;
  expect(await read()).toMatchObject({ counts: { held: 2, created: 1, unchanged: 1 }, newAnswers: 0 });
  expect(await pairs()).toMatchObject([{ first: { n: 1 }, second: { n: 2 }, answer: null }]);
  const said = { n: 1, other_n: 2, answer: 'same' };
  expect((await app.call('POST', `${path}/answers`, said)).status).toBe(403);
  expect((await boss('POST', `${path}/answers`, { n: 1, answer: 'same' })).status).toBe(422);
  expect((await boss('POST', `${path}/answers`, { ...said, n: 77 })).status).toBe(404);
  expect((await boss('POST', `${path}/answers`, said)).body).toEqual({ changes_plan: true });
  expect([await read(), await pairs()]).toMatchObject([{ newAnswers: 1 }, [{ answer: 'same', answered_by: 'boss' }]]);
  expect((await boss('POST', `${path}/apply`, {})).body.detail).toContain('decide it again');
  // Another plan with these lines does not follow the answer either.
  expect(await read(`/api/imports/runs/${twin}`)).toMatchObject({ newAnswers: 1 });
  expect((await boss('POST', `/api/imports/runs/${twin}/apply`, {})).body.detail).toContain('decide it again');
  const { body: deciding } = await boss('POST', `/api/imports/runs/${twin}/replan`, {});
  expect(await calls.ended(deciding.job)).toMatchObject({ outcome: { counts: { held: 0, created: 1 } } });
  expect(await read(`/api/imports/runs/${twin}`)).toMatchObject({ newAnswers: 0 });
  expect((await boss('POST', `/api/imports/runs/${twin}/abandon`, { reason: 'a trial' })).status).toBe(204);

  const asked = await boss('POST', `${path}/what-if`, { matching: ['address=off'] });
  expect(await calls.ended(asked.body.job)).toMatchObject({
    state: 'done',
    outcome: {
      whatIf: {
        gained: { pairs: 0 },
        lost: { pairs: 1, examples: [{ sides: [{ line: 4, name: 'Ann Lee' }, { line: 5 }], rule: 'address' }] },
      },
    },
  });
  expect((await boss('POST', `${path}/what-if`, { matching: ['colour=red'] })).status).toBe(422);
  expect((await app.call('POST', `${path}/what-if`, { matching: [] })).status).toBe(403);
  const again = await boss('POST', `${path}/replan`, {});
  expect(await calls.ended(again.body.job)).toMatchObject({
    state: 'done',
    outcome: { counts: { held: 0, created: 2 } },
  });
  expect([await read(), await pairs()]).toMatchObject([{ counts: { created: 2, unchanged: 2 }, newAnswers: 0 }, []]);
  expect(await step(run, 'apply')).toMatchObject({ outcome: { counts: { created: 2 }, verified: { isRight: true } } });
  expect((await boss('POST', `${path}/answers`, said)).status).toBe(409);
  expect((await boss('POST', `${path}/replan`, {})).status).toBe(409);
});

test('a job goes on with another worker when its worker is killed, and one that is cancelled stops', async () => {
  const { boss } = calls;
  const run = await plan(
    'many.csv',
    `email,name\n${Array.from({ length: 50 }, (_, n) => `p${n}@many.org,Person ${n}`).join('\n')}\n`,
  );
  const superuser = await app.database.connect('postgres');
  // As a killed worker leaves it: taken, half done, and its term has run out.
  const { rows } = await superuser.query(
    `insert into sync.import_jobs (kind, run, state, worker, attempts, leased_until, actor)
     values ('apply', $1, 'working', 'killed', 1, clock_timestamp() + interval '10 seconds', 'boss') returning id`,
    [run],
  );
  const worker = await app.database.connect('sync_app');
  await worker.query('select sync.apply_import($1, 20)', [run]);
  expect((await boss('POST', `/api/imports/runs/${run}/apply`, {})).body.detail).toContain('another step');
  await pause();
  expect((await boss('GET', `/api/imports/jobs/${rows[0].id}`)).body.state).toBe('working'); // nobody takes it before
  await superuser.query(`update sync.import_jobs set leased_until = clock_timestamp() where id = $1`, [rows[0].id]);
  expect(await calls.ended(rows[0].id)).toMatchObject({
    state: 'done',
    attempts: 2,
    outcome: { counts: { created: 50 }, verified: { isRight: true } },
  });

  const { rows: waiting } = await superuser.query(
    `insert into sync.import_jobs (kind, run, state, worker, attempts, leased_until)
     values ('undo', $1, 'working', 'killed', 1, clock_timestamp() + interval '1 second') returning id`,
    [run],
  );
  expect((await boss('DELETE', `/api/imports/jobs/${waiting[0].id}`)).status).toBe(204);
  expect(await calls.ended(waiting[0].id)).toMatchObject({ state: 'cancelled' });
  expect((await app.call('GET', `/api/imports/runs/${run}`)).body.state).toBe('applied');
});

test('a steward stops what decides a plan again and a what-if, and no other step; who is neither stops nothing', async () => {
  const superuser = await app.database.connect('postgres');
  const run = await plan('stopped.csv', 'email,name\nstopped@acme.org,Stopped Person\n');
  const stop = async (kind: string) => {
    // It is with a worker that does not come back, so that it does not end by itself.
    const { rows } = await superuser.query(
      `insert into sync.import_jobs (kind, run, state, worker, attempts, leased_until, actor)
       values ($1, $2, 'working', 'killed', 1, clock_timestamp() + interval '1 hour', 'boss') returning id`,
      [kind, run],
    );
    const { status, body } = await app.call('DELETE', `/api/imports/jobs/${rows[0].id}`);
    const { rows: ended } = await superuser.query(
      `update sync.import_jobs set state = 'cancelled', ended_at = clock_timestamp() where id = $1 returning is_cancelled`,
      [rows[0].id],
    );
    return { kind, status, code: body?.code, isCancelled: ended[0].is_cancelled };
  };
  for (const kind of ['replan', 'whatif'])
    expect(await stop(kind)).toEqual({ kind, status: 403, code: 'steward-only', isCancelled: false });
  await superuser.query(`update platform.users set role = 'steward' where id = 'maya'`);
  try {
    for (const kind of ['replan', 'whatif']) expect(await stop(kind)).toMatchObject({ status: 204, isCancelled: true });
    for (const kind of ['plan', 'apply', 'verify', 'preview', 'undo'])
      expect(await stop(kind)).toEqual({ kind, status: 403, code: 'not-allowed', isCancelled: false });
  } finally {
    await superuser.query(`update platform.users set role = 'user' where id = 'maya'`);
  }
});
