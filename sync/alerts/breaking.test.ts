import { atEnd } from '@aether/database/testing';
import { connectPlatform } from '@aether/platform';
import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { startSync } from '../index.ts';
import { startTestConsole, type TestConsole } from '../server/testing.ts';
import { until } from '../testing.ts';
import { startMailServer, startWebhookReceiver } from './testing.receivers.ts';

const secret = `whsec_${Buffer.from('a secret of this test, thirty-two').toString('base64')}`;

let webhook: Awaited<ReturnType<typeof startWebhookReceiver>>;
let mail: Awaited<ReturnType<typeof startMailServer>>;
let app: TestConsole;
let superuser: pg.Client;

beforeAll(async () => {
  [webhook, mail] = await Promise.all([startWebhookReceiver(), startMailServer()]);
  app = await startTestConsole({
    ALERTS_WEBHOOK_URL: webhook.url,
    ALERTS_WEBHOOK_SECRET: secret,
    ALERTS_SMTP_URL: mail.url,
    ALERTS_MAIL_FROM: 'aether@example.com',
    ALERTS_MAIL_TO: 'ops@example.com',
  });
  superuser = await app.database.connect('postgres');
  await superuser.query(
    `update sync.health_limits set value = 0.5 where name in ('alert_hold_seconds', 'worsens_seconds')`,
  );
});

const changesOf = (slug: string) =>
  webhook.received
    .map(({ body }) => JSON.parse(body))
    .filter(({ data }) => data.check === slug)
    .map(({ type, data }) => `${type}: ${data.previous} → ${data.status}`);
const mailsAbout = (slug: string) =>
  mail.mails
    .map(({ source }) => /^Subject: \[Aether\] (.*)$/m.exec(source)?.[1] ?? '')
    .filter((subject) => subject.startsWith(slug));
const isTold = async (slug: string, status: string) =>
  (await superuser.query('select from sync.alert_states where slug = $1 and told = $2', [slug, status])).rowCount === 1;

test.concurrent('a subscription that is paused is told once by webhook and by mail, and so is that it goes on', async () => {
  const variables = { PLATFORM_DB_URL: app.database.url('support_app') };
  const support = await connectPlatform({ app: 'support', variables, heartbeatMs: 300 });
  atEnd(() => support.close());
  const name = 'support.broken';
  const slug = `subscription:${name}`;
  await support.events.subscribe('customer.created', async () => {}, { name }).ready;
  // That it is well must have been seen, or its pause would be told as a change from what came before.
  await until(() => isTold(slug, 'ok'));
  const boss = app.callAs('boss');
  const act = async (verb: string) =>
    (await boss('POST', `/api/subscriptions/${name}/${verb}`, { reason: 'To see that somebody is told.' })).status;
  expect(await act('pause')).toBe(200);
  await until(() => changesOf(slug).length === 1 && mailsAbout(slug).length === 1);
  expect(await act('resume')).toBe(200);
  await until(() => changesOf(slug).length === 2 && mailsAbout(slug).length === 2);
  expect(changesOf(slug)[0]).toBe('check.changed: ok → paused');
  expect(changesOf(slug)[1]).toBe('check.recovered: paused → ok');
  expect(mailsAbout(slug)[0]).toBe(`${slug} is paused`);
});

test.concurrent('the end of the last worker is told by the console, and so is the recovery', async () => {
  const start = () => startSync({ variables: { PLATFORM_DB_URL: app.database.url('sync_app') } });
  const first = await start();
  await until(() => isTold('sequencer', 'ok'));
  await first.close();
  await until(() => changesOf('sequencer').length === 1 && mailsAbout('sequencer').length === 1);
  const second = await start();
  atEnd(() => second.close());
  await until(() => changesOf('sequencer').length === 2 && mailsAbout('sequencer').length === 2);
  expect(changesOf('sequencer')[0]).toMatch(/^check\.changed: ok → (unknown|stalled|silent)$/);
  expect(changesOf('sequencer')[1]).toMatch(/^check\.recovered: (unknown|stalled|silent) → ok$/);
});
