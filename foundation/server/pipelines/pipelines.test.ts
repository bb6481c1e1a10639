import { beforeAll, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

type Stage = { id?: number; name: string; outcome: string; probability_percent: number };
let app: TestFoundation;
let unique = 0;
beforeAll(async () => {
  app = await startTestFoundation();
  await app.foundation.updateUser('maya', { role: 'admin' });
});

const newPipeline = async () => (await app.call('POST', '/api/pipelines', { name: `Pipeline ${++unique}` })).body;
const putStages = (id: number, stages: Stage[], move_to?: Record<string, number>) =>
  app.call('PUT', `/api/pipelines/${id}/stages`, { stages, ...(move_to && { move_to }) });
const namesOf = (stages: Stage[]) => stages.map((stage) => stage.name);
const newDeal = async (stage_id: number | undefined) => {
  const customer = await app.foundation.createCustomer({ name: 'P', email: `pipe${++unique}@example.com` });
  return (await app.call('POST', '/api/deals', { customer_id: customer.id, name: 'Deal', stage_id })).body;
};

describe('an administrator', () => {
  test('adds a pipeline, renames it, and makes it the default', async () => {
    const made = await newPipeline();
    expect(namesOf(made.stages)).toEqual(['Qualified', 'Proposal', 'Won', 'Lost']);
    expect(made.is_default).toBe(false);
    const changed = await app.call('PATCH', `/api/pipelines/${made.id}`, { name: 'Partners', is_default: true });
    expect(changed).toMatchObject({ status: 200, body: { name: 'Partners', is_default: true } });
    const { pipelines } = (await app.call('GET', '/api/pipelines')).body;
    expect(pipelines.filter((each: { is_default: boolean }) => each.is_default)).toHaveLength(1);
    expect(await app.call('POST', '/api/pipelines', { name: 'Partners' })).toMatchObject({ status: 409 });
  });

  test('orders, renames, swaps, adds and removes stages at once', async () => {
    const { id, stages } = await newPipeline();
    const [qualified, proposal, won, lost] = stages;
    const changed = await putStages(id, [
      { ...qualified, name: 'Proposal' },
      { name: 'Trial', outcome: 'open', probability_percent: 50 },
      { ...proposal, name: 'Qualified', probability_percent: 70 },
      lost,
      won,
    ]);
    expect(changed.status).toBe(200);
    expect(namesOf(changed.body.stages)).toEqual(['Proposal', 'Trial', 'Qualified', 'Lost', 'Won']);
    expect(changed.body.stages[0].id).toBe(qualified.id);
    const fewer = await putStages(id, [changed.body.stages[0], lost, won]);
    expect(namesOf(fewer.body.stages)).toEqual(['Proposal', 'Lost', 'Won']);
  });

  test('must say where the deals of a removed stage go', async () => {
    const { id, stages } = await newPipeline();
    const [qualified, proposal, won, lost] = stages;
    const deal = await newDeal(proposal.id);
    expect(await putStages(id, [qualified, won, lost])).toMatchObject({ status: 409, body: { code: 'stage-in-use' } });
    expect((await putStages(id, [qualified, won, lost], { [proposal.id]: won.id })).status).toBe(422);
    expect(await putStages(id, [qualified, won, lost], { proposal: qualified.id })).toMatchObject({
      status: 422,
      body: {
        errors: [{ field: 'move_to.proposal', message: 'is named wrongly: the name must be the id of a stage' }],
      },
    });
    expect((await putStages(id, [qualified, won, lost], { [proposal.id]: qualified.id })).status).toBe(200);
    expect((await app.call('GET', `/api/deals/${deal.id}`)).body).toMatchObject({
      stage_id: qualified.id,
      status: 'open',
    });
  });

  test('removes a pipeline without deals, but not the default pipeline', async () => {
    const { id, stages } = await newPipeline();
    const deal = await newDeal(stages[0].id);
    expect(await app.call('DELETE', `/api/pipelines/${id}`)).toMatchObject({
      status: 409,
      body: { code: 'pipeline-in-use' },
    });
    expect(deal.pipeline_id).toBe(id);
    const empty = await newPipeline();
    expect((await app.call('DELETE', `/api/pipelines/${empty.id}`)).status).toBe(204);
    const { pipelines } = (await app.call('GET', '/api/pipelines')).body;
    expect((await app.call('DELETE', `/api/pipelines/${pipelines[0].id}`)).status).toBe(422);
  });

  test.each([
    ['without an open stage', (stages: Stage[]) => stages.slice(2).concat(stages[3] as Stage)],
    ['without a stage for lost deals', (stages: Stage[]) => stages.slice(0, 3)],
    ['with one name for all stages', (stages: Stage[]) => stages.map((stage) => ({ ...stage, name: 'Same' }))],
    [
      'with a changed outcome',
      (stages: Stage[]) => stages.map((stage, n) => (n === 0 ? { ...stage, outcome: 'won' } : stage)),
    ],
    [
      'with an unknown stage',
      (stages: Stage[]) => stages.map((stage, n) => (n === 0 ? { ...stage, id: 999_999 } : stage)),
    ],
  ])('who saves stages %s is refused, and nothing changes', async (_, change) => {
    const { id, stages } = await newPipeline();
    expect((await putStages(id, change(stages))).status).toBe(422);
    const { pipelines } = (await app.call('GET', '/api/pipelines')).body;
    expect(pipelines.find((each: { id: number }) => each.id === id).stages).toEqual(stages);
  });
});

describe('the second of two administrators who saw the same pipeline', () => {
  test('gets a conflict after the first changed its stages', async () => {
    const { id, stages, version } = await newPipeline();
    const put = (name: string) =>
      app.call('PUT', `/api/pipelines/${id}/stages`, {
        stages: [{ ...stages[0], name }, ...stages.slice(1)],
        expected_version: version,
      });
    const answers = await Promise.all([put('First'), put('Second')]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    const changed = answers.find(({ status }) => status === 200)?.body;
    expect(changed.version).toBeGreaterThan(version);
    expect(answers.find(({ status }) => status === 409)?.body).toMatchObject({
      code: 'pipeline-version-conflict',
      expected: version,
      actual: changed.version,
    });
    const patch = (expected_version: number) =>
      app.call('PATCH', `/api/pipelines/${id}`, { name: `Renamed ${id}`, expected_version });
    expect((await patch(version)).body.code).toBe('pipeline-version-conflict');
    expect(await patch(changed.version)).toMatchObject({ status: 200, body: { version: changed.version + 1 } });
  });

  test('gets a conflict after a stage was changed by SQL, unless that changed no value', async () => {
    const { id, stages, version } = await newPipeline();
    const set = (percent: number) =>
      app.foundation.query('update crm.pipeline_stages set probability_percent = $2 where id = $1', [
        stages[0].id,
        percent,
      ]);
    await set(stages[0].probability_percent);
    expect((await app.call('PATCH', `/api/pipelines/${id}`, { expected_version: version })).status).toBe(200);
    await set(33);
    expect((await app.call('PATCH', `/api/pipelines/${id}`, { expected_version: version })).status).toBe(409);
  });
});

test('a user who is no administrator may not change pipelines or stages', async () => {
  const { id, stages } = await newPipeline();
  await app.foundation.signInUser({ subject: 'plain', email: 'plain@aether.example', name: 'Plain' });
  const call = app.callAs('plain');
  for (const [method, path, body] of [
    ['POST', '/api/pipelines', { name: 'Mine' }],
    ['PATCH', `/api/pipelines/${id}`, { name: 'Mine' }],
    ['PUT', `/api/pipelines/${id}/stages`, { stages }],
    ['DELETE', `/api/pipelines/${id}`, undefined],
  ] as const)
    expect(await call(method, path, body)).toMatchObject({ status: 403, body: { code: 'admin-only' } });
  expect((await call('GET', '/api/pipelines')).status).toBe(200);
});
