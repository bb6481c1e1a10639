import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { atEnd } from '@aether/database/testing';
import { until as untilSo } from '@aether/database/testing.scope';
import { startSync } from '@aether/sync';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestSupport, type TestSupport } from '../testing.ts';
import { visit } from '../visitors/testing.visitor.ts';

let app: TestSupport;
let asPriya: TestSupport['call'];
beforeAll(async () => {
  app = await startTestSupport();
  asPriya = app.callAs('priya');
  const worker = await startSync({ variables: { PLATFORM_DB_URL: app.database.url('sync_app') } });
  atEnd(worker.close);
});

/** Foundation wins a deal of this customer and raises the tier, as its server does. */
async function winDeal(customerId: string, name: string, tier: string) {
  await app.foundation.transaction({ actor: 'maya' }, async (tx) => {
    const [stage] = await tx.query<{ id: number; pipeline_id: number }>(
      `with p as (insert into crm.pipelines (name) values ($1) returning id)
       insert into crm.pipeline_stages (pipeline_id, name, position, outcome, probability_percent) select id, 'Won', 0, 'won', 100 from p
         returning id, pipeline_id`,
      [`Pipeline of ${name}`],
    );
    const [open] = await tx.query<{ id: number }>(
      `insert into crm.pipeline_stages (pipeline_id, name, position, outcome, probability_percent) values ($1, 'Open', 1, 'open', 50)
        returning id`,
      [stage?.pipeline_id],
    );
    const [deal] = await tx.query<{ id: number }>(
      `insert into crm.deals (customer_id, pipeline_id, stage_id, name, amount, currency) values ($1, $2, $3, $4, 100, 'EUR') returning id`,
      [customerId, stage?.pipeline_id, open?.id, name],
    );
    await tx.query(`insert into crm.deal_closings (deal_id, outcome, given_tier) values ($1, 'won', $2)`, [
      deal?.id,
      tier,
    ]);
  });
}

const panelOf = async (id: string) => (await asPriya('GET', `/api/sessions/${id}/context`)).body;
/** Settles once the log has the change. */
async function until<Value>(read: () => Promise<Value>, isSo: (value: Value) => boolean): Promise<Value> {
  const { value } = await untilSo(async () => {
    const value = await read();
    return isSo(value) && { value };
  });
  return value;
}

describe('the panel beside a conversation', () => {
  test('shows the customer, the CRM’s data and the past conversations', async () => {
    const company = await app.foundation.createCompany({ name: 'Acme', domain: 'acme.example' });
    const known = await app.foundation.createCustomer({
      email: 'wile@acme.example',
      name: 'Wile Coyote',
      company_id: company.id,
      account_manager_id: 'maya',
      phone: '+49 89 5551234',
    });
    await app.foundation.addPhone(known.id, '+49 170 5551234');
    const past = await visit(app, { email: 'wile@acme.example' });
    await past.say('The rocket failed');
    await asPriya('POST', `/api/sessions/${past.id}/end`, { resolved: true });
    const { body: called } = await asPriya('POST', '/api/calls', {
      ...{ client_id: 'c1', direction: 'inbound', number: '+49895551234', outcome: 'resolved' },
      ...{ started_at: new Date().toISOString(), duration_seconds: 5 },
    });
    const now = await visit(app, { email: 'wile@acme.example' });
    await now.say('Again');
    const panel = await panelOf(now.id);
    expect(panel).toMatchObject({
      identity: 'claimed',
      customer: { id: known.id, name: 'Wile Coyote' },
      phones: [{ phone: '+49 89 5551234', is_primary: true }, { phone: '+49 170 5551234' }],
      company: { name: 'Acme' },
      crm: { open_deals: 0, account_manager_name: 'Maya Okafor' },
      partial: false,
      sessions: [{ id: past.id, resolved: true, summary: 'The rocket failed' }],
      calls: [{ id: called.call.id }],
    });
    expect(panel.recent.map(({ type, name }: { type: string; name: string | null }) => [type, name])).toEqual([
      ['support_call', 'Priya Nair'],
      ['support_chat', 'Priya Nair'],
    ]);
  });

  test('shows since when the tier holds, its author, and the deal that gave it', async () => {
    const visitor = await visit(app, { email: 'gold@acme.example' });
    const customer = await app.foundation.getCustomerByEmail('gold@acme.example');
    expect((await panelOf(visitor.id)).tier).toBeNull();
    await winDeal(customer?.id as string, 'Acme renewal', 'premium');
    const { tier } = await until(
      () => panelOf(visitor.id),
      (panel) => panel.tier !== null,
    );
    expect(tier).toMatchObject({
      value: 'premium',
      deal: { name: 'Acme renewal' },
      by: { app: 'foundation', name: 'Maya Okafor' },
      event: { previous: null },
    });
    expect(tier.event.position).toBeGreaterThan(0);
    expect(Date.parse(tier.event.numbered_at)).toBeGreaterThanOrEqual(Date.parse(tier.event.occurred_at));
  });

  test('names no deal for a tier that a person set by hand', async () => {
    const visitor = await visit(app, { email: 'hand@acme.example' });
    const customer = await app.foundation.getCustomerByEmail('hand@acme.example');
    await app.foundation.updateCustomer(customer?.id as string, { account_tier: 'premium' }, { actor: 'maya' });
    const { tier } = await until(
      () => panelOf(visitor.id),
      (panel) => panel.tier !== null,
    );
    expect(tier).toMatchObject({ value: 'premium', deal: null });
  });

  test('of a visitor who has not given an address is empty', async () => {
    await app.support.query(`update support.widgets set settings = '{"ask":"never"}' where key = 'test-widget'`);
    const opened = await app.callAnonymously('POST', '/api/widgets/test-widget/sessions', {});
    expect(opened.status).toBe(201);
    expect(await panelOf(opened.body.session_id)).toMatchObject({
      customer: null,
      crm: null,
      tier: null,
      sessions: [],
    });
  });

  test('over HTTP shows the CRM’s data from Foundation, and reads none of it from this database', async () => {
    const visitor = await visit(app, { email: 'remote@acme.example' });
    const customer = await app.foundation.getCustomerByEmail('remote@acme.example');
    const id = customer?.id as string;
    await winDeal(id, 'Remote renewal', 'enterprise');
    await until(
      () => panelOf(visitor.id),
      ({ tier }) => tier !== null,
    );
    const crm = {
      account_manager_name: null,
      open_deals: 0,
      open_deals_value: {},
      deals_of_others: 0,
      last_activity: null,
    };
    const call = { type: 'call', occurred_at: '2026-03-01T10:00:00.000Z', app: 'foundation', name: 'Maya' };
    let isBroken = false;
    const asked: string[] = [];
    const foundation = createServer(({ url }, response) => {
      asked.push(url ?? '');
      if (isBroken && asked.length % 2 === 0) return response.writeHead(500).end();
      return response.end(JSON.stringify({ customer: { id }, crm, recent: [call] }));
    });
    foundation.listen(0, '127.0.0.1');
    await once(foundation, 'listening');
    atEnd(async () => foundation.close());
    const { port } = foundation.address() as AddressInfo;
    const ask = await app.startAnother({ FOUNDATION_API_URL: `http://127.0.0.1:${port}` });
    const panel = async () => (await ask('GET', `/api/sessions/${visitor.id}/context`)).body;
    expect(await panel()).toMatchObject({
      ...{ partial: false, reason: null, crm, tier: { value: 'enterprise', deal: null } },
      recent: [call],
    });
    expect(new Set(asked)).toEqual(new Set([`/api/customers/${id}/context`]));
    isBroken = true;
    const partial = await panel();
    expect(partial).toMatchObject({ partial: true, crm, recent: [] });
    expect(partial.reason).toMatch(/could not be asked/);
  });

  test('without Foundation says so, and shows Support’s own data', async () => {
    const call = await app.startAnother({ FOUNDATION_API_URL: 'http://127.0.0.1:9' });
    const visitor = await visit(app, { email: 'partial@acme.example', name: 'Part' });
    const { body } = await call('GET', `/api/sessions/${visitor.id}/context`);
    expect(body).toMatchObject({ partial: true, crm: null, customer: { email: 'partial@acme.example' } });
    expect(body.reason).toContain('Foundation');
  });
});

describe('a customer’s Support fields', () => {
  test('are changed here under the version that the agent saw, and a field of Foundation’s is refused', async () => {
    const { id, version } = await app.foundation.createCustomer({ email: 'own@acme.example', name: 'Own' });
    const change = (body: object) => asPriya('PATCH', `/api/customers/${id}`, { expected_version: version, ...body });
    expect((await change({ preferred_language: 'pt-BR', timezone: 'Europe/Lisbon' })).body.customer).toMatchObject({
      preferred_language: 'pt-BR',
      timezone: 'Europe/Lisbon',
      version: version + 1,
    });
    expect(await change({ timezone: 'UTC' })).toMatchObject({
      status: 409,
      body: { code: 'customer-version-conflict', actual: version + 1 },
    });
    expect((await change({ account_tier: 'premium' })).status).toBe(422);
  });

  test.each([
    ['preferred_language', 'not a language'],
    ['timezone', 'Mars/Base'],
  ])('refuse a %s that does not exist', async (field, value) => {
    const { id, version } = await app.foundation.createCustomer({ email: `${field}@acme.example`, name: 'Own' });
    expect(await asPriya('PATCH', `/api/customers/${id}`, { [field]: value, expected_version: version })).toMatchObject(
      { status: 422, body: { errors: [{ field }] } },
    );
  });
});

test('the palette finds open conversations by the name that visitors gave, and customers', async () => {
  const visitor = await visit(app, { email: 'zelda@find.example', name: 'Zelda Findable' });
  await visitor.say('hello');
  const byNumber = await asPriya('GET', '/api/search?q=0170%205551234');
  expect(byNumber.body.customers).toMatchObject([{ name: 'Wile Coyote' }]);
  const { body } = await asPriya('GET', '/api/search?q=zelda%20find');
  expect(body.sessions.map(({ id }: { id: string }) => id)).toEqual([visitor.id]);
  expect(body.customers).toMatchObject([{ name: 'Zelda Findable' }]);
  await app.foundation.createCustomer({ name: 'ΟΔΥΣΣΕΥΣ', email: 'odysseus@find.example' });
  const greek = await asPriya('GET', `/api/search?q=${encodeURIComponent('ΟΔΥΣΣΕΥΣ')}`);
  expect(greek.body.customers).toMatchObject([{ name: 'ΟΔΥΣΣΕΥΣ' }]);
  expect((await asPriya('GET', '/api/search?q=nobody%20at%20all')).body).toEqual({ sessions: [], customers: [] });
  const [older, newer] = [
    await app.foundation.createCustomer({ name: 'Ordered Twice', email: 'older@find.example' }),
    await app.foundation.createCustomer({ name: 'Ordered Twice', email: 'newer@find.example' }),
  ];
  await app.foundation.updateCustomer(older.id, { phone: '+49 30 1234599' });
  const { customers } = (await asPriya('GET', '/api/search?q=ordered%20twice')).body;
  expect(customers.map(({ id }: { id: string }) => id)).toEqual([newer.id, older.id]);
});
