import { beforeAll, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from './testing.ts';

let app: TestFoundation;
let customer: string;
let deal: number;
beforeAll(async () => {
  app = await startTestFoundation();
  customer = (await app.foundation.createCustomer({ name: 'Ada Lovelace', email: 'ada@texts.example' })).id;
  const [pipeline] = await app.foundation.query<{ id: number; stage: number }>(
    `select p.id, s.id as stage from crm.pipelines p join crm.pipeline_stages s on s.pipeline_id = p.id and s.position = 1`,
  );
  const made = await app.call('POST', '/api/deals', {
    customer_id: customer,
    pipeline_id: pipeline?.id,
    stage_id: pipeline?.stage,
    name: 'Kettles for the office',
  });
  deal = (made.body.deal ?? made.body).id;
});

type Found = Record<string, unknown> & { id: string; kind: string };

/** All that is found, page by page: a busy machine gets less at once. */
async function search(query: Record<string, string>): Promise<Found[]> {
  const found: Found[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const asked = new URLSearchParams({ ...query, ...(cursor && { cursor }) });
    const { body } = await app.call('GET', `/api/search/text?${asked}`);
    found.push(...body.results);
    cursor = body.next_cursor;
  }
  return found;
}
const add = (activity: Record<string, unknown>) => app.call('POST', `/api/customers/${customer}/activities`, activity);

test('notes, calls, tasks and deals are found by their words, with what they belong to', async () => {
  await add({ type: 'note', description: 'Wants copper kettles', deal_id: deal });
  await add({
    type: 'call',
    description: 'Asked when the kettle comes, order AB-1234',
    occurred_at: '2019-03-01T12:00:00Z',
  });
  const results = await search({ q: 'kettle', order: 'newest' });
  expect(results).toMatchObject([
    {
      kind: 'note',
      type: 'note',
      app: 'foundation',
      author: { name: 'Maya Okafor' },
      customer: { id: customer },
      deal: { id: deal },
    },
    {
      kind: 'deal',
      type: null,
      id: String(deal),
      deal: { name: 'Kettles for the office' },
      customer: { name: 'Ada Lovelace' },
    },
    { kind: 'call', at: '2019-03-01T12:00:00.000Z', deal: null },
  ]);
  const kindsOf = async (query: Record<string, string>) => (await search(query)).map(({ kind }) => kind);
  expect(await kindsOf({ q: 'kettle', kind: 'deal' })).toEqual(['deal']);
  expect(await kindsOf({ q: 'kettle', kind: 'call' })).toEqual(['call']);
  expect(await kindsOf({ q: 'kettle', kind: 'task' })).toEqual([]);
  expect(await kindsOf({ q: '1234' })).toEqual(['call']);
  expect(await kindsOf({ q: 'kettle -copper -office' })).toEqual(['call']);
});

test('a corrected text is found by its new words only', async () => {
  const { body } = await add({ type: 'note', description: 'About a samovar' });
  expect(await search({ q: 'samovar' })).toHaveLength(1);
  await app.call('PATCH', `/api/activities/${(body.activity ?? body).id}`, { description: 'About a teapot' });
  expect(await search({ q: 'samovar' })).toEqual([]);
  expect(await search({ q: 'teapot' })).toMatchObject([{ id: (body.activity ?? body).id }]);
});

test('a text that comes between the found ones while somebody turns the pages shows none of them twice', async () => {
  const write = (description: string, age: string) =>
    app.foundation.query(
      `insert into crm.activities (customer_id, type, description, occurred_at) values ($1, 'note', $2, now() - $3::interval)`,
      [customer, description, age],
    );
  for (let n = 1; n < 200; n++) await write(`Ledger ${n}`, `${n} minutes`);
  await write('Ledger ledger ledger, the oldest of the best', '200 minutes');
  await write('Ledger, older', '201 minutes');
  const page = async (cursor: string | null) =>
    (
      await app.call(
        'GET',
        `/api/search/text?${new URLSearchParams({ q: 'ledger', limit: '50', ...(cursor && { cursor }) })}`,
      )
    ).body;
  const shown: Found[] = [];
  for (let cursor: string | null = null, n = 0; n === 0 || cursor !== null; n++) {
    const { results, next_cursor } = await page(cursor);
    shown.push(...results);
    cursor = next_cursor;
    if (n === 0) for (const age of ['90 seconds', '100 seconds']) await write('Ledger, written later', age);
  }
  const ids = shown.map(({ id }) => id);
  expect(ids.length).toBeGreaterThanOrEqual(201);
  expect(new Set(ids).size).toBe(ids.length);
});

test('what Support tells of a conversation is found, and nothing of what was said in it', async () => {
  const [widget] = await app.support.query<{ id: string }>(
    `insert into support.widgets (key, name) values ('texts-widget', 'Texts') returning id`,
  );
  const [session] = await app.support.query<{ id: string }>(
    `insert into support.sessions (widget_id, customer_id, token_hash) values ($1, $2, sha256('t')) returning id`,
    [widget?.id, customer],
  );
  for (const body of ['A clandestine question', 'A clandestine answer'])
    await app.support.query(`select support.add_message($1, 'visitor', null, $2, $3, null, null, false)`, [
      session?.id,
      body.replaceAll(' ', '-'),
      body,
    ]);
  expect(await search({ q: 'clandestine' })).toEqual([]);
  await app.support.query(
    `insert into crm.activities (customer_id, type, description, metadata, occurred_at, created_by_app, idempotency_key)
     values ($1, 'support_chat', 'Support conversation resolved', '{"summary": "A clandestine question"}', now(), 'support', 'session:x')`,
    [customer],
  );
  const results = await search({ q: 'clandestine', kind: 'support' });
  expect(results).toMatchObject([
    { kind: 'support', type: 'support_chat', app: 'support', customer: { id: customer } },
  ]);
  expect(JSON.stringify(results)).not.toContain('answer');
  expect((await app.callAnonymously('GET', '/api/search/text?q=clandestine')).status).toBe(401);
});

test('the texts of a merged customer lead to the survivor', async () => {
  const survivor = (await app.foundation.createCustomer({ name: 'Ada Whole', email: 'ada.whole@texts.example' })).id;
  const loser = (await app.foundation.createCustomer({ name: 'Ada Part', email: 'ada.part@texts.example' })).id;
  await app.call('POST', `/api/customers/${loser}/activities`, { type: 'note', description: 'An astrolabe' });
  const merging = await app.database.connect('sync_app');
  await merging.query('select platform.merge_customers($1, $2)', [survivor, [loser]]);
  expect(await search({ q: 'astrolabe' })).toMatchObject([{ customer: { id: survivor, name: 'Ada Whole' } }]);
});

test('a search without a word to look for is refused, with what to do', async () => {
  for (const [q, detail] of [
    ['!!!', 'needs a word'],
    ['-kettle', 'needs a word that is in the text'],
  ] as const) {
    const { status, body } = await app.call('GET', `/api/search/text?${new URLSearchParams({ q })}`);
    expect([q, status, JSON.stringify(body)]).toEqual([q, 422, expect.stringContaining(detail)]);
  }
});
