import type { Customer } from '@aether/platform';
import { beforeAll, describe, expect, test } from 'vitest';
import { racing, startTestFoundation, type TestFoundation } from '../testing.ts';

type Stage = { id: number; name: string };
let app: TestFoundation;
let pipeline: { id: number; stages: Stage[] };
let unique = 0;
beforeAll(async () => {
  app = await startTestFoundation(racing);
  pipeline = (await app.call('GET', '/api/pipelines')).body.pipelines[0];
});

const stage = (name: string) => (pipeline.stages.find((each) => each.name === name) as Stage).id;
const newCustomer = (more = {}): Promise<Customer> =>
  app.foundation.createCustomer({ name: 'Nora', email: `board${++unique}@example.com`, ...more });
const newDeal = async (customer: Customer, more = {}) =>
  (await app.call('POST', '/api/deals', { customer_id: customer.id, name: 'Renewal', amount: 1_000, ...more })).body;
const post = (id: number, verb: string, body: Record<string, unknown>) =>
  app.call('POST', `/api/deals/${id}/${verb}`, body);
const board = async (query = '') => (await app.call('GET', `/api/pipelines/${pipeline.id}/board${query}`)).body.columns;

describe('the board', () => {
  test('counts, sums and weighs each stage per currency, and shows the deals with the earliest closing date first', async () => {
    const customer = await newCustomer({ name: 'Board Person' });
    await newDeal(customer, { name: 'Later', amount: 300, expected_close_on: '2027-03-01' });
    await newDeal(customer, { name: 'Sooner', amount: 100.5, expected_close_on: '2027-01-01' });
    await newDeal(customer, { name: 'Some day', amount: 40, currency: 'USD' });
    await app.foundation.query('update crm.pipeline_stages set probability_percent = 20 where id = $1', [
      stage('Qualified'),
    ]);
    const [first, ...others] = await board('?search=board+person&per_stage=2');
    expect(first).toMatchObject({
      stage: { name: 'Qualified', outcome: 'open' },
      count: 3,
      sums: { EUR: 400.5, USD: 40 },
      weighted: { EUR: 80.1, USD: 8 },
      deals: [
        { name: 'Sooner', customer: { name: 'Board Person' }, owner: null, stage_name: 'Qualified' },
        { name: 'Later' },
      ],
      next_cursor: expect.any(String),
    });
    expect(others.map((column: { count: number }) => column.count)).toEqual([0, 0, 0]);
    const more = await app.call(
      'GET',
      `/api/deals?stage=${stage('Qualified')}&sort=close&search=board+person&cursor=${first.next_cursor}`,
    );
    expect(more.body.deals.map((deal: { name: string }) => deal.name)).toEqual(['Some day']);
  });

  test('of an unknown pipeline is 404', async () => {
    expect((await app.call('GET', '/api/pipelines/999999/board')).status).toBe(404);
  });
});

describe('moving a deal', () => {
  test('leads to another open stage, and back with the new version', async () => {
    const deal = await newDeal(await newCustomer());
    const moved = await post(deal.id, 'move', { stage_id: stage('Proposal'), expected_version: deal.version });
    expect(moved).toMatchObject({ status: 200, body: { stage_name: 'Proposal', version: deal.version + 1 } });
    const back = await post(deal.id, 'move', { stage_id: stage('Qualified'), expected_version: moved.body.version });
    expect(back).toMatchObject({ status: 200, body: { stage_name: 'Qualified' } });
  });

  test('by twenty callers from the same version succeeds once, and the others get a conflict', async () => {
    const deal = await newDeal(await newCustomer());
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        post(deal.id, 'move', { stage_id: stage('Proposal'), expected_version: deal.version }),
      ),
    );
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(1);
    expect(answers.find((answer) => answer.status === 409)?.body).toMatchObject({
      code: 'deal-version-conflict',
      expected: deal.version,
      actual: deal.version + 1,
    });
  });

  test('is refused to the stage of won deals, to an unknown stage, and for a closed deal', async () => {
    const deal = await newDeal(await newCustomer());
    for (const stage_id of [stage('Won'), 999_999])
      expect(await post(deal.id, 'move', { stage_id })).toMatchObject({
        status: 422,
        body: { errors: [{ field: 'stage_id' }] },
      });
    await post(deal.id, 'close', { outcome: 'lost' });
    expect(await post(deal.id, 'move', { stage_id: stage('Proposal') })).toMatchObject({
      status: 409,
      body: { code: 'deal-closed' },
    });
  });
});

describe('opening a deal again', () => {
  test('gives the customer the former tier back, in one step', async () => {
    const customer = await newCustomer({ account_tier: 'standard' });
    const deal = await newDeal(customer, { stage_id: stage('Proposal') });
    const { body: won } = await post(deal.id, 'close', { outcome: 'won', tier: 'premium' });
    expect(won.undo).toEqual({ stage_id: stage('Proposal'), previous_tier: 'standard' });
    const reopened = await post(deal.id, 'reopen', {
      stage_id: won.undo.stage_id,
      expected_version: won.deal.version,
      restore_tier: true,
    });
    expect(reopened).toMatchObject({
      status: 200,
      body: { status: 'open', stage_name: 'Proposal', closed_at: null, account_tier: 'standard', tier_stays: null },
    });
    expect((await app.foundation.getCustomerById(customer.id))?.account_tier).toBe('standard');
    expect(await post(deal.id, 'close', { outcome: 'won', tier: 'premium' })).toMatchObject({
      status: 200,
      body: { already_closed: false },
    });
  });

  test('leaves a tier that somebody has changed since', async () => {
    const customer = await newCustomer({ account_tier: 'standard' });
    const deal = await newDeal(customer);
    await post(deal.id, 'close', { outcome: 'won', tier: 'premium' });
    await app.foundation.updateCustomer(customer.id, { account_tier: 'enterprise' });
    const { body } = await post(deal.id, 'reopen', { stage_id: stage('Qualified'), restore_tier: true });
    expect(body).toMatchObject({ status: 'open', account_tier: 'enterprise', tier_stays: { reason: 'changed' } });
    expect((await app.foundation.getCustomerById(customer.id))?.account_tier).toBe('enterprise');
  });

  test.each([
    ['retired', 'update platform.tiers set is_retired = true where key = $1', 'The former tier, Trial, is retired'],
    ['removed', 'delete from platform.tiers where key = $1', 'The former tier, trial, was removed'],
  ])('leaves the tier if the former one was %s meanwhile, and says so', async (reason, meanwhile, says) => {
    await app.foundation.query(`insert into platform.tiers (key, label, position) values ('trial', 'Trial', 9)`);
    const customer = await newCustomer({ account_tier: 'trial' });
    const deal = await newDeal(customer);
    await post(deal.id, 'close', { outcome: 'won', tier: 'premium' });
    await app.foundation.query(meanwhile, ['trial']);
    const reopened = await post(deal.id, 'reopen', { stage_id: stage('Qualified'), restore_tier: true });
    expect(reopened).toMatchObject({
      status: 200,
      body: {
        status: 'open',
        account_tier: 'premium',
        tier_stays: { reason, detail: expect.stringContaining(says) },
      },
    });
    expect((await app.foundation.getCustomerById(customer.id))?.account_tier).toBe('premium');
    await app.foundation.query(`delete from platform.tiers where key = 'trial'`);
  });

  test('is refused if it is open', async () => {
    const deal = await newDeal(await newCustomer());
    expect(await post(deal.id, 'reopen', { stage_id: stage('Proposal') })).toMatchObject({
      status: 409,
      body: { code: 'deal-open' },
    });
  });
});

describe('changing a deal', () => {
  test('writes the given fields and refuses an older version', async () => {
    const deal = await newDeal(await newCustomer());
    const changed = await app.call('PATCH', `/api/deals/${deal.id}`, {
      amount: 2_500,
      owner_id: 'maya',
      expected_close_on: '2027-05-01',
      expected_version: deal.version,
    });
    expect(changed).toMatchObject({
      status: 200,
      body: {
        amount: 2_500,
        owner: { id: 'maya', name: 'Maya Okafor' },
        expected_close_on: '2027-05-01',
        name: 'Renewal',
      },
    });
    expect(await app.call('PATCH', `/api/deals/${deal.id}`, { name: 'Late', expected_version: 1 })).toMatchObject({
      status: 409,
      body: { code: 'deal-version-conflict' },
    });
    expect((await app.call('PATCH', `/api/deals/${deal.id}`, { status: 'won' })).status).toBe(422);
    expect((await app.call('PATCH', '/api/deals/999999', { name: 'x' })).status).toBe(404);
  });
});
