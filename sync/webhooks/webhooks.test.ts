import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { atEnd } from '@aether/database/testing';
import { newTestFolder } from '@aether/database/testing.folder';
import type { AppEvent } from '@aether/platform/log';
import { readSettings } from '@aether/platform/log';
import { Webhook } from 'standardwebhooks';
import { beforeAll, describe, expect, test } from 'vitest';
import { evaluateHealth } from '../health/evaluation.ts';
import { redrive } from '../operations/parked.ts';
import {
  addWebhook,
  changeWebhook,
  disableWebhook,
  enableWebhook,
  listAttempts,
  listWebhooks,
  removeWebhook,
  rotateWebhook,
  testWebhook,
} from '../operations/webhooks.ts';
import { startTestPlatform, type TestPlatform, until } from '../testing.ts';
import { countTries, toLanes } from './delivering.ts';
import { isOpenAddress, readWebhookNetworks, requireWebhookUrl } from './networks.ts';
import { openPoster } from './posting.ts';
import { startWebhooks } from './webhooks.ts';

const loopback = readWebhookNetworks({ SYNC_WEBHOOK_NETWORKS: '127.0.0.0/8, ::1/128' });

type Message = {
  headers: Record<string, string>;
  text: string;
  type: string;
  data: { position: number; id: string; customer: string; version: number; is_replay: boolean };
};

/** A receiver on a port of its own. `answer` says what it answers; undefined: nothing. */
async function startReceiver() {
  const received: Message[] = [];
  const state = {
    received,
    url: '',
    answer: (_message: Message): { status: number; headers?: Record<string, string> } | undefined => ({ status: 204 }),
  };
  const server = createServer(async (request, response) => {
    const text = await readText(request);
    const message = { headers: request.headers as Record<string, string>, text, ...JSON.parse(text || '{}') };
    received.push(message);
    const answer = state.answer(message);
    if (answer) response.writeHead(answer.status, answer.headers).end('What nobody reads.');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(async () => {
    server.closeAllConnections();
    server.close();
  });
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  return state;
}

describe('tries', () => {
  test('are counted of the latest events alone, so that what is refused for ever takes no more memory', () => {
    const tries = countTries(3);
    for (const name of ['old', 'a', 'b']) tries.add(name);
    expect(tries.add('old')).toBe(2); // now it is the latest
    tries.add('c'); // of four, a goes
    expect(['old', 'b', 'c'].map(tries.add)).toEqual([3, 2, 2]);
    expect(tries.add('a')).toBe(1);
  });

  test('of what was taken are forgotten', () => {
    const tries = countTries(3);
    tries.add('a');
    tries.forget('a');
    expect(tries.add('a')).toBe(1);
  });
});

describe('an address', () => {
  test.each([
    ['8.8.8.8', true],
    ['2606:4700::1111', true],
    ['10.1.2.3', false],
    ['127.0.0.1', false],
    ['169.254.169.254', false],
    ['100.64.1.1', false],
    ['0.0.0.0', false],
    ['::1', false],
    ['::', false],
    ['fe80::1', false],
    ['fd00::1', false],
    ['::ffff:10.0.0.1', false],
    ['::ffff:7f00:1', false],
    ['::ffff:8.8.8.8', true],
    ['64:ff9b::7f00:1', false],
    ['2002:7f00:1::', false],
    ['localhost', false],
  ])('%s is open to webhooks: %s', (address, isOpen) => {
    expect(isOpenAddress(address, readWebhookNetworks({}))).toBe(isOpen);
  });

  test('of a network that a setting opens is open, and others are not', () => {
    const networks = readWebhookNetworks({ SYNC_WEBHOOK_NETWORKS: '10.20.0.0/16,fd00::/8' });
    expect([isOpenAddress('10.20.1.1', networks), isOpenAddress('fd12::1', networks)]).toEqual([true, true]);
    expect([isOpenAddress('10.21.1.1', networks), isOpenAddress('127.0.0.1', networks)]).toEqual([false, false]);
    expect(() => readWebhookNetworks({ SYNC_WEBHOOK_NETWORKS: '10.20.0.0' })).toThrow('SYNC_WEBHOOK_NETWORKS');
  });

  test.each([
    ['http://billing.example.com/hook', 'for this machine only'],
    ['https://user:pass@billing.example.com/', 'without a user'],
    ['https://169.254.169.254/latest', 'not on the public internet'],
    ['https://[::ffff:10.0.0.1]/', 'not on the public internet'],
    ['https://0x7f.1/', 'not on the public internet'],
    ['ftp://billing.example.com/', 'https://'],
    ['billing', 'https://'],
    ['http://127.0.0.1:4000/', 'not on the public internet'],
  ])('%s is refused', (given, words) => {
    expect(() => requireWebhookUrl(given, readWebhookNetworks({}))).toThrow(words);
  });

  test('with https, or of this machine if its network is open, is taken', () => {
    expect(requireWebhookUrl('https://billing.example.com/hook?a=1', readWebhookNetworks({}))).toMatch(/^https/);
    expect(requireWebhookUrl('http://127.0.0.1:4000/', loopback)).toBe('http://127.0.0.1:4000/');
  });

  test('whose name leads to a closed network gets no connection, whatever it said before, and no redirect is followed', async () => {
    const receiver = await startReceiver();
    const message = { headers: {}, body: '{}' };
    const named = receiver.url.replace('127.0.0.1', 'localhost');
    const guarded = openPoster(readWebhookNetworks({}));
    for (const url of [named, receiver.url])
      expect(await guarded.post(url, message)).toEqual({ kind: 'unreachable', code: 'ADDRESS_REFUSED' });
    expect(receiver.received).toEqual([]);
    const open = openPoster(loopback);
    expect(await open.post(named, message)).toEqual({ kind: 'taken', code: 'HTTP 204' });
    receiver.answer = () => ({ status: 302, headers: { Location: receiver.url } });
    expect(await open.post(receiver.url, message)).toEqual({ kind: 'refused', code: 'HTTP 302', isOwn: false });
    receiver.answer = () => ({ status: 429, headers: { 'Retry-After': '7' } });
    expect(await open.post(receiver.url, message)).toEqual({ kind: 'unreachable', code: 'HTTP 429', waitMs: 7_000 });
    expect(receiver.received).toHaveLength(3);
    guarded.close();
    open.close();
  });
});

test('events that share a row or a customer are in one lane, in their order, also when an event ties two lanes together', () => {
  const event = (position: number, key: string, customer: string | null) => ({ position, key, customer }) as AppEvent;
  const lanes = toLanes([
    event(1, 'a', null),
    event(2, 'b', 'x'),
    event(3, 'c', 'y'),
    event(4, 'a', 'x'),
    event(5, 'b', 'x'),
  ]);
  expect(lanes.map((lane) => lane.map(({ position }) => position))).toEqual([[1, 2, 4, 5], [3]]);
});

describe('a webhook', () => {
  let platform: TestPlatform;
  let made = 0;
  beforeAll(async () => {
    platform = await startTestPlatform();
    const url = platform.database.url('sync_app');
    const webhooks = startWebhooks({
      database: { ...readSettings({ PLATFORM_DB_URL: url }), directUrl: url },
      networks: loopback,
      everyMs: 30,
      firstMs: 20,
      timeoutMs: 1_000,
      onError: () => {}, // each failure is seen by what it leaves
    });
    atEnd(() => webhooks.stop());
  });

  /** A receiver with a webhook of Support that the worker delivers already. */
  async function hook(types = ['customer.created', 'customer.updated']) {
    const receiver = await startReceiver();
    const name = `support.hook${++made}`;
    const { secret } = await addWebhook(platform.sync, { name, app: 'support', url: receiver.url, types });
    const status = async () => (await listWebhooks(platform.sync)).find((each) => each.name === name);
    return { receiver, name, secret, status };
  }
  const newCustomer = (name: string) =>
    platform.foundation.createCustomer({ name, email: `${name.toLowerCase()}${++made}@example.com` });
  const checkOf = async (name: string) =>
    (await evaluateHealth(async (text, values) => (await platform.sync.query(text, values)).rows)).checks.find(
      ({ slug }) => slug === `webhook:${name}`,
    );
  /** Checks are made once a second. */
  const untilCheck = (name: string, status: string) => until(async () => (await checkOf(name))?.status === status);

  test('tells its app of an event at once, thin and signed, and both a library and the receiver of the docs know it as genuine', async () => {
    const { receiver, secret, name, status } = await hook();
    const customer = await newCustomer('Ada');
    await until(() => receiver.received.length === 1);
    const [message] = receiver.received as [Message];
    expect(message).toMatchObject({
      type: 'customer.created',
      data: { webhook: name, customer: customer.id, key: customer.id, version: 1, is_replay: false },
    });
    expect(message.headers['webhook-id']).toBe(`evt_${message.data.id}`);
    expect(message.text).not.toMatch(/Ada|example\.com/i);
    expect(() => new Webhook(secret).verify(message.text, message.headers)).not.toThrow();
    expect(() =>
      new Webhook(secret).verify(message.text.replace('"version":1', '"version":2'), message.headers),
    ).toThrow();

    const page = await readFile(new URL('../../docs/webhooks.md', import.meta.url), 'utf8');
    const file = join(await newTestFolder('hook'), 'receiver.ts');
    await writeFile(file, /```ts\n(.*?)```/s.exec(page)?.[1] ?? '');
    const { isGenuine } = await import(file);
    expect(isGenuine(secret, message.headers, message.text)).toBe(true);
    expect(isGenuine(secret, message.headers, `${message.text} `)).toBe(false);
    expect(isGenuine(secret, { ...message.headers, 'webhook-timestamp': '1700000000' }, message.text)).toBe(false);
    await until(async () => (await status())?.delivered_at !== null);
  });

  test('tells nothing that its app may not see in SQL', async () => {
    const { receiver } = await hook(['foundation.noted', 'customer.created']);
    await platform.foundation.query(`select sync.publish('foundation.noted', 'secret', '{}', 'own')`);
    await platform.foundation.query(`select sync.publish('foundation.noted', 'open', '{}', 'platform')`);
    await newCustomer('Seen');
    await until(() => receiver.received.length === 2);
    expect(receiver.received.map(({ type, data }) => [type, (data as { key?: string }).key])[0]).toEqual([
      'foundation.noted',
      'open',
    ]);
  });

  test('whose receiver refuses an event parks it with what follows of its customer; others pass, and a redrive delivers in order', async () => {
    const { receiver, name } = await hook();
    const [bad, good] = [await newCustomer('Bad'), await newCustomer('Good')];
    await until(() => receiver.received.length === 2);
    receiver.answer = ({ data }) => ({ status: data.customer === bad.id ? 422 : 204 });
    await platform.foundation.updateCustomer(bad.id, { account_tier: 'standard' });
    await platform.foundation.updateCustomer(bad.id, { account_tier: 'premium' });
    await platform.foundation.updateCustomer(good.id, { account_tier: 'premium' });
    const of = (id: string) =>
      receiver.received.filter(({ data }) => data.customer === id).map(({ data }) => data.version);
    await until(() => of(good.id).includes(2));
    const parked = async () =>
      (
        await platform.sync.query(
          'select position, state, error from sync.parked where subscription = $1 order by position',
          [`sync.webhook.${name}`],
        )
      ).rows;
    await until(async () => (await parked()).length === 2);
    expect(await parked()).toMatchObject([{ error: expect.stringContaining('HTTP 422') }, { state: 'waiting' }]);
    expect(of(bad.id)).not.toContain(3);
    receiver.answer = () => ({ status: 200 });
    const [first] = await parked();
    if (first)
      await redrive(platform.sync, { subscription: `sync.webhook.${name}`, positions: [Number(first.position)] });
    await until(async () => (await parked()).length === 0);
    expect(of(bad.id).slice(-2)).toEqual([2, 3]);
  });

  test('whose receiver fails at one event for a reason of its own parks that one after five tries, and others pass', async () => {
    const { receiver, name, status } = await hook(['customer.created']);
    let poison: string | undefined;
    receiver.answer = ({ data }) => {
      poison ??= data.customer;
      return { status: data.customer === poison ? 500 : 204 };
    };
    await newCustomer('Poison');
    await until(() => poison !== undefined);
    const good = await newCustomer('Fine');
    await until(() => receiver.received.some(({ data }) => data.customer === good.id));
    await until(async () => (await status())?.parked === 1);
    expect(receiver.received.filter(({ data }) => data.customer === poison).length).toBeGreaterThan(5);
    await removeWebhook(platform.sync, name);
  });

  test('whose receiver fails or does not answer waits, says so, and goes on without a gap when the receiver is back', async () => {
    const { receiver, name, status } = await hook();
    receiver.answer = ({ data }) => (data.version === 1 ? undefined : { status: 503 });
    const customer = await newCustomer('Slow');
    await until(async () => (await status())?.failure === 'no answer in time');
    await platform.foundation.updateCustomer(customer.id, { account_tier: 'standard' });
    await untilCheck(name, 'catching-up');
    receiver.answer = () => ({ status: 204 });
    receiver.received.length = 0;
    await until(() => receiver.received.length === 2);
    expect(receiver.received.map(({ data }) => data.version)).toEqual([1, 2]);
    await until(async () => (await status())?.failing_since === null);
    await untilCheck(name, 'ok');
  });

  test('whose secret is replaced signs with both for a while, and then with the new one alone', async () => {
    const { receiver, name, secret } = await hook();
    const isGenuine = (key: string, message: Message) => {
      try {
        new Webhook(key).verify(message.text, message.headers);
        return true;
      } catch {
        return false;
      }
    };
    const { secret: second } = await rotateWebhook(platform.sync, name, { formerSeconds: 3_600 });
    await newCustomer('Twice');
    await until(() => receiver.received.length === 1);
    const [both] = receiver.received as [Message];
    expect([secret, second].map((key) => isGenuine(key, both))).toEqual([true, true]);
    const { secret: third } = await rotateWebhook(platform.sync, name, { formerSeconds: 0 });
    await newCustomer('Once');
    await until(() => receiver.received.length === 2);
    const last = receiver.received.at(-1) as Message;
    expect([secret, second, third].map((key) => isGenuine(key, last))).toEqual([false, false, true]);
  });

  test('is given up when its receiver is gone or has taken nothing for days, holds no log, and goes on where it was when it is enabled', async () => {
    const { receiver, name, status } = await hook();
    receiver.answer = () => ({ status: 410 });
    await newCustomer('Gone');
    await until(async () => (await status())?.is_given_up === true);
    const subscriptions = async () =>
      (await platform.sync.query('select from sync.subscriptions where name = $1', [`sync.webhook.${name}`])).rowCount;
    expect([await subscriptions(), (await status())?.disabled_reason]).toEqual([0, expect.stringContaining('410')]);
    await untilCheck(name, 'failing');
    await newCustomer('Meanwhile');

    receiver.answer = () => ({ status: 503 });
    receiver.received.length = 0;
    expect(await enableWebhook(platform.sync, name)).toMatchObject({ missed: 0 });
    await until(async () => (await status())?.failing_since !== null);
    await platform.superuser.query(
      `update sync.webhooks set failing_since = failing_since - interval '73 hours' where name = $1`,
      [name],
    );
    await until(async () => (await status())?.is_given_up === true);
    expect((await status())?.disabled_reason).toBe('Nothing could be delivered for 72 hours (HTTP 503).');
    const { rows } = await platform.sync.query(
      `select app, login from sync.operations where kind = 'webhook.disable' and scope ->> 'webhook' = $1`,
      [name],
    );
    expect(rows).toEqual(Array(2).fill({ app: 'sync', login: 'sync_app' }));

    receiver.answer = () => ({ status: 204 });
    receiver.received.length = 0;
    await enableWebhook(platform.sync, name);
    await until(() => receiver.received.length === 2);
    expect(await disableWebhook(platform.sync, name, 'A rest.')).toMatchObject({ position: expect.any(Number) });
    await untilCheck(name, 'paused');
    await removeWebhook(platform.sync, name);
    expect(await status()).toBeUndefined();
    await until(async () => (await subscriptions()) === 0);
  });

  test('tells of its last attempts, and a wrong address is corrected while it is failing, without a gap', async () => {
    const [wrong, right] = [await startReceiver(), await startReceiver()];
    const name = `support.moved${++made}`;
    await addWebhook(platform.sync, { name, app: 'support', url: wrong.url, types: ['customer.created'] });
    wrong.answer = () => ({ status: 404 });
    const attempts = () => listAttempts(platform.sync, name);
    const customer = await newCustomer('Moved');
    await until(async () => (await attempts()).length > 0);
    expect(await attempts()).toEqual(
      expect.arrayContaining([
        {
          ...{ id: expect.any(Number), at: expect.any(Date), kind: 'event', type: 'customer.created' },
          ...{ outcome: 'refused', code: 'HTTP 404', position: expect.any(Number), took_ms: expect.any(Number) },
        },
      ]),
    );
    expect(
      await changeWebhook(platform.sync, name, { url: right.url, types: ['customer.updated', 'customer.created'] }),
    ).toMatchObject({ url_changed: true, types_changed: true });
    // The wrong one may have been tried often enough to park the first event: then a redrive delivers it.
    await until(async () => {
      await redrive(platform.sync, { subscription: `sync.webhook.${name}` }).catch(() => {});
      return right.received.length === 1;
    });
    await platform.foundation.updateCustomer(customer.id, { account_tier: 'premium' });
    await until(() => right.received.length === 2);
    expect(right.received.map(({ type }) => type)).toEqual(['customer.created', 'customer.updated']);
    await until(async () => (await attempts())[0]?.type === 'customer.updated');
    expect((await attempts())[0]).toMatchObject({ outcome: 'taken', code: 'HTTP 204' });
    await expect(changeWebhook(platform.sync, name, { url: right.url })).rejects.toThrow('already');
    await expect(changeWebhook(platform.sync, name, { types: ['deal.created'] })).rejects.toThrow('may not see');
    const { rows } = await platform.sync.query(
      `select scope, outcome from sync.operations where kind = 'webhook.change' and scope ->> 'webhook' = $1`,
      [name],
    );
    expect(rows).toEqual([
      {
        scope: { webhook: name, types: ['customer.created', 'customer.updated'], host: new URL(right.url).host },
        outcome: { url_changed: true, types_changed: true },
      },
    ]);
  });

  test('that two operators change at once has what each changed, and one that is removed meanwhile is changed and tried no more', async () => {
    const { name, receiver, status } = await hook(['customer.created']);
    await disableWebhook(platform.sync, name, 'A look.');
    const [one, other] = [await platform.database.connect('sync_app'), await platform.database.connect('sync_app')];
    const isWaiting = async () =>
      (
        await platform.superuser.query(`select from pg_stat_activity where pid = $1 and wait_event_type = 'Lock'`, [
          (other as unknown as { processID: number }).processID,
        ])
      ).rowCount === 1;
    await one.query('begin');
    const moved = `${receiver.url}?moved`;
    await changeWebhook(one, name, { url: moved });
    const changing = changeWebhook(other, name, { types: ['customer.updated'] });
    await until(isWaiting);
    await one.query('commit');
    expect(await changing).toMatchObject({ url_changed: false, types_changed: true });
    expect(await status()).toMatchObject({ url: moved, types: ['customer.updated'] });
    for (const act of [() => changeWebhook(other, name, { url: receiver.url }), () => testWebhook(other, name)]) {
      await one.query('begin');
      await removeWebhook(one, name);
      const acting = act().then(
        () => 'done',
        ({ message }: Error) => message,
      );
      await until(isWaiting);
      await one.query('commit');
      expect(await acting).toContain('There is no webhook');
      await addWebhook(platform.sync, { name, app: 'support', url: receiver.url, types: ['customer.created'] });
    }
  });

  test('without a secret, as one that is removed while its test is under way, gets no message that is not signed', async () => {
    const { name, receiver } = await hook();
    await disableWebhook(platform.sync, name, 'A look.');
    await platform.superuser.query('delete from sync.webhook_secrets where webhook = $1', [name]);
    await testWebhook(platform.sync, name);
    const other = await hook();
    await disableWebhook(platform.sync, other.name, 'A look.');
    await until(
      async () =>
        (await platform.sync.query('select from sync.webhooks where name = $1 and test_asked_at is null', [name]))
          .rowCount === 1,
    );
    await testWebhook(platform.sync, other.name);
    await until(() => other.receiver.received.length === 1);
    expect(receiver.received).toEqual([]);
  });

  test('keeps fifty attempts that were taken and fifty that were not, and many good ones push out no bad one', async () => {
    const { receiver, name } = await hook(['customer.created']);
    await disableWebhook(platform.sync, name, 'A count.');
    await platform.superuser.query(
      `insert into sync.webhook_attempts (webhook, at, kind, position, type, outcome, code, took_ms)
       select $1, now() - interval '1 day', 'event', n, 'customer.created', case when n <= 60 then 'refused' else 'taken' end, 'x', 1
       from generate_series(1, 200) n`,
      [name],
    );
    await testWebhook(platform.sync, name);
    await until(() => receiver.received.length === 1);
    const kept = () => listAttempts(platform.sync, name);
    await until(async () => (await kept()).length === 100);
    expect((await kept())[0]).toMatchObject({ kind: 'test', outcome: 'taken', position: null });
    expect((await kept()).filter(({ outcome }) => outcome === 'refused').map(({ position }) => position)).toEqual(
      expect.arrayContaining([11, 60]),
    );
  });

  test('that is disabled too is tried by a signed message that says nothing, if somebody asks, and an old question is not answered', async () => {
    const { receiver, name, secret, status } = await hook();
    await disableWebhook(platform.sync, name, 'A look.');
    await testWebhook(platform.sync, name, 'Is it back?');
    await until(() => receiver.received.length === 1);
    const [message] = receiver.received as [Message];
    expect(JSON.parse(message.text)).toEqual({
      type: 'webhook.test',
      timestamp: expect.any(String),
      data: { webhook: name },
    });
    expect(() => new Webhook(secret).verify(message.text, message.headers)).not.toThrow();
    receiver.answer = () => ({ status: 500 });
    await testWebhook(platform.sync, name);
    await until(async () => (await listAttempts(platform.sync, name)).length === 2);
    expect((await listAttempts(platform.sync, name)).map(({ code }) => code)).toEqual(['HTTP 500', 'HTTP 204']);
    // A test that fails says nothing of deliveries.
    expect(await status()).toMatchObject({ failing_since: null, test_asked_at: null });
    await platform.superuser.query(
      `update sync.webhooks set test_asked_at = now() - interval '11 minutes' where name = $1`,
      [name],
    );
    await until(
      async () =>
        (await platform.sync.query('select from sync.webhooks where name = $1 and test_asked_at is null', [name]))
          .rowCount === 1,
    );
    expect(receiver.received).toHaveLength(2);
  });

  test.each([
    [{ types: ['deal.created'] }, 'may not see'],
    [{ types: ['customer.guessed'] }, 'may not see'],
    [{ name: 'foundation.hook' }, 'name of a webhook'],
    [{ name: 'nobody.hook', app: 'nobody' }, 'no app nobody'],
  ])('that asks for %j is refused', async (wrong, words) => {
    const wish = { name: 'support.wrong', app: 'support', url: 'https://a.example/', types: ['customer.created'] };
    await expect(addWebhook(platform.sync, { ...wish, ...wrong })).rejects.toThrow(words);
  });

  test('of one name is registered once, and no app’s login reads its secret or registers one', async () => {
    const { name } = await hook();
    const again = { name, app: 'support', url: 'https://a.example/', types: ['customer.created'] };
    await expect(addWebhook(platform.sync, again)).rejects.toThrow('already');
    await expect(platform.support.query('select secret from sync.webhook_secrets')).rejects.toMatchObject({
      code: '42501',
    });
    await expect(addWebhook(platform.support, { ...again, name: 'support.own' })).rejects.toThrow();
    const console = await platform.database.connect('console_app');
    await expect(console.query('select secret from sync.webhook_secrets')).rejects.toMatchObject({ code: '42501' });
    await expect(addWebhook(console, { ...again, name: 'support.own' })).rejects.toThrow('Only administrators');
  });
});

describe('a worker that knows nothing yet of a change', () => {
  test('does not disable a webhook because its former address answers 410, and its own end is no answer of a receiver', async () => {
    const platform = await startTestPlatform();
    const [right, slow] = [await startReceiver(), await startReceiver()];
    const answering = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const listening = createServer((_request, response) => {
      asked.resolve();
      void answering.promise.then(() => response.writeHead(410).end());
    }).listen(0, '127.0.0.1');
    await once(listening, 'listening');
    atEnd(async () => void listening.close());
    const gone = `http://127.0.0.1:${(listening.address() as AddressInfo).port}/`;
    slow.answer = () => undefined;
    await addWebhook(platform.sync, { name: 'support.moved', app: 'support', url: gone, types: ['customer.created'] });
    await addWebhook(platform.sync, {
      name: 'support.slow',
      app: 'support',
      url: slow.url,
      types: ['customer.created'],
    });
    const url = platform.database.url('sync_app');
    const webhooks = startWebhooks({
      database: { ...readSettings({ PLATFORM_DB_URL: url }), directUrl: url },
      networks: loopback,
      everyMs: 3_600_000, // it looks once
      onError: () => {},
    });
    let stopped: Promise<void> | undefined;
    const stop = () => {
      stopped ??= webhooks.stop();
      return stopped;
    };
    atEnd(stop);
    await platform.foundation.createCustomer({ name: 'Mo', email: 'mo@example.com' });
    await Promise.all([asked.promise, until(() => slow.received.length > 0)]);
    await changeWebhook(platform.sync, 'support.moved', { url: right.url });
    answering.resolve();
    await until(() => Object.keys(webhooks.progress()).length === 1); // it has ended it
    await stop();
    expect(await listWebhooks(platform.sync, 'support.moved')).toMatchObject([{ disabled_at: null, url: right.url }]);
    expect(await listAttempts(platform.sync, 'support.slow')).toEqual([]);
    expect(await listWebhooks(platform.sync, 'support.slow')).toMatchObject([{ failing_since: null }]);
  });
});
