import { atEnd } from '@aether/database/testing';
import { until } from '@aether/database/testing.scope';
import { answerTo, bounceOf, compose, postInbound, startPostOffice, type TestPostOffice } from '@aether/mail/testing';
import { beforeAll, expect, test } from 'vitest';
import { startTestSupport, type TestSupport, widgetKey } from '../testing.ts';

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
    MAIL_WAIT_SECONDS: '0',
    MAIL_OPENS_WIDGET: widgetKey,
    MAIL_OPENED_PER_SENDER_MAX: '2',
    MAIL_HELD_MAX_MB: '1',
    MAIL_HELD_DAYS: '7',
    MAIL_AUTHSERV_ID: 'mx.shop.example',
  };
  app = await startTestSupport(settings, { turnEveryMs: 40 });
});

const newAddress = () => `cy${++unique}@post.example`;
const write = (from: string, more: object = {}) =>
  compose({ from, to: 'help@shop.example', subject: 'Wet shoes', text: 'They are wet inside.', ...more });
const receive = (raw: Uint8Array) => postInbound(app.url, secret, raw);
const outcomeOf = async (raw: Uint8Array) => (await receive(raw)).body.outcome;
const conversationsOf = async (address: string) => {
  const { body } = await app.callAs('priya')('GET', '/api/sessions?limit=100');
  return body.sessions.filter(
    (each: { visitor_email: string | null }) => each.visitor_email?.toLowerCase() === address,
  );
};
const read = async (id: string) => (await app.callAs('priya')('GET', `/api/sessions/${id}`)).body;
const messageIdOf = (raw: Buffer) => /^Message-ID: (<.*>)/im.exec(raw.toString())?.[1] as string;

test('a mail that answers none of ours opens a conversation of its unproven sender, and the answer goes back beside it', async () => {
  const address = newAddress();
  const customer = await app.foundation.createCustomer({ name: 'Cy Known', email: address });
  const raw = await write(`Cy <${address.toUpperCase()}>`, {
    attachments: [{ filename: 'shoe.txt', content: 'left' }],
  });
  const outcomes = await Promise.all([outcomeOf(raw), outcomeOf(raw)]);
  expect(outcomes.sort()).toEqual(['known', 'opened']);
  const sessions = await conversationsOf(address);
  expect(sessions).toMatchObject([
    {
      identity: 'claimed',
      visitor_name: 'Cy',
      customer: { id: customer.id, name: 'Cy Known' },
      status: 'active',
      handler: 'agent',
      is_offline: false,
      waiting_since: expect.any(String),
    },
  ]);
  const [{ id }] = sessions;
  expect((await read(id)).messages).toMatchObject([
    {
      author: 'visitor',
      body: 'They are wet inside.',
      files: [{ name: 'shoe.txt' }],
      mail: { is_new: true, is_other: false, subject: 'Wet shoes', attachments: 1 },
    },
  ]);

  // Before anybody has answered they write again, to their own mail; somebody else who knows of it does not come in.
  const own = { inReplyTo: messageIdOf(raw), references: messageIdOf(raw), subject: 'Re: Wet shoes' };
  expect(await outcomeOf(await write(address, { ...own, text: 'Size 42.' }))).toBe('taken');
  const stranger = newAddress();
  expect(await outcomeOf(await write(stranger, { ...own, text: 'Tell me about Cy.' }))).toBe('opened');
  const { messages: twoMessages } = await read(id);
  expect(twoMessages).toHaveLength(2);
  // Nothing of ours went out yet that only they could have read.
  expect(twoMessages[1]).toMatchObject({ mail: { is_unproven: true, is_other: false } });

  const reply = { client_id: 'answer', body: 'We send you new ones.' };
  expect((await app.callAs('priya')('POST', `/api/sessions/${id}/replies`, reply)).status).toBe(201);
  const mail = await office.mailTo(sessions[0].visitor_email);
  expect(mail.header('Subject')).toBe('Re: Wet shoes');
  expect(mail.raw).not.toContain('wet inside');
  expect(mail.header('References')).toMatch(/^<\S+>$/);
  expect(await outcomeOf(await answerTo(mail, { from: address, text: 'Thank you!' }))).toBe('taken');
  const { messages } = await read(id);
  expect(messages.at(-1)).toMatchObject({ body: 'Thank you!', mail: { is_other: false } });
  expect(messages.at(-1).mail).not.toHaveProperty('is_unproven');
  const whole = await app.callAs('priya')('GET', `/api/received-mails/${messages[0].mail.id}`);
  expect(whole.body).toMatchObject({ kind: 'new', subject: 'Wet shoes' });

  const privacy = await app.database.connect('privacy_app');
  const { rows: exported } = await privacy.query('select platform.list_held_mails($1)', [
    JSON.stringify({ customers: [customer.id], emails: [address] }),
  ]);
  expect(exported).toHaveLength(3);
  await privacy.query(`set aether.actor = 'admin'`);
  await privacy.query(`select platform.erase_customer($1, 'request 1')`, [customer.id]);
  const { rows } = await (await app.database.connect('postgres')).query(
    `select (select count(*) from platform.received_mails where lower(from_address) = $1)::integer as mails,
       (select count(*) from platform.files where parent_id = $2)::integer as files`,
    [address, id],
  );
  expect(rows).toEqual([{ mails: 0, files: 0 }]);
});

test('programs, lists, reports, our own addresses and answers to the other app open nothing', async () => {
  await app.foundation.query('insert into platform.mail_apps (is_on, waits_seconds) values (true, 0)');
  const [{ token } = { token: '' }] = await app.foundation.query<{ token: string }>(
    `insert into platform.mails (record_id, to_address) values (gen_random_uuid(), 'x@post.example') returning token`,
  );
  const from = newAddress();
  const refused: [what: string, raw: Buffer][] = [
    ['an automatic answer', await write(from, { headers: { 'Auto-Submitted': 'auto-replied' } })],
    ['bulk', await write(from, { headers: { Precedence: 'bulk' } })],
    ['a list', await write(from, { headers: { 'List-Id': '<news.post.example>' } })],
    ['junk', await write(from, { headers: { 'X-Spam-Flag': 'YES' } })],
    ['without a way back', await write(from, { headers: { 'Return-Path': '<>' } })],
    ['an address that takes no answer', await write('no-reply@post.example')],
    ['our own address', await write('Help@shop.example')],
    ['our own address for answers', await write(`help+${'b'.repeat(32)}@shop.example`)],
    ['no address', await write('nobody@unknown.invalid')],
    ['an answer to the other app', await write(from, { inReplyTo: `<${token}@shop.example>` })],
    ...(await Promise.all(
      ['disposition-notification', 'feedback-report'].map(async (type): Promise<[string, Buffer]> => {
        const raw = await write(from, { attachments: [{ filename: 'report.txt', content: 'Read' }] });
        return [
          `a report of a program (${type})`,
          Buffer.from(raw.toString().replace('multipart/mixed;', `multipart/report; report-type=${type};`)),
        ];
      }),
    )),
    [
      'a report about a mail that is not ours',
      bounceOf({ from, to: [], raw: '', header: () => `<${'0'.repeat(32)}@shop.example>` }, { to: from }),
    ],
  ];
  for (const [what, raw] of refused) expect([what, await outcomeOf(raw)]).toEqual([what, 'unknown']);
  expect(await conversationsOf(from)).toEqual([]);
});

test('names in a mail are lines that can be seen, and none turns the direction of what follows', async () => {
  const nameOf = async (name: string, filename: string, subject: string) => {
    const from = newAddress();
    const attachments = [{ filename, content: 'x' }];
    await receive(await write(from, { from: { name, address: from }, attachments, subject }));
    const [{ id, visitor_name }] = await conversationsOf(from);
    const [{ files, mail }] = (await read(id)).messages;
    return [visitor_name, files[0].name, mail.subject];
  };
  expect(await nameOf('Cy \u202eexe.gpj', 'a\u202egpj.txt', 'Wet\u2066 shoes')).toEqual([
    'Cy exe.gpj',
    'agpj.txt',
    'Wet shoes',
  ]);
  expect(await nameOf('\u200b\u2060', '\u200b', '\u200b')).toEqual([`cy${unique}`, 'attachment', '']);
  expect(await nameOf('مريم \u200f', '😀👩‍💻.txt', 'שלום')).toEqual(['مريم \u200f', '😀👩‍💻.txt', 'שלום']);
});

test('what our own mail server found of the sender’s domain is shown, and what another one wrote is not', async () => {
  const found = async (value: string, more = '') => {
    const from = newAddress();
    const raw = await write(from);
    await receive(Buffer.concat([Buffer.from(`Authentication-Results: ${value}\r\n${more}`), raw]));
    const [{ id }] = await conversationsOf(from);
    return (await read(id)).messages[0].mail.vouched;
  };
  expect(await found('mx.shop.example; spf=pass; dmarc=pass (p=reject) header.from=post.example')).toBe('pass');
  expect(await found('mx.shop.example; dmarc=fail header.from=post.example')).toBe('fail');
  expect(await found('mx.shop.example; dmarc=pass header.from=evil.example')).toBeUndefined();
  expect(await found('mx.shop.example; dmarc=pass')).toBeUndefined();
  // What a result quotes or explains is the sender's, and no result.
  const said = 'x; dmarc=pass header.from=post.example ';
  const own = 'dmarc=fail header.from=post.example';
  expect(await found(`mx.shop.example; spf=pass smtp.mailfrom="${said}"@evil.example; ${own}`)).toBe('fail');
  expect(await found(`mx.shop.example; spf=pass (of (${said}) ")" ;${said}); ${own}`)).not.toBe('pass');
  expect(await found(`mx.shop.example; spf=pass smtp.mailfrom=${said}; ${own}`)).toBeUndefined();
  const forged = 'Authentication-Results: mx.shop.example; dmarc=pass header.from=post.example\r\n';
  expect(await found('mx.other.example; dmarc=fail', forged)).toBeUndefined();
});

test('beyond so many of one sender they are held, Sync Health says so, and beyond the room they are refused', async () => {
  const from = newAddress();
  const padding = 'x'.repeat(600_000);
  const outcomes = [];
  for (const text of ['1', '2', '3']) outcomes.push(await outcomeOf(await write(from, { text })));
  expect(outcomes).toEqual(['opened', 'opened', 'held']);
  expect(await conversationsOf(from)).toHaveLength(2);
  expect(await outcomeOf(await write(newAddress(), { text: 'Another is not held' }))).toBe('opened');
  expect(await outcomeOf(await write(from, { text: padding }))).toBe('held');
  const beyond = await receive(await write(from, { text: padding }));
  expect([beyond.status, beyond.body.code]).toEqual([503, 'mail-no-room']);

  const superuser = await app.database.connect('postgres');
  const check = async () => {
    const { rows } = await superuser.query(`select * from sync.check_mail() where slug = 'mail:support'`);
    return rows[0];
  };
  expect(await check()).toMatchObject({
    status: 'warning',
    reason: expect.stringMatching(/2 mails are held, .* each goes after 7 days\. For 1 more there was no room/),
    measures: { held: 2, no_room: 1 },
  });
  await superuser.query(
    `update platform.received_mails set received_at = now() - interval '8 days' where kind = 'held';
     update platform.mail_apps set refused_at = now() - interval '3 days'`,
  );
  await app.support.query('select platform.remove_held_mails()');
  expect(await check()).toMatchObject({ status: 'ok', reason: 'E-mail goes as it is written.' });
});

test('held mails of who is under legal hold stay, whether they had a conversation or not, until the hold ends', async () => {
  const from = newAddress();
  const customer = await app.foundation.createCustomer({ name: 'Cy Held', email: from });
  const raw = await write(from);
  const outcomes = [await outcomeOf(raw), await outcomeOf(await write(from)), await outcomeOf(await write(from))];
  expect(outcomes).toEqual(['opened', 'opened', 'held']);
  const own = { inReplyTo: messageIdOf(raw), references: messageIdOf(raw) };
  for (let at = 0; at < 20; at += 1) expect(await outcomeOf(await write(from, own))).toBe('taken');
  expect(await outcomeOf(await write(from, own))).toBe('held');

  const privacy = await app.database.connect('privacy_app');
  await privacy.query(`set aether.actor = 'admin'`);
  const { rows } = await privacy.query('select platform.place_hold($1, $2) as hold', [customer.id, 'A lawsuit']);
  const superuser = await app.database.connect('postgres');
  await superuser.query(
    `update platform.received_mails set received_at = now() - interval '8 days' where kind = 'held' and from_address = $1`,
    [from],
  );
  const removed = async () => {
    const [row] = await app.support.query<{ removed: string }>('select platform.remove_held_mails() as removed');
    return Number(row?.removed);
  };
  expect(await removed()).toBe(0);
  await privacy.query('select platform.release_hold($1, $2)', [rows[0].hold, 'It is over']);
  expect(await removed()).toBe(2);
});

test('mails wait at their sender or in the mailbox while the widget that they come through is not there', async () => {
  await app.support.query('update support.widgets set is_active = false where key = $1', [widgetKey]);
  const raw = await write(newAddress());
  const { status, body } = await receive(raw);
  expect([status, body.code]).toEqual([503, 'mail-not-ready']);
  await app.support.query('update support.widgets set is_active = true where key = $1', [widgetKey]);
  expect(await outcomeOf(raw)).toBe('opened');
});

test('a conversation that a mail opens is given to an agent by the rule of the widget’s team, as a chat is', async () => {
  const admin = app.callAs('admin');
  const { body: all } = await admin('GET', '/api/agents');
  const tom = all.agents.find((each: { user_id: string }) => each.user_id === 'tom').id;
  const members = [{ agent_id: tom, languages: [] }];
  const team = await admin('POST', '/api/teams', { name: 'Mail', assigning: 'round_robin', members });
  const { body: found } = await admin('GET', '/api/widgets');
  const { id } = found.widgets.find((each: { key: string }) => each.key === widgetKey);
  expect((await admin('PATCH', `/api/widgets/${id}`, { team_id: team.body.id })).status).toBe(200);
  await app.callAs('tom')('PATCH', `/api/agents/${tom}`, { availability: 'online' });
  await app.callAs('tom')('POST', '/api/agents/me/seen', {});
  const from = newAddress();
  expect(await outcomeOf(await write(from))).toBe('opened');
  const agentOf = async () => {
    const [session] = await app.support.query<{ agent_id: string | null }>(
      'select agent_id from support.sessions where visitor_email = $1',
      [from],
    );
    return session?.agent_id;
  };
  await until(async () => (await agentOf()) === tom);
});
