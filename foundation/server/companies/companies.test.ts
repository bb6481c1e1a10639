import { atEnd } from '@aether/database/testing';
import { openCsv } from '@aether/http/testing.csv';
import type { Customer } from '@aether/platform';
import { startSync } from '@aether/sync';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

type Entry = {
  id: string;
  kind: string;
  type?: string;
  change?: string;
  customer: { id: string; name: string };
  changes?: { field: string; old: unknown; new: unknown }[];
};

let app: TestFoundation;
let unique = 0;
beforeAll(async () => {
  app = await startTestFoundation();
  const worker = await startSync({ variables: { PLATFORM_DB_URL: app.database.url('sync_app') } });
  atEnd(() => worker.close());
});

const newCompany = () => app.foundation.createCompany({ name: `House ${++unique}` });
const newCustomer = (name: string, company_id?: string): Promise<Customer> =>
  app.foundation.createCustomer({ name, email: `person${++unique}@example.com`, company_id });
const note = async ({ id }: { id: string }, description: string, occurred_at?: string) =>
  (await app.call('POST', `/api/customers/${id}/activities`, { type: 'note', description, occurred_at })).body;
const timeline = async ({ id }: { id: string }, query = '') =>
  (await app.call('GET', `/api/companies/${id}/timeline?${query}`)).body as {
    entries: Entry[];
    next_cursor: string | null;
  };
/** Reads a company's timeline to its end, in pages of this size. */
const readAll = async (company: { id: string }, limit: number, query = ''): Promise<Entry[]> => {
  const entries: Entry[] = [];
  for (let cursor = ''; ; ) {
    const page = await timeline(company, `limit=${limit}&${query}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    entries.push(...page.entries);
    if (page.next_cursor === null) return entries;
    cursor = page.next_cursor;
  }
};

describe('the timeline of a company', () => {
  test('is that of all its customers in one, in every size of pages, and each entry names its customer', async () => {
    const company = await newCompany();
    const [ada, bea, cleo] = await Promise.all(['Ada', 'Bea', 'Cleo'].map((name) => newCustomer(name, company.id)));
    const stranger = await newCustomer('Stranger');
    await app.foundation.query(
      `insert into crm.activities (customer_id, type, description, occurred_at)
       select c, 'note', 'Note ' || n, '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 minute'
       from unnest($1::uuid[]) with ordinality as each (c, place), generate_series(1, 12) n where n % place = 0 or place = 4`,
      [[ada?.id, bea?.id, cleo?.id, stranger.id]],
    );
    const expected = await app.foundation.query<{ id: string; customer: string }>(
      `select id, customer_id as customer from crm.activities where customer_id = any ($1) order by occurred_at desc, id desc`,
      [[ada?.id, bea?.id, cleo?.id]],
    );
    expect(expected).toHaveLength(12 + 6 + 4);
    for (const limit of [1, 3, 7, 200]) {
      const entries = await readAll(company, limit, 'kind=activity');
      expect(entries.map(({ id, customer }) => ({ id, customer: customer.id }))).toEqual(expected);
    }
    const [newest] = (await timeline(company, 'limit=1&until=2026-01-01T00:13:00Z&kind=activity')).entries;
    expect(['Ada', 'Bea', 'Cleo']).toContain(newest?.customer.name);
    expect(newest).not.toHaveProperty('place');
    const { body } = await app.callWith('activities.read')('GET', `/api/companies/${company.id}/timeline?limit=1`);
    expect(body.entries[0].customer).toEqual({ id: expect.any(String), name: null });
  });

  test('shows changes of customers and deals beside what was written, and is filtered as a customer’s is', async () => {
    const company = await newCompany();
    const ada = await newCustomer('Ada', company.id);
    const bea = await newCustomer('Bea', company.id);
    await note(ada, 'Called about the renewal');
    const deal = (await app.call('POST', '/api/deals', { customer_id: bea.id, name: 'Renewal', amount: 10 })).body;
    await app.call('POST', `/api/deals/${deal.id}/close`, { outcome: 'won' });
    await app.call('PATCH', `/api/customers/${ada.id}`, { name: 'Ada King' });
    await expect.poll(async () => (await timeline(company)).entries.length).toBe(4);
    const { entries } = await timeline(company);
    expect(entries.map((entry) => [entry.change ?? entry.type ?? entry.kind, entry.customer.name])).toEqual([
      ['field', 'Ada King'],
      ['deal_won', 'Bea'],
      ['created', 'Bea'],
      ['note', 'Ada King'],
    ]);
    const kinds = async (query: string) => (await timeline(company, query)).entries.map(({ kind }) => kind);
    expect(await kinds('type=note')).toEqual(['activity']);
    expect(await kinds('kind=deal')).toEqual(['deal', 'deal']);
    expect(await kinds('kind=field,activity&person=maya')).toEqual(['field', 'activity', 'activity']);
    expect(await kinds('app=support')).toEqual([]);
    expect(await kinds('since=2099-01-01T00:00:00Z')).toEqual([]);
    expect(await app.call('GET', `/api/companies/${company.id}/timeline?deal=1`)).toMatchObject({ status: 422 });
  });

  test('has nobody who left, was merged or belongs to another company, and is refused for none', async () => {
    const [company, other] = [await newCompany(), await newCompany()];
    const [left, loser, survivor] = [
      await newCustomer('Left', company.id),
      await newCustomer('Loser', company.id),
      await newCustomer('Survivor', other.id),
    ];
    for (const each of [left, loser, survivor]) await note(each, `Of ${each.name}`);
    const names = async (of: { id: string }) =>
      (await timeline(of, 'kind=activity')).entries.map(({ customer }) => customer.name);
    expect((await names(company)).sort()).toEqual(['Left', 'Loser']);
    await app.foundation.updateCustomer(left.id, { company_id: null });
    const superuser = await app.database.connect('postgres');
    await superuser.query(`update platform.customers set merged_into = $2 where id = $1`, [loser.id, survivor.id]);
    expect(await names(company)).toEqual([]);
    expect(await names(other)).toContain('Survivor');
    const unknown = '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b';
    expect(await app.call('GET', `/api/companies/${unknown}/timeline`)).toMatchObject({ status: 404 });
    const machine = app.callWith('companies.read', 'customers.read');
    expect(await machine('GET', `/api/companies/${company.id}/timeline`)).toMatchObject({
      status: 403,
      body: { code: 'token-lacks-scope' },
    });
  });
});

describe('the page of a company', () => {
  test('has what is written on the company itself and who looks after it, and a customer’s timeline has none of it', async () => {
    const company = await newCompany();
    const ada = await newCustomer('Ada', company.id);
    await app.foundation.signInUser({
      ...{ subject: 'tom', email: 'tom@aether.example', name: 'Tom', tenantId: 'test-tenant', objectId: 'tom' },
    });
    const path = `/api/companies/${company.id}/activities`;
    const write = (body: object, call = app.call) => call('POST', path, { type: 'note', ...body });
    const first = await write({ description: 'Fjordside <@tom> renewal', client_id: 'company-1' });
    expect(first).toMatchObject({
      status: 201,
      body: { company_id: company.id, type: 'note', actor: { id: 'maya' }, mentions: [{ id: 'tom', name: 'Tom' }] },
    });
    expect((await write({ description: 'Fjordside <@tom> renewal', client_id: 'company-1' })).body.id).toBe(
      first.body.id,
    );
    await app.call('PATCH', `/api/companies/${company.id}`, { owner_id: 'tom' });
    await note(ada, 'Of Ada');
    await expect.poll(async () => (await timeline(company)).entries.length).toBe(3);
    const { entries } = await timeline(company);
    expect(entries.map(({ type, kind, customer }) => [type ?? kind, customer?.name])).toEqual([
      ['note', 'Ada'],
      ['field', undefined],
      ['note', undefined],
    ]);
    expect(entries[1]).toMatchObject({ customer: null, changes: [{ field: 'owner', old: null, new: 'Tom' }] });
    expect(await readAll(company, 1)).toEqual(entries);
    expect((await app.call('GET', `/api/customers/${ada.id}/timeline`)).body.entries).toHaveLength(1);
    // It is found by its words, and leads the person who is mentioned to the company, whose colleague edits only their own.
    expect((await app.call('GET', '/api/search/text?q=fjordside')).body).toMatchObject({
      results: [{ id: first.body.id, kind: 'note', customer: null, company: { id: company.id } }],
    });
    const tom = app.callAs('tom');
    const told = (await tom('GET', '/api/notices')).body.notices;
    expect(told).toContainEqual(
      expect.objectContaining({
        ...{ kind: 'mention', record: 'company', record_id: company.id, name: company.name },
        ...{ text: 'Fjordside <@tom> renewal', customer: null },
      }),
    );
    expect(await tom('PATCH', `/api/activities/${first.body.id}`, { description: 'His' })).toMatchObject({
      status: 403,
    });
    expect((await app.call('PATCH', `/api/activities/${first.body.id}`, { description: 'Edited' })).status).toBe(200);
    const move = { customer_id: ada.id, reason: 'Of her' };
    expect(await app.call('POST', `/api/activities/${first.body.id}/moves`, move)).toMatchObject({ status: 404 });
    for (const wrong of [{ type: 'task' }, { deal_id: 1 }, { description: ' ' }, { description: '<@nobody>' }])
      expect(await write({ description: 'x', ...wrong })).toMatchObject({ status: 422 });
    expect(await write({ description: 'x' }, app.callWith('activities.read'))).toMatchObject({ status: 403 });
    const log = await app.database.connect('postgres');
    const { rows } = await log.query(
      `select type, customer, data ->> 'company_id' as company from sync.events where key = $1 order by position`,
      [first.body.id],
    );
    expect(rows.map(({ type, ...of }) => [type, of])).toEqual([
      ['activity.created', { customer: null, company: company.id }],
      ['activity.updated', { customer: null, company: company.id }],
    ]);
  });

  test('sums its deals by what became of them and by currency, with as many decimals as that has', async () => {
    const company = await newCompany();
    const customer = await newCustomer('Buyer', company.id);
    const deal = async (amount: number, currency: string, outcome?: 'won' | 'lost') => {
      const made = await app.call('POST', '/api/deals', { customer_id: customer.id, name: 'Deal', amount, currency });
      if (outcome) await app.call('POST', `/api/deals/${made.body.id}/close`, { outcome });
    };
    await deal(0.1, 'EUR');
    await deal(0.2, 'EUR');
    await deal(1.005, 'KWD');
    await deal(700, 'JPY', 'won');
    await deal(5, 'EUR', 'lost');
    const path = `/api/companies/${company.id}/deal-sums`;
    expect((await app.call('GET', path)).body).toEqual({
      open: { count: 3, sums: { EUR: 0.3, KWD: 1.005 } },
      won: { count: 1, sums: { JPY: 700 } },
      won_since: { count: 1, sums: { JPY: 700 } },
      lost: { count: 1, sums: { EUR: 5 } },
    });
    const later = (await app.call('GET', `${path}?since=2999-01-01T00:00:00Z`)).body;
    expect(later).toMatchObject({ won: { count: 1 }, won_since: { count: 0, sums: {} } });
    const refused = await app.callWith('companies.read')('GET', path);
    expect(refused).toMatchObject({ status: 403, body: { code: 'token-lacks-scope' } });
    const list = (await app.call('GET', `/api/deals?company_id=${company.id}&status=open`)).body.deals;
    expect(list).toHaveLength(3);
  });

  test('lists its customers by name, with who looks after each and what was done last', async () => {
    const company = await newCompany();
    const [zoe, ada] = [await newCustomer('Zoe', company.id), await newCustomer('Ada', company.id)];
    await newCustomer('Stranger');
    await app.foundation.updateCustomer(zoe.id, { account_manager_id: 'maya' });
    await note(zoe, 'Older', '2026-01-01T00:00:00Z');
    await note(zoe, 'Newer', '2026-02-01T00:00:00Z');
    const path = `/api/companies/${company.id}/customers`;
    const { body } = await app.call('GET', path);
    expect(body.customers.map(({ name }: Customer) => name)).toEqual(['Ada', 'Zoe']);
    expect(body.customers[1].account_manager).toEqual({ id: 'maya', name: 'Maya Okafor' });
    expect(body.last_activities).toEqual({
      [zoe.id]: { type: 'note', occurred_at: '2026-02-01T00:00:00.000Z', app: 'foundation' },
    });
    const first = (await app.call('GET', `${path}?limit=1`)).body;
    const next = (await app.call('GET', `${path}?limit=1&cursor=${encodeURIComponent(first.next_cursor)}`)).body;
    expect([first.customers[0].id, next.customers[0].id, next.next_cursor]).toEqual([ada.id, zoe.id, null]);
    const machine = (await app.callWith('customers.read')('GET', path)).body;
    expect(machine.customers).toHaveLength(2);
    expect(machine).not.toHaveProperty('last_activities');
  });
});

describe('the list of companies', () => {
  test('finds by a rare word what is far behind its first page, by a frequent one page by page, and both together', async () => {
    await app.foundation.query(
      `insert into platform.companies (name, domain)
       select 'Crowd ' || n || case when n > 2995 then ' Zebra' else '' end, 'crowd' || n || '.example' from generate_series(1001, 3000) n
       union all select 'Crowd ' || n, null from generate_series(3001, 3100) n`,
    );
    const names = async (query: string) =>
      (await app.call('GET', `/api/companies?${query}`)).body.companies.map(({ name }: { name: string }) => name);
    const zebras = [2996, 2997, 2998, 2999, 3000].map((n) => `Crowd ${n} Zebra`);
    expect(await names('search=zebra')).toEqual(zebras);
    expect(await names('search=ZEBRA+crowd&sort=name&dir=desc')).toEqual(zebras.toReversed());
    expect(await names('search=crowd+crowd2998.ex')).toEqual(['Crowd 2998 Zebra']);
    expect(await names('search=crowd&limit=2')).toEqual(['Crowd 1001', 'Crowd 1002']);
    const all: string[] = [];
    for (let cursor = ''; ; ) {
      const { body } = await app.call('GET', `/api/companies?search=crowd&limit=200&sort=created${cursor}`);
      all.push(...body.companies.map(({ id }: { id: string }) => id));
      if (!body.next_cursor) break;
      cursor = `&cursor=${encodeURIComponent(body.next_cursor)}`;
    }
    expect(new Set(all).size).toBe(2_100);
    expect(all).toHaveLength(2_100);
    expect(await names('search=zebra+nobody')).toEqual([]);
    expect(await names('search=zebra+%26')).toEqual([]);
    await app.foundation.createCompany({ name: 'Zebra & Crowd' });
    expect(await names('search=zebra+%26+crowd')).toEqual(['Zebra & Crowd']);
    expect(await names('search=%26')).toContain('Zebra & Crowd');
    expect(await names('search=zebra&owner=maya')).toEqual([]);
  });
});

describe('the owner of a company', () => {
  const mine = async (query: string) =>
    (await app.call('GET', `/api/companies?${query}`)).body.companies.map(({ name }: { name: string }) => name);

  test('is given when a company is made or later, with an event; the list and its file are filtered by it', async () => {
    const { body: made } = await app.call('POST', '/api/companies', { name: `Owned ${++unique}`, owner_id: 'maya' });
    const other = await newCompany();
    expect(made.owner_id).toBe('maya');
    const shown = (await app.call('GET', `/api/companies/${made.id}`)).body;
    expect(shown.owner).toEqual({ id: 'maya', name: 'Maya Okafor' });
    expect(await mine('owner=maya')).toEqual([made.name]);
    expect(await mine(`owner=maya&search=${made.name.replace(' ', '+')}`)).toEqual([made.name]);
    expect(await mine(`owner=maya&search=Nobody`)).toEqual([]);
    expect(await mine('no_owner=true&sort=created')).toContain(other.name);
    expect(await mine('no_owner=true&sort=created')).not.toContain(made.name);
    const file = await fetch(`${app.url}/api/companies.csv?owner=maya`, { headers: await app.headersOf('maya') });
    expect(openCsv(await file.text())).toMatchObject([{ company: made.name, owner: 'maya@aether.example' }]);
    const free = (await app.call('PATCH', `/api/companies/${made.id}`, { owner_id: null, expected_version: 1 })).body;
    expect([free.owner_id, free.version]).toEqual([null, 2]);
    const superuser = await app.database.connect('postgres');
    const events = () =>
      superuser.query(`select actor, data, previous from sync.events where type = 'company.updated' and row_id = $1`, [
        made.id,
      ]);
    await expect
      .poll(async () => (await events()).rows)
      .toMatchObject([{ actor: 'maya', data: { owner_id: null }, previous: { owner_id: 'maya' } }]);
  });

  test('is somebody who is known, is given by Foundation alone, and of two who give at once the second is told', async () => {
    const { id } = await newCompany();
    const give = (owner_id: string, expected_version?: number) =>
      app.call('PATCH', `/api/companies/${id}`, { owner_id, expected_version });
    expect(await give('nobody')).toMatchObject({ status: 422, body: { code: 'reference-not-found' } });
    await expect(app.support.updateCompany(id, { owner_id: 'maya' })).rejects.toMatchObject({
      code: 'field-not-owned',
      fields: [{ field: 'owner_id', message: 'belongs to foundation' }],
    });
    expect(await app.callWith('companies.read')('PATCH', `/api/companies/${id}`, { owner_id: 'maya' })).toMatchObject({
      status: 403,
    });
    const both = await Promise.all([give('maya', 1), give('maya', 1)]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
  });
});

describe('a company and the domain of its people', () => {
  const propose = async (email: string) => (await app.call('POST', '/api/companies/proposed', { email })).body.company;
  const newcomers = async (id: string) => (await app.call('GET', `/api/companies/${id}/newcomers`)).body;

  test('is proposed for an address at its domain or below it, in every spelling, and for nobody else', async () => {
    const { id } = await app.foundation.createCompany({ name: 'Stadtwerke', domain: 'stadtwerke-münchen.de' });
    const company = { id, name: 'Stadtwerke', domain: 'xn--stadtwerke-mnchen-e3b.de' };
    for (const email of ['ada@Stadtwerke-München.de', 'b.c+d@mail.xn--stadtwerke-mnchen-e3b.de'])
      expect(await propose(email)).toEqual(company);
    const part = { name: 'Netz', domain: `netz.${company.domain}` };
    const below = await app.foundation.createCompany(part);
    expect(await propose(`ada@post.${part.domain}`)).toEqual({ id: below.id, ...part });
    for (const email of ['ada@nobody.example', 'ada', 'ada@', 'stadtwerke-münchen.de', 'a@b@', '@@@', 'ada@10.0.0.1'])
      expect(await propose(email)).toBeNull();
    expect(await app.call('POST', '/api/companies/proposed', {})).toMatchObject({ status: 422 });
    const refused = await app.callWith('customers.read')('POST', '/api/companies/proposed', { email: 'a@b.example' });
    expect(refused).toMatchObject({ status: 403, body: { code: 'token-lacks-scope' } });
  });

  test('may be there before a new one is made: it is found by its name without the legal form, and by its domain', async () => {
    const [light, energy] = await Promise.all([
      app.foundation.createCompany({ name: 'Fjordlight-Energy AS', domain: 'fjordlight.example' }),
      app.foundation.createCompany({ name: 'Fjordlight Energy of the North Ltd' }),
    ]);
    const similar = async (draft: Record<string, unknown>) =>
      (await app.call('POST', '/api/companies/similar', draft)).body.similar.map(
        ({ id, reasons }: { id: string; reasons: string[] }) => [id, ...reasons],
      );
    expect(await similar({ name: 'The Fjordlight Energy Ltd.' })).toEqual([
      [light.id, 'name'],
      [energy.id, 'name'],
    ]);
    expect(await similar({ name: 'fjørdlight G.m.b.H. & Co. KG' })).toHaveLength(2);
    expect(await similar({ name: 'Fjordlight Energy of the North', domain: 'shop.Fjordlight.example' })).toEqual([
      [light.id, 'domain'],
      [energy.id, 'name'],
    ]);
    expect(await similar({ name: 'Fjordlight', domain: 'fjordlight.example' })).toContainEqual([
      light.id,
      'domain',
      'name',
    ]);
    for (const draft of [
      {},
      { name: 'Fj' },
      { name: 'Fjordlight Water' },
      { domain: 'fjordlight' },
      { domain: 'gmail.com' },
    ])
      expect(await similar(draft)).toEqual([]);
    const refused = await app.callWith('customers.read')('POST', '/api/companies/similar', { name: 'Fjordlight' });
    expect(refused).toMatchObject({ status: 403, body: { code: 'token-lacks-scope' } });
  });

  test('is never proposed for a domain that strangers share, also if somebody gave it to a company', async () => {
    const { id } = await app.foundation.createCompany({ name: 'Somebody', domain: 'gmail.com' });
    await app.foundation.createCustomer({ name: 'Stranger', email: `stranger${++unique}@gmail.com` });
    expect(await propose('ada@gmail.com')).toBeNull();
    expect(await newcomers(id)).toEqual({ domain: null, count: 0, is_more: false });
  });

  test('takes in those without a company in one act, with an event for each, and the act is undone', async () => {
    const domain = `house${++unique}.example.org`;
    const { id } = await app.foundation.createCompany({ name: 'House', domain });
    const other = await newCompany();
    const [ada, bea] = await Promise.all(
      ['Ada', 'Bea'].map((name) => app.foundation.createCustomer({ name, email: `${name}@${domain}` })),
    );
    const taken = { name: 'Taken', email: `taken@${domain}`, company_id: other.id };
    await app.foundation.createCustomer(taken);
    await app.foundation.createCustomer({ name: 'Elsewhere', email: `ada@not-${domain}` });
    expect(await newcomers(id)).toEqual({ domain, count: 2, is_more: false });
    const listed = (await app.call('GET', `/api/customers?no_company_at=${domain.toUpperCase()}&sort=name`)).body;
    expect([listed.customers.map(({ name }: Customer) => name), listed.total]).toEqual([['Ada', 'Bea'], 2]);
    const act = { matching: { no_company_at: domain }, change: { company_id: id } };
    const done = (await app.call('POST', '/api/customers/acts', act)).body;
    expect(done).toMatchObject({ changed: 2, unchanged: 0, refused_count: 0 });
    expect(await newcomers(id)).toMatchObject({ count: 0 });
    expect((await app.foundation.getCustomerById(ada?.id as string))?.company_id).toBe(id);
    await expect
      .poll(async () => (await timeline({ id }, 'kind=field')).entries.map(({ customer }) => customer.name).sort())
      .toEqual(['Ada', 'Bea']);
    // What somebody has changed since stays theirs.
    await app.call('PATCH', `/api/customers/${bea?.id}`, { company_id: other.id });
    const undone = (await app.call('POST', `/api/customers/acts/${done.id}/undo`, {})).body;
    expect(undone).toMatchObject({ changed: 1, refused_count: 1 });
    expect((await app.foundation.getCustomerById(ada?.id as string))?.company_id).toBeNull();
    expect((await app.foundation.getCustomerById(bea?.id as string))?.company_id).toBe(other.id);
    const nowhere = { ...act, change: { company_id: '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b' } };
    expect(await app.call('POST', '/api/customers/acts', nowhere)).toMatchObject({ status: 422 });
    expect(await app.call('GET', '/api/customers?no_company_at=nonsense')).toMatchObject({ status: 422 });
  });
});
