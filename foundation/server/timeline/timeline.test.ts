import { atEnd } from '@aether/database/testing';
import { until } from '@aether/database/testing.scope';
import type { Customer } from '@aether/platform';
import { startSync } from '@aether/sync';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

type Entry = { kind: string; change?: string; type?: string; changes: { field: string; old: unknown; new: unknown }[] };
let app: TestFoundation;
let stages: { id: number; name: string }[];
let unique = 0;
beforeAll(async () => {
  app = await startTestFoundation();
  const worker = await startSync({ variables: { PLATFORM_DB_URL: app.database.url('sync_app') } });
  atEnd(() => worker.close());
  stages = (await app.call('GET', '/api/pipelines')).body.pipelines[0].stages;
});

const newCustomer = (): Promise<Customer> =>
  app.foundation.createCustomer({ name: 'Erik', email: `history${++unique}@example.com` });
const timeline = async ({ id }: Customer, query = ''): Promise<Entry[]> =>
  (await app.call('GET', `/api/customers/${id}/timeline?${query}`)).body.entries;
/** Waits until history has this many changes of the customer. */
const recorded = async ({ id }: Customer, count: number) => {
  const changes = async () =>
    (await app.foundation.query(`select from crm.changes where customer_id = $1`, [id])).length;
  await until(async () => (await changes()) >= count);
};

describe('the timeline', () => {
  test('shows changes of fields and deals beside activities, with names for ids, newest first', async () => {
    const customer = await newCustomer();
    const path = `/api/customers/${customer.id}`;
    const company = await app.foundation.createCompany({ name: 'Fjordlight' });
    await app.call('PATCH', path, { name: 'Erik Halvorsen', company_id: company.id, account_manager_id: 'maya' });
    const deal = (await app.call('POST', '/api/deals', { customer_id: customer.id, name: 'Renewal', amount: 10 })).body;
    await app.call('POST', `/api/deals/${deal.id}/move`, { stage_id: stages[1]?.id });
    await app.call('POST', `${path}/activities`, { type: 'note', description: 'Called' });
    await app.call('POST', `/api/deals/${deal.id}/close`, { outcome: 'won', tier: 'premium' });
    await recorded(customer, 6);

    const entries = await timeline(customer);
    expect(entries.map((entry) => entry.change ?? entry.type ?? entry.changes.map(({ field }) => field))).toEqual([
      ['account_tier'],
      'deal_won',
      'note',
      'moved',
      'created',
      ['name', 'company', 'account_manager'],
    ]);
    expect(entries[3]).toMatchObject({
      kind: 'deal',
      deal: { id: deal.id, name: 'Renewal' },
      app: 'foundation',
      actor: { id: 'maya', name: 'Maya Okafor' },
      changes: [{ field: 'stage', old: 'Qualified', new: 'Proposal' }],
    });
    expect(entries[5]?.changes).toEqual([
      { field: 'name', old: 'Erik', new: 'Erik Halvorsen' },
      { field: 'company', old: null, new: 'Fjordlight' },
      { field: 'account_manager', old: null, new: 'Maya Okafor' },
    ]);
    expect((await timeline(customer, 'kind=deal')).map((entry) => entry.change)).toEqual(['won', 'moved', 'created']);
    expect((await timeline(customer, 'kind=field')).map((entry) => entry.kind)).toEqual(['field', 'field']);
    expect((await timeline(customer, 'kind=activity,field&person=maya')).length).toBe(4);
    expect(await timeline(customer, 'app=support')).toEqual([]);
    expect(await timeline(customer, 'until=2020-01-01T00:00:00Z')).toEqual([]);
    expect((await timeline(customer, 'since=2020-01-01T00:00:00Z')).length).toBe(6);
  });

  test('shows the closing of a deal once, whether the API or SQL closed it', async () => {
    const customer = await newCustomer();
    const deal = (await app.call('POST', '/api/deals', { customer_id: customer.id, name: 'Renewal' })).body;
    await app.call('POST', `/api/deals/${deal.id}/close`, { outcome: 'won' });
    await app.call('POST', `/api/deals/${deal.id}/reopen`, { stage_id: stages[0]?.id });
    await app.foundation.query(`update crm.deals set status = 'won' where id = $1`, [deal.id]);
    await app.foundation.query(`update crm.deals set status = 'open', stage_id = $2 where id = $1`, [
      deal.id,
      stages[0]?.id,
    ]);
    await recorded(customer, 6);
    const entries = await timeline(customer, `deal=${deal.id}`);
    expect(entries.map((entry) => entry.change ?? entry.type)).toEqual([
      'reopened',
      'won',
      'deal_reopened',
      'deal_won',
      'created',
    ]);
    expect(entries[1]?.changes).toEqual([]);
  });

  test('loses and doubles no activity or change between its pages', async () => {
    const customer = await newCustomer();
    for (let n = 0; n < 5; n++) {
      await app.foundation.updateCustomer(customer.id, { phone: `+1 212 555 010${n}` });
      await app.call('POST', `/api/customers/${customer.id}/activities`, { type: 'note', description: `n${n}` });
    }
    await recorded(customer, 6);
    const ids: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { body } = await app.call(
        'GET',
        `/api/customers/${customer.id}/timeline?limit=3${cursor && `&cursor=${cursor}`}`,
      );
      ids.push(...body.entries.map((entry: { id: string }) => entry.id));
      cursor = body.next_cursor;
    }
    const whole = (await app.call('GET', `/api/customers/${customer.id}/timeline?limit=100`)).body.entries;
    expect(ids).toHaveLength(10);
    expect(ids).toEqual(whole.map((entry: { id: string }) => entry.id));
  });

  test('of one deal has only its changes and activities', async () => {
    const customer = await newCustomer();
    const make = async (name: string) =>
      (await app.call('POST', '/api/deals', { customer_id: customer.id, name })).body.id as number;
    const [deal, other] = [await make('One'), await make('Other')];
    const note = (description: string, deal_id?: number) =>
      app.call('POST', `/api/customers/${customer.id}/activities`, { type: 'note', description, deal_id });
    await note('of the deal', deal);
    await note('of the other', other);
    await note('of the customer');
    await app.call('POST', `/api/deals/${deal}/move`, { stage_id: stages[1]?.id });
    await recorded(customer, 4);
    const entries = await timeline(customer, `deal=${deal}`);
    expect(entries.map((entry) => entry.change ?? entry.type)).toEqual(['moved', 'note', 'created']);
    expect((await timeline(customer, `deal=${deal}&kind=activity`)).length).toBe(1);
    expect(await timeline(await newCustomer(), `deal=${deal}`)).toEqual([]);
    expect((await app.call('GET', `/api/customers/${customer.id}/timeline?deal=one`)).status).toBe(422);
  });

  test('has no entry twice after the events were handled twice', async () => {
    const customer = await newCustomer();
    await app.foundation.updateCustomer(customer.id, { name: 'Twice' });
    await recorded(customer, 2);
    await app.foundation.query(`update sync.subscriptions set position = 0 where name = 'foundation.history'`);
    await app.foundation.updateCustomer(customer.id, { name: 'Thrice' });
    await recorded(customer, 3);
    expect(await timeline(customer)).toHaveLength(2);
  });

  test.each(['kind=colour', 'since=yesterday', 'kind=activity,activity,activity,activity', 'person='])(
    '?%s is refused',
    async (query) => {
      const customer = await newCustomer();
      expect((await app.call('GET', `/api/customers/${customer.id}/timeline?${query}`)).status).toBe(422);
    },
  );
});

test('each shared field has its last change: the person, the app and the value before', async () => {
  const customer = await newCustomer();
  await app.call('PATCH', `/api/customers/${customer.id}`, { phone: '+1 212 555 0100' });
  await app.support.updateCustomer(customer.id, { phone: '+1 212 555 0199', preferred_language: 'nb' });
  await recorded(customer, 3);
  const { provenance } = (await app.call('GET', `/api/customers/${customer.id}`)).body;
  expect(provenance).toMatchObject({
    phone: { app: 'support', actor: null, old: '+1 212 555 0100' },
    preferred_language: { app: 'support', old: null },
    name: { app: 'foundation', old: null },
  });
  expect(Object.keys(provenance)).not.toContain('crm_id');
});

describe('tasks', () => {
  test('are listed by their due date, can be done and opened again, and can be filtered by person', async () => {
    const customer = await newCustomer();
    const add = (body: Record<string, unknown>, call = app.call) =>
      call('POST', `/api/customers/${customer.id}/activities`, { type: 'task', ...body });
    const late = (await add({ description: 'Late', due_at: '2026-12-02T10:00:00Z' })).body;
    await add({ description: 'No date' });
    await add({ description: 'Soon', due_at: '2026-12-01T10:00:00Z' });
    await app.foundation.signInUser({ subject: 'jonas', email: 'jonas@aether.example', name: 'Jonas' });
    await add({ description: 'Of Jonas' }, app.callAs('jonas'));
    const list = async (query: string) =>
      (await app.call('GET', `/api/activities?customer_id=${customer.id}&${query}`)).body.activities.map(
        (task: { description: string }) => task.description,
      );
    expect(await list('mine=true&open_tasks=true')).toEqual(['Soon', 'Late', 'No date']);
    expect(await list('mine=true&due_before=2026-12-02T00:00:00Z')).toEqual(['Soon']);
    expect(await list('')).toContain('Of Jonas');
    const done = await app.call('PATCH', `/api/activities/${late.id}`, { is_done: true });
    expect(done.body.done_at).toBeTruthy();
    expect(await list('mine=true&open_tasks=true')).toEqual(['Soon', 'No date']);
    expect(
      (await app.call('PATCH', `/api/activities/${late.id}`, { is_done: false, due_at: null })).body,
    ).toMatchObject({
      done_at: null,
      due_at: null,
    });
    expect(await list('mine=true&open_tasks=true&limit=2')).toHaveLength(2);
  });

  test('can be ticked by everybody, but only its author and administrators change the text of a note', async () => {
    const customer = await newCustomer();
    const path = `/api/customers/${customer.id}/activities`;
    const note = (await app.call('POST', path, { type: 'note', description: 'Mine' })).body;
    const task = (await app.call('POST', path, { type: 'task', description: 'To do' })).body;
    await app.foundation.signInUser({ subject: 'tom', email: 'tom@aether.example', name: 'Tom' });
    const tom = app.callAs('tom');
    expect((await tom('PATCH', `/api/activities/${note.id}`, { description: 'Forged' })).body.code).toBe('not-yours');
    expect((await tom('PATCH', `/api/activities/${task.id}`, { is_done: true })).status).toBe(200);
    expect((await tom('PATCH', `/api/activities/${note.id}`, { is_done: true })).status).toBe(422);
    expect((await app.call('PATCH', `/api/activities/${note.id}`, { description: 'Still mine' })).status).toBe(200);
    const deal = (await app.call('POST', '/api/deals', { customer_id: customer.id, name: 'D' })).body;
    await app.call('POST', `/api/deals/${deal.id}/close`, { outcome: 'won' });
    const [won] = await app.foundation.query<{ id: string }>('select id from crm.activities where deal_id = $1', [
      deal.id,
    ]);
    expect((await app.call('PATCH', `/api/activities/${won?.id}`, { description: 'Lost' })).status).toBe(404);
  });

  test('leave activities that Support wrote unchanged', async () => {
    const customer = await newCustomer();
    const [chat] = await app.support.query<{ id: string }>(
      `insert into crm.activities (customer_id, type, description, idempotency_key) values ($1, 'support_chat', 'Ended', 'session:x')
        returning id`,
      [customer.id],
    );
    expect((await app.call('PATCH', `/api/activities/${chat?.id}`, { description: 'Forged' })).status).toBe(404);
  });
});
