import { atEnd } from '@aether/database/testing';
import { until } from '@aether/database/testing.scope';
import { answerTo, bounceOf, postInbound, startPostOffice, type TestPostOffice } from '@aether/mail/testing';
import type { Customer } from '@aether/platform';
import { beforeAll, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

const secret = `whsec_${Buffer.alloc(32, 5).toString('base64')}`;
let app: TestFoundation;
let office: TestPostOffice;
let unique = 0;
beforeAll(async () => {
  office = await startPostOffice();
  atEnd(office.close);
  app = await startTestFoundation({
    MAIL_SMTP_URL: `smtp://127.0.0.1:${office.port}`,
    MAIL_FROM: 'sales@shop.example',
    MAIL_INBOUND_SECRET: secret,
  });
});

const newCustomer = () => app.foundation.createCustomer({ name: 'Erik', email: `erik${++unique}@fjord.example` });
const write = (to: Customer, more: object = {}) =>
  app.call('POST', `/api/customers/${to.id}/mails`, {
    client_id: `mail-${++unique}`,
    to: to.email,
    subject: 'Your offer',
    body: 'Here is the offer.',
    ...more,
  });
const send = () => app.foundation.query('update platform.mails set not_before = now()');
const entriesOf = async ({ id }: Customer) =>
  (await app.call('GET', `/api/customers/${id}/timeline?kind=activity`)).body.entries;
/** Waits for the state of the customer's newest mail. */
const stateOf = (customer: Customer, state: string) =>
  until(async () => {
    const entries = await entriesOf(customer);
    return entries.find((entry: { metadata: { mail?: { state?: string } } }) => entry.metadata.mail?.state === state);
  });
async function mailed(customer: Customer) {
  expect((await write(customer)).status).toBe(201);
  await send();
  await stateOf(customer, 'sent');
  return office.mailTo(customer.email);
}

test('a mail to a customer is an entry of the timeline, goes once, and its answer is an entry with the whole mail behind it', async () => {
  const customer = await newCustomer();
  const asked = { client_id: 'once', body: 'Here is the offer.' };
  const [first, again] = [await write(customer, asked), await write(customer, asked)];
  expect([first.status, again.status, again.body.id]).toEqual([201, 201, first.body.id]);
  expect(first.body).toMatchObject({ type: 'email_sent', metadata: { subject: 'Your offer', to: customer.email } });
  expect((await write(customer, { client_id: 'once', body: 'Another' })).body.code).toBe('client-id-reused');
  await send();
  const mail = await office.mailTo(customer.email);
  expect(mail.raw).toContain('Here is the offer.');
  expect(await stateOf(customer, 'sent')).toMatchObject({ actor: { id: 'maya' } });
  const attachments = [
    { filename: 'signed.pdf', content: '%PDF-1.7 signed' },
    { filename: 'run.bat', content: '@echo off' },
  ];
  const raw = await answerTo(mail, { from: customer.email, text: 'Agreed.', attachments });
  const { body } = await postInbound(app.url, secret, raw);
  expect(body.outcome).toBe('taken');
  const [answer] = await entriesOf(customer);
  expect(answer).toMatchObject({
    type: 'email_received',
    description: 'Agreed.',
    metadata: {
      from: customer.email,
      mail: { is_other: false, attachments: 2, refused: [{ name: 'run.bat', why: expect.any(String) }] },
      files: [{ name: 'signed.pdf', type: 'application/pdf' }],
    },
  });
  const [file] = answer.metadata.files;
  expect((await fetch(`${app.url}/api/files/${file.id}`, { headers: await app.headersOf('maya') })).status).toBe(200);
  const whole = await app.call('GET', `/api/received-mails/${answer.metadata.mail.id}`);
  expect(whole.body.text).toContain('> Here is the offer.');
  expect((await write(customer, { subject: 'Re: Your offer', answers: answer.metadata.mail.id })).status).toBe(201);
  await send();
  expect((await office.mailTo(customer.email, 2)).header('References')).toBe(mail.header('Message-ID'));
  expect((await write(await newCustomer(), { answers: answer.metadata.mail.id })).status).toBe(422);
  expect((await app.callWith('deals.read')('GET', `/api/received-mails/${answer.metadata.mail.id}`)).status).toBe(403);
  expect(office.caught.filter(({ to }) => to.includes(customer.email))).toHaveLength(2);
});

test('a mail can be taken back before it goes, and not after', async () => {
  const customer = await newCustomer();
  const { body } = await write(customer);
  expect((await app.call('POST', `/api/mails/${body.metadata.mail.id}/cancel`, {})).body.state).toBe('cancelled');
  expect((await entriesOf(customer))[0].metadata.mail).toMatchObject({ state: 'cancelled', code: 'taken-back' });
  await mailed(customer);
  const [sent] = await entriesOf(customer);
  expect((await app.call('POST', `/api/mails/${sent.metadata.mail.id}/cancel`, {})).body.code).toBe('mail-settled');
});

test('a mail that waits does not go to an address that the customer does not have any more', async () => {
  const customer = await newCustomer();
  await write(customer);
  await app.foundation.updateCustomer(customer.id, { email: `new-${customer.email}` });
  const superuser = await app.database.connect('postgres');
  await superuser.query('delete from platform.customer_emails where customer_id = $1 and email = $2', [
    customer.id,
    customer.email,
  ]);
  await send();
  expect((await stateOf(customer, 'cancelled')).metadata.mail.code).toBe('address-changed');
  expect(office.caught.some(({ to }) => to.includes(customer.email))).toBe(false);
});

test('an address that is not the customer’s is refused, and one that failed until somebody allows it', async () => {
  const customer = await newCustomer();
  expect((await write(customer, { to: 'other@fjord.example' })).status).toBe(422);
  // A machine that adds activities writes to nobody.
  const machine = app.callWith('activities.write');
  const asked = { client_id: 'machine', to: customer.email, subject: 'x', body: 'x' };
  expect((await machine('POST', `/api/customers/${customer.id}/mails`, asked)).status).toBe(403);
  expect((await machine('POST', '/api/mail/addresses/allow', { email: customer.email })).status).toBe(403);
  const mail = await mailed(customer);
  await postInbound(app.url, secret, bounceOf(mail, { to: customer.email }));
  await stateOf(customer, 'bounced');
  expect((await write(customer)).body.code).toBe('address-fails');
  const { body } = await app.call('GET', `/api/customers/${customer.id}/mail-addresses`);
  expect(body).toMatchObject({
    is_on: true,
    addresses: [{ email: customer.email, failing: { code: 'failed 5.1.1' } }],
  });
  await app.call('POST', '/api/mail/addresses/allow', { email: customer.email });
  expect((await write(customer)).status).toBe(201);
});

test('a move takes a mail along: the answer comes to who has the entry now, whose export has it, and whose erasure removes it', async () => {
  const [from, to] = [await newCustomer(), await newCustomer()];
  const mail = await mailed(from);
  const answer = async (text: string) =>
    (await postInbound(app.url, secret, await answerTo(mail, { from: from.email, text }))).body.outcome;
  const [sent] = await entriesOf(from);
  await app.call('POST', `/api/activities/${sent.id}/moves`, { customer_id: to.id, reason: 'It is theirs' });
  expect(await answer('After the move.')).toBe('taken');
  expect((await entriesOf(to)).map(({ type }: { type: string }) => type)).toEqual(['email_received', 'email_sent']);
  for (const table of ['mails', 'received_mails'])
    expect(await app.support.query(`select from platform.${table}`)).toEqual([]);

  const privacy = await app.database.connect('privacy_app');
  await privacy.query(`set aether.actor = 'maya'`);
  const { rows } = await privacy.query(
    `select convert_from(platform.read_mail(m), 'UTF8') as raw
     from platform.list_held_mails(platform.gather_person(array[$1]::uuid[], '{}', '{}')) m`,
    [to.id],
  );
  expect(rows).toEqual([{ raw: expect.stringContaining('After the move.') }]);
  const count = async () =>
    (await app.foundation.query('select from platform.mails where to_address = $1', [from.email])).length;
  await privacy.query(`select platform.erase_customer($1, 'request 1')`, [from.id]);
  expect(await count()).toBe(1);
  await privacy.query(`select platform.erase_customer($1, 'request 2')`, [to.id]);
  expect(await count()).toBe(0);
  expect(await answer('Too late.')).toBe('unknown');
});

test('a rule of retention removes the mails of entries whose text it scrubs', async () => {
  const customer = await newCustomer();
  await mailed(customer);
  const superuser = await app.database.connect('postgres');
  await superuser.query(`update crm.activities set occurred_at = '2020-01-01' where customer_id = $1`, [customer.id]);
  await superuser.query(`update platform.retention_rules set days = 400 where kind = 'activities'`);
  const worker = await app.database.connect('sync_app');
  await worker.query('select platform.apply_retention(1000)');
  const left = await app.foundation.query('select from platform.mails where to_address = $1', [customer.email]);
  expect(left).toEqual([]);
});
