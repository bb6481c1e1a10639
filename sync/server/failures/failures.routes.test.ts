import { atEnd } from '@aether/database/testing';
import { connectPlatform, type PlatformDb } from '@aether/platform';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../testing.ts';
import { startSequencer } from '../../worker/sequencer.ts';
import { startTestConsole, type TestConsole } from '../testing.ts';

let app: TestConsole;
let sync: pg.Client;
let foundation: PlatformDb;
let isBroken = true;
const name = 'foundation.mirror';
let ada: string;

beforeAll(async () => {
  app = await startTestConsole();
  sync = await app.database.connect('sync_app');
  const sequencer = startSequencer({ url: app.database.url('sync_app') });
  foundation = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: app.database.url('foundation_app') },
  });
  const subscription = foundation.events.subscribe(
    'customer.updated',
    async ({ data }) => {
      if (isBroken) throw new Error(`no list for ${data.email}`);
    },
    { name, attemptsMax: 1, pollMs: 50, onError: () => {} },
  );
  await subscription.ready;
  atEnd(async () => {
    await foundation.close();
    await sequencer.stop();
  });
  const customer = await foundation.createCustomer({ email: 'Ada@Example.com', name: 'Ada' }, { actor: 'boss' });
  ada = customer.id;
  await foundation.updateCustomer(ada, { account_tier: 'premium' }, { actor: 'boss' });
  await foundation.updateCustomer(ada, { name: '=Ada' });
  await until(async () => (await parked()).length === 2);
});

const parked = async () =>
  (await sync.query('select position::float8, state from sync.parked order by position')).rows as {
    position: number;
    state: string;
  }[];
const get = (path: string, as = 'maya') => app.callAs(as)('GET', path);
const post = (path: string, body: Record<string, unknown>, as = 'boss') => app.callAs(as)('POST', path, body);

describe('failures', () => {
  test('are grouped by cause, which names nobody, and only administrators see the error itself', async () => {
    const { status, body } = await get('/api/failures');
    expect(status).toBe(200);
    expect(body.causes).toMatchObject([
      { subscription: name, app: 'foundation', events: 1, dead: 1, customers: 1, shape: 'no list for <address>' },
    ]);
    const [{ cause }] = body.causes;
    const list = `/api/failures/events?subscription=${name}&cause=${cause}`;
    expect((await get(list)).body.events).toMatchObject([{ state: 'dead', type: 'customer.updated', error: null }]);
    expect((await get(list, 'boss')).body.events).toMatchObject([{ error: 'Error: no list for Ada@example.com' }]);
    expect((await get('/api/failures?search=nothing+like+it')).body.causes).toEqual([]);
    expect((await get('/api/failures/events')).status).toBe(422);
  });

  test('show what waits behind them and what a skip would let run', async () => {
    const [dead, waiting] = await parked();
    const { body } = await get(`/api/failures/events/${name}/${dead?.position}`);
    expect(body).toMatchObject({
      event: { position: dead?.position, customer: ada, error: null },
      attempts: [{ attempt: 1, is_handled: false, error: null }],
      waiting: [{ position: waiting?.position, type: 'customer.updated' }],
      waiting_count: 1,
      freed_count: 1,
      runs_next: waiting?.position,
      behind: null,
    });
    const behind = await get(`/api/failures/events/${name}/${waiting?.position}`);
    expect(behind.body).toMatchObject({ event: { state: 'waiting' }, behind: dead?.position, waiting_count: 0 });
    expect((await get(`/api/failures/events/${name}/999999`)).status).toBe(404);
  });

  test('are a file in which no text is a formula', async () => {
    const token = await app.issuer.tokenFor('boss');
    const answer = await fetch(`${app.url}/api/failures/events.csv?subscription=${name}`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    const text = Buffer.from(await answer.arrayBuffer()).toString();
    expect(text).toMatch(/^\ufeffsubscription,position,type,key/);
    const [, ...rows] = text.trim().split('\r\n');
    expect(rows).toEqual([expect.stringMatching(/,dead,1,,.*,Error: no list for Ada@example\.com$/)]);
  });

  test('may be seen by everybody, and mended by administrators only', async () => {
    const [dead] = await parked();
    for (const [path, body] of [
      [`/api/failures/events/${name}/${dead?.position}/skip`, { reason: 'x' }],
      [`/api/subscriptions/${name}/pause`, { reason: 'x' }],
      ['/api/runs', { kind: 'skip', subscription: name, filter: {} }],
    ] as const)
      expect(await post(path, body, 'maya')).toMatchObject({ status: 403, body: { code: 'admin-only' } });
    expect((await parked()).length).toBe(2);
  });
});

describe('a subscription', () => {
  test('is paused with a reason, rewound only then, and resumed; each act names its person', async () => {
    expect((await post(`/api/subscriptions/${name}/replay`, { from_position: 1, reason: 'x' })).body).toMatchObject({
      code: 'not-possible',
      detail: `Pause ${name} first.`,
    });
    expect((await post(`/api/subscriptions/${name}/pause`, {})).status).toBe(422);
    expect((await post(`/api/subscriptions/${name}/pause`, { reason: 'a look' })).status).toBe(200);
    expect((await get('/api/subscriptions')).body.subscriptions).toMatchObject([
      { name, is_paused: true, pause_reason: 'a look', dead: 1, waiting: 1 },
    ]);
    const preview = (await get(`/api/subscriptions/${name}/replay?from_position=1`)).body;
    expect(preview).toMatchObject({ app: 'foundation', events: 2, is_whole: true, is_paused: true });
    const ofAda = (await get(`/api/subscriptions/${name}/replay?customer=${ada}`)).body;
    expect(ofAda).toMatchObject({ app: 'foundation', events: 2, is_whole: true });
    expect((await get(`/api/subscriptions/${name}/replay?key=${ada}`)).body).toEqual(ofAda);
    const nobody = '00000000-0000-7000-8000-000000000000';
    expect((await get(`/api/subscriptions/${name}/replay?customer=${nobody}`)).body).toMatchObject({ events: 0 });
    expect((await post(`/api/subscriptions/${name}/resume`, {})).body).toMatchObject({ pause_reason: 'a look' });
    const { body } = await get(`/api/operations?subscription=${name}`);
    expect(body.operations).toMatchObject([
      { kind: 'subscription.resume', actor: 'boss', actor_name: 'Bo Boss', login: 'console_app' },
      { kind: 'subscription.pause', reason: 'a look' },
    ]);
    expect((await post('/api/subscriptions/support.nobody/pause', { reason: 'x' })).status).toBe(404);
  });
});

describe('the log', () => {
  const found = async (query: string) => {
    const { status, body } = await get(`/api/log?${query}`);
    return status === 200 ? body.events.map(({ type }: { type: string }) => type) : status;
  };

  test('is searched by customer, address in any spelling, type, app, actor, key and time', async () => {
    const [created, updated] = ['customer.created', 'customer.updated'];
    expect(await found(`customer=${ada}`)).toEqual([updated, updated, created]);
    expect(await found('address=ADA@example.com')).toEqual([updated, updated, created]);
    expect(await found('address=nobody@example.com')).toBe(404);
    expect(await found(`key=${ada}&type=${created}`)).toEqual([created]);
    expect(await found('app=foundation&actor=boss&type=customer.updated')).toEqual([updated]);
    expect(await found('actor=nobody')).toEqual([]);
    expect(await found(`customer=${ada}&until=2020-01-01T00:00:00Z`)).toEqual([]);
    expect(await found(`customer=${ada}&since=2020-01-01T00:00:00Z&limit=1`)).toEqual([updated]);
    const first = (await get(`/api/log?customer=${ada}&limit=2`)).body;
    expect(await found(`customer=${ada}&before=${first.searched_to}`)).toEqual([created]);
  });

  test('offers for a search what is in it: types, apps, and people by name', async () => {
    const { status, body } = await get('/api/log-choices');
    expect(status).toBe(200);
    expect(body.types).toEqual(expect.arrayContaining(['customer.created', 'customer.updated']));
    expect(body.types).toEqual([...new Set(body.types)].sort());
    expect(body.apps).toEqual(expect.arrayContaining(['foundation', 'support', 'console', 'sync']));
    expect(body.people).toContainEqual({ id: 'boss', name: 'Bo Boss' });
    const { body: page } = await get(`/api/log?customer=${ada}&limit=1`);
    expect(page.events[0].customer_name).toBe('=Ada');
  });

  test('shows one event with its request, its change and what each subscription made of it', async () => {
    const [dead] = await parked();
    const { body } = await get(`/api/log/${dead?.position}`);
    expect(body.event).toMatchObject({
      data: { account_tier: 'premium' },
      previous: { account_tier: null },
      actor_name: 'Bo Boss',
      login: 'foundation_app',
      withheld: { columns: [], audience: false },
    });
    expect(body.effects).toMatchObject([
      { subscription: name, effect: 'dead', attempts: [{ attempt: 1, failed: true }] },
    ]);
    expect((await get('/api/log/999999')).status).toBe(404);
  });

  test('says why a field shows what it shows, and follows the event to its subscribers', async () => {
    const [dead] = await parked();
    const { body } = await get(`/api/customers/${ada}/why/account_tier`);
    expect(body).toMatchObject({ value: 'premium', event: { position: dead?.position, actor_name: 'Bo Boss' } });
    expect((await get(`/api/customers/${ada}/why/email`)).body.event.type).toBe('customer.created');
    expect((await get(`/api/customers/${ada}/why/password`)).status).toBe(422);
  });

  test('tells a skipped event from a handled one', async () => {
    const [dead, waiting] = await parked();
    isBroken = false;
    const answer = await post(`/api/failures/events/${name}/${dead?.position}/skip`, { reason: 'known' });
    expect(answer.body).toEqual({ skipped: 1 });
    await until(async () => (await parked()).length === 0);
    const effect = async (at?: number) => (await get(`/api/log/${at}`)).body.effects[0];
    expect(await effect(dead?.position)).toMatchObject({
      effect: 'skipped',
      skipped_by: { actor: 'boss', reason: 'known' },
    });
    expect(await effect(waiting?.position)).toMatchObject({ effect: 'handled', skipped_by: null });
    expect((await get('/api/failures')).body.causes).toEqual([]);
  });
});
