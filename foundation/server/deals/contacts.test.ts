import { atEnd, untilSomebodyWaits } from '@aether/database/testing';
import type { Customer } from '@aether/platform';
import { startSync } from '@aether/sync';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

type Entry = { kind: string; type?: string; change?: string; contact?: { name: string }; customer?: { name: string } };

let app: TestFoundation;
let steward: pg.Client;
let unique = 0;
const startWorker = () => startSync({ variables: { PLATFORM_DB_URL: app.database.url('sync_app') } });
let worker: Awaited<ReturnType<typeof startWorker>>;
beforeAll(async () => {
  app = await startTestFoundation();
  worker = await startWorker();
  atEnd(() => worker.close());
  await app.foundation.updateUser('maya', { role: 'admin' });
  steward = await app.database.connect('sync_app');
  await steward.query(`select set_config('aether.actor', 'maya', false)`);
});

const newCustomer = (name: string, more: { account_tier?: string } = {}): Promise<Customer> =>
  app.foundation.createCustomer({ name, email: `contact${++unique}@example.com`, ...more });
const newDeal = async ({ id }: Customer, name = 'Roof') =>
  (await app.call('POST', '/api/deals', { customer_id: id, name, amount: 10 })).body;
const put = (deal: number, { id }: Customer, body: Record<string, unknown> = {}) =>
  app.call('PUT', `/api/deals/${deal}/contacts/${id}`, body);
const remove = (deal: number, { id }: Customer) => app.call('DELETE', `/api/deals/${deal}/contacts/${id}`);
const makePrimary = (deal: number, { id }: Customer, expected_version?: number) =>
  app.call('POST', `/api/deals/${deal}/primary`, { customer_id: id, expected_version });
const contacts = async (deal: number): Promise<[string, string | null, boolean][]> =>
  (await app.call('GET', `/api/deals/${deal}/contacts`)).body.contacts.map(
    (each: { customer: { name: string }; role: string | null; is_primary: boolean }) => [
      each.customer.name,
      each.role,
      each.is_primary,
    ],
  );
const timeline = async ({ id }: Customer, query = ''): Promise<Entry[]> =>
  (await app.call('GET', `/api/customers/${id}/timeline?${query}`)).body.entries;
const said = (entries: Entry[]) =>
  entries.map(({ change, type, contact, customer }) =>
    [change ?? type, contact?.name, customer && `of ${customer.name}`].filter(Boolean).join(' '),
  );
const mergeInto = async (survivor: Customer, loser: Customer): Promise<string> =>
  (await steward.query('select platform.merge_customers($1, $2) as answer', [survivor.id, [loser.id]])).rows[0].answer
    .merges[0].merge;

describe('the contacts of a deal', () => {
  test('are its customer and others with their parts, which are added, changed and removed without a new version', async () => {
    const [ada, bea, cleo] = [await newCustomer('Ada'), await newCustomer('Bea'), await newCustomer('Cleo')];
    const deal = await newDeal(ada);
    expect(await contacts(deal.id)).toEqual([['Ada', null, true]]);
    await put(deal.id, bea, { role: 'Decision maker' });
    await Promise.all([put(deal.id, cleo), put(deal.id, cleo)]);
    await put(deal.id, ada, { role: 'Buyer' });
    expect((await put(deal.id, bea)).body.contacts).toHaveLength(3);
    expect(await contacts(deal.id)).toEqual([
      ['Ada', 'Buyer', true],
      ['Bea', 'Decision maker', false],
      ['Cleo', null, false],
    ]);
    await put(deal.id, bea, { role: null });
    expect((await remove(deal.id, cleo)).status).toBe(200);
    expect((await remove(deal.id, cleo)).status).toBe(200);
    expect(await contacts(deal.id)).toEqual([
      ['Ada', 'Buyer', true],
      ['Bea', null, false],
    ]);
    const { body } = await app.call('GET', `/api/deals/${deal.id}`);
    expect(body).toMatchObject({ version: deal.version, contacts: [{ id: bea.id, name: 'Bea', role: null }] });
    const found = async (query: string) =>
      (await app.call('GET', `/api/deals?${query}`)).body.deals.map(({ id }: { id: number }) => id);
    expect(await found(`contact_id=${bea.id}`)).toEqual([deal.id]);
    expect(await found(`contact_id=${ada.id}`)).toEqual([deal.id]);
    expect(await found(`customer_id=${bea.id}`)).toEqual([]);
  });

  test('refuse the removal of the primary one, somebody unknown, an erased one, and more than fifty', async () => {
    const ada = await newCustomer('Ada');
    const deal = await newDeal(ada);
    expect(await remove(deal.id, ada)).toMatchObject({ status: 409, body: { code: 'primary-contact' } });
    expect(await put(deal.id, { id: '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b' } as Customer)).toMatchObject({
      status: 404,
    });
    expect(await put(999_999, ada)).toMatchObject({ status: 404 });
    expect(await put(deal.id, ada, { role: 'x'.repeat(81) })).toMatchObject({ status: 422 });
    const gone = await newCustomer('Gone');
    const superuser = await app.database.connect('postgres');
    await superuser.query('update platform.customers set erased_at = now() where id = $1', [gone.id]);
    expect(await put(deal.id, gone)).toMatchObject({ status: 410, body: { code: 'customer-erased' } });
    await app.foundation.query(
      `with people as (
         insert into platform.customers (email, name)
         select 'crowd' || n || '@example.com', 'Crowd' from generate_series(1, 49) n returning id)
       insert into crm.deal_contacts (deal_id, customer_id) select $1, id from people`,
      [deal.id],
    );
    expect(await put(deal.id, await newCustomer('Late'))).toMatchObject({ status: 422 });
    expect((await app.callWith('deals.read')('PUT', `/api/deals/${deal.id}/contacts/${ada.id}`, {})).status).toBe(403);
  });

  test('have another primary one on request: the deal and its history are theirs, and the former one stays a contact', async () => {
    const [ada, bea] = [await newCustomer('Ada'), await newCustomer('Bea')];
    const deal = await newDeal(ada);
    await put(deal.id, bea, { role: 'Pays' });
    await expect.poll(async () => said(await timeline(ada))).toEqual(['created']);
    expect(await makePrimary(deal.id, bea, deal.version + 1)).toMatchObject({ status: 409 });
    const { body } = await makePrimary(deal.id, bea, deal.version);
    expect(body).toMatchObject({ customer: { id: bea.id }, version: deal.version + 1, contacts: [{ id: ada.id }] });
    expect(await contacts(deal.id)).toEqual([
      ['Bea', 'Pays', true],
      ['Ada', null, false],
    ]);
    expect((await makePrimary(deal.id, bea, body.version)).body.version).toBe(body.version);
    await expect.poll(async () => said(await timeline(bea))).toEqual(['edited', 'contact_added Bea', 'created']);
    const [handed] = (await app.call('GET', `/api/customers/${bea.id}/timeline`)).body.entries;
    expect(handed.changes).toEqual([{ field: 'customer', old: 'Ada', new: 'Bea' }]);
    // Ada stays in the deal: nobody came.
    expect(said(await timeline(ada))).toEqual(['edited', 'created']);
    const rows = await app.foundation.query<{ customer_id: string }>(
      `select distinct customer_id from crm.changes where deal_id = $1 and change not like 'contact%'`,
      [deal.id],
    );
    expect(rows).toEqual([{ customer_id: bea.id }]);
  });

  test('have another primary one when theirs was erased, who is no contact any more', async () => {
    const [ada, bea] = [await newCustomer('Ada'), await newCustomer('Bea')];
    const deal = await newDeal(ada);
    await put(deal.id, bea, { role: 'Pays' });
    const privacy = await app.database.connect('privacy_app');
    await privacy.query(`set aether.actor = 'maya'`);
    await privacy.query(`select platform.erase_customer($1, 'request 1')`, [ada.id]);
    expect(await makePrimary(deal.id, bea)).toMatchObject({ status: 200, body: { customer: { id: bea.id } } });
    expect(await contacts(deal.id)).toEqual([['Bea', 'Pays', true]]);
  });

  test('keep their tiers when a deal is opened again that was closed with another primary one', async () => {
    const ada = await newCustomer('Ada', { account_tier: 'standard' });
    const bea = await newCustomer('Bea', { account_tier: 'premium' });
    const deal = await newDeal(ada);
    await app.call('POST', `/api/deals/${deal.id}/close`, { outcome: 'won', tier: 'premium' });
    await makePrimary(deal.id, bea);
    const reopening = { stage_id: deal.stage_id, restore_tier: true };
    expect(await app.call('POST', `/api/deals/${deal.id}/reopen`, reopening)).toMatchObject({
      status: 200,
      body: { account_tier: 'premium', tier_stays: { reason: 'changed' } },
    });
    for (const { id } of [ada, bea])
      expect(await app.foundation.getCustomerById(id)).toMatchObject({ account_tier: 'premium' });
  });

  test('hand over a change that is written down only while another one becomes primary', async () => {
    const [ada, bea] = [await newCustomer('Ada'), await newCustomer('Bea')];
    const deal = await newDeal(ada);
    await put(deal.id, bea);
    await expect.poll(async () => said(await timeline(bea))).toEqual(['contact_added Bea', 'created']);
    await worker.close();
    await app.call('PATCH', `/api/deals/${deal.id}`, { name: 'Renamed' });
    const rival = await app.database.connect('foundation_app');
    await rival.query('begin');
    await rival.query('select from crm.deals where id = $1 for update', [deal.id]);
    await rival.query('insert into crm.deal_contacts (deal_id, customer_id) values ($1, $2)', [deal.id, ada.id]);
    await rival.query('update crm.deals set customer_id = $2 where id = $1', [deal.id, bea.id]);
    worker = await startWorker();
    await untilSomebodyWaits(rival);
    await rival.query('commit');
    await expect.poll(async () => said(await timeline(ada))).toEqual(['edited', 'edited', 'created']);
    expect(said(await timeline(bea))).toEqual(['edited', 'edited', 'contact_added Bea', 'created']);
  });

  test('have the changes of the deal in their timelines while they are in it, and each that they came and went', async () => {
    const [ada, bea, cleo] = [await newCustomer('Ada'), await newCustomer('Bea'), await newCustomer('Cleo')];
    const deal = await newDeal(ada);
    await put(deal.id, bea, { role: 'Pays' });
    await put(deal.id, cleo);
    await put(deal.id, ada, { role: 'Buys' });
    await app.call('POST', `/api/customers/${bea.id}/activities`, {
      ...{ type: 'note', description: 'About the roof', deal_id: deal.id },
    });
    await app.call('POST', `/api/deals/${deal.id}/close`, { outcome: 'won' });
    await expect
      .poll(async () => said(await timeline(bea)).sort())
      .toEqual(['contact_added Bea', 'created', 'note', 'won']);
    expect(said(await timeline(cleo)).sort()).toEqual(['contact_added Cleo', 'created', 'won']);
    expect(said(await timeline(ada))).toEqual(['deal_won', 'contact_changed Ada', 'created']);
    const ofDeal = [
      'deal_won',
      'note of Bea',
      'contact_changed Ada',
      'contact_added Cleo of Cleo',
      'contact_added Bea of Bea',
      'created',
    ];
    expect(said(await timeline(ada, `deal=${deal.id}`))).toEqual(ofDeal);
    expect(said(await timeline(cleo, `kind=activity&deal=${deal.id}`))).toEqual(['deal_won of Ada', 'note of Bea']);
    const { body } = await app.callWith('activities.read')(
      'GET',
      `/api/customers/${cleo.id}/timeline?kind=deal&limit=1`,
    );
    expect(body.entries[0]).not.toHaveProperty('customer');
    await remove(deal.id, bea);
    await expect
      .poll(async () => said(await timeline(bea)))
      .toEqual(['contact_removed Bea', 'note', 'contact_added Bea']);
    const strangers = await timeline(await newCustomer('Stranger'), `deal=${deal.id}`);
    expect(strangers).toEqual([]);
  });

  test('who become one are in the deal once, and an unmerge gives both back, also the part of the one that was primary', async () => {
    const [ada, bea, twin] = [await newCustomer('Ada'), await newCustomer('Bea'), await newCustomer('Bea')];
    const [deal, own] = [await newDeal(ada), await newDeal(twin, 'Own')];
    await put(deal.id, bea, { role: 'Pays' });
    await put(deal.id, twin, { role: 'Decides' });
    await put(own.id, bea, { role: 'Uses it' });
    const merge = await mergeInto(bea, twin);
    expect(await contacts(deal.id)).toEqual([
      ['Ada', null, true],
      ['Bea', 'Pays', false],
    ]);
    expect(await contacts(own.id)).toEqual([['Bea', 'Uses it', true]]);
    expect((await app.call('GET', `/api/deals/${own.id}`)).body.contacts).toEqual([]);
    await steward.query('select platform.unmerge_customers($1)', [merge]);
    const rows = await app.foundation.query(
      'select deal_id, customer_id, role from crm.deal_contacts where deal_id = any ($1) order by deal_id, role',
      [[deal.id, own.id]],
    );
    expect(rows).toEqual([
      { deal_id: deal.id, customer_id: twin.id, role: 'Decides' },
      { deal_id: deal.id, customer_id: bea.id, role: 'Pays' },
      { deal_id: own.id, customer_id: bea.id, role: 'Uses it' },
    ]);
    expect((await app.call('GET', `/api/deals/${own.id}`)).body.customer.id).toBe(twin.id);
  });

  test('keep a deal that was handed on after a merge: an unmerge leaves it with the new primary one', async () => {
    const [ada, bea, twin] = [await newCustomer('Ada'), await newCustomer('Bea'), await newCustomer('Bea')];
    const deal = await newDeal(twin);
    const merge = await mergeInto(bea, twin);
    await makePrimary(deal.id, ada);
    await makePrimary(deal.id, bea);
    await steward.query('select platform.unmerge_customers($1)', [merge]);
    expect((await app.call('GET', `/api/deals/${deal.id}`)).body.customer.id).toBe(bea.id);
  });
});
