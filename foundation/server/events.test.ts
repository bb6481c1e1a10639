import { atEnd } from '@aether/database/testing';
import { requireUnderWay } from '@aether/database/testing.scope';
import { createLog } from '@aether/http';
import { startSync } from '@aether/sync';
import { beforeAll, describe, expect, test } from 'vitest';
import { startFoundation } from './index.ts';
import { startTestFoundation, type TestFoundation } from './testing.ts';

let app: TestFoundation;
beforeAll(async () => {
  app = await startTestFoundation();
  const worker = await startSync({ variables: { PLATFORM_DB_URL: app.database.url('sync_app') } });
  atEnd(worker.close);
});

type Message = { id?: string; event?: string; data?: string; comment?: string; retry?: string };

/** Reads a stream of server-sent events message by message, as a browser would. */
async function listen(url: string, headers: Record<string, string> = {}) {
  const closing = new AbortController();
  const response = await fetch(url, {
    headers: { ...(await app.headersOf('maya')), ...headers },
    signal: closing.signal,
  });
  const lines = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  async function next(): Promise<Message | undefined> {
    for (;;) {
      requireUnderWay();
      const end = text.indexOf('\n\n');
      if (end >= 0) {
        const message: Message = {};
        for (const line of text.slice(0, end).split('\n')) {
          const [, field = '', value] = /^(\w*): ?(.*)$/.exec(line) ?? [];
          message[(field || 'comment') as keyof Message] = value;
        }
        text = text.slice(end + 2);
        return message;
      }
      const { done, value } = (await lines?.read().catch(() => ({ done: true, value: undefined }))) ?? {
        done: true,
        value: undefined,
      };
      if (done) return undefined;
      text += value;
    }
  }
  async function nextEvent(): Promise<Message | undefined> {
    let message = await next();
    while (message?.comment !== undefined) message = await next();
    return message;
  }
  return { status: response.status, headers: response.headers, next, nextEvent, close: () => closing.abort() };
}

const newCustomer = (name: string) =>
  app.foundation.createCustomer({ name, email: `${name.toLowerCase()}@example.com` });

describe('the live stream', () => {
  test('begins with a sign of life, and sends events as they happen', async () => {
    const stream = await listen(`${app.url}/api/events?types=customer.created`);
    expect(stream.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(await stream.next()).toEqual({ comment: 'open', id: expect.stringMatching(/^\d+\.\d+$/) });
    const customer = await newCustomer('Streamed');
    const message = await stream.nextEvent();
    expect(message).toMatchObject({ event: 'customer.created', id: expect.stringMatching(/^\d+\.\d+$/) });
    expect(JSON.parse(message?.data ?? '')).toMatchObject({
      type: 'customer.created',
      key: customer.id,
      app: 'foundation',
      data: { email: 'streamed@example.com', customerId: customer.id },
    });
    stream.close();
  });

  test('goes on after the client’s last message, without a gap or a repetition', async () => {
    const url = `${app.url}/api/events?types=customer.created`;
    const first = await listen(url);
    await first.next();
    await newCustomer('Before');
    const seen = await first.nextEvent();
    first.close();
    await app.foundation.query(
      `insert into platform.customers (name, email) select 'Away' || n, 'away' || n || '@example.com' from generate_series(0, 699) n`,
    );
    const second = await listen(url, { 'Last-Event-ID': seen?.id ?? '' });
    const names: string[] = [];
    while (names.length < 700) names.push(JSON.parse((await second.nextEvent())?.data ?? '').data.name);
    expect(names).toEqual(Array.from({ length: 700 }, (_, n) => `Away${n}`));
    await newCustomer('Live');
    expect(JSON.parse((await second.nextEvent())?.data ?? '').data.name).toBe('Live');
    second.close();
  });

  test('gives the client a place to return to before anything has happened', async () => {
    const url = `${app.url}/api/events?types=customer.created`;
    const cut = await listen(url);
    const opened = await cut.next();
    cut.close();
    await newCustomer('Meanwhile');
    const back = await listen(url, { 'Last-Event-ID': opened?.id ?? '' });
    expect(JSON.parse((await back.nextEvent())?.data ?? '').data.name).toBe('Meanwhile');
    back.close();
  });

  test('reports that the place to go on from no longer exists', async () => {
    const stream = await listen(`${app.url}/api/events`, { 'Last-Event-ID': '999999.1' });
    expect(await stream.nextEvent()).toMatchObject({ event: 'reset' });
    stream.close();
  });

  test('says so when retention has removed events after the place', async () => {
    const place = await app.foundation.events.place();
    await newCustomer('Removed');
    await newCustomer('Kept');
    await expect.poll(() => app.foundation.events.head()).toBeGreaterThan(place.position + 1);
    const superuser = await app.database.connect('postgres');
    await superuser.query('delete from sync.events where position <= $1', [place.position + 1]);
    const stream = await listen(`${app.url}/api/events`, { 'Last-Event-ID': `${place.position}.${place.id}` });
    expect(await stream.nextEvent()).toMatchObject({ event: 'reset' });
    stream.close();
  });

  test('shows Foundation nothing of a chat', async () => {
    const stream = await listen(`${app.url}/api/events`);
    await stream.next();
    await app.support.query(
      `with w as (insert into support.widgets (key, name) values ('stream-widget', 'W') returning id)
       insert into support.sessions (widget_id, visitor_email, visitor_name, token_hash) select id, 'v@example.com', 'V', sha256('x')
         from w`,
    );
    await newCustomer('AfterTheChat');
    expect(await stream.nextEvent()).toMatchObject({ event: 'customer.created' });
    stream.close();
  });

  test.each([
    ['?types=Nonsense', {}, 'types'],
    ['?kinds=customer.created', {}, 'kinds'],
    ['', { 'Last-Event-ID': 'yesterday' }, 'Last-Event-ID'],
  ])(
    'with the query “%s” and the headers %j is refused, and the refusal names the field',
    async (query, headers, field) => {
      const answer = await app.call('GET', `/api/events${query}`, undefined, headers as Record<string, string>);
      expect(answer).toMatchObject({ status: 422, body: { errors: [{ field }] } });
    },
  );

  test('ends at once when the server closes, so that the server need not wait for it', async () => {
    const log = createLog('test');
    log.level = 'silent';
    const server = await startFoundation({
      variables: { PLATFORM_DB_URL: app.database.url('foundation_app'), ...app.issuer.variables },
      port: 0,
      log,
    });
    const stream = await listen(`${server.url}/api/events`);
    await stream.next();
    const startedAt = performance.now();
    await server.close();
    expect(performance.now() - startedAt).toBeLessThan(4_500); // the drain would take five seconds
    // When to come back, so that not all readers do so in the same moment.
    expect(await stream.nextEvent()).toEqual({ retry: expect.stringMatching(/^\d+$/) });
    expect(await stream.nextEvent()).toBeUndefined();
  });

  test('is for staff', async () => {
    expect((await app.callAnonymously('GET', '/api/events')).status).toBe(401);
  });
});

describe('pages of events', () => {
  type Page = {
    events: { type: string; position: number; id: string; data: { name?: string } }[];
    next: string;
    is_last: boolean;
  };
  const read = async (query: string, caller: ReturnType<typeof app.callWith> = app.call) => {
    const { status, body } = await caller('GET', `/api/events?${query}`);
    return { status, body: body as Page };
  };
  const machineOf = (client: string, ...scopes: string[]): typeof app.call => {
    return async (method, path, body, headers) => {
      const token = await app.issuer.tokenFor('service', { azp: client, roles: ['events.read', ...scopes] });
      return app.callAnonymously(method, path, body, { Authorization: `Bearer ${token}`, ...headers });
    };
  };

  test('come with the next event while one waits, go on without a gap or a repetition, and say where the log ends', async () => {
    const { body: begin } = await read('after=now');
    expect(begin).toEqual({ events: [], next: expect.stringMatching(/^\d+\.\d+$/), is_last: true });
    const waiting = read(`after=${begin.next}&types=customer.created&wait=30`);
    await newCustomer('Awaited');
    const { body: first } = await waiting;
    expect(first.events.map(({ data }) => data.name)).toEqual(['Awaited']);
    expect(first.events[0]).toMatchObject({ id: expect.stringMatching(/^\d+$/), is_replay: false });
    await app.foundation.query(
      `insert into platform.customers (name, email) select 'Paged' || n, 'paged' || n || '@example.com' from generate_series(0, 249) n`,
    );
    const names: (string | undefined)[] = [];
    let after = first.next;
    while (names.length < 250) {
      const { body } = await read(`after=${after}&types=customer.created&limit=100&wait=10`);
      expect(body.events.length).toBeLessThanOrEqual(100);
      names.push(...body.events.map(({ data }) => data.name));
      after = body.next;
    }
    expect(names).toEqual(Array.from({ length: 250 }, (_, n) => `Paged${n}`));
    // The position of a snapshot is a place to begin, too.
    const [position] = after.split('.');
    expect(await read(`after=${position}`)).toMatchObject({ status: 200, body: { events: [] } });
  });

  test('are 410 where the log no longer has every event: the reader starts from a snapshot', async () => {
    const { body: begin } = await read('after=now');
    await newCustomer('Dropped');
    await newCustomer('Stays');
    const [position = ''] = begin.next.split('.');
    await expect.poll(() => app.foundation.events.head()).toBeGreaterThan(Number(position) + 1);
    const superuser = await app.database.connect('postgres');
    await superuser.query('delete from sync.events where position <= $1', [Number(position) + 1]);
    for (const after of [begin.next, position, '0', '99999999'])
      expect(await read(`after=${after}`)).toMatchObject({
        status: 410,
        body: { code: 'position-dropped', detail: expect.stringContaining('snapshot') },
      });
    expect(await read(`after=${Number(position) + 1}`)).toMatchObject({ status: 200 });
  });

  test('hold of a machine what its scopes read, and of an app’s machine what the app’s own login sees', async () => {
    const { body: begin } = await read('after=now');
    await newCustomer('Seen');
    const superuser = await app.database.connect('postgres');
    await superuser.query(`insert into sync.outbox (type, key, row_id, audience, app, login, data)
      values ('deal.updated', 'k', 'k', 'crm', 'foundation', 'foundation_app', '{}')`);
    const typesOf = async (caller: typeof app.call) => {
      await expect
        .poll(async () => (await read(`after=${begin.next}`)).body.events.some(({ type }) => type === 'deal.updated'))
        .toBe(true);
      return [...new Set((await read(`after=${begin.next}`, caller)).body.events.map(({ type }) => type))].sort();
    };
    expect(await typesOf(app.callWith('events.read'))).toEqual([]);
    expect(await typesOf(app.callWith('events.read', 'deals.read'))).toEqual(['deal.updated']);
    expect(await typesOf(app.callWith('events.read', 'deals.read', 'customers.read'))).toContain('customer.created');

    const owner = await app.database.connect('platform_migrator');
    await owner.query(`set role platform_owner; insert into platform.app_clients (client, app, scopes) values
      ('its-machine', 'support', '{events.read,customers.read,deals.read}'), ('retired', 'support', '{}')`);
    const scopes = ['customers.read', 'deals.read', 'companies.read'];
    const seen = await typesOf(machineOf('its-machine', ...scopes));
    expect(seen).toContain('customer.created');
    expect(seen).not.toContain('deal.updated');
    expect(await typesOf(machineOf('unlisted', ...scopes))).toContain('deal.updated');
    expect(await read(`after=${begin.next}&types=company.created`, machineOf('its-machine', ...scopes))).toMatchObject({
      status: 403,
      body: { code: 'token-lacks-scope' },
    });
    expect(await read(`after=${begin.next}`, machineOf('retired', ...scopes))).toMatchObject({ status: 403 });
  });

  test.each([
    ['after=yesterday', 'after'],
    ['after=now&limit=1001', 'limit'],
    ['after=now&wait=61', 'wait'],
    ['after=now&types=Nonsense', 'types'],
  ])('with %s are refused, and the refusal names the field', async (query, field) => {
    expect(await app.call('GET', `/api/events?${query}`)).toMatchObject({ status: 422, body: { errors: [{ field }] } });
  });
});

test('a customer that a chat made gets Foundation’s number when its event arrives', async () => {
  const { customer } = await app.support.findOrCreateCustomer({ email: 'chat.born@example.com', name: 'Chat Born' });
  expect(customer.crm_id).toBeNull();
  await expect
    .poll(async () => (await app.foundation.getCustomerById(customer.id))?.crm_id, { timeout: 5_000, interval: 5 })
    .toBeGreaterThan(0);
  expect(
    (await app.call('GET', `/api/customers/${(await app.foundation.getCustomerById(customer.id))?.crm_id}`)).body
      .customer.id,
  ).toBe(customer.id);
});

test('a customer that a chat made and that gave its number away in a merge gets one of its own after the unmerge', async () => {
  const { customer: survivor } = await app.support.findOrCreateCustomer({
    email: 'goes.on@example.com',
    name: 'Goes On',
  });
  const numberOf = async (id: string) => (await app.foundation.getCustomerById(id))?.crm_id ?? null;
  await expect.poll(() => numberOf(survivor.id), { interval: 5 }).toBeGreaterThan(0);
  // As if the merge had come before the number.
  const superuser = await app.database.connect('postgres');
  const sync = await app.database.connect('sync_app');
  await superuser.query(`delete from platform.customer_external_ids where customer_id = $1`, [survivor.id]);
  await superuser.query('update platform.customers set crm_id = null where id = $1', [survivor.id]);
  const loser = await app.foundation.createCustomer({ email: 'is.taken@example.com', name: 'Goes On' });
  const { rows } = await sync.query(
    `select platform.merge_customers($1, array[$2]::uuid[]) -> 'merges' -> 0 ->> 'merge' as merge`,
    [survivor.id, loser.id],
  );
  expect(await numberOf(survivor.id)).toBe(loser.crm_id);
  await sync.query('select platform.unmerge_customers($1)', [rows[0].merge]);
  expect(await numberOf(loser.id)).toBe(loser.crm_id);
  await expect.poll(() => numberOf(survivor.id), { interval: 5 }).toBeGreaterThan(0);
  expect(await numberOf(survivor.id)).not.toBe(loser.crm_id);
});

test('a server of its own process is refused where others reach it without a public address; one among others stays on this machine', async () => {
  const log = createLog('test');
  log.level = 'silent';
  const variables = {
    PLATFORM_DB_URL: app.database.url('foundation_app'),
    LISTEN_HOST: '0.0.0.0',
    PORT: '1',
    ...app.issuer.variables,
  };
  const refused = startFoundation({ variables, ownProcess: true, log });
  await expect(refused).rejects.toThrow(/^LISTEN_HOST is 0\.0\.0\.0.*FOUNDATION_PUBLIC_URL must say/);
  const server = await startFoundation({ variables, port: 0, log });
  expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:/);
  await server.close();
});

test('a server that is to end says so first, answers meanwhile, and tells streams when to come back', async () => {
  const log = createLog('test');
  log.level = 'silent';
  const server = await startFoundation({
    variables: {
      PLATFORM_DB_URL: app.database.url('foundation_app'),
      PLATFORM_DB_POOL_MAX: '2',
      CLOSE_AFTER_MS: '400',
      ...app.issuer.variables,
    },
    port: 0,
    log,
  });
  const stream = await listen(`${server.url}/api/events`);
  expect(stream.status).toBe(200);
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  const closed = server.close();
  const ready = await fetch(`${server.url}/readyz`);
  expect([ready.status, await ready.json()]).toMatchObject([
    503,
    { code: 'not-ready', errors: [{ field: 'process', message: 'is closing' }] },
  ]);
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  let last: Message | undefined;
  for (let message = await stream.next(); message; message = await stream.next()) last = message;
  expect(Number(last?.retry)).toBeGreaterThanOrEqual(500);
  await closed;
  await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
});
