import type { Customer } from '@aether/platform';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

type Stage = { id: number; name: string };
let app: TestFoundation;
let stages: Map<string, number>;
let pipelineId: number;
let unique = 0;
beforeAll(async () => {
  app = await startTestFoundation();
  const [pipeline] = (await app.call('GET', '/api/pipelines')).body.pipelines;
  pipelineId = pipeline.id;
  stages = new Map(pipeline.stages.map((stage: Stage) => [stage.name, stage.id]));
});

const stage = (name: string) => stages.get(name) as number;
const newCustomer = (account_tier?: string): Promise<Customer> =>
  app.foundation.createCustomer({ name: 'Nora', email: `closing${++unique}@example.com`, account_tier });
const newDeal = async (customer: Customer): Promise<number> =>
  (await app.call('POST', '/api/deals', { customer_id: customer.id, name: 'Renewal' })).body.id;
const post = (id: number, verb: string, body: Record<string, unknown>) =>
  app.call('POST', `/api/deals/${id}/${verb}`, body);
const set = (id: number, assignments: string) =>
  app.foundation.transaction({ actor: 'maya' }, (tx) =>
    tx.query(`update crm.deals set ${assignments} where id = $1`, [id]),
  );
const insert = (id: number, outcome: string, tier: string | null = null) =>
  app.foundation.query('insert into crm.deal_closings (deal_id, outcome, given_tier) values ($1, $2, $3)', [
    id,
    outcome,
    tier,
  ]);
const closingsOf = (id: number) =>
  app.foundation.query(
    `select outcome, given_tier, previous_tier, customer_version, deal_version, closed_at, closed_by, closed_by_app, closed_by_login,
       reopened_at is not null as is_reopened, reopened_by, reopened_by_app, reopened_version
     from crm.deal_closings where deal_id = $1 order by id`,
    [id],
  );
const read = async (id: number) => (await app.call('GET', `/api/deals/${id}`)).body;
const refused = { code: 'field-not-owned' };
const byMaya = { closed_by: 'maya', closed_by_app: 'foundation', closed_by_login: 'foundation_app' };

describe('a closing', () => {
  test('records the outcome, the given tier, the replaced tier, the person who closed the deal, and the new versions', async () => {
    const customer = await newCustomer('standard');
    const id = await newDeal(customer);
    const { body } = await post(id, 'close', { outcome: 'won', tier: 'premium' });
    expect(await closingsOf(id)).toEqual([
      {
        ...byMaya,
        outcome: 'won',
        given_tier: 'premium',
        previous_tier: 'standard',
        customer_version: customer.version + 1,
        deal_version: body.deal.version,
        closed_at: new Date(body.deal.closed_at),
        is_reopened: false,
        reopened_by: null,
        reopened_by_app: null,
        reopened_version: null,
      },
    ]);
    expect((await read(id)).closing).toEqual({
      outcome: 'won',
      given_tier: 'premium',
      previous_tier: 'standard',
      reason: null,
      reason_note: null,
      app: 'foundation',
      actor: { id: 'maya', name: 'Maya Okafor' },
      at: expect.stringContaining(body.deal.closed_at.slice(0, 22)),
    });
  });

  test('that was undone keeps its record with the person who opened the deal again, and the next closing has its own record', async () => {
    const id = await newDeal(await newCustomer());
    await post(id, 'close', { outcome: 'lost' });
    const { body } = await post(id, 'reopen', { stage_id: stage('Proposal') });
    expect((await read(id)).closing).toBeNull();
    await post(id, 'close', { outcome: 'won' });
    expect(await closingsOf(id)).toMatchObject([
      {
        outcome: 'lost',
        is_reopened: true,
        reopened_by: 'maya',
        reopened_by_app: 'foundation',
        reopened_version: body.version,
      },
      { outcome: 'won', is_reopened: false },
    ]);
  });

  test('with the tier that the customer has already gives no tier', async () => {
    const customer = await newCustomer('premium');
    const id = await newDeal(customer);
    await post(id, 'close', { outcome: 'won', tier: 'premium' });
    expect(await closingsOf(id)).toMatchObject([{ given_tier: 'premium', customer_version: null }]);
    expect((await app.foundation.getCustomerById(customer.id))?.version).toBe(customer.version);
  });

  test('shows Support the deal that gave the tier, and no deal that left it as it was', async () => {
    const customer = await newCustomer();
    const [gave, left] = [await newDeal(customer), await newDeal(customer)];
    await post(gave, 'close', { outcome: 'won', tier: 'premium' });
    await post(left, 'close', { outcome: 'won' });
    const grants = `select customer_version, account_tier, deal_name from crm.tier_grants where customer_id = $1`;
    expect(await app.support.query(grants, [customer.id])).toEqual([
      { customer_version: customer.version + 1, account_tier: 'premium', deal_name: 'Renewal' },
    ]);
  });

  test('of a merged customer gives the tier to the survivor', async () => {
    const [loser, winner] = [await newCustomer(), await newCustomer('standard')];
    const id = await newDeal(loser);
    const owner = await app.database.connect('platform_migrator');
    await owner.query('set role platform_owner');
    await owner.query('update platform.customers set merged_into = $2 where id = $1', [loser.id, winner.id]);
    await post(id, 'close', { outcome: 'won', tier: 'premium' });
    expect((await app.foundation.getCustomerById(winner.id))?.account_tier).toBe('premium');
    expect(await closingsOf(id)).toMatchObject([{ previous_tier: 'standard', customer_version: winner.version + 1 }]);
  });
});

describe('a closing, written by SQL', () => {
  test('closes the deal and gives the tier', async () => {
    const customer = await newCustomer('standard');
    const id = await newDeal(customer);
    await insert(id, 'won', 'premium');
    expect(await read(id)).toMatchObject({ status: 'won', stage_name: 'Won', closing: { previous_tier: 'standard' } });
    expect((await app.foundation.getCustomerById(customer.id))?.account_tier).toBe('premium');
  });

  test('of a closed deal, of an unknown deal, or of a lost deal with a tier is refused and changes nothing', async () => {
    const customer = await newCustomer('standard');
    const id = await newDeal(customer);
    await expect(insert(id, 'lost', 'premium')).rejects.toMatchObject({ fields: [{ field: 'given_tier' }] });
    await expect(insert(999_999, 'won')).rejects.toMatchObject({ fields: [{ field: 'deal_id' }] });
    await insert(id, 'lost');
    await expect(insert(id, 'lost')).rejects.toMatchObject({ code: 'already-exists' });
    await expect(insert(id, 'won', 'premium')).rejects.toMatchObject({ code: 'already-exists' });
    expect(await closingsOf(id)).toHaveLength(1);
    expect((await app.foundation.getCustomerById(customer.id))?.account_tier).toBe('standard');
  });

  test('cannot choose the person who closed the deal or the former tier, and cannot be changed or deleted', async () => {
    const id = await newDeal(await newCustomer());
    await insert(id, 'won');
    for (const forged of ['closed_by', 'closed_by_app', 'closed_by_login', 'previous_tier', 'closed_at'])
      await expect(
        app.foundation.query(`insert into crm.deal_closings (deal_id, outcome, ${forged}) values ($1, 'won', null)`, [
          id,
        ]),
      ).rejects.toMatchObject(refused);
    await expect(
      app.foundation.query(`update crm.deal_closings set given_tier = 'gold' where deal_id = $1`, [id]),
    ).rejects.toMatchObject(refused);
    await expect(app.foundation.query('delete from crm.deal_closings where deal_id = $1', [id])).rejects.toMatchObject(
      refused,
    );
  });

  test('is closed to Support', async () => {
    const id = await newDeal(await newCustomer());
    await expect(
      app.support.query(`insert into crm.deal_closings (deal_id, outcome) values ($1, 'won')`, [id]),
    ).rejects.toThrow();
    await expect(app.support.query('select from crm.deal_closings')).rejects.toThrow('permission denied');
  });
});

describe('a deal that is closed by plain SQL', () => {
  test.each([
    ['by its status', () => `status = 'won'`],
    ['by its stage', () => `stage_id = ${stage('Won')}`],
  ])('%s gets a closing', async (_, assignments) => {
    const id = await newDeal(await newCustomer('standard'));
    await set(id, assignments());
    const { version } = await read(id);
    expect(await closingsOf(id)).toMatchObject([
      { ...byMaya, outcome: 'won', given_tier: null, previous_tier: 'standard', deal_version: version },
    ]);
  });

  test('when it is inserted gets a closing', async () => {
    const customer = await newCustomer();
    const [made] = await app.foundation.query<{ id: number }>(
      `insert into crm.deals (customer_id, pipeline_id, stage_id, name) values ($1, $2, $3, 'Old') returning id`,
      [customer.id, pipelineId, stage('Lost')],
    );
    expect(await closingsOf(made?.id as number)).toMatchObject([{ outcome: 'lost', deal_version: 1 }]);
  });

  test('and turns from won to lost has two closings, and the second is in force', async () => {
    const id = await newDeal(await newCustomer());
    await set(id, `stage_id = ${stage('Won')}`);
    await set(id, `stage_id = ${stage('Lost')}`);
    expect(await closingsOf(id)).toMatchObject([
      { outcome: 'won', is_reopened: true, reopened_by: 'maya' },
      { outcome: 'lost', is_reopened: false },
    ]);
  });

  test('and opens again has no closing in force', async () => {
    const id = await newDeal(await newCustomer());
    await set(id, `stage_id = ${stage('Won')}`);
    await set(id, `status = 'open', stage_id = ${stage('Proposal')}`);
    expect(await closingsOf(id)).toMatchObject([{ is_reopened: true, reopened_by: 'maya' }]);
    expect((await post(id, 'close', { outcome: 'won' })).body.already_closed).toBe(false);
  });

  test('is closed at the time of its closing: no app writes another time, and the owner writes both', async () => {
    const id = await newDeal(await newCustomer());
    await expect(set(id, `status = 'won', closed_at = '2026-01-01T00:00:00Z'`)).rejects.toMatchObject(refused);
    await set(id, `stage_id = ${stage('Won')}`);
    const [first] = await closingsOf(id);
    await expect(set(id, `closed_at = '2026-01-01T00:00:00Z'`)).rejects.toMatchObject(refused);
    expect(await closingsOf(id)).toEqual([first]);
    const owner = await app.database.connect('platform_migrator');
    await owner.query('set role platform_owner');
    await owner.query(`update crm.deals set closed_at = '2026-01-01T00:00:00Z' where id = $1`, [id]);
    expect(await closingsOf(id)).toEqual([{ ...first, closed_at: new Date('2026-01-01T00:00:00Z') }]);
    // A deal that turns from won to lost gets the time of this closing, not of the former one.
    await set(id, `stage_id = ${stage('Lost')}`);
    expect(new Date((await read(id)).closed_at).getTime()).toBeGreaterThan(Date.parse('2026-01-02T00:00:00Z'));
  });

  test('has an activity of its closing that no statement of an app edits, nor is a note made into one', async () => {
    const customer = await newCustomer();
    const id = await newDeal(customer);
    await post(id, 'close', { outcome: 'won' });
    await app.call('POST', `/api/customers/${customer.id}/activities`, { type: 'note', description: 'Called' });
    const edit = (type: string, assignment: string) =>
      app.foundation.query(
        `update crm.activities set ${assignment} where customer_id = $1 and type = $2 returning description`,
        [customer.id, type],
      );
    expect(await edit('deal_won', `occurred_at = '2026-01-01T00:00:00Z'`)).toEqual([]);
    expect(await edit('note', `description = 'Called twice'`)).toEqual([{ description: 'Called twice' }]);
    await expect(edit('note', `type = 'deal_won'`)).rejects.toThrow();
  });

  test('stays as it is if a person closes it again with the same outcome; a tier is refused', async () => {
    const id = await newDeal(await newCustomer());
    await set(id, `stage_id = ${stage('Won')}`);
    expect((await post(id, 'close', { outcome: 'won' })).body).toMatchObject({ already_closed: true });
    const again = await post(id, 'close', { outcome: 'won', tier: 'premium' });
    expect(again).toMatchObject({ status: 409, body: { code: 'deal-closed' } });
    expect(again.body.detail).toContain('without a tier');
  });
});
