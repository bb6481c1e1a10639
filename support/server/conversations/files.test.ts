import { openFiles } from '@aether/files';
import { makeBomb, makeImage, makePhoto, readPixels, upload } from '@aether/files/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestSupport, type TestSupport } from '../testing.ts';
import { type TestVisitor, visit } from '../visitors/testing.visitor.ts';

let app: TestSupport;
let visitor: TestVisitor;
let unique = 0;
beforeAll(async () => {
  app = await startTestSupport();
  visitor = await visit(app);
});

const image = makeImage('png');
const newId = () => `of-test-${++unique}`;
const send = (who: TestVisitor, bytes: Uint8Array, name = 'cat.png', clientId?: string) =>
  upload(
    `${app.url}/api/sessions/${who.id}/uploads`,
    { Authorization: `Bearer ${who.token}` },
    { bytes, name, clientId },
  );
const sendAs = async (agent: string, { id }: TestVisitor, bytes: Uint8Array, name = 'answer.png') =>
  upload(`${app.url}/api/sessions/${id}/attachments`, await app.headersOf(agent), { bytes, name });
const say = (who: TestVisitor, files: string[], body = '') =>
  who.call('POST', 'messages', { client_id: newId(), body, files });
const reply = (agent: string, who: TestVisitor, files: string[], body = '') =>
  app.callAs(agent)('POST', `/api/sessions/${who.id}/replies`, { client_id: newId(), body, files });
const get = async (path: string, headers: Record<string, string>) => {
  const answer = await fetch(app.url + path, { headers });
  return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) };
};
const getAs = async (agent: string, path: string) => get(path, await app.headersOf(agent));
const getAsVisitor = (who: TestVisitor, file: string, token = who.token) =>
  get(`/api/sessions/${who.id}/files/${file}`, { Authorization: `Bearer ${token}` });
/** A file that the visitor has sent. */
async function sent(who: TestVisitor, bytes = image, name?: string): Promise<string> {
  const { body } = await send(who, bytes, name);
  expect((await say(who, [body.id])).status).toBe(201);
  return body.id;
}

/** A visitor whose conversation an agent has ended. */
async function ended(): Promise<TestVisitor> {
  const who = await visit(app);
  await who.say('Hello');
  await app.callAs('priya')('POST', `/api/sessions/${who.id}/end`, { resolved: true });
  return who;
}

describe('a visitor’s image', () => {
  test('arrives with the message, live, as what its bytes are, without what tells of its maker', async () => {
    const ear = await visitor.listen();
    const { status, body: file } = await send(visitor, makePhoto('Oslo'), 'cat.png');
    expect([status, file]).toMatchObject([200, { name: 'cat.png', type: 'image/jpeg', width: 40, height: 60 }]);
    const { body: message } = await say(visitor, [file.id]);
    expect(message).toMatchObject({ body: '', files: [{ id: file.id, name: 'cat.png', has_thumbnail: true }] });
    await ear.until((heard) => heard.some(({ data }) => JSON.stringify(data).includes(file.id)));
    ear.close();

    const whole = await getAs('priya', `/api/files/${file.id}`);
    expect([whole.status, whole.headers.get('content-type')]).toEqual([200, 'image/jpeg']);
    expect(whole.bytes.includes('Oslo')).toBe(false);
    expect(whole.headers.get('content-disposition')).toBe(
      `inline; filename="cat.png.jpg"; filename*=UTF-8''cat.png.jpg`,
    );
    expect(whole.headers.get('x-content-type-options')).toBe('nosniff');
    expect(whole.headers.get('content-security-policy')).toContain('sandbox');
    const small = await getAs('priya', `/api/files/${file.id}/thumbnail`);
    expect(readPixels(small.bytes)).toMatchObject({ width: 40, height: 60, topLeft: 'red' });
    const again = await get(`/api/files/${file.id}`, {
      ...(await app.headersOf('priya')),
      'If-None-Match': whole.headers.get('etag') as string,
    });
    expect([again.status, again.bytes.length]).toEqual([304, 0]);
    expect((await getAsVisitor(visitor, file.id)).bytes.equals(whole.bytes)).toBe(true);
  });

  test('is “1 image” where a conversation is told in a line, and in the CRM’s timeline', async () => {
    const who = await visit(app);
    await sent(who);
    const { body } = await app.callAs('priya')('GET', `/api/sessions/${who.id}`);
    expect(body.session.last_message.body).toBe('1 image');
    const two = [await send(who, image), await send(who, Buffer.from('a,b'), 'x.csv')].map((each) => each.body.id);
    await say(who, two, 'See here');
    await app.callAs('priya')('POST', `/api/sessions/${who.id}/end`, { resolved: true });
    const [activity] = await app.foundation.query<{ metadata: object }>(
      `select metadata from crm.activities where metadata ->> 'session_id' = $1`,
      [who.id],
    );
    expect(activity?.metadata).toMatchObject({ summary: '1 image' });
    const { body: after } = await app.callAs('priya')('GET', `/api/sessions/${who.id}`);
    expect(after.session.last_message.body).toBe('See here (1 image, 1 file)');
  });

  test('is there once, however often its upload and its message are repeated', async () => {
    const who = await visit(app);
    const clientId = newId();
    const [one, other] = [await send(who, image, 'a.png', clientId), await send(who, image, 'a.png', clientId)];
    expect(other.body.id).toBe(one.body.id);
    const message = { client_id: newId(), body: '', files: [one.body.id] };
    const [first, second] = [await who.call('POST', 'messages', message), await who.call('POST', 'messages', message)];
    expect([first.status, second.status, second.body.number]).toEqual([201, 201, first.body.number]);
    // Another message cannot have it.
    expect((await say(who, [one.body.id])).body.code).toBe('file-not-there');
    const other2 = await who.call('POST', 'messages', { ...message, files: undefined, body: 'x' });
    expect(other2.body.code).toBe('client-id-reused');
  });

  test('goes on where it was cut off: only the missing parts are sent again', async () => {
    const bytes = Buffer.alloc(2_500_000, 'words and words\n');
    const headers = { Authorization: `Bearer ${visitor.token}` };
    const base = `${app.url}/api/sessions/${visitor.id}/uploads`;
    const asked = { client_id: newId(), name: 'long.txt', size: bytes.length };
    const begin = () => visitor.call('POST', 'uploads', asked);
    const { body: begun } = await begin();
    expect(begun).toMatchObject({ missing: [0, 1, 2], file: null });
    const part = (place: number) =>
      fetch(`${base}/${begun.id}/parts/${place}`, {
        method: 'POST',
        headers: { ...headers, 'Content-Type': 'application/octet-stream' },
        body: bytes.subarray(place * begun.chunk_bytes, (place + 1) * begun.chunk_bytes),
      });
    expect((await part(1)).status).toBe(204);
    expect((await visitor.call('POST', `uploads/${begun.id}/complete`, {})).body.code).toBe('file-incomplete');
    expect((await begin()).body).toMatchObject({ id: begun.id, missing: [0, 2] });
    await Promise.all([part(0), part(2)]);
    const { body: file } = await visitor.call('POST', `uploads/${begun.id}/complete`, {});
    await say(visitor, [file.id]);
    const read = await getAsVisitor(visitor, file.id);
    expect(read.bytes.equals(bytes)).toBe(true);
    expect(read.headers.get('content-disposition')).toContain('attachment');
    expect(read.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  });
});

describe('what is refused', () => {
  test.each([
    ['a page with the name of an image', Buffer.from('<!doctype html><script>alert(1)</script>'), 'file-type-refused'],
    ['an image of a few bytes and a billion pixels', makeBomb(40_000, 40_000), 'image-too-large'],
    ['an image that is cut', image.subarray(0, image.length - 20), 'image-unreadable'],
    ['a file of more than 10 MB', Buffer.alloc(11 * 1_048_576), 'file-too-large'],
  ])('%s', async (_, bytes, code) => {
    const { body } = await send(visitor, bytes);
    expect(body.code).toBe(code);
    // Nothing of it is kept.
    expect(
      await app.support.query(`select from platform.files where parent_id = $1 and state = 'uploading'`, [visitor.id]),
    ).toEqual([]);
  });

  test('a message without words and files, one with too many files, and one with a file of somebody else', async () => {
    expect((await visitor.call('POST', 'messages', { client_id: newId(), body: ' ' })).status).toBe(422);
    const { body: mine } = await send(visitor, image);
    expect((await say(visitor, Array(2).fill(mine.id))).status).toBe(422);
    const stranger = await visit(app);
    expect((await say(stranger, [mine.id], 'Mine!')).body.code).toBe('file-not-there');
    expect((await reply('priya', visitor, [mine.id], 'Mine!')).body.code).toBe('file-not-there');
    expect((await say(visitor, [mine.id])).status).toBe(201);
  });

  test('a file of another visitor, also one that was not sent, and whatever is asked with a wrong token', async () => {
    const stranger = await visit(app);
    const theirs = await sent(visitor);
    expect((await getAsVisitor(stranger, theirs)).status).toBe(404);
    expect((await getAsVisitor(visitor, theirs, stranger.token)).status).toBe(404);
    const { body: unsent } = await send(visitor, image);
    for (const status of [
      (await getAsVisitor(visitor, unsent.id)).status,
      (await getAs('priya', `/api/files/${unsent.id}`)).status,
      (await stranger.call('POST', `uploads/${unsent.id}/complete`, {})).status,
    ])
      expect(status).toBe(404);
    // Cancelling somebody else's does nothing.
    expect((await stranger.call('POST', `uploads/${unsent.id}/cancel`, {})).status).toBe(204);
    expect((await say(visitor, [unsent.id])).status).toBe(201);
    expect((await get(`/api/files/${theirs}`, {})).status).toBe(401);
    expect((await getAs('maya', `/api/files/${theirs}`)).status).toBe(403);
  });

  test('an upload to a conversation that ended too long ago for its visitor to open it again', async () => {
    const who = await ended();
    await app.support.query(`update support.sessions set ended_at = now() - interval '8 days' where id = $1`, [who.id]);
    expect((await send(who, image)).body.code).toBe('session-ended');
  });

  test('an agent’s upload to a conversation of an erased person', async () => {
    const who = await ended();
    const { body } = await app.callAs('priya')('GET', `/api/sessions/${who.id}`);
    const privacy = await app.database.connect('privacy_app');
    await privacy.query(`set aether.actor = 'admin'`);
    await privacy.query(`select platform.erase_customer($1, 'request')`, [body.session.customer_id]);
    const { status, body: refused } = await sendAs('priya', who, image);
    expect([status, refused.code]).toEqual([410, 'customer-erased']);
  });
});

test('an agent’s note has files, also after the end and without words; the visitor reads none of them, and they go with its words', async () => {
  const who = await ended();
  const { body: file } = await sendAs('priya', who, image, 'internal.png');
  const note = { client_id: newId(), body: '', files: [file.id] };
  const write = (agent: string, more: object = {}) =>
    app.callAs(agent)('POST', `/api/sessions/${who.id}/notes`, { ...note, ...more });
  expect((await write('tom', { client_id: newId() })).body.code).toBe('file-not-there');
  const [first, again] = [await write('priya'), await write('priya')];
  expect([first.status, again.body.id]).toEqual([201, first.body.id]);
  expect(first.body).toMatchObject({ kind: 'note', body: '', files: [{ id: file.id, name: 'internal.png' }] });
  expect((await write('priya', { files: undefined, body: 'Other' })).body.code).toBe('client-id-reused');
  expect((await write('priya', { client_id: newId(), files: undefined })).status).toBe(422);
  const { body } = await app.callAs('tom')('GET', `/api/sessions/${who.id}`);
  expect(body.entries.at(-1)).toMatchObject({ files: [{ id: file.id }] });
  expect((await getAs('tom', `/api/files/${file.id}`)).status).toBe(200);
  expect((await getAsVisitor(who, file.id)).status).toBe(404);
  const superuser = await app.database.connect('postgres');
  await superuser.query('update support.session_entries set body = $2, files = null where id = $1', [
    first.body.id,
    'erased',
  ]);
  expect((await getAs('tom', `/api/files/${file.id}`)).status).toBe(404);
});

test('a visitor comes back to a conversation that has ended with nothing but an image', async () => {
  const who = await ended();
  const { status, body: file } = await send(who, image);
  expect(status).toBe(200);
  const statusOf = async () => (await app.callAs('priya')('GET', `/api/sessions/${who.id}`)).body.session.status;
  expect(await statusOf()).toBe('ended');
  expect((await say(who, [file.id])).status).toBe(201);
  expect(await statusOf()).toBe('active');
});

test('an agent sends a document, and the visitor gets it; another agent’s upload is not theirs to send', async () => {
  const who = await visit(app);
  await who.say('Hello');
  const { body: file } = await sendAs('priya', who, Buffer.from('%PDF-1.7\nwords'), 'offer.exe');
  expect((await reply('tom', who, [file.id], 'Here')).body.code).toBe('file-not-there');
  expect((await reply('priya', who, [file.id], 'Here')).body).toMatchObject({ files: [{ type: 'application/pdf' }] });
  const { headers, bytes } = await getAsVisitor(who, file.id);
  expect(bytes.toString()).toBe('%PDF-1.7\nwords');
  expect(headers.get('content-disposition')).toMatch(/^attachment; filename="offer\.exe\.pdf"/);
});

test('only agents who may read a conversation read its files', async () => {
  const superuser = await app.database.connect('postgres');
  const who = await visit(app);
  const file = await sent(who);
  expect((await getAs('tom', `/api/files/${file}`)).status).toBe(200);
  await superuser.query(`insert into support.widget_agents (widget_id, agent_id)
    select w.id, a.id from support.widgets w, support.agents a where w.key = 'test-widget' and a.user_id = 'priya'`);
  try {
    expect((await getAs('tom', `/api/files/${file}`)).status).toBe(403);
    expect((await getAs('priya', `/api/files/${file}`)).status).toBe(200);
  } finally {
    await superuser.query('delete from support.widget_agents');
  }
});

test('what is not sent within a day goes, and what is sent stays', async () => {
  const superuser = await app.database.connect('postgres');
  const kept = await sent(visitor);
  const { body: unsent } = await send(visitor, image);
  await superuser.query(`update platform.files set created_at = now() - interval '25 hours'`);
  const log = { warn: () => {} };
  const closing = new AbortController();
  await openFiles(app.support, { variables: {}, closing: closing.signal, log } as never).sweep();
  closing.abort();
  const { rows } = await superuser.query('select id from platform.files where id = any ($1)', [[kept, unsent.id]]);
  expect(rows).toEqual([{ id: kept }]);
  const parts = await superuser.query('select from platform.file_chunks where file_id = $1', [unsent.id]);
  expect(parts.rows).toEqual([]);
});

describe('an erasure', () => {
  test('removes the bytes of every file of the person, also of one that nobody sent, and says how many', async () => {
    const superuser = await app.database.connect('postgres');
    const privacy = await app.database.connect('privacy_app');
    const who = await visit(app);
    const [file, answer, unsent] = [await sent(who), await sendAs('priya', who, image), await send(who, image)];
    await reply('priya', who, [answer.body.id], 'Thanks');
    const other = await sent(visitor);
    const { rows } = await superuser.query('select customer_id from support.sessions where id = $1', [who.id]);
    await privacy.query(`set aether.actor = 'admin'`);
    const erased = await privacy.query(`select platform.erase_customer($1, 'request 12') as done`, [
      rows[0].customer_id,
    ]);
    expect(erased.rows[0].done.state).toBe('erased');

    const left = await superuser.query('select file_id as id from platform.file_chunks where file_id = any ($1)', [
      [file, answer.body.id, unsent.body.id, other],
    ]);
    expect(new Set(left.rows.map(({ id }) => id))).toEqual(new Set([other]));
    const { rows: receipt } = await superuser.query(
      `select x.value ->> 'table' as name, (x.value ->> 'rows')::int as rows from platform.erasures e
         cross join jsonb_array_elements(e.report -> 'tables') x where x.value ->> 'table' like 'platform.file%' order by 1`,
    );
    expect(receipt).toEqual([
      { name: 'platform.file_chunks', rows: 6 },
      { name: 'platform.files', rows: 3 },
    ]);
    expect((await getAs('priya', `/api/files/${file}`)).status).toBe(404);
    const { rows: messages } = await superuser.query('select body, files from support.messages where session_id = $1', [
      who.id,
    ]);
    expect(messages.every(({ body, files }) => body === 'Erased' && files === null)).toBe(true);
    const events = await superuser.query(`select from sync.outbox where data::text like '%cat.png%' and key = $1`, [
      who.id,
    ]);
    expect(events.rows).toEqual([]);
  });
});
