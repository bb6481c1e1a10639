import { untilSomebodyWaits } from '@aether/database/testing';
import type { Customer } from '@aether/platform';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

type Answer = Awaited<ReturnType<TestFoundation['call']>>;
type Stage = { id: number; name: string; outcome: string };
let app: TestFoundation;
let unique = 0;
beforeAll(async () => {
  app = await startTestFoundation();
  await app.foundation.updateUser('maya', { role: 'admin' });
});

/**
 * The rival writes and keeps its transaction open. The call begins and waits for the rival, which then does the rest and commits. So
 * the two always meet between the call's first read and its write.
 */
async function meet(writes: [sql: string, values: unknown[]][], call: () => Promise<Answer>, rest: typeof writes = []) {
  const rival = await app.database.connect('foundation_app');
  await rival.query('begin');
  for (const [sql, values] of writes) await rival.query(sql, values);
  const answer = call();
  await untilSomebodyWaits(rival);
  for (const [sql, values] of rest) await rival.query(sql, values);
  await rival.query('commit');
  return answer;
}

const newCustomer = (account_tier: string): Promise<Customer> =>
  app.foundation.createCustomer({ name: 'Nora', email: `race${++unique}@example.com`, account_tier });
const newPipeline = async (): Promise<{ id: number; stages: Stage[]; of: (name: string) => Stage }> => {
  const { body } = await app.call('POST', '/api/pipelines', { name: `Race ${++unique}` });
  return { ...body, of: (name) => body.stages.find((stage: Stage) => stage.name === name) };
};
const newDeal = async (customer: Customer, more: object = {}) =>
  (await app.call('POST', '/api/deals', { customer_id: customer.id, name: 'Renewal', ...more })).body;
const post = (id: number, verb: string, body: Record<string, unknown>) =>
  app.call('POST', `/api/deals/${id}/${verb}`, body);
const tierOf = async ({ id }: Customer) => (await app.foundation.getCustomerById(id))?.account_tier;
const setTier = (customer: Customer, tier: string): [string, unknown[]] => [
  'update platform.customers set account_tier = $2 where id = $1',
  [customer.id, tier],
];

describe('a tier that a colleague sets', () => {
  test('while a deal is being closed is the tier that opening it again gives back', async () => {
    const customer = await newCustomer('standard');
    const deal = await newDeal(customer);
    const closed = await meet([setTier(customer, 'enterprise')], () =>
      post(deal.id, 'close', { outcome: 'won', tier: 'premium' }),
    );
    expect(closed).toMatchObject({
      status: 200,
      body: { account_tier: 'premium', undo: { previous_tier: 'enterprise' } },
    });
    await post(deal.id, 'reopen', { stage_id: deal.stage_id, restore_tier: true });
    expect(await tierOf(customer)).toBe('enterprise');
  });

  test('while a deal is being closed without a tier stays, and the answer reports it', async () => {
    const customer = await newCustomer('standard');
    const deal = await newDeal(customer);
    const closed = await meet([setTier(customer, 'enterprise')], () => post(deal.id, 'close', { outcome: 'won' }));
    expect(closed).toMatchObject({ status: 200, body: { account_tier: 'enterprise' } });
  });

  test('while a deal is being opened again is not replaced by the former tier', async () => {
    const customer = await newCustomer('standard');
    const deal = await newDeal(customer);
    await post(deal.id, 'close', { outcome: 'won', tier: 'premium' });
    const reopened = await meet([setTier(customer, 'enterprise')], () =>
      post(deal.id, 'reopen', { stage_id: deal.stage_id, restore_tier: true }),
    );
    expect(reopened.status).toBe(200);
    expect(await tierOf(customer)).toBe('enterprise');
  });
});

describe('a new deal', () => {
  test('is refused if its stage becomes the stage of won deals meanwhile', async () => {
    const { id, of } = await newPipeline();
    const customer = await newCustomer('standard');
    const target = of('Proposal').id;
    const answer = await meet(
      [
        [`delete from crm.pipeline_stages where id = $1`, [of('Won').id]],
        [`update crm.pipeline_stages set outcome = 'won' where id = $1`, [target]],
      ],
      () => app.call('POST', '/api/deals', { customer_id: customer.id, name: 'D', pipeline_id: id, stage_id: target }),
    );
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ field: 'stage_id' }] } });
    expect(await app.foundation.query('select from crm.deals where stage_id = $1', [target])).toEqual([]);
  });

  test('goes to the next open stage if the first is removed meanwhile', async () => {
    const { id, of } = await newPipeline();
    const customer = await newCustomer('standard');
    const answer = await meet([['delete from crm.pipeline_stages where id = $1', [of('Qualified').id]]], () =>
      app.call('POST', '/api/deals', { customer_id: customer.id, name: 'D', pipeline_id: id }),
    );
    expect(answer).toMatchObject({ status: 201, body: { stage_name: 'Proposal', status: 'open' } });
  });

  test('goes to the stage that replaces all others meanwhile', async () => {
    const { id, of } = await newPipeline();
    const customer = await newCustomer('standard');
    const answer = await meet(
      [
        ['delete from crm.pipeline_stages where id = any ($1)', [[of('Qualified').id, of('Proposal').id]]],
        [`insert into crm.pipeline_stages (pipeline_id, name, position) values ($1, 'Trial', 9)`, [id]],
      ],
      () => app.call('POST', '/api/deals', { customer_id: customer.id, name: 'D', pipeline_id: id }),
    );
    expect(answer).toMatchObject({ status: 201, body: { stage_name: 'Trial', status: 'open' } });
  });

  test.each([
    ['a stage', 'stage-in-use'],
    ['a pipeline', 'pipeline-in-use'],
  ])('that is not yet committed keeps %s from being removed', async (what, code) => {
    const { id, stages, of } = await newPipeline();
    const customer = await newCustomer('standard');
    const isDeal = `insert into crm.deals (customer_id, pipeline_id, stage_id, name) values ($1, $2, $3, 'D')`;
    const answer = await meet([[isDeal, [customer.id, id, of('Proposal').id]]], () =>
      what === 'a stage'
        ? app.call('PUT', `/api/pipelines/${id}/stages`, {
            stages: stages.filter(({ name }) => name !== 'Proposal'),
          })
        : app.call('DELETE', `/api/pipelines/${id}`),
    );
    expect(answer).toMatchObject({ status: 409, body: { code } });
  });
});

describe('an editor of a pipeline who moves the deals of a stage', () => {
  const holdStages = 'select from crm.pipeline_stages where pipeline_id = $1 for update';
  const moveAll = 'update crm.deals set stage_id = $2 where stage_id = $1';

  test.each([
    ['moves', 'move'],
    ['closes', 'close'],
    ['opens again', 'reopen'],
  ])('meets a colleague who %s one of them, and both succeed', async (_, verb) => {
    const { id, of } = await newPipeline();
    const deal = await newDeal(await newCustomer('standard'), { pipeline_id: id });
    if (verb === 'reopen') await post(deal.id, 'close', { outcome: 'lost' });
    const body = {
      move: { stage_id: of('Proposal').id },
      close: { outcome: 'won' },
      reopen: { stage_id: of('Proposal').id },
    };
    const from = verb === 'reopen' ? of('Lost').id : of('Qualified').id;
    const to = verb === 'reopen' ? of('Won').id : of('Proposal').id;
    const answer = await meet([[holdStages, [id]]], () => post(deal.id, verb, body[verb as keyof typeof body]), [
      [moveAll, [from, to]],
    ]);
    expect(answer.status).toBe(200);
  });
});

test('if two pipelines become the default at once, one of them is the default', async () => {
  const [one, other] = [await newPipeline(), await newPipeline()];
  const answer = await meet(
    [
      ['update crm.pipelines set is_default = false where is_default', []],
      ['update crm.pipelines set is_default = true where id = $1', [one.id]],
    ],
    () => app.call('PATCH', `/api/pipelines/${other.id}`, { is_default: true }),
  );
  expect(answer).toMatchObject({ status: 200, body: { is_default: true } });
  const { pipelines } = (await app.call('GET', '/api/pipelines')).body;
  expect(pipelines.filter((each: { is_default: boolean }) => each.is_default)).toHaveLength(1);
});
