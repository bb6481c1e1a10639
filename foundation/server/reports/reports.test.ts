import { openCsv } from '@aether/http/testing.csv';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

type Deal = { amount: number; currency: string; closed?: string; outcome?: 'won' | 'lost'; owner?: string | null };

let app: TestFoundation;
let customerId: string;
let price: number;
let owner: pg.Client;
const get = async (path: string) => {
  const { status, body } = await app.call('GET', path);
  expect(status, JSON.stringify(body)).toBe(200);
  return body;
};
const countDeals = async (search: string) => (await get(`/api/deals?limit=200&${search}`)).deals.length;

beforeAll(async () => {
  app = await startTestFoundation();
  await app.foundation.updateUser('maya', { role: 'admin' });
  // Nobody else writes the time of a closing.
  owner = await app.database.connect('postgres');
  await owner.query(`set session_replication_role = replica`);
  const customer = await app.foundation.createCustomer({ name: 'Nora', email: 'nora@example.com' });
  customerId = customer.id;
  const { reasons } = await get('/api/loss-reasons');
  price = reasons[0].id;
  // In January and February of Oslo; the last minute of January there is still January in UTC, and its first is December.
  for (const deal of [
    { amount: 100, currency: 'EUR', outcome: 'won', closed: '2025-12-31T23:30:00Z' },
    { amount: 0.1, currency: 'USD', outcome: 'won', closed: '2026-01-10T12:00:00Z' },
    { amount: 0.2, currency: 'USD', outcome: 'won', closed: '2026-02-10T12:00:00Z' },
    { amount: 1_000, currency: 'JPY', outcome: 'lost', closed: '2026-02-11T12:00:00Z', owner: null },
    { amount: 7, currency: 'EUR', outcome: 'lost', closed: '2026-02-12T12:00:00Z' },
    { amount: 50, currency: 'EUR' },
    { amount: 70, currency: 'CHF', owner: null },
  ] satisfies Deal[])
    await addDeal(deal);
  for (const [valid_from, rate] of [
    ['2026-01-01', '0.5'],
    ['2026-02-01', '0.333333333333'],
  ])
    await app.call('PUT', '/api/currency-rates', { rates: [{ currency: 'USD', valid_from, rate }] });
});

async function addDeal({ amount, currency, closed, outcome, owner: ownerId = 'maya' }: Deal) {
  const { body } = await app.call('POST', '/api/deals', {
    customer_id: customerId,
    name: 'A deal',
    amount,
    currency,
    ...(ownerId && { owner_id: ownerId }),
  });
  if (!closed) return;
  const reason =
    outcome === 'lost' && currency === 'JPY' ? { reason_id: price, reason_note: 'Half as much elsewhere' } : {};
  expect((await app.call('POST', `/api/deals/${body.id}/close`, { outcome, ...reason })).status).toBe(200);
  await owner.query(
    `update crm.deals set closed_at = $2, created_at = $2::timestamptz - interval '3 days' where id = $1`,
    [body.id, closed],
  );
}

const winter = 'from=2026-01-01&to=2026-02-28&zone=Europe/Oslo';

describe('a report of won and lost deals', () => {
  test('says sums in the reporting currency at the rate of the day of each closing, rounded only at the end', async () => {
    const { currency, total } = await get(`/api/reports/outcomes?${winter}`);
    // 100 + 0.1 × 0.5 + 0.2 × 0.333… = 100.1166…; rounding each amount would give 100.12 here and 100.07 there.
    expect({ currency, ...total }).toMatchObject({
      currency: 'EUR',
      won: { deals: 3, amount: '100.12', unpriced: 0, sums: { EUR: '100', USD: '0.3' } },
      lost: { deals: 2, amount: '7.00', unpriced: 1, sums: { EUR: '7', JPY: '1000' } },
      win_percent: 60,
      days_to_win: 3,
    });
  });

  test('counts a deal without a rate apart, and takes it neither for nothing nor for the same number', async () => {
    const { unpriced } = await get('/api/report-settings');
    expect(unpriced).toEqual([
      { currency: 'CHF', deals: 1 },
      { currency: 'JPY', deals: 1 },
    ]);
  });

  test('cuts months in the time zone that was asked for', async () => {
    const wonIn = async (zone: string) =>
      (await get(`/api/reports/outcomes?from=2025-12-01&to=2026-02-28&by=month&zone=${zone}`)).periods.map(
        ({ from, won }: { from: string; won: { deals: number } }) => [from, won.deals],
      );
    expect(await wonIn('Europe/Oslo')).toEqual([
      ['2025-12-01', 0],
      ['2026-01-01', 2],
      ['2026-02-01', 1],
    ]);
    expect(await wonIn('UTC')).toEqual([
      ['2025-12-01', 1],
      ['2026-01-01', 1],
      ['2026-02-01', 1],
    ]);
  });

  test('has behind each number a list of as many deals', async () => {
    const { periods, owners, begins, ends } = await get(`/api/reports/outcomes?${winter}&by=month`);
    for (const { begins: from, ends: before, won, lost } of periods) {
      expect(await countDeals(`status=won&closed_from=${from}&closed_before=${before}`)).toBe(won.deals);
      expect(await countDeals(`status=lost&closed_from=${from}&closed_before=${before}`)).toBe(lost.deals);
    }
    for (const { owner, lost } of owners)
      expect(
        await countDeals(
          `status=lost&closed_from=${begins}&closed_before=${ends}&${owner ? `owner=${owner.id}` : 'lacks=owner'}`,
        ),
      ).toBe(lost.deals);
  });

  test('is about one owner or one pipeline, if it is asked to be', async () => {
    const { total } = await get(`/api/reports/outcomes?${winter}&owner=maya`);
    expect([total.won.deals, total.lost.deals]).toEqual([3, 1]);
    expect((await get(`/api/reports/outcomes?${winter}&pipeline=99`)).total.won.deals).toBe(0);
  });

  test('refuses a zone that does not exist, and a span that ends before it begins', async () => {
    expect((await app.call('GET', '/api/reports/outcomes?zone=Mars/Olympus')).body.code).toBe('invalid-field');
    expect((await app.call('GET', '/api/reports/outcomes?from=2026-02-01&to=2026-01-01')).body.errors[0].field).toBe(
      'to',
    );
  });
});

test('open deals are reported by stage with the probability of each, and by the month in which they are expected', async () => {
  const { rows, total } = await get('/api/reports/pipeline');
  expect(rows.map(({ stage, deals, amount }: never) => [(stage as { name: string }).name, deals, amount])).toEqual([
    ['Qualified', 2, '50.00'],
    ['Proposal', 0, '0.00'],
  ]);
  expect(total).toMatchObject({ deals: 2, amount: '50.00', weighted: '25.00', unpriced: 1 });
  const forecast = await get('/api/reports/forecast');
  expect(forecast.months.at(-1)).toMatchObject({ when: 'undated', deals: 2 });
  expect(forecast.rows).toHaveLength(2);
  expect(await countDeals('status=open&lacks=owner,expected')).toBe(1);
});

test('a lost deal has a reason of the list and words, and the report counts them; a retired or unknown one is refused', async () => {
  const { rows } = await get(`/api/reports/losses?${winter}`);
  expect(rows).toMatchObject([
    { deals: 1, percent: 50 },
    { deals: 1, percent: 50 },
  ]);
  const named = rows.find(({ reason }: { reason: unknown }) => reason !== null);
  expect(named).toMatchObject({ reason: { name: 'Price' }, unpriced: 1 });
  expect(await countDeals(`reason=${price}`)).toBe(1);
  expect(await countDeals('lacks=reason')).toBe(1);
  const [deal] = (await get(`/api/deals?reason=${price}`)).deals;
  expect((await get(`/api/deals/${deal.id}`)).closing).toMatchObject({
    reason: { name: 'Price' },
    reason_note: 'Half as much elsewhere',
  });
  expect((await app.call('DELETE', `/api/loss-reasons/${price}`)).body.code).toBe('loss-reason-in-use');
  const open = (await get('/api/deals?status=open')).deals[0].id;
  const close = (body: Record<string, unknown>) => app.call('POST', `/api/deals/${open}/close`, body);
  expect((await close({ outcome: 'won', reason_id: price })).status).toBe(422);
  expect((await close({ outcome: 'lost', reason_id: 999_999 })).body.errors[0].field).toBe('reason_id');
  await app.call('PATCH', `/api/loss-reasons/${price}`, { is_retired: true });
  expect((await close({ outcome: 'lost', reason_id: price })).status).toBe(422);
  await app.call('PATCH', `/api/loss-reasons/${price}`, { is_retired: false });
});

test('a report is a file with the same numbers', async () => {
  const headers = await app.headersOf('maya');
  const file = (path: string) => fetch(new URL(`/api/reports/${path}`, app.url), { headers });
  expect(openCsv(await (await file(`outcomes.csv?${winter}&by=month`)).text())).toMatchObject([
    { from: '2026-01-01', currency: 'EUR', won: '2', won_amount: '100.05', lost: '0' },
    { from: '2026-02-01', won: '1', won_amount: '0.07', lost_as_entered: 'EUR 7; JPY 1000', without_rate: '1' },
  ]);
  for (const name of ['pipeline', 'owners', 'forecast', 'losses'])
    expect((await file(`${name}.csv`)).status, name).toBe(200);
});

describe('rates', () => {
  test('come from a file with a decimal comma as well, all of it or nothing', async () => {
    const send = (csv: string) => app.call('POST', '/api/currency-rates/csv', { csv });
    expect((await send('date;currency;rate\n2026-02-01;gbp;1,1523\n\n2026-03-01;GBP;1,16')).body).toEqual({ kept: 2 });
    const refused = await send('date,currency,rate\n2026-03-01,SEK,0.09\n2026-02-30,SEK,-1');
    expect(refused.body.errors).toEqual([
      expect.objectContaining({ field: 'line 3', message: expect.stringContaining('a day such as') }),
    ]);
    expect((await get('/api/currency-rates?currency=SEK')).rates).toEqual([]);
    expect((await get('/api/currency-rates?currency=GBP')).rates).toMatchObject([
      { valid_from: '2026-03-01', rate: '1.16', base: 'EUR' },
      { valid_from: '2026-02-01', rate: '1.1523' },
    ]);
  });

  test('of the reporting currency itself, of no currency, or given twice are refused', async () => {
    const keep = async (...rates: object[]) => (await app.call('PUT', '/api/currency-rates', { rates })).status;
    const rate = { currency: 'SEK', valid_from: '2026-01-01', rate: '0.1' };
    expect(await keep({ ...rate, currency: 'EUR' })).toBe(422);
    expect(await keep({ ...rate, currency: 'XXQ' })).toBe(422);
    expect(await keep(rate, { ...rate, rate: '0.2' })).toBe(422);
    expect(await keep({ ...rate, rate: '0' })).toBe(422);
  });

  test('belong to the reporting currency into which they lead: another one has none of them', async () => {
    const [before] = [await get('/api/report-settings')];
    const choose = (currency: string, expected_version: number) =>
      app.call('PATCH', '/api/report-settings', { currency, expected_version });
    expect((await choose('USD', before.version)).body).toMatchObject({ currency: 'USD' });
    const { total } = await get(`/api/reports/outcomes?${winter}`);
    expect(total.won).toMatchObject({ amount: '0.30', unpriced: 1 });
    expect((await choose('EUR', before.version)).body.code).toBe('reporting-version-conflict');
    expect((await choose('EUR', before.version + 1)).status).toBe(200);
    expect((await get(`/api/reports/outcomes?${winter}`)).total.won.amount).toBe('100.12');
  });

  test('and reasons are kept by administrators; everybody reads them', async () => {
    const asJonas = app.callAs('jonas');
    await asJonas('GET', '/api/deals');
    expect((await asJonas('GET', '/api/currency-rates')).status).toBe(200);
    const rates = [{ currency: 'SEK', valid_from: '2026-01-01', rate: '1' }];
    expect((await asJonas('PUT', '/api/currency-rates', { rates })).body.code).toBe('admin-only');
    expect((await asJonas('POST', '/api/loss-reasons', { name: 'Weather' })).body.code).toBe('admin-only');
    expect((await app.call('DELETE', '/api/currency-rates/GBP/2026-03-01')).status).toBe(204);
  });
});

test('who is erased leaves the reason of a lost deal for the numbers, and no words about it', async () => {
  const customer = await app.foundation.createCustomer({ name: 'Gone', email: 'gone@example.com' });
  const { body: deal } = await app.call('POST', '/api/deals', { customer_id: customer.id, name: 'A deal' });
  const closing = { outcome: 'lost', reason_id: price, reason_note: 'Gone has no money' };
  await app.call('POST', `/api/deals/${deal.id}/close`, closing);
  const privacy = await app.database.connect('privacy_app');
  await privacy.query(`begin; set local aether.actor = 'maya'`);
  await privacy.query('select platform.erase_customer($1, $2)', [customer.id, 'A request']);
  await privacy.query('commit');
  expect((await get(`/api/deals/${deal.id}`)).closing).toMatchObject({ reason: { name: 'Price' }, reason_note: null });
});
