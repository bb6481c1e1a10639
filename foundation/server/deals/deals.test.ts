import type { Customer } from '@aether/platform';
import { beforeAll, describe, expect, test } from 'vitest';
import { racing, startTestFoundation, type TestFoundation } from '../testing.ts';

let app: TestFoundation;
let unique = 0;
beforeAll(async () => {
  app = await startTestFoundation(racing);
});

const newCustomer = (): Promise<Customer> =>
  app.foundation.createCustomer({ name: 'Nora Lindqvist', email: `nora${++unique}@fjordlight.example` });

async function newDeal(customer: Customer, more: object = {}): Promise<number> {
  const made = await app.call('POST', '/api/deals', {
    customer_id: customer.id,
    name: 'Renewal',
    amount: 48_000,
    ...more,
  });
  expect(made.status).toBe(201);
  return made.body.id;
}

const tierOf = async (customer: Customer) => (await app.support.getCustomerById(customer.id))?.account_tier;
const activitiesOf = async (customer: Customer) =>
  app.foundation.query(
    'select type, description, metadata, deal_id, created_by, idempotency_key from crm.activities where customer_id = $1',
    [customer.id],
  );

describe('a new deal', () => {
  test('is in the first open stage of the default pipeline', async () => {
    const customer = await newCustomer();
    const made = await app.call('POST', '/api/deals', { customer_id: customer.id, name: 'Pilot', amount: 6_400.5 });
    expect(made).toMatchObject({
      status: 201,
      body: { stage_name: 'Qualified', status: 'open', amount: 6_400.5, currency: 'EUR', version: 1 },
    });
    const listed = {
      ...made.body,
      ...{ customer: { id: customer.id, name: customer.name }, company: null, owner: null, contacts: [] },
    };
    expect((await app.call('GET', `/api/deals/${made.body.id}`)).body).toEqual({
      ...listed,
      custom: {},
      closing: null,
    });
    const list = await app.call('GET', `/api/deals?customer_id=${customer.id}&status=open`);
    expect(list.body).toEqual({ deals: [listed], next_cursor: null });
  });

  test.each([
    [{ amount: -1 }, 'amount'],
    [{ amount: 0.001 }, 'amount'],
    [{ amount: 10.000005 }, 'amount'],
    [{ expected_close_on: '0000-01-01' }, 'expected_close_on'],
    [{ amount: 1e15 }, 'amount'],
    [{ amount: '5' }, 'amount'],
    [{ currency: 'euro' }, 'currency'],
    [{ stage_id: 999_999 }, 'stage_id'],
    [{ pipeline_id: 999_999 }, 'pipeline_id'],
    [{ owner_id: 'nobody' }, 'owner_id'],
    [{ expected_close_on: '2026-02-30' }, 'expected_close_on'],
    [{ customer_id: '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b' }, 'customer_id'],
    [{ status: 'won' }, 'status'],
  ])('%j is refused, naming %s', async (more, field) => {
    const customer = await newCustomer();
    const answer = await app.call('POST', '/api/deals', { customer_id: customer.id, name: 'Bad', ...more });
    expect(answer.status).toBe(422);
    expect(answer.body.errors.map((error: { field: string }) => error.field)).toEqual([field]);
  });

  test('sent twice with one client_id is made once, also if it was changed and its customer merged meanwhile', async () => {
    const customer = await newCustomer();
    const send = () => app.call('POST', '/api/deals', { customer_id: customer.id, name: 'Once', client_id: 'abc' });
    const [first, second] = await Promise.all([send(), send()]);
    expect(second?.body).toEqual(first?.body);
    expect((await app.call('GET', `/api/deals?customer_id=${customer.id}`)).body.deals).toHaveLength(1);
    await app.call('PATCH', `/api/deals/${first?.body.id}`, { name: 'Changed' });
    const owner = await app.database.connect('platform_migrator');
    await owner.query('set role platform_owner');
    await owner.query('update platform.customers set merged_into = $2 where id = $1', [
      customer.id,
      (await newCustomer()).id,
    ]);
    expect(await send()).toMatchObject({ status: 201, body: { id: first?.body.id, name: 'Changed' } });
  });

  test.each([
    ['another amount', () => ({ amount: 2 })],
    ['another name', () => ({ name: 'Other' })],
    ['another customer', async () => ({ customer_id: (await newCustomer()).id })],
    ['a deal without an owner', () => ({ owner_id: 'maya' })],
  ])('with a client_id that was used for %s is refused, and nothing is made', async (_, more) => {
    const customer = await newCustomer();
    const deal = { customer_id: customer.id, name: 'First', amount: 1, client_id: `reused-${++unique}` };
    await app.call('POST', '/api/deals', deal);
    const again = await app.call('POST', '/api/deals', { ...deal, ...(await more()) });
    expect(again).toMatchObject({ status: 409, body: { code: 'client-id-reused', errors: [{ field: 'client_id' }] } });
    expect((await app.call('GET', `/api/deals?customer_id=${customer.id}`)).body.deals).toHaveLength(1);
  });

  test('cannot start in the stage of won deals', async () => {
    const { body } = await app.call('GET', '/api/pipelines');
    expect(body.pipelines[0].stages.map((stage: { name: string }) => stage.name)).toEqual([
      'Qualified',
      'Proposal',
      'Won',
      'Lost',
    ]);
    const customer = await newCustomer();
    const answer = await app.call('POST', '/api/deals', {
      customer_id: customer.id,
      name: 'Bad',
      stage_id: body.pipelines[0].stages[2].id,
    });
    expect(answer.status).toBe(422);
  });
});

describe('closing a deal', () => {
  test('as won closes it, sets the tier that Support sees, and writes one activity', async () => {
    const customer = await newCustomer();
    const deal = await newDeal(customer);
    const closed = await app.call('POST', `/api/deals/${deal}/close`, { outcome: 'won', tier: 'premium' });
    expect(closed).toMatchObject({
      status: 200,
      body: { deal: { status: 'won', stage_name: 'Won' }, already_closed: false, account_tier: 'premium' },
    });
    expect(closed.body.deal.closed_at).toBeTruthy();
    expect(await tierOf(customer)).toBe('premium');
    expect(await activitiesOf(customer)).toEqual([
      {
        type: 'deal_won',
        description: 'Deal won: Renewal',
        metadata: { deal_id: deal, amount: 48_000, currency: 'EUR', account_tier: 'premium' },
        deal_id: deal,
        created_by: 'maya',
        idempotency_key: expect.stringMatching(/^closing:/),
      },
    ]);
  });

  test('twice changes nothing the second time', async () => {
    const customer = await newCustomer();
    const deal = await newDeal(customer);
    await app.call('POST', `/api/deals/${deal}/close`, { outcome: 'won', tier: 'premium' });
    const before = await app.foundation.getCustomerById(customer.id);
    for (const more of [{ tier: 'premium' }, {}]) {
      const again = await app.call('POST', `/api/deals/${deal}/close`, { outcome: 'won', ...more });
      expect(again).toMatchObject({ status: 200, body: { already_closed: true, account_tier: 'premium' } });
    }
    expect(await app.foundation.getCustomerById(customer.id)).toEqual(before);
    expect(await activitiesOf(customer)).toHaveLength(1);
  });

  test('again with another tier is refused, and the refusal says with which tier it was closed', async () => {
    const customer = await newCustomer();
    const close = (deal: number, tier?: string) =>
      app.call('POST', `/api/deals/${deal}/close`, { outcome: 'won', tier });
    const [given, none] = [await newDeal(customer), await newDeal(customer)];
    await close(given, 'premium');
    await close(none);
    for (const [deal, said] of [
      [given, 'with the tier premium'],
      [none, 'without a tier'],
    ] as const) {
      const again = await close(deal, 'enterprise');
      expect(again).toMatchObject({ status: 409, body: { code: 'deal-closed' } });
      expect(again.body.detail).toContain(said);
    }
    expect(await tierOf(customer)).toBe('premium');
    expect(await activitiesOf(customer)).toHaveLength(2);
  });

  test('with two tiers at once gives one of them, and the callers with the other are refused', async () => {
    const customer = await newCustomer();
    const deal = await newDeal(customer);
    const tiers = Array.from({ length: 10 }, (_, n) => (n % 2 ? 'enterprise' : 'premium'));
    const answers = await Promise.all(
      tiers.map((tier) => app.call('POST', `/api/deals/${deal}/close`, { outcome: 'won', tier })),
    );
    const given = await tierOf(customer);
    expect(answers.map((answer) => answer.status)).toEqual(tiers.map((tier) => (tier === given ? 200 : 409)));
    expect(answers.filter(({ status, body }) => status === 200 && !body.already_closed)).toHaveLength(1);
    expect(await activitiesOf(customer)).toHaveLength(1);
  });

  test('of a customer who was merged since sets the tier and adds the activity at the survivor', async () => {
    const [loser, winner] = [await newCustomer(), await newCustomer()];
    const deal = await newDeal(loser);
    const owner = await app.database.connect('platform_migrator');
    await owner.query('set role platform_owner');
    await owner.query('update platform.customers set merged_into = $2 where id = $1', [loser.id, winner.id]);
    const closed = await app.call('POST', `/api/deals/${deal}/close`, { outcome: 'won', tier: 'premium' });
    expect(closed).toMatchObject({ status: 200, body: { deal: { status: 'won' }, account_tier: 'premium' } });
    expect(await tierOf(winner)).toBe('premium');
    const { stage_id } = closed.body.undo;
    const reopened = await app.call('POST', `/api/deals/${deal}/reopen`, { stage_id, restore_tier: true });
    expect(reopened).toMatchObject({ status: 200, body: { status: 'open' } });
    expect(await tierOf(winner)).toBeNull();
    const types = (await activitiesOf(winner)).map(({ type }) => type);
    expect(types.sort()).toEqual(['deal_reopened', 'deal_won']);
    const note = { type: 'note', description: 'About it', deal_id: deal };
    expect((await app.call('POST', `/api/customers/${winner.id}/activities`, note)).status).toBe(201);
  });

  test('twenty times at once closes it once', async () => {
    const customer = await newCustomer();
    const deal = await newDeal(customer);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        app.call('POST', `/api/deals/${deal}/close`, { outcome: 'won', tier: 'premium' }),
      ),
    );
    expect(answers.map((answer) => answer.status)).toEqual(Array(20).fill(200));
    expect(answers.filter((answer) => !answer.body.already_closed)).toHaveLength(1);
    expect(await activitiesOf(customer)).toHaveLength(1);
  });

  test('as lost leaves the tier', async () => {
    const customer = await newCustomer();
    const deal = await newDeal(customer);
    const closed = await app.call('POST', `/api/deals/${deal}/close`, { outcome: 'lost' });
    expect(closed).toMatchObject({
      status: 200,
      body: { deal: { status: 'lost', stage_name: 'Lost' }, account_tier: null },
    });
    expect((await activitiesOf(customer)).map((activity) => activity.type)).toEqual(['deal_lost']);
  });

  test('as won after it was closed as lost is refused', async () => {
    const customer = await newCustomer();
    const deal = await newDeal(customer);
    await app.call('POST', `/api/deals/${deal}/close`, { outcome: 'lost' });
    const answer = await app.call('POST', `/api/deals/${deal}/close`, { outcome: 'won', tier: 'premium' });
    expect(answer).toMatchObject({ status: 409, body: { code: 'deal-closed' } });
    expect(await tierOf(customer)).toBeNull();
  });

  test('is all or nothing: if the customer was erased meanwhile, nothing changes', async () => {
    const customer = await newCustomer();
    const deal = await newDeal(customer);
    const owner = await app.database.connect('platform_migrator');
    await owner.query('set role platform_owner');
    await owner.query('update platform.customers set erased_at = now() where id = $1', [customer.id]);
    const answer = await app.call('POST', `/api/deals/${deal}/close`, { outcome: 'won', tier: 'premium' });
    expect(answer).toMatchObject({ status: 410, body: { code: 'customer-erased' } });
    expect((await app.call('GET', `/api/deals/${deal}`)).body.status).toBe('open');
    expect(await activitiesOf(customer)).toEqual([]);
  });

  test('by a machine shows the deal only with the scope that reads deals, and the tier only with that of customers', async () => {
    const deal = await newDeal(await newCustomer());
    const close = async (...scopes: string[]) =>
      (await app.callWith('deals.write', ...scopes)('POST', `/api/deals/${deal}/close`, { outcome: 'lost' })).body;
    expect(await close()).toEqual({ already_closed: false });
    expect(await close('deals.read')).toEqual({ already_closed: true, deal: expect.objectContaining({ id: deal }) });
    expect(await close('deals.read', 'customers.read')).toMatchObject({ account_tier: null });
    const again = async (...scopes: string[]) =>
      (await app.callWith('deals.write', ...scopes)('POST', `/api/deals/${deal}/close`, { outcome: 'won' })).body
        .detail;
    expect(await again()).toBe('This deal was closed before. Nothing was changed.');
    expect(await again('deals.read')).toBe('This deal was closed as lost before. Nothing was changed.');
    const customer = await app.callWith('customers.write')('POST', '/api/customers', {
      name: 'Ada',
      email: `written${++unique}@example.com`,
    });
    expect([customer.status, Object.keys(customer.body).sort()]).toEqual([201, ['id', 'version']]);
  });

  test('of an erased customer is closed without a tier and without an activity, and can be opened again', async () => {
    const customer = await newCustomer();
    const deal = await newDeal(customer);
    const wonBefore = await newDeal(customer);
    await app.call('POST', `/api/deals/${wonBefore}/close`, { outcome: 'won', tier: 'premium' });
    const owner = await app.database.connect('platform_migrator');
    await owner.query('set role platform_owner');
    await owner.query('update platform.customers set erased_at = now() where id = $1', [customer.id]);
    const close = () => app.call('POST', `/api/deals/${deal}/close`, { outcome: 'lost' });
    const lost = await close();
    expect(lost).toMatchObject({ status: 200, body: { deal: { status: 'lost' }, already_closed: false } });
    expect((await app.call('GET', `/api/deals/${deal}`)).body.closing).toMatchObject({ outcome: 'lost' });
    expect((await close()).body.already_closed).toBe(true);
    const { stage_id } = lost.body.undo;
    expect(await app.call('POST', `/api/deals/${deal}/reopen`, { stage_id, restore_tier: true })).toMatchObject({
      status: 200,
      body: { status: 'open', tier_stays: null },
    });
    expect(await app.call('POST', `/api/deals/${wonBefore}/reopen`, { stage_id, restore_tier: true })).toMatchObject({
      status: 200,
      body: { status: 'open', tier_stays: { reason: 'erased' } },
    });
    expect((await activitiesOf(customer)).map(({ type }) => type)).toEqual(['deal_won']);
  });

  test.each([
    [{ outcome: 'open' }, 422, 'outcome'],
    [{}, 422, 'outcome'],
    [{ outcome: 'lost', tier: 'premium' }, 422, 'tier'],
    [{ outcome: 'won', tier: 'PREMIUM' }, 422, 'tier'],
    [{ outcome: 'won', price: 1 }, 422, 'price'],
  ])('with %j is refused', async (body, status, field) => {
    const deal = await newDeal(await newCustomer());
    const answer = await app.call('POST', `/api/deals/${deal}/close`, body);
    expect(answer.status).toBe(status);
    expect(answer.body.errors[0].field).toBe(field);
  });

  test('that does not exist is 404', async () => {
    expect((await app.call('POST', '/api/deals/999999/close', { outcome: 'won' })).status).toBe(404);
  });
});
