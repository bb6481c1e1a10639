import { beforeAll, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

type Stage = { id: number; name: string };
let app: TestFoundation;
let stages: Map<string, number>;
let unique = 0;
beforeAll(async () => {
  app = await startTestFoundation();
  const [pipeline] = (await app.call('GET', '/api/pipelines')).body.pipelines;
  stages = new Map(pipeline.stages.map((stage: Stage) => [stage.name, stage.id]));
});

const stage = (name: string) => stages.get(name) as number;
const newDeal = async (): Promise<number> => {
  const customer = await app.foundation.createCustomer({ name: 'Nora', email: `status${++unique}@example.com` });
  return (await app.call('POST', '/api/deals', { customer_id: customer.id, name: 'D' })).body.id;
};
const set = (id: number, assignments: string) =>
  app.foundation.query(`update crm.deals set ${assignments} where id = $1`, [id]);
const read = async (id: number) => (await app.call('GET', `/api/deals/${id}`)).body;
const refused = { code: 'invalid-field' };

describe('a deal, written by SQL', () => {
  test('that becomes won or lost moves to the stage of that outcome', async () => {
    for (const [status, stage_name] of [
      ['won', 'Won'],
      ['lost', 'Lost'],
    ] as const) {
      const id = await newDeal();
      await set(id, `status = '${status}'`);
      expect(await read(id)).toMatchObject({ status, stage_name });
    }
  });

  test('that moves to a closed stage becomes closed, and to an open stage becomes open', async () => {
    const id = await newDeal();
    await set(id, `stage_id = ${stage('Won')}`);
    expect(await read(id)).toMatchObject({ status: 'won', closed_at: expect.any(String) });
    await set(id, `stage_id = ${stage('Lost')}`);
    expect(await read(id)).toMatchObject({ status: 'lost' });
    await set(id, `stage_id = ${stage('Proposal')}`);
    expect(await read(id)).toMatchObject({ status: 'open', closed_at: null });
  });

  test('cannot be opened without a stage, or have a status that differs from the outcome of its stage', async () => {
    const id = await newDeal();
    await set(id, `status = 'won'`);
    await expect(set(id, `status = 'open'`)).rejects.toMatchObject(refused);
    await expect(set(id, `status = 'lost', stage_id = ${stage('Proposal')}`)).rejects.toMatchObject(refused);
    expect(await read(id)).toMatchObject({ status: 'won', stage_name: 'Won' });
    await set(id, `status = 'open', stage_id = ${stage('Qualified')}`);
    expect(await read(id)).toMatchObject({ status: 'open', stage_name: 'Qualified' });
  });

  test('that is made in a closed stage is closed', async () => {
    const id = await newDeal();
    const [made] = await app.foundation.query<{ status: string }>(
      `insert into crm.deals (customer_id, pipeline_id, stage_id, name) select customer_id, pipeline_id, $2, name from crm.deals
        where id = $1
       returning status`,
      [id, stage('Won')],
    );
    expect(made?.status).toBe('won');
  });
});

test('a stage with deals keeps its outcome; an empty stage may get another', async () => {
  const [pipeline] = await app.foundation.query<{ id: number }>(
    `insert into crm.pipelines (name) values ('Without an end') returning id`,
  );
  const [used, empty] = await app.foundation.query<{ id: number }>(
    `insert into crm.pipeline_stages (pipeline_id, name, position) values ($1, 'Used', 1), ($1, 'Empty', 2) returning id`,
    [pipeline?.id],
  );
  const customer = await app.foundation.createCustomer({ name: 'N', email: `status${++unique}@example.com` });
  const { body: deal } = await app.call('POST', '/api/deals', {
    customer_id: customer.id,
    name: 'D',
    stage_id: used?.id,
  });
  const turn = (id?: number) =>
    app.foundation.query(`update crm.pipeline_stages set outcome = 'won' where id = $1`, [id]);
  await expect(turn(used?.id)).rejects.toMatchObject(refused);
  expect((await app.call('POST', `/api/deals/${deal.id}/close`, { outcome: 'won' })).status).toBe(422);
  await turn(empty?.id);
  expect((await app.call('POST', `/api/deals/${deal.id}/close`, { outcome: 'won' })).body.deal.stage_id).toBe(
    empty?.id,
  );
});
