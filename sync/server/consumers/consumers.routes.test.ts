import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { until } from '../../testing.ts';
import { startSequencer } from '../../worker/sequencer.ts';
import { startTestConsole, type TestConsole } from '../testing.ts';

// No bus runs here: the worker's login writes what the worker that relays would write. servicebus/relay/orders.test.ts has the bus.
let app: TestConsole;
let worker: pg.Client;
const session = '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b';
const letter = { number: '7', id: '4711', type: null, session, reason: 'unreadable', at: '2026-01-31T12:00:00Z' };
const parked = {
  ...{ event: '4712', type: 'customer.updated', session, state: 'dead', attempts: 12 },
  ...{ error: 'TypeError', at: '2026-01-31T12:00:00Z' },
};

beforeAll(async () => {
  app = await startTestConsole();
  worker = await app.database.connect('sync_app');
  await worker.query(
    `insert into sync.consumers (name, letters, parked, is_paused, reported_at)
     values ('billing', $1, $2, true, now()), ('quiet', '[]', '[]', false, null)`,
    [JSON.stringify([letter]), JSON.stringify([parked])],
  );
});

const list = async () => (await app.call('GET', '/api/consumers')).body.consumers;
const order = (name: string, body: Record<string, unknown>, as = 'boss') =>
  app.callAs(as)('POST', `/api/consumers/${name}/orders`, body);

test('consumers are listed with their dead letters and parked events, and one that reports nothing as such', async () => {
  expect(await list()).toMatchObject([
    { name: 'billing', letters: [letter], parked: [parked], is_paused: true, orders: [] },
    { name: 'quiet', letters: [], parked: [], is_paused: false, reported_at: null, orders: [] },
  ]);
});

test('an order is listed with its person, its reason and what came of it, and is among the operations', async () => {
  const answer = await order('billing', { act: 'skip', session, event: '4712', reason: 'gone for good' });
  expect(answer).toMatchObject({ status: 202, body: { order: expect.any(Number), operation: expect.any(Number) } });
  const listed = async () => (await list())[0].orders;
  expect(await listed()).toMatchObject([
    {
      ...{ id: answer.body.order, act: 'skip', scope: { session, event: '4712' }, state: 'waiting', outcome: null },
      ...{ reason: 'gone for good', actor_name: 'Bo Boss', ended_at: null },
    },
  ]);
  const refused = { count: 0, refused: 'not the first of its customer any more' };
  await worker.query(`update sync.consumer_orders set state = 'failed', outcome = $1, ended_at = now()`, [
    JSON.stringify(refused),
  ]);
  expect(await listed()).toMatchObject([{ state: 'failed', outcome: refused, ended_at: expect.any(String) }]);
  const { rows } = await worker.query('select kind, actor, reason from sync.operations where id = $1', [
    answer.body.operation,
  ]);
  expect(rows).toEqual([{ kind: 'consumer.skip', actor: 'boss', reason: 'gone for good' }]);
});

test('an order is refused to who is no administrator, without a reason, of nobody, and where no process would do it', async () => {
  const before = (await list())[0].orders.length;
  const wish = { act: 'pause', reason: 'a test' };
  expect(await order('billing', wish, 'maya')).toMatchObject({ status: 403, body: { code: 'admin-only' } });
  expect((await order('billing', { act: 'pause' })).status).toBe(422);
  expect((await order('billing', { ...wish, act: 'drain' })).status).toBe(422);
  expect((await order('billing', { ...wish, act: 'resubmit', numbers: ['seven'] })).status).toBe(422);
  expect(await order('billing', { ...wish, act: 'skip' })).toMatchObject({
    status: 422,
    body: { detail: expect.stringContaining('names the session and the event') },
  });
  expect((await order('nobody', wish)).status).toBe(404);
  expect(await order('quiet', wish)).toMatchObject({
    status: 409,
    body: { detail: expect.stringMatching(/^No process of quiet reports/) },
  });
  expect((await list())[0].orders.length).toBe(before);
});

test('an event shows what each consumer made of it, and one that nobody reported shows none', async () => {
  const sequencer = startSequencer({ url: app.database.url('sync_app') });
  const found = async (position: number) => (await app.call('GET', `/api/log/${position}`)).body;
  await until(async () => (await found(1)).event !== undefined);
  const { event } = await found(1);
  await sequencer.stop();
  expect((await found(1)).consumers).toEqual([]);
  await worker.query(
    `insert into sync.consumer_effects (event, consumer, state, attempt, lag_ms, at) values ($1, 'billing', 'dead', 12, 1500, now())`,
    [event.id],
  );
  expect((await found(1)).consumers).toMatchObject([{ consumer: 'billing', state: 'dead', attempt: 12, lag_ms: 1500 }]);
});
