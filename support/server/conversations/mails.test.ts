import { atEnd } from '@aether/database/testing';
import { until } from '@aether/database/testing.scope';
import { makeDocument, makeImage, makePhoto, upload } from '@aether/files/testing';
import {
  answerTo,
  bounceOf,
  type Caught,
  compose,
  postInbound,
  refusal,
  startPostOffice,
  type TestPostOffice,
} from '@aether/mail/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestSupport, type TestSupport } from '../testing.ts';
import { type TestVisitor, visit } from '../visitors/testing.visitor.ts';

const secret = `whsec_${Buffer.alloc(32, 5).toString('base64')}`;
let app: TestSupport;
let office: TestPostOffice;
let unique = 0;
let settings: Record<string, string>;
beforeAll(async () => {
  office = await startPostOffice();
  atEnd(office.close);
  settings = {
    MAIL_SMTP_URL: `smtp://127.0.0.1:${office.port}`,
    MAIL_FROM: 'help@shop.example',
    MAIL_REPLY_TO: 'help+{token}@shop.example',
    MAIL_INBOUND_SECRET: secret,
    MAIL_WAIT_SECONDS: '1',
    MAIL_PER_HOUR_MAX: '3',
    MAIL_ATTACH_MAX_MB: '1',
  };
  app = await startTestSupport(settings);
});

const reply = (who: TestVisitor, body: string) =>
  app.callAs('priya')('POST', `/api/sessions/${who.id}/replies`, { client_id: `answer-${++unique}`, body });
const read = async (who: TestVisitor) => (await app.callAs('priya')('GET', `/api/sessions/${who.id}`)).body;
const receive = async (raw: Uint8Array, headers?: Record<string, string>) =>
  (await postInbound(app.url, secret, raw, headers)).body.outcome;
/** Their mails wait no longer. */
const handOver = ({ id }: TestVisitor) =>
  app.support.query('update platform.mails set not_before = now() where record_id = $1', [id]);
const stateOf = (who: TestVisitor, state: string) =>
  until(async () => (await read(who)).mail.mails.find((mail: { state: string }) => mail.state === state));

/** A visitor who left an address and went, and the mail that came there. */
async function mailed(words = 'Which size?'): Promise<{ who: TestVisitor; address: string; mail: Caught }> {
  const address = `ann${++unique}@post.example`;
  const who = await visit(app, { email: address });
  await who.say('Do you have these shoes?');
  expect((await reply(who, words)).status).toBe(201);
  await handOver(who);
  const mail = await office.mailTo(address);
  await stateOf(who, 'sent');
  return { who, address, mail };
}

// Most of it is waiting for mails that wait, so the stories go on at once.
describe.concurrent('what an agent writes to a visitor who has gone', () => {
  test('goes in one mail with all that was written meanwhile, and the conversation says so', async () => {
    const address = 'both@post.example';
    const who = await visit(app, { email: address });
    await who.say('My secret question');
    await reply(who, 'Which size?');
    await reply(who, 'And which colour?');
    const mail = await office.mailTo(address);
    expect(mail.raw).toMatch(/Which size\?[\s\S]*And which colour\?/);
    expect(mail.raw).not.toContain('secret');
    expect(mail.header('Reply-To')).toMatch(/^help\+[0-9a-f]{32}@shop\.example$/);
    expect(mail.from).toBe(mail.header('Reply-To'));
    await stateOf(who, 'sent');
    const { entries, mail: told } = await read(who);
    expect(told).toMatchObject({
      is_on: true,
      failing: null,
      mails: [{ to: address, first_number: 2, last_number: 3 }],
    });
    expect(entries).toContainEqual(expect.objectContaining({ kind: 'mailed', body: `Up to 2 messages to ${address}` }));
  });

  test('goes with its files, and with a link to what is too large, which opens that file and nothing else', async () => {
    const address = 'files@post.example';
    const who = await visit(app, { email: address });
    await who.say('Can I see it?');
    const large = Buffer.from('A line of the long list.\n'.repeat(50_000));
    const headers = await app.headersOf('priya');
    const sendAs = (bytes: Uint8Array, name: string) =>
      upload(`${app.url}/api/sessions/${who.id}/attachments`, headers, { bytes, name });
    const [small, list] = [await sendAs(makeImage('png'), 'shoe.png'), await sendAs(large, 'list.txt')];
    const asked = { client_id: 'with-files', body: 'Here it is.', files: [small.body.id, list.body.id] };
    expect((await app.callAs('priya')('POST', `/api/sessions/${who.id}/replies`, asked)).status).toBe(201);
    await handOver(who);
    const mail = await office.mailTo(address);
    expect(mail.raw).toMatch(/Content-Disposition: attachment; filename=shoe\.png/);
    expect(mail.raw).not.toContain('filename=list.txt');
    const [link = ''] = /http\S+\/api\/mail-files\/\S+/.exec(mail.raw.replaceAll('=\r\n', '')) ?? [];
    const answer = await fetch(link);
    expect([answer.status, answer.headers.get('content-disposition')]).toEqual([
      200,
      expect.stringContaining('list.txt'),
    ]);
    expect(Buffer.from(await answer.arrayBuffer()).equals(large)).toBe(true);
    const token = link.split('/').at(-2) as string;
    const { mail: other } = await mailed();
    const otherToken = /\+([0-9a-f]{32})@/.exec(other.from)?.[1] as string;
    expect((await fetch(link.replace(token, otherToken))).status).toBe(404);
    expect((await fetch(link.replace(/[^/]+$/, crypto.randomUUID()))).status).toBe(404);
    await app.support.query(`update support.sessions set visitor_email = 'now@post.example' where id = $1`, [who.id]);
    expect((await fetch(link)).status).toBe(404);
  });

  test('does not go if the visitor reads it first, or has left no address', async () => {
    const who = await visit(app, { email: 'reads@post.example' });
    await who.say('Hello');
    await reply(who, 'Good day');
    await who.call('POST', 'read', { number: 2 });
    expect(await stateOf(who, 'cancelled')).toMatchObject({ code: 'read' });
    await app.support.query(`update support.widgets set settings = '{"ask": "never"}' where key = 'test-widget'`);
    const nobody = await visit(app, { email: undefined, name: undefined });
    await app.support.query(`update support.widgets set settings = '{}' where key = 'test-widget'`);
    await nobody.say('Hello');
    await reply(nobody, 'Good day');
    expect((await read(nobody)).mail.mails).toEqual([]);
    expect(office.caught.some(({ to }) => to.includes('reads@post.example'))).toBe(false);
  });

  test('goes again by itself when the mail server was busy, and is shown as failed when it refuses the address', async () => {
    const who = await visit(app, { email: 'busy@post.example' });
    await who.say('Hello');
    office.refuse = (to) => (to === 'busy@post.example' ? refusal(451, '4.3.0 Try again') : undefined);
    await reply(who, 'Good day');
    const mail = await until(async () => (await read(who)).mail.mails.find((each: { code: string }) => each.code));
    expect(mail).toMatchObject({ state: 'waiting', code: '451 4.3.0' });
    const { rows: checks } = await (await app.database.connect('sync_app')).query(
      'select * from sync.evaluate_checks()',
    );
    const check = checks.find(({ slug }) => slug === 'mail:support');
    expect(check).toMatchObject({ status: 'catching-up', reason: expect.stringContaining('451 4.3.0') });
    office.refuse = (to) => (to === 'busy@post.example' ? refusal(550, '5.1.1 No such person') : undefined);
    await handOver(who);
    await stateOf(who, 'failed');
    expect(await read(who)).toMatchObject({ mail: { failing: { code: '550 5.1.1' } } });
    office.refuse = undefined;

    await reply(who, 'Are you there?');
    await until(async () =>
      (await read(who)).mail.mails.some((each: { code: string }) => each.code === 'address-fails'),
    );
    expect((await app.callAs('priya')('POST', `/api/mails/${mail.id}/again`, {})).status).toBe(409);
    expect(office.caught.some(({ to }) => to.includes('busy@post.example'))).toBe(false);
    const allowed = await app.callAs('priya')('POST', '/api/mail/addresses/allow', { email: 'Busy@post.example' });
    expect(allowed.status).toBe(204);
    expect((await app.callAs('priya')('POST', `/api/mails/${mail.id}/again`, {})).status).toBe(200);
    expect((await office.mailTo('busy@post.example')).raw).toContain('Good day');
  });

  test('is in doubt when the connection ends between its last byte and the answer', async () => {
    office.cutsAt = 'cut@post.example';
    const who = await visit(app, { email: office.cutsAt });
    await who.say('Hello');
    await reply(who, 'Good day');
    await handOver(who);
    const { id } = await stateOf(who, 'doubtful');
    office.cutsAt = undefined;
    expect((await app.callAs('priya')('POST', `/api/mails/${id}/again`, {})).status).toBe(200);
    await stateOf(who, 'sent');
    expect(office.caught.filter(({ to }) => to.includes('cut@post.example'))).toHaveLength(2);
  });

  test('is in doubt when its process ends before the mail server answers, and goes twice only if a person says so', async () => {
    const who = await visit(app, { email: 'doubt@post.example' });
    await who.say('Hello');
    const [left] = await app.support.query<{ id: string }>(
      `insert into platform.mails (record_id, to_address, first_number, last_number, not_before)
       values ($1, 'doubt@post.example', 2, 2, now() + interval '1 hour') returning id`,
      [who.id],
    );
    await app.support.query(
      `update platform.mails set state = 'sending', tries = 1, taken_at = now() - interval '6 minutes' where id = $1`,
      [left?.id],
    );
    // From here on two processes look after the same mails.
    await app.startAnother(settings);
    await stateOf(who, 'doubtful');
    expect((await read(who)).entries).toContainEqual(expect.objectContaining({ kind: 'mail_doubtful' }));
    expect(office.caught.some(({ to }) => to.includes('doubt@post.example'))).toBe(false);
  });

  test('stops at so many mails an hour to one address, so that two programs that answer each other stop', async () => {
    const { who, address, mail } = await mailed();
    for (const place of [2, 3]) {
      await reply(who, `Number ${place}`);
      await handOver(who);
      await office.mailTo(address, place);
      await until(
        async () =>
          (await read(who)).mail.mails.filter((each: { state: string }) => each.state === 'sent').length === place,
      );
    }
    await reply(who, 'Number 4');
    await handOver(who);
    const held = await until(async () =>
      (await read(who)).mail.mails.find((each: { code: string }) => each.code === 'too-many'),
    );
    expect(held.state).toBe('waiting');
    for (const place of [1, 2, 3])
      expect(await receive(await answerTo(mail, { from: address, text: `${place}` }))).toBe('taken');
    expect(await receive(await answerTo(mail, { from: address, text: '4' }))).toBe('held');
    expect((await read(who)).messages.some(({ body }: { body: string }) => body === '4')).toBe(false);
  });
});

describe.concurrent('an answer by e-mail', () => {
  test('is a message of the visitor in the same conversation, live in the widget, without what it quotes; whole on demand', async () => {
    const { who, address, mail } = await mailed();
    const ear = await who.listen();
    const raw = await answerTo(mail, {
      from: `Ann <${address.toUpperCase()}>`,
      text: 'Size 42, please.',
      subject: 'Something else',
      attachments: [{ filename: 'foot.txt', content: '42' }],
    });
    expect(await receive(raw)).toBe('taken');
    await ear.until((heard) => heard.some(({ data }) => data.body === 'Size 42, please.'));
    ear.close();
    const { session, messages } = await read(who);
    expect(messages.at(-1)).toMatchObject({
      author: 'visitor',
      body: 'Size 42, please.',
      mail: { is_other: false, is_cut: false, attachments: 1 },
    });
    expect(session.visitor_read_number).toBe(2);
    const { id } = messages.at(-1).mail;
    const whole = await app.callAs('priya')('GET', `/api/received-mails/${id}`);
    expect(whole.body).toMatchObject({ subject: 'Something else', attachments: [{ name: 'foot.txt', bytes: 2 }] });
    expect(whole.body.text).toContain('> Which size?');
    const file = await fetch(`${app.url}/api/received-mails/${id}/raw`, { headers: await app.headersOf('priya') });
    expect(Buffer.from(await file.arrayBuffer()).equals(raw)).toBe(true);
    expect(file.headers.get('content-disposition')).toContain('attachment');
    expect((await app.callAs('maya')('GET', `/api/received-mails/${id}`)).status).toBe(403);
  });

  test('brings its files as every file comes: looked at, freed of what tells of their maker, and what was refused by name', async () => {
    const { who, address, mail } = await mailed();
    const screenshot = makeImage('png', 400, 300);
    const raw = await answerTo(mail, {
      from: address,
      text: 'See the photo.',
      html: '<p>See the photo.</p><img src="cid:shot@x"><p>--<img src="cid:logo@x"></p>',
      attachments: [
        { filename: 'sole.jpg', content: makePhoto('Oslo') },
        { filename: 'setup.exe', content: 'MZ\x90\0\x03' },
        { filename: 'macros.docx', content: makeDocument('[Content_Types].xml', 'word/vbaProject.bin') },
        { filename: 'shot.png', content: screenshot, cid: 'shot@x' },
        { filename: 'logo.png', content: makeImage('png', 120, 40), cid: 'logo@x' },
        { filename: 'smime.p7s', content: 'signature' },
      ],
    });
    const outcomes = await Promise.all([receive(raw), receive(raw)]);
    expect(outcomes.sort()).toEqual(['known', 'taken']);
    const [message] = (await read(who)).messages.slice(-1);
    expect(message.files).toMatchObject([
      { name: 'shot.png', type: 'image/png' },
      { name: 'sole.jpg', type: 'image/jpeg', width: 40, height: 60, has_thumbnail: true },
    ]);
    expect(message.mail).toMatchObject({
      attachments: 6,
      refused: [
        { name: 'setup.exe', why: 'This kind of file cannot be sent.' },
        { name: 'macros.docx', why: 'Documents with macros cannot be sent.' },
      ],
      left_out: 2,
    });
    const photo = await fetch(`${app.url}/api/files/${message.files[1].id}`, { headers: await app.headersOf('priya') });
    expect(Buffer.from(await photo.arrayBuffer()).includes('Oslo')).toBe(false);

    // A picture of the text that was sent before, such as a banner of a signature, is not sent with each mail again.
    const second = await answerTo(mail, {
      from: address,
      html: '<p>And?</p><img src="cid:shot@x">',
      attachments: [{ filename: 'shot.png', content: screenshot, cid: 'shot@x' }],
    });
    expect(await receive(second)).toBe('taken');
    expect((await read(who)).messages.at(-1)).toMatchObject({ files: null, mail: { left_out: 1 } });
    const { rows } = await (await app.database.connect('postgres')).query(
      'select count(*)::integer as unsent from platform.files where parent_id = $1 and record_id is null',
      [who.id],
    );
    // What the other attempt at the same mail has uploaded is gone.
    expect(rows).toEqual([{ unsent: 0 }]);
  });

  test('has at most ten files, and the rest is named', async () => {
    const { who, address, mail } = await mailed();
    const attachments = Array.from({ length: 60 }, (_, at) => ({ filename: `${at}.txt`, content: `file ${at}` }));
    expect(await receive(await answerTo(mail, { from: address, attachments }))).toBe('taken');
    const [message] = (await read(who)).messages.slice(-1);
    expect(message.files).toHaveLength(10);
    expect(message.mail.refused).toHaveLength(10);
    expect(message.mail).toMatchObject({
      attachments: 60,
      refused: expect.arrayContaining([{ name: '10.txt', why: 'A message has at most 10 files.' }]),
      left_out: 40,
    });
  });

  test('is there once, however often and by whatever way it comes', async () => {
    const { who, address, mail } = await mailed();
    const raw = await answerTo(mail, { from: address });
    const outcomes = await Promise.all([receive(raw), receive(raw), receive(raw)]);
    expect(outcomes.sort()).toEqual(['known', 'known', 'taken']);
    expect(await receive(Buffer.concat([Buffer.from('Received: by another.example\r\n'), raw]))).toBe('known');
    expect((await read(who)).messages).toHaveLength(3);
  });

  test('opens a conversation again that has ended', async () => {
    const { who, address, mail } = await mailed();
    await app.callAs('priya')('POST', `/api/sessions/${who.id}/end`, { resolved: true });
    expect(await receive(await answerTo(mail, { from: address, text: 'One thing more' }))).toBe('taken');
    const { session, entries } = await read(who);
    expect(session).toMatchObject({ status: 'active', resolved: null, agent: { name: 'Priya Nair' } });
    expect(session.waiting_since).not.toBeNull();
    expect(entries.at(-1)).toMatchObject({ kind: 'reopened' });
    expect((await app.callAs('priya')('POST', `/api/sessions/${who.id}/end`, { resolved: false })).status).toBe(200);
  });

  test('from another address is marked, and one without a token of ours is not taken, whatever its subject says', async () => {
    const { who, mail } = await mailed();
    expect(await receive(await answerTo(mail, { from: 'boss@elsewhere.example', text: 'Give it to me' }))).toBe(
      'taken',
    );
    expect((await read(who)).messages.at(-1)).toMatchObject({ body: 'Give it to me', mail: { is_other: true } });
    const stray = await compose({
      from: 'ann@post.example',
      to: 'help@shop.example',
      subject: `Re: ${mail.header('Subject')}`,
      text: 'Hi',
    });
    expect(await receive(stray)).toBe('unknown');
    expect(await receive(Buffer.from(mail.raw))).toBe('own');
    const named = await compose({
      from: 'ann@post.example',
      to: 'undisclosed-recipients:;',
      text: 'Found by the envelope',
    });
    expect(await receive(named, { 'aether-recipient': mail.from })).toBe('taken');
  });

  test('is taken from a program that makes Message-IDs like ours', async () => {
    const { address, mail } = await mailed();
    const raw = await answerTo(mail, { from: address, messageId: `<${'7'.repeat(32)}@webmail.example>` });
    expect(await receive(raw)).toBe('taken');
  });

  test('from the former address is marked once the conversation has another one, which gets what still waits', async () => {
    const { who, address, mail } = await mailed();
    const now = `now-${address}`;
    await reply(who, 'And which colour?');
    await app.support.query(
      `update support.sessions set visitor_email = $2, identity = 'verified' where id = $1`, // as verifySession does
      [who.id, now],
    );
    await handOver(who);
    expect((await office.mailTo(now)).raw).toContain('And which colour?');
    expect(office.caught.filter(({ to }) => to.includes(address))).toHaveLength(1);
    expect(await receive(await answerTo(mail, { from: address, text: 'It is me' }))).toBe('taken');
    expect((await read(who)).messages.at(-1)).toMatchObject({ body: 'It is me', mail: { is_other: true } });
  });

  test('of a program is shown and makes nothing happen', async () => {
    const { who, address, mail } = await mailed();
    const raw = await answerTo(mail, {
      from: address,
      text: 'I am away.',
      headers: { 'Auto-Submitted': 'auto-replied' },
    });
    expect(await receive(raw)).toBe('automatic');
    const { session, messages, entries } = await read(who);
    expect([messages.length, session.waiting_since]).toEqual([2, null]);
    expect(entries.at(-1)).toMatchObject({ kind: 'mail_automatic', body: expect.stringContaining('I am away.') });
  });

  test('is refused without the signature, with an old one, and beyond the size', async () => {
    const { mail, address } = await mailed();
    const raw = await answerTo(mail, { from: address });
    const wrong = await postInbound(app.url, `whsec_${Buffer.alloc(32, 6).toString('base64')}`, raw);
    expect([wrong.status, wrong.body.code]).toEqual([401, 'signature-refused']);
    expect((await postInbound(app.url, secret, raw, { 'webhook-timestamp': '1700000000' })).status).toBe(401);
    expect((await postInbound(app.url, secret, Buffer.alloc(10_485_761))).status).toBe(413);
    const early = await postInbound(app.url, secret, Buffer.alloc(10_485_761), { 'webhook-timestamp': '1700000000' });
    expect(early.status).toBe(401); // before the body is read
    const unreadable = await postInbound(app.url, secret, Buffer.alloc(300_000, 'x'));
    expect([unreadable.status, unreadable.body.code]).toEqual([422, 'invalid-field']);
  });
});

test('an erasure removes the mails of a person’s conversations, and no late answer comes to who is erased', async () => {
  const { who, address, mail } = await mailed();
  const attachments = [{ filename: 'secret.txt', content: 'secret' }];
  await receive(await answerTo(mail, { from: address, text: 'My secret.', attachments }));
  await receive(bounceOf(mail, { to: address }));
  const superuser = await app.database.connect('postgres');
  const count = async () => {
    const { rows } = await superuser.query(
      `select (select count(*) from platform.mails where to_address = $1)::integer as mails,
         (select count(*) from platform.received_mails where convert_from(raw, 'UTF8') like '%' || $1 || '%')::integer as received,
         (select count(*) from platform.failing_addresses where email_key = $1)::integer as failing,
         (select count(*) from support.messages where mail is not null and session_id = $2)::integer as messages,
         (select count(*) from platform.files where parent_id = $2)::integer as files`,
      [address, who.id],
    );
    return rows[0];
  };
  expect(await count()).toEqual({ mails: 1, received: 2, failing: 1, messages: 1, files: 1 });
  const { session } = await read(who);
  const privacy = await app.database.connect('privacy_app');
  await privacy.query(`set aether.actor = 'admin'`);
  await privacy.query(`select platform.erase_customer($1, 'request 1')`, [session.customer_id]);
  expect(await count()).toEqual({ mails: 0, received: 0, failing: 0, messages: 0, files: 0 });
  expect(await receive(await answerTo(mail, { from: address, text: 'Late.' }))).toBe('unknown');
});

describe.concurrent('a report that a mail did not arrive', () => {
  test('marks the mail and the address, and nothing is sent there; a delay changes nothing', async () => {
    const { who, address, mail } = await mailed();
    expect(await receive(bounceOf(mail, { to: address, status: '4.4.1' }))).toBe('bounce');
    expect((await read(who)).mail).toMatchObject({ failing: null, mails: [{ state: 'sent' }] });
    expect(await receive(bounceOf(mail, { to: address }))).toBe('bounce');
    const { entries, mail: told } = await read(who);
    expect(told).toMatchObject({ failing: { code: 'failed 5.1.1' }, mails: [{ state: 'bounced' }] });
    expect(entries.at(-1)).toMatchObject({ kind: 'mail_failed', body: expect.stringContaining(address) });
  });

  test('about a mail that is not ours blocks no address', async () => {
    const { who, address, mail } = await mailed();
    const foreign = { ...mail, from: 'help@shop.example', header: () => `<${'0'.repeat(32)}@shop.example>` };
    expect(await receive(bounceOf(foreign, { to: address }))).toBe('unknown');
    expect((await read(who)).mail.failing).toBeNull();
  });
});
