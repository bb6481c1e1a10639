import { createHash } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { startTestConsole, type TestConsole } from '../testing.ts';
import { type ImportCalls, importCallsOf, startImportWorker } from './testing.imports.ts';

let app: TestConsole;
let calls: ImportCalls;
beforeAll(async () => {
  app = await startTestConsole();
  calls = importCallsOf(app);
  startImportWorker(app);
});

const csv =
  'E-Mail;Name;Telefon;Angelegt\nada@acme.org;Ada King;030 1234567;03/04/2020\nbo@acme.org;Bo Berg;;04/05/2021\n';

test('a file is kept in chunks, goes on after a cut with those that are missing, and is recognised by the worker', async () => {
  const { boss, put } = calls;
  const bytes = Buffer.from(`email,name\n${'x@acme.org,Somebody\n'.repeat(60_000)}`); // 1.2 MB: two chunks
  const begun = await boss('POST', '/api/imports/files', { name: 'Old list.csv', size: bytes.length });
  expect(begun).toMatchObject({ status: 201, body: { chunk_bytes: 1_048_576 } });
  const { id, chunk_bytes: whole } = begun.body;
  const missing = async () => (await boss('GET', `/api/imports/files/${id}/missing`)).body.missing;
  expect((await put(id, 1, bytes.subarray(whole))).status).toBe(204);
  expect((await put(id, 1, bytes.subarray(whole))).status).toBe(204);
  expect(await missing()).toEqual([0]);
  expect((await boss('POST', `/api/imports/files/${id}/complete`, {})).body.detail).toBe(
    'Chunk 0 of the file is missing.',
  );
  expect((await put(id, 0, bytes.subarray(0, whole))).status).toBe(204);
  expect((await boss('POST', `/api/imports/files/${id}/complete`, {})).status).toBe(202);
  expect(await calls.recognised(id)).toMatchObject({
    state: 'recognised',
    actor_name: 'Bo Boss',
    recognition: {
      rows: 60_000,
      encoding: { encoding: 'utf-8' },
      layout: { delimiter: ',' },
      mapping: { email: 'email', name: 'name' },
    },
  });
  const superuser = await app.database.connect('postgres');
  const { rows } = await superuser.query('select sha256 from sync.import_uploads where id = $1', [id]);
  expect(rows[0].sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
});

test('a chunk of another length, one too many, one too large, another type and one for a complete file are refused', async () => {
  const { boss, put } = calls;
  const { body } = await boss('POST', '/api/imports/files', { name: 'a.csv', size: 10 });
  const statuses = [
    await put(body.id, 0, Buffer.alloc(9)),
    await put(body.id, 1, Buffer.alloc(1)),
    await put(body.id, 0, Buffer.alloc(1_048_577)),
    await put(999_999, 0, Buffer.alloc(10)),
  ].map(({ status }) => status);
  expect(statuses).toEqual([422, 422, 413, 404]);
  expect((await boss('PUT', `/api/imports/files/${body.id}/chunks/0`, {})).status).toBe(415);
  expect((await boss('POST', '/api/imports/files', { name: 'b.csv', size: 3 * 2 ** 30 })).body.detail).toBe(
    'A file has at most 2 GB.',
  );
  const whole = await calls.upload('c.csv', 'email\na@acme.org\n');
  expect((await put(whole, 0, Buffer.from('email\na@acme.org\n'))).status).toBe(409);
});

test('everybody may look at files, and only administrators upload, map, plan and remove them', async () => {
  const id = await calls.upload('list.csv', csv);
  await calls.recognised(id);
  const maya = app.call;
  expect((await maya('GET', '/api/imports/files')).body.files.map((file: { id: number }) => file.id)).toContain(id);
  expect((await maya('GET', `/api/imports/files/several?ids=${id}`)).body.files[0].recognition.columns).toHaveLength(4);
  const refused = [
    await maya('POST', '/api/imports/files', { name: 'x', size: 1 }),
    await maya('POST', `/api/imports/files/${id}/settings`, {}),
    await maya('POST', '/api/imports/plans', { app: 'foundation', files: [id] }),
    await maya('DELETE', `/api/imports/files/${id}`),
  ];
  expect(refused.map(({ body }) => body.code)).toEqual(Array(4).fill('admin-only'));
  expect((await calls.put(id, 0, Buffer.alloc(1), 'maya')).status).toBe(403);
});

test('what was chosen for a file is proposed for the next file with these columns, and another encoding is looked at again', async () => {
  const { boss } = calls;
  const id = await calls.upload('Kunden alt.csv', csv);
  const file = await calls.recognised(id);
  expect(file.recognition.questions.map(({ kind }: { kind: string }) => kind)).toContain('day-month');
  const settings = {
    source: 'kunden',
    mapping: [{ column: 'Telefon', field: 'custom:phone_old' }],
    answers: { timezone: 'Europe/Berlin', dayOrder: [{ column: 'Angelegt', order: 'day-first' }] },
    phoneCountry: 'DE',
  };
  const set = `/api/imports/files/${id}/settings`;
  expect((await boss('POST', set, { mapping: [{ column: 'Telefon', field: 'shoe size' }] })).status).toBe(422);
  expect((await boss('POST', set, settings)).status).toBe(204);
  const { body } = await boss('POST', '/api/imports/plans', { app: 'foundation', files: [id] });
  await calls.ended(body.job);
  const next = await calls.recognised(await calls.upload('neu.csv', csv));
  expect(next).toMatchObject({ is_remembered: true, settings });
  const other = await calls.recognised(await calls.upload('other.csv', 'email,name\na@acme.org,A\nb@acme.org,B\n'));
  expect(other).toMatchObject({ is_remembered: false, settings: {} });

  const reread = await boss('POST', `/api/imports/files/${other.id}/settings`, {
    answers: { encoding: 'windows-1252' },
  });
  expect(reread.status).toBe(204);
  await expect.poll(async () => (await calls.recognised(other.id)).recognition.layout.encoding).toBe('windows-1252');
  // The encoding is that file's own: the next one is read as it is, and says so.
  const again = await boss('POST', '/api/imports/plans', { app: 'foundation', files: [other.id], again: true });
  const { run } = await calls.ended(again.body.job);
  const third = await calls.recognised(await calls.upload('third.csv', 'email,name\na@acme.org,A\nc@acme.org,C\n'));
  expect(third).toMatchObject({ is_remembered: true, settings: { answers: {} } });
  expect(third.settings.answers.encoding).toBeUndefined();

  const superuser = await app.database.connect('postgres');
  const { rows: planned } = await superuser.query(
    `select r.settings -> 'again' as again, j.settings -> 'again' as before
     from sync.import_runs r, sync.import_jobs j where r.id = $1 and j.id = $2`,
    [run, body.job],
  );
  expect(planned).toEqual([{ again: true, before: false }]);
  await superuser.query(
    `insert into sync.import_jobs (kind, upload, state, worker, leased_until)
     values ('recognise', $1, 'working', 'another', clock_timestamp() + interval '1 hour')`,
    [third.id],
  );
  const busy = await boss('POST', `/api/imports/files/${third.id}/settings`, { answers: { encoding: 'windows-1252' } });
  expect([busy.status, busy.body.detail]).toEqual([409, expect.stringContaining('still counts')]);
});

test('a file that nothing can be read from says why, and a removed one is gone', async () => {
  const id = await calls.upload('picture.png', Buffer.from('89504e470d0a1a0a00', 'hex'));
  expect(await calls.recognised(id)).toMatchObject({ state: 'refused', refusal: expect.stringContaining('picture') });
  expect((await calls.boss('POST', '/api/imports/plans', { app: 'foundation', files: [id] })).status).toBe(409);
  expect((await calls.boss('DELETE', `/api/imports/files/${id}`)).status).toBe(204);
  const superuser = await app.database.connect('postgres');
  const { rows } = await superuser.query('select from sync.import_chunks where upload = $1', [id]);
  expect(rows).toEqual([]);
  expect((await calls.boss('POST', `/api/imports/files/${id}/settings`, {})).status).toBe(404);
});
