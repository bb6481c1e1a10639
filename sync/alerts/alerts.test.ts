import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { collectLog } from '@aether/http/testing';
import type pg from 'pg';
import { Webhook } from 'standardwebhooks';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../testing.ts';
import { startAlerting } from './alerting.ts';
import { endSilence, listAlerts, listSilences, silence, testAlert } from './alerts.ts';
import { readAlertSettings } from './settings.ts';
import { startMailServer, startWebhookReceiver } from './testing.receivers.ts';

const secret = `whsec_${Buffer.from('a secret of this test, thirty-two').toString('base64')}`;

let database: TestDatabase;
let sync: pg.Client;
let superuser: pg.Client;
const ask = async (text: string, values?: unknown[]) => (await sync.query(text, values)).rows;

beforeAll(async () => {
  database = await createTestDatabase();
  [sync, superuser] = await Promise.all([database.connect('sync_app'), database.connect('postgres')]);
});
beforeEach(async () => {
  await superuser.query(
    `truncate sync.alerts, sync.alert_states, sync.alert_silences, sync.alert_deliveries, sync.alert_targets, sync.check_states;
     update sync.health_limits set value = 0.001 where name = 'alert_hold_seconds';
     update sync.health set evaluated_at = clock_timestamp() + interval '1 hour'`,
  );
});

/** The state that an evaluation has found, for so many seconds already. */
async function find(slug: string, status: string, { reason = 'As found.', forSeconds = 60 } = {}): Promise<void> {
  await superuser.query(
    `insert into sync.check_states as c (slug, kind, status, reason, measures, since, source)
     values ($1, split_part($1, ':', 1), $2, $3, '{}', clock_timestamp() - make_interval(secs => $4), 'test')
     on conflict (slug) do update set status = excluded.status, reason = excluded.reason, since = excluded.since`,
    [slug, status, reason, forSeconds],
  );
}

/** As a process does every two seconds, without the rest. @returns how many alerts were told */
async function announce(): Promise<number> {
  await superuser.query(`update sync.alert_turn set announced_at = '-infinity'`);
  const [row] = await ask('select sync.announce_alerts() as told');
  return row.told;
}

const told = async () =>
  (await listAlerts(ask, { limit: 100 }))
    .reverse()
    .map(({ slug, previous, status }) => `${slug}: ${previous} → ${status}`);
const waiting = async () =>
  (
    await ask(
      `select a.status, d.target from sync.alert_deliveries d join sync.alerts a on a.id = d.alert_id order by a.id, d.target`,
    )
  ).map(({ status, target }) => `${status} to ${target}`);
const setHold = (seconds: number) =>
  superuser.query(`update sync.health_limits set value = $1 where name = 'alert_hold_seconds'`, [seconds]);

const readHold = async (): Promise<number> =>
  (await superuser.query(`select extract(epoch from sync.alert_hold('subscription:a'))::integer as hold`)).rows[0].hold;

describe('what is told', () => {
  test('is each change of a check, once, its recovery too; a check that is well from the start is no news', async () => {
    await find('subscription:a', 'ok');
    expect(await announce()).toBe(0);
    for (const status of ['stalled', 'silent', 'unknown', 'ok']) {
      await find('subscription:a', status);
      expect(await announce()).toBe(1);
      expect(await announce()).toBe(0);
    }
    expect(await told()).toEqual([
      'subscription:a: ok → stalled',
      'subscription:a: stalled → silent',
      'subscription:a: silent → unknown',
      'subscription:a: unknown → ok',
    ]);
  });

  test('is nothing that has not lasted, and nothing that went back meanwhile', async () => {
    await setHold(10);
    await find('subscription:a', 'ok');
    await announce();
    await find('subscription:a', 'stalled', { forSeconds: 5 });
    expect(await announce()).toBe(0);
    await find('subscription:a', 'ok', { forSeconds: 0 });
    expect(await announce()).toBe(0);
    await find('subscription:a', 'stalled', { forSeconds: 11 });
    expect(await announce()).toBe(1);
  });

  test('must last for twice as long with each further change within an hour, for at most a quarter of an hour', async () => {
    const holds: number[] = [];
    await setHold(10);
    await find('subscription:a', 'ok');
    await announce();
    for (let n = 0; n < 10; n++) {
      const hold = await readHold();
      holds.push(hold);
      await find('subscription:a', n % 2 === 0 ? 'stalled' : 'ok', { forSeconds: hold - 1 });
      expect(await announce()).toBe(0);
      await find('subscription:a', n % 2 === 0 ? 'stalled' : 'ok', { forSeconds: hold + 1 });
      expect(await announce()).toBe(1);
    }
    expect(holds).toEqual([10, 10, 20, 40, 80, 160, 320, 640, 900, 900]);
    await superuser.query(`update sync.alerts set told_at = told_at - interval '61 minutes'`);
    expect(await readHold()).toBe(10);
  });

  test('is once that a check never keeps still, as long as it does not keep still', async () => {
    await setHold(10);
    await find('pool:support', 'ok');
    await announce();
    for (let n = 0; n < 3; n++) {
      await find('pool:support', 'warning', { forSeconds: 2 });
      expect(await announce()).toBe(0);
      await find('pool:support', 'ok', { forSeconds: 2 });
      expect(await announce()).toBe(0);
    }
    await superuser.query(`update sync.alert_states set restless_since = clock_timestamp() - interval '301 seconds'`);
    await find('pool:support', 'warning', { forSeconds: 2, reason: 'No connection is free.' });
    expect(await announce()).toBe(1);
    await find('pool:support', 'ok', { forSeconds: 2 });
    expect(await announce()).toBe(0);
    expect((await listAlerts(ask, { limit: 1 }))[0]).toMatchObject({
      reason: 'It keeps changing. No connection is free.',
    });
  });

  test('is that a check has been unknown from the start after three minutes, so that a start is no alarm', async () => {
    await find('disk', 'unknown', { forSeconds: 170 });
    expect(await announce()).toBe(0);
    await find('disk', 'unknown', { forSeconds: 181 });
    expect(await announce()).toBe(1);
  });

  test('is that the subject of a check that was not well is gone', async () => {
    await find('subscription:a', 'ok');
    await find('subscription:b', 'stalled');
    await announce();
    await superuser.query('delete from sync.check_states');
    await announce();
    await superuser.query(`update sync.alert_states set gone_since = gone_since - interval '2 minutes'`);
    await announce();
    expect(await told()).toEqual(['subscription:b: ok → stalled', 'subscription:b: stalled → gone']);
    expect((await listAlerts(ask, { open: true, limit: 5 })).length).toBe(0);
  });

  test('is nothing while nobody evaluates the checks: an old state says nothing about the present', async () => {
    await find('subscription:a', 'stalled');
    await superuser.query(`update sync.health set evaluated_at = clock_timestamp() - interval '31 seconds'`);
    expect(await announce()).toBe(0);
  });

  test('is told once by two processes that announce at the same moment', async () => {
    await find('subscription:a', 'stalled');
    await superuser.query(`update sync.alert_turn set announced_at = '-infinity'`);
    const other = await database.connect('console_app');
    const counts = await Promise.all([sync, other].map((each) => each.query('select sync.announce_alerts() as told')));
    expect(counts.map(({ rows }) => rows[0].told).sort()).toEqual([0, 1]);
    expect(await told()).toHaveLength(1);
  });
});

describe('a silence', () => {
  const inAnHour = () => new Date(Date.now() + 3_600_000);
  beforeEach(async () => {
    await ask(`select sync.name_alert_target('webhook')`);
    await find('subscription:a', 'ok');
    await find('pool:support', 'ok');
    await announce();
  });

  test('holds back what it is about, which is recorded with its reason, and nothing else', async () => {
    await silence(ask, { slug: 'subscription:a', until: inAnHour(), reason: 'The target moves.' });
    await find('subscription:a', 'stalled');
    await find('pool:support', 'warning');
    expect(await announce()).toBe(2);
    expect(await waiting()).toEqual(['warning to webhook']);
    expect((await listAlerts(ask, { slug: 'subscription:a', limit: 1 }))[0]).toMatchObject({
      silenced: 'The target moves.',
      is_open: true,
    });
  });

  test('that ends while the check still is not well sends what it held back', async () => {
    const id = await silence(ask, { kind: 'subscription', until: inAnHour(), reason: 'Maintenance.' });
    await find('subscription:a', 'stalled');
    await announce();
    expect(await waiting()).toEqual([]);
    expect(await endSilence(ask, id)).toBe(true);
    expect(await endSilence(ask, id)).toBe(false);
    await announce();
    await announce();
    expect(await waiting()).toEqual(['stalled to webhook']);
  });

  test('whose time is up ends by itself', async () => {
    const id = await silence(ask, { kind: 'subscription', until: inAnHour(), reason: 'Maintenance.' });
    await find('subscription:a', 'stalled');
    await announce();
    await superuser.query(
      `update sync.alert_silences set until = clock_timestamp() - interval '1 second' where id = $1`,
      [id],
    );
    await announce();
    expect(await waiting()).toEqual(['stalled to webhook']);
  });

  test('that ends after the check is well again sends nothing', async () => {
    const id = await silence(ask, { slug: 'subscription:a', until: inAnHour(), reason: 'Maintenance.' });
    await find('subscription:a', 'stalled');
    await announce();
    await find('subscription:a', 'ok');
    await announce();
    await endSilence(ask, id);
    await announce();
    expect(await waiting()).toEqual([]);
    expect(await told()).toEqual(['subscription:a: ok → stalled', 'subscription:a: stalled → ok']);
  });

  test('that began after a failure was sent sends the recovery when it ends, so that no receiver waits for it', async () => {
    await find('subscription:a', 'stalled');
    await announce();
    const id = await silence(ask, { slug: 'subscription:a', until: inAnHour(), reason: 'Maintenance.' });
    await find('subscription:a', 'ok');
    await announce();
    expect(await waiting()).toEqual(['stalled to webhook']);
    await endSilence(ask, id);
    await announce();
    expect(await waiting()).toEqual(['stalled to webhook', 'ok to webhook']);
  });

  test.each([
    ['without an end', { slug: 'subscription:a', until: null, reason: 'x' }],
    ['that has ended', { slug: 'subscription:a', until: new Date(0), reason: 'x' }],
    ['for longer than 90 days', { slug: 'subscription:a', until: new Date(Date.now() + 91 * 86_400_000), reason: 'x' }],
    ['without a reason', { slug: 'subscription:a', until: inAnHour(), reason: ' ' }],
    ['about nothing', { until: inAnHour(), reason: 'x' }],
    ['about a check and a kind', { slug: 'subscription:a', kind: 'pool', until: inAnHour(), reason: 'x' }],
    ['about a check that nobody knows', { slug: 'subscription:z', until: inAnHour(), reason: 'x' }],
  ])('%s is refused', async (_, given) => {
    await expect(silence(ask, given as Parameters<typeof silence>[1])).rejects.toMatchObject({ code: '23514' });
    expect(await listSilences(ask)).toEqual([]);
  });

  test('leaves a record of who silenced what and why', async () => {
    await silence(ask, { slug: 'subscription:a', until: inAnHour(), reason: 'The target moves.' });
    expect(await listSilences(ask)).toMatchObject([
      { slug: 'subscription:a', reason: 'The target moves.', author: 'sync_app', is_in_force: true },
    ]);
    expect(await ask(`select kind, scope, reason from sync.operations order by id desc limit 1`)).toEqual([
      { kind: 'alerts.silence', scope: { slug: 'subscription:a' }, reason: 'The target moves.' },
    ]);
  });
});

describe('delivery', () => {
  const stops: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop();
  });

  type Given = Parameters<typeof startAlerting>[0];
  async function start(variables: Record<string, string>, options: Partial<Given> = {}) {
    const client = await database.connect('console_app');
    const { log, entries } = collectLog();
    const stop = await startAlerting({
      ask: async (text, values) => (await client.query(text, values)).rows,
      settings: readAlertSettings(variables),
      log,
      everyMs: 10,
      endMs: 100,
      ...options,
    });
    stops.push(stop);
    await until(async () => (await ask('select from sync.alert_targets')).length > 0);
    return { stop, entries };
  }
  const states = () =>
    ask('select target, state, attempts, error from sync.alert_deliveries order by alert_id, target') as Promise<
      { target: string; state: string; attempts: number; error: string | null }[]
    >;
  const due = () =>
    superuser.query(`update sync.alert_deliveries set attempt_at = clock_timestamp() where state = 'waiting'`);

  test('to a webhook is signed by Standard Webhooks, so that the receiver’s own library accepts it, and names the runbook', async () => {
    const receiver = await startWebhookReceiver();
    await start({
      ALERTS_WEBHOOK_URL: receiver.url,
      ALERTS_WEBHOOK_SECRET: secret,
      CONSOLE_PUBLIC_URL: 'https://console.example.com',
    });
    await find('subscription:a', 'parked', { reason: '3 events are dead and wait for a person.' });
    await announce();
    await until(() => receiver.received.length > 0);
    const [{ headers, body } = { headers: {}, body: '' }] = receiver.received;
    expect(new Webhook(secret).verify(body, headers)).toEqual({
      type: 'check.changed',
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      data: {
        check: 'subscription:a',
        kind: 'subscription',
        status: 'parked',
        previous: 'ok',
        reason: '3 events are dead and wait for a person.',
        since: expect.stringMatching(/Z$/),
        runbook: 'https://console.example.com/runbooks/subscription',
      },
    });
    const other = `whsec_${Buffer.from('another secret, of somebody else').toString('base64')}`;
    expect(() => new Webhook(other).verify(body, headers)).toThrow();
    expect(() => new Webhook(secret).verify(body.replace('parked', 'ok'), headers)).toThrow();
    await until(async () => (await states())[0]?.state === 'sent');
  });

  test('by mail reaches every address, with the reason and what to do, under one Message-ID', async () => {
    const server = await startMailServer();
    await start({
      ALERTS_SMTP_URL: server.url,
      ALERTS_MAIL_FROM: 'aether@example.com',
      ALERTS_MAIL_TO: 'ops@example.com, night@example.com',
    });
    await find('sequencer', 'silent', { reason: 'No worker leads.' });
    await announce();
    await until(() => server.mails.length > 0);
    const [{ to, source } = { to: [], source: '' }] = server.mails;
    const [{ message_id: id }] = await ask('select message_id from sync.alerts');
    expect(to).toEqual(['ops@example.com', 'night@example.com']);
    expect(source).toContain('Subject: [Aether] sequencer is silent');
    expect(source).toContain(`Message-ID: <${id}@example.com>`);
    expect(source).toMatch(/No worker leads\.[\s\S]*What to do: docs\/runbooks\/sequencer\.md/);
    await until(async () => (await states())[0]?.state === 'sent');
  });

  test('that is refused is tried again, longer later each time, with the same id, and the later alert of the check waits for it', async () => {
    const receiver = await startWebhookReceiver();
    receiver.status = 503;
    const { entries } = await start({ ALERTS_WEBHOOK_URL: receiver.url, ALERTS_WEBHOOK_SECRET: secret });
    await find('subscription:a', 'stalled');
    await announce();
    await until(async () => (await states())[0]?.error === 'HTTP 503');
    await find('subscription:a', 'ok');
    await announce();
    await due();
    await until(async () => (await states())[0]?.attempts === 2);
    await until(async () => (await ask(`select from sync.alert_deliveries where claimed_until is null`)).length === 2);
    const [{ rest }] = await ask(
      `select extract(epoch from attempt_at - clock_timestamp())::float8 as rest from sync.alert_deliveries order by alert_id limit 1`,
    );
    expect(rest).toBeGreaterThan(5);
    expect(rest).toBeLessThan(13);
    receiver.status = 204;
    await due();
    await until(async () => (await states()).every(({ state }) => state === 'sent'));
    const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
    expect(ids).toEqual([ids[0], ids[0], ids[0], expect.not.stringMatching(String(ids[0]))]);
    expect(receiver.received.map(({ body }) => JSON.parse(body).type)).toEqual([
      'check.changed',
      'check.changed',
      'check.changed',
      'check.recovered',
    ]);
    expect(entries.map(({ reason }) => reason)).toEqual(['HTTP 503', 'HTTP 503']);
  });

  test('follows no redirect, so that no answer leads it to another address', async () => {
    const [receiver, inner] = await Promise.all([startWebhookReceiver(), startWebhookReceiver()]);
    Object.assign(receiver, { status: 307, location: inner.url });
    await start({ ALERTS_WEBHOOK_URL: receiver.url, ALERTS_WEBHOOK_SECRET: secret });
    await find('subscription:a', 'stalled');
    await announce();
    await until(async () => (await states())[0]?.error === 'HTTP 307');
    expect(inner.received).toEqual([]);
  });

  test('to one target goes on while the other one is out of order', async () => {
    const [receiver, server] = await Promise.all([startWebhookReceiver(), startMailServer()]);
    receiver.status = undefined; // it takes the message and never answers
    server.refuses = false;
    await start({
      ALERTS_WEBHOOK_URL: receiver.url,
      ALERTS_WEBHOOK_SECRET: secret,
      ALERTS_SMTP_URL: server.url,
      ALERTS_MAIL_FROM: 'aether@example.com',
      ALERTS_MAIL_TO: 'ops@example.com',
    });
    await until(async () => (await ask('select from sync.alert_targets')).length === 2);
    await find('subscription:a', 'stalled');
    await announce();
    await until(async () => (await states())[0]?.state === 'sent');
    expect((await states()).map(({ target, state }) => `${target} ${state}`)).toEqual([
      'email sent',
      'webhook waiting',
    ]);
    server.refuses = true;
    await find('pool:support', 'warning');
    await announce();
    await until(async () => (await states()).some(({ error }) => error !== null));
    expect((await states()).find(({ error }) => error)).toMatchObject({
      target: 'email',
      error: expect.stringMatching(/^E[A-Z]+ 452$/),
    });
  });

  test('that was claimed by a process that was killed is made by another one, with the same id', async () => {
    const receiver = await startWebhookReceiver();
    await ask(`select sync.name_alert_target('webhook')`);
    await find('subscription:a', 'stalled');
    await announce();
    const [lost] = await ask(`select * from sync.claim_alert('webhook', 30)`);
    expect(await ask(`select * from sync.claim_alert('webhook', 30)`)).toEqual([]);
    await superuser.query(`update sync.alert_deliveries set claimed_until = clock_timestamp() - interval '1 second'`);
    await start({ ALERTS_WEBHOOK_URL: receiver.url, ALERTS_WEBHOOK_SECRET: secret });
    await until(async () => (await states())[0]?.state === 'sent');
    expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual([lost.message_id]);
    // It was only stopped, and comes back: what it says no longer counts.
    expect(
      await ask('select sync.settle_alert($1, $2, $3, $4) as ours', [lost.alert_id, 'webhook', lost.attempt, 'failed']),
    ).toEqual([{ ours: false }]);
    expect((await states())[0]?.state).toBe('sent');
  });

  test('by two processes at once happens once', async () => {
    const receiver = await startWebhookReceiver();
    const variables = { ALERTS_WEBHOOK_URL: receiver.url, ALERTS_WEBHOOK_SECRET: secret };
    await Promise.all([start(variables), start(variables)]);
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) await find(`subscription:${name}`, 'stalled');
    await announce();
    await until(async () => (await states()).filter(({ state }) => state === 'sent').length === 6);
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(6);
    expect(receiver.received).toHaveLength(6);
  });

  test('is given up after three days, and the check of alerts says before that that they do not arrive', async () => {
    await ask(`select sync.name_alert_target('webhook')`);
    await find('subscription:a', 'stalled');
    await announce();
    const attempt = async () => {
      await due();
      const [claim] = await ask(`select * from sync.claim_alert('webhook', 30)`);
      await ask('select sync.settle_alert($1, $2, $3, $4)', [claim.alert_id, 'webhook', claim.attempt, 'HTTP 500']);
    };
    await superuser.query(`update sync.alerts set told_at = told_at - interval '11 minutes'`);
    await attempt();
    expect((await superuser.query('select status, reason from sync.check_alerts()')).rows).toEqual([
      { status: 'failing', reason: expect.stringMatching(/1 alerts have not reached their target.*\(HTTP 500\)/) },
    ]);
    await superuser.query(`update sync.alerts set told_at = told_at - interval '3 days'`);
    await attempt();
    expect((await states())[0]).toMatchObject({ state: 'given-up', attempts: 2 });
  });

  test('of a test goes to every target at once', async () => {
    const receiver = await startWebhookReceiver();
    await start({ ALERTS_WEBHOOK_URL: receiver.url, ALERTS_WEBHOOK_SECRET: secret });
    await testAlert(ask);
    await until(() => receiver.received.length > 0);
    expect(JSON.parse(receiver.received[0]?.body ?? '').data.reason).toBe(
      'This is a test of the alerts. Nothing is wrong.',
    );
  });
});
