import { atEnd } from '@aether/database/testing';
import { until } from '@aether/database/testing.scope';
import type { Customer } from '@aether/platform';
import { startSync } from '@aether/sync';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

type Entry = { kind: string; change?: string; type?: string; changes: { field: string; old: unknown; new: unknown }[] };
let app: TestFoundation;
let unique = 0;
beforeAll(async () => {
  app = await startTestFoundation();
  const worker = await startSync({ variables: { PLATFORM_DB_URL: app.database.url('sync_app') } });
  atEnd(() => worker.close());
});

const newCustomer = (): Promise<Customer> =>
  app.foundation.createCustomer({ name: 'Erik', email: `changes${++unique}@example.com` });
const timeline = async ({ id }: Customer, query = ''): Promise<Entry[]> =>
  (await app.call('GET', `/api/customers/${id}/timeline?${query}`)).body.entries;
/** Waits until history has this many changes of the customer. */
const recorded = async ({ id }: Customer, count: number) => {
  const changes = async () =>
    (await app.foundation.query(`select from crm.changes where customer_id = $1`, [id])).length;
  await until(async () => (await changes()) >= count);
};

describe('a field of the organisation', () => {
  const admin = () => app.foundation.updateUser('maya', { role: 'admin' });
  const newField = async (more: Record<string, unknown> = {}) =>
    (
      await app.call('POST', '/api/custom-fields', {
        record: 'customer',
        key: `field_${++unique}`,
        label: 'Colour',
        type: 'text',
        ...more,
      })
    ).body;

  test('is shown in the timeline with its label and its author, also after the field is removed', async () => {
    await admin();
    const field = await newField({ key: 'colour_id' });
    const customer = await newCustomer();
    const write = (value: string | null) =>
      app.call('PATCH', `/api/customers/${customer.id}`, { custom: { [field.key]: value } });
    await write('red');
    await write('blue');
    await write('blue');
    await recorded(customer, 3);
    const change = (old: string | null, now: string | null) => ({
      kind: 'field',
      actor: { id: 'maya' },
      changes: [{ field: 'custom.colour_id', label: 'Colour', old, new: now }],
    });
    const { body } = await app.call('GET', `/api/customers/${customer.id}`);
    expect(body.provenance['custom.colour_id']).toMatchObject({ app: 'foundation', actor: { id: 'maya' }, old: 'red' });
    await app.call('DELETE', `/api/custom-fields/${field.id}`);
    await recorded(customer, 4);
    expect(await timeline(customer)).toMatchObject([change('blue', null), change('red', 'blue'), change(null, 'red')]);
  });

  test('of a deal is shown with the deal; a value from the beginning is no change', async () => {
    await admin();
    const [ofDeal, ofCustomer] = [await newField({ record: 'deal' }), await newField()];
    const { body: customer } = await app.call('POST', '/api/customers', {
      name: 'Given',
      email: `changes${++unique}@example.com`,
      custom: { [ofCustomer.key]: 'from the beginning' },
    });
    const { body: deal } = await app.call('POST', '/api/deals', {
      customer_id: customer.id,
      name: 'D',
      custom: { [ofDeal.key]: 'early' },
    });
    await app.call('PATCH', `/api/deals/${deal.id}`, { custom: { [ofDeal.key]: 'late' } });
    await recorded(customer, 5);
    expect(await timeline(customer)).toMatchObject([
      {
        kind: 'deal',
        deal: { id: deal.id, name: 'D' },
        change: 'edited',
        changes: [{ field: `custom.${ofDeal.key}`, label: 'Colour', old: 'early', new: 'late' }],
      },
      { kind: 'deal', change: 'created', changes: [] },
    ]);
    const { provenance } = (await app.call('GET', `/api/customers/${customer.id}`)).body;
    expect(Object.keys(provenance)).toContain(`custom.${ofCustomer.key}`);
    expect(Object.keys(provenance)).not.toContain(`custom.${ofDeal.key}`);
  });

  test('of a company gives an event and no entry in a customer’s timeline', async () => {
    await admin();
    const field = await newField({ record: 'company' });
    const seen: unknown[] = [];
    const { body: company } = await app.call('POST', '/api/companies', { name: 'F', custom: { [field.key]: 'a' } });
    const subscription = app.foundation.events.subscribe(
      'custom_value.updated',
      async ({ key, data }) => {
        if (key === company.id) seen.push({ key, ...data });
      },
      { from: 'beginning' },
    );
    await app.call('PATCH', `/api/companies/${company.id}`, { custom: { [field.key]: 'b' } });
    await until(() => seen.length > 0);
    expect(seen[0]).toMatchObject({
      key: company.id,
      field_id: field.id,
      company_id: company.id,
      customer_id: null,
      deal_id: null,
      value: 'b',
    });
    await subscription.stop();
  });
});

test('a stage that was removed or renamed keeps, in the timeline, the name that it had when a deal was in it', async () => {
  await app.foundation.updateUser('maya', { role: 'admin' });
  const { body: pipeline } = await app.call('POST', '/api/pipelines', { name: `Stages ${++unique}` });
  const [first, second, won, lost] = pipeline.stages;
  const customer = await newCustomer();
  const body = { customer_id: customer.id, name: 'D', pipeline_id: pipeline.id };
  const { body: deal } = await app.call('POST', '/api/deals', body);
  await app.call('POST', `/api/deals/${deal.id}/move`, { stage_id: second.id });
  await recorded(customer, 3);
  const replaced = await app.call('PUT', `/api/pipelines/${pipeline.id}/stages`, {
    stages: [{ ...first, name: 'First' }, won, lost],
    move_to: { [second.id]: first.id },
  });
  expect(replaced.status).toBe(200);
  await recorded(customer, 4);
  expect((await timeline(customer)).map((entry) => entry.changes)).toEqual([
    [{ field: 'stage', old: 'Proposal', new: 'First' }],
    [{ field: 'stage', old: 'Qualified', new: 'Proposal' }],
    [],
  ]);
});

test('a change of a customer that was merged before history read it belongs to the survivor', async () => {
  const [loser, survivor] = [await newCustomer(), await newCustomer()];
  const owner = await app.database.connect('platform_migrator');
  await owner.query(`set role platform_owner; begin;
    update platform.customers set name = 'Erik the Red' where id = '${loser.id}';
    update platform.customers set merged_into = '${survivor.id}' where id = '${loser.id}'; commit`);
  await recorded(survivor, 2);
  const rows = await app.foundation.query(
    `select data -> 'name' as name from crm.changes where customer_id = $1 and change = 'edited'`,
    [survivor.id],
  );
  expect(rows).toEqual([{ name: 'Erik the Red' }]);
});

test('a change of a customer that was erased before history read it is left out and delays no other change', async () => {
  const erased = await newCustomer();
  await recorded(erased, 1);
  const owner = await app.database.connect('platform_migrator');
  await owner.query(`set role platform_owner; begin;
    update platform.customers set name = 'Erik the Red' where id = '${erased.id}';
    update platform.customers set erased_at = now() where id = '${erased.id}'; commit`);
  await recorded(await newCustomer(), 1);
  const rows = await app.foundation.query('select from crm.changes where customer_id = $1', [erased.id]);
  expect(rows).toHaveLength(1);
});

test('a second telephone number that is added or removed appears in the timeline, and the primary one as a field', async () => {
  const customer = await newCustomer();
  await app.foundation.addPhone(customer.id, '+49 30 1234567');
  const { phoneId } = await app.foundation.addPhone(customer.id, '+49 170 2222222');
  await app.foundation.removePhone(customer.id, phoneId);
  const change = (field: string, old: string | null, now: string | null) => ({
    kind: 'field',
    changes: [{ field, old, new: now }],
  });
  const told = [
    change('phone_number', '+49 170 2222222', null),
    change('phone_number', null, '+49 170 2222222'),
    change('phone', null, '+49 30 1234567'),
  ];
  await expect.poll(() => timeline(customer)).toMatchObject(told);
});

test('a tag that is given and taken away appears in the timeline', async () => {
  const customer = await newCustomer();
  const { body: tag } = await app.call('POST', '/api/tags', { name: 'In the timeline' });
  await app.call('POST', `/api/customers/${customer.id}/tags`, { tag_id: tag.id });
  await app.call('DELETE', `/api/customers/${customer.id}/tags/${tag.id}`);
  const told = [
    { kind: 'field', changes: [{ field: 'tag', old: 'In the timeline', new: null }] },
    { kind: 'field', changes: [{ field: 'tag', old: null, new: 'In the timeline' }] },
  ];
  await expect.poll(() => timeline(customer)).toMatchObject(told);
});

test('a customer who lost the only address and got another one has no trace of the mark between the two', async () => {
  const customer = await newCustomer();
  await app.support.proveAddress({ email: customer.email, name: 'Joan Miller' });
  const email = `now.${customer.email}`;
  await app.foundation.updateCustomer(customer.id, { email });
  const change = (old: string, now: string) => ({ kind: 'field', changes: [{ field: 'email', old, new: now }] });
  await expect
    .poll(async () =>
      (await timeline(customer)).filter(
        (entry: { changes?: { field: string }[] }) => entry.changes?.[0]?.field === 'email',
      ),
    )
    .toMatchObject([change('no address', email), change(customer.email, 'no address')]);
  expect(JSON.stringify(await timeline(customer))).not.toContain('unknown.invalid');
});

test('an address that is added, removed or verified appears in the timeline', async () => {
  const customer = await newCustomer();
  const { addressId } = await app.foundation.addAddress(customer.id, 'second.one@example.com');
  await app.foundation.removeAddress(customer.id, addressId);
  await app.support.proveAddress({ email: customer.email, name: 'Erik' });
  const change = (old: string | null, now: string | null) => ({
    kind: 'field',
    changes: [{ field: 'address', old, new: now }],
  });
  const told = [
    change(customer.email, `${customer.email}, verified`),
    change('second.one@example.com', null),
    change(null, 'second.one@example.com'),
  ];
  await expect.poll(() => timeline(customer)).toMatchObject(told);
});
