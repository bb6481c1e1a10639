import type { Customer } from '@aether/platform';
import { decimalsOf } from '@aether/ui/formats.ts';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

let app: TestFoundation;
let customer: Customer;
beforeAll(async () => {
  app = await startTestFoundation();
  customer = await app.foundation.createCustomer({ name: 'Nora', email: 'money@example.com' });
});

const make = (amount: number, currency: string) =>
  app.call('POST', '/api/deals', { customer_id: customer.id, name: 'Deal', amount, currency });
const insert = (amount: string, currency: string) =>
  app.foundation.query(
    `insert into crm.deals (customer_id, pipeline_id, stage_id, name, amount, currency)
     select $1, pipeline_id, id, 'Deal', $2, $3 from crm.pipeline_stages where outcome = 'open' order by position limit 1`,
    [customer.id, amount, currency],
  );

describe('an amount', () => {
  test.each([
    ['JPY', 150_000],
    ['EUR', 1_200.55],
    ['KWD', 12.345],
    ['CLF', 0.0001],
    ['JPY', 999_999_999_999_999],
    ['EUR', 9_999_999_999_999.99],
    ['KWD', 999_999_999_999.999],
  ])('in %s of %d keeps its last digit', async (currency, amount) => {
    const made = await make(amount, currency);
    expect(made).toMatchObject({ status: 201, body: { amount, currency } });
    expect((await app.call('GET', `/api/deals/${made.body.id}`)).body.amount).toBe(amount);
  });

  test.each([
    ['JPY', 1.5, 'must be a whole number: JPY has no decimals'],
    ['EUR', 1.005, 'may have at most 2 decimals in EUR'],
    ['KWD', 1.2345, 'may have at most 3 decimals in KWD'],
    ['EUR', 10_000_000_000_000, 'must be below 10000000000000 in EUR'],
  ])(
    'in %s of %d is refused by the server, and by the database in the same words',
    async (currency, amount, message) => {
      const answer = await make(amount, currency);
      expect(answer).toMatchObject({ status: 422, body: { errors: [{ field: 'amount', message }] } });
      await expect(insert(String(amount), currency)).rejects.toMatchObject({ fields: [{ field: 'amount', message }] });
    },
  );

  test.each(['XXX', 'XAU', 'DEM', 'ABC'])(
    'in %s, which is no currency in use, is refused, and the refusal says where to find a currency',
    async (currency) => {
      const answer = await make(1, currency);
      expect(answer).toMatchObject({ status: 422, body: { errors: [{ field: 'currency' }] } });
      expect(answer.body.errors[0].message).toContain('/api/currencies');
      await expect(insert('1', currency)).rejects.toMatchObject({
        fields: [{ field: 'currency', message: expect.stringContaining('crm.currencies') }],
      });
    },
  );

  test('in a withdrawn currency is refused by the server, and by the database; a deal of that time keeps it and is edited', async () => {
    const answer = await make(10, 'HRK');
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ field: 'currency' }] } });
    expect(answer.body.errors[0].message).toContain('has been withdrawn (HRK)');
    const inWords = { fields: [{ field: 'currency', message: expect.stringContaining('has been withdrawn (HRK)') }] };
    await expect(insert('10', 'HRK')).rejects.toMatchObject(inWords);
    const { body: deal } = await make(10.5, 'SEK');
    const owner = await app.database.connect('platform_migrator');
    await owner.query('set role platform_owner');
    const withdraw = (is: boolean) =>
      owner.query(`update crm.currencies set is_withdrawn = $1 where code = 'SEK'`, [is]);
    await withdraw(true);
    const change = (part: Record<string, unknown>) => app.call('PATCH', `/api/deals/${deal.id}`, part);
    expect(await change({ amount: 11 })).toMatchObject({ status: 200, body: { amount: 11, currency: 'SEK' } });
    expect(await change({ amount: 12, currency: 'SEK' })).toMatchObject({ status: 200 });
    expect(await change({ currency: 'HRK' })).toMatchObject({ status: 422, body: { errors: [{ field: 'currency' }] } });
    expect(await change({ currency: 'EUR' })).toMatchObject({ status: 200 });
    expect(await change({ currency: 'SEK' })).toMatchObject({ status: 422, body: { errors: [{ field: 'currency' }] } });
    await withdraw(false);
  });

  test('is checked again when the amount or the currency of a deal changes', async () => {
    const { body: deal } = await make(12.345, 'KWD');
    const change = (part: Record<string, unknown>) => app.call('PATCH', `/api/deals/${deal.id}`, part);
    expect(await change({ currency: 'JPY' })).toMatchObject({ status: 422, body: { errors: [{ field: 'amount' }] } });
    expect(await change({ amount: 1.2345 })).toMatchObject({ status: 422, body: { errors: [{ field: 'amount' }] } });
    expect(await change({ currency: 'JPY', amount: 12 })).toMatchObject({
      status: 200,
      body: { amount: 12, currency: 'JPY' },
    });
    expect(await change({ name: 'Renamed' })).toMatchObject({ status: 200 });
  });
});

test('the board sums and weighs each currency in its own smallest unit', async () => {
  const { body: pipeline } = await app.foundation
    .updateUser('maya', { role: 'admin' })
    .then(() => app.call('POST', '/api/pipelines', { name: 'Money' }));
  for (const [amount, currency] of [
    [1_001, 'JPY'],
    [2_002, 'JPY'],
    [0.1, 'EUR'],
    [0.2, 'EUR'],
    [0.001, 'KWD'],
    [1.004, 'KWD'],
  ] as const)
    await app.call('POST', '/api/deals', {
      customer_id: customer.id,
      name: 'D',
      amount,
      currency,
      pipeline_id: pipeline.id,
    });
  const { columns } = (await app.call('GET', `/api/pipelines/${pipeline.id}/board`)).body;
  expect(columns[0]).toMatchObject({
    stage: { probability_percent: 20 },
    sums: { JPY: 3_003, EUR: 0.3, KWD: 1.005 },
    weighted: { JPY: 601, EUR: 0.06, KWD: 0.201 },
  });
  const context = await app.support.getCustomerContext('money@example.com');
  expect(context?.crm.open_deals_value).toMatchObject({ EUR: expect.any(Number), KWD: expect.any(Number) });
});

test('the list of currencies has those in use, with the decimals that the screens show', async () => {
  const { currencies } = (await app.call('GET', '/api/currencies')).body as {
    currencies: { code: string; decimals: number }[];
  };
  const decimals = Object.fromEntries(currencies.map(({ code, decimals }) => [code, decimals]));
  expect(decimals).toMatchObject({ EUR: 2, JPY: 0, KWD: 3, CLF: 4, IQD: 3, HUF: 2 });
  expect(Object.keys(decimals)).toEqual(expect.arrayContaining(['SLE', 'VED', 'XCG', 'ZWG']));
  const withdrawn = ['ANG', 'BGN', 'CUC', 'HRK', 'SLL', 'ZWL']; // replaced by XCG, EUR, CUP, EUR, SLE and ZWG
  expect(Object.keys(decimals).filter((code) => withdrawn.includes(code))).toEqual([]);
  const all = await app.foundation.query<{ code: string; decimals: number }>(
    'select code, decimals from crm.currencies',
  );
  expect(all.length).toBeGreaterThan(currencies.length);
  expect(all.filter(({ code, decimals }) => decimalsOf(code) !== decimals)).toEqual([]);
});
