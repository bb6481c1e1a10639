import { cellOf, openCsv } from '@aether/http/testing.csv';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from './testing.ts';

type Row = Record<string, never>;
let app: TestFoundation;
beforeAll(async () => {
  app = await startTestFoundation();
  await app.foundation.signInUser({ subject: 'jonas', email: 'jonas@aether.example', name: 'Jonas Weber' });
  const [alder, birch] = [
    await app.foundation.createCompany({ name: 'Alder Foods', domain: 'alder.example' }),
    await app.foundation.createCompany({ name: 'Birch Energy', domain: 'birch.example' }),
  ];
  const people = [
    ['Zoe', 'premium', 'maya', birch.id],
    ['Ada', 'standard', 'jonas', alder.id],
    ['Mia', null, null, null],
    ['Bob', 'premium', null, alder.id],
  ] as const;
  for (const [name, account_tier, account_manager_id, company_id] of people)
    await app.foundation.createCustomer({
      name,
      email: `${name}@list.example`,
      account_tier,
      account_manager_id,
      company_id,
    });
  await app.support.findOrCreateCustomer({ email: 'chat@list.example', name: 'Chatty' });
  await app.foundation.updateCustomer((await app.foundation.getCustomerByEmail('mia@list.example'))?.id ?? '', {
    phone: '+1 212 555 0100',
  });
});

/** Reads all pages, with two rows each. */
async function readAll(path: string, of: string): Promise<Row[]> {
  const rows: Row[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const { body } = await app.call(
      'GET',
      `${path}${path.includes('?') ? '&' : '?'}limit=2${cursor && `&cursor=${cursor}`}`,
    );
    rows.push(...body[of]);
    cursor = body.next_cursor;
  }
  return rows;
}
const names = async (query: string) => (await readAll(`/api/customers?${query}`, 'customers')).map((row) => row.name);

const readTiers = async (query: string) =>
  (await readAll(`/api/customers?${query}`, 'customers')).map((row) => row.account_tier);

describe('the list of customers', () => {
  test.each([
    ['sort=name', ['Ada', 'Bob', 'Chatty', 'Mia', 'Zoe']],
    ['sort=name&dir=desc', ['Zoe', 'Mia', 'Chatty', 'Bob', 'Ada']],
    ['sort=email', ['Ada', 'Bob', 'Chatty', 'Mia', 'Zoe']],
    ['sort=created', ['Chatty', 'Bob', 'Mia', 'Ada', 'Zoe']],
    ['', ['Chatty', 'Bob', 'Mia', 'Ada', 'Zoe']],
    ['sort=updated', ['Mia', 'Chatty', 'Bob', 'Ada', 'Zoe']],
    ['tier=premium&sort=name', ['Bob', 'Zoe']],
    ['manager=maya', ['Zoe']],
    ['no_manager=true&sort=name', ['Bob', 'Chatty', 'Mia']],
    ['app=support', ['Chatty']],
    ['created_before=2020-01-01T00:00:00Z', []],
    ['created_after=2020-01-01T00:00:00Z&search=mia', ['Mia']],
    ['search=alder&sort=name&dir=desc', ['Bob', 'Ada']],
    ['search=list.example&sort=company', ['Ada', 'Bob', 'Zoe', 'Mia', 'Chatty']],
    ['search=list.example&sort=company&dir=desc', ['Zoe', 'Bob', 'Ada', 'Chatty', 'Mia']],
    ['app=foundation&sort=company', ['Ada', 'Bob', 'Zoe', 'Mia']],
    ['no_manager=true&sort=company', ['Bob', 'Mia', 'Chatty']],
    ['manager=jonas&tier=standard&sort=updated', ['Ada']],
  ])('?%s shows each matching customer once, in that order, page by page', async (query, expected) => {
    expect(await names(query)).toEqual(expected);
  });

  test('by tier or company ends with the customers without one', async () => {
    expect(await readTiers('sort=tier')).toEqual(['standard', 'premium', 'premium', null, null]);
    const companies = (await readAll('/api/customers?sort=company', 'customers')).map(
      (row) => (row.company as never as Row)?.name ?? null,
    );
    expect(companies).toEqual(['Alder Foods', 'Alder Foods', 'Birch Energy', null, null]);
  });

  test('by tier follows the order that the administrators gave the tiers, in pages, with filters and both ways', async () => {
    expect(await readTiers('sort=tier&app=foundation')).toEqual(['standard', 'premium', 'premium', null]);
    expect(await readTiers('sort=tier&search=list.example&dir=desc')).toEqual([
      null,
      null,
      'premium',
      'premium',
      'standard',
    ]);
    expect(await readTiers('sort=tier&tier=premium')).toEqual(['premium', 'premium']);
    const turn = `update platform.tiers t set position = r.position from platform.tiers r
      where (t.key, r.key) in (('standard', 'premium'), ('premium', 'standard'))`;
    await app.foundation.query(turn);
    expect(await readTiers('sort=tier')).toEqual(['premium', 'premium', 'standard', null, null]);
    await app.foundation.query(turn);
  });

  test('does not count very many matches: the page says how many it shows, and that there are more', async () => {
    const { body } = await app.call('GET', '/api/customers?search=list.example&limit=2');
    expect(body).toMatchObject({ total: 2, total_is_more: true });
  });

  test('says how many customers there are, and who manages each', async () => {
    const { body } = await app.call('GET', '/api/customers?sort=name&limit=1');
    expect(body).toMatchObject({ total: 5, total_is_more: false });
    expect(body.customers[0]).toMatchObject({
      account_manager: { id: 'jonas', name: 'Jonas Weber' },
      company: { name: 'Alder Foods' },
    });
  });
});

describe('companies', () => {
  test('are found by name and domain, with the numbers of their customers and open deals', async () => {
    const { body } = await app.call('GET', '/api/companies?search=alder');
    expect(body.companies).toMatchObject([{ name: 'Alder Foods', customers: 2, open_deals: 0 }]);
    expect((await readAll('/api/companies?sort=name&dir=desc', 'companies')).map((row) => row.name)).toEqual([
      'Birch Energy',
      'Alder Foods',
    ]);
    expect((await app.call('GET', '/api/companies?search=birch.ex')).body.companies).toHaveLength(1);
    expect((await app.call('GET', '/api/companies?search=%25')).body.companies).toEqual([]);
  });

  test('have a canonical domain; a text that is no domain is refused and the field named', async () => {
    const made = await app.call('POST', '/api/companies', { name: 'Mühle', domain: ' Mühle.Example. ' });
    expect(made).toMatchObject({ status: 201, body: { domain: 'xn--mhle-0ra.example' } });
    for (const domain of ['10.0.0.1', 'a.--', 'muehle', 'mühle .example']) {
      const refused = await app.call('PATCH', `/api/companies/${made.body.id}`, { domain });
      expect(refused).toMatchObject({ status: 422, body: { errors: [{ field: 'domain' }] } });
    }
  });

  test('change only at the expected version, and keep their contacts', async () => {
    const [company] = (await app.call('GET', '/api/companies?search=birch')).body.companies;
    const path = `/api/companies/${company.id}`;
    const changed = await app.call('PATCH', path, { name: 'Birch Power', expected_version: company.version });
    expect(changed).toMatchObject({ status: 200, body: { name: 'Birch Power', domain: 'birch.example' } });
    expect((await app.call('PATCH', path, { name: 'Old', expected_version: company.version })).body.code).toBe(
      'company-version-conflict',
    );
    expect((await app.call('POST', '/api/companies', { name: 'Twin', domain: 'birch.example' })).status).toBe(409);
    const contact = await app.call('POST', `${path}/contacts`, {
      name: 'Ivy',
      title: 'Buyer',
      email: 'ivy@birch.example',
    });
    expect(contact).toMatchObject({ status: 201, body: { name: 'Ivy', title: 'Buyer', version: 1 } });
    const moved = await app.call('PATCH', `/api/contacts/${contact.body.id}`, { title: null, expected_version: 1 });
    expect(moved).toMatchObject({ status: 200, body: { title: null, version: 2 } });
    expect(
      (await app.call('PATCH', `/api/contacts/${contact.body.id}`, { title: 'x', expected_version: 1 })).body.code,
    ).toBe('contact-version-conflict');
    expect((await app.call('GET', `${path}/contacts`)).body.contacts).toMatchObject([{ name: 'Ivy' }]);
    expect((await app.call('DELETE', `/api/contacts/${contact.body.id}`)).status).toBe(204);
    expect((await app.call('DELETE', `/api/contacts/${contact.body.id}`)).status).toBe(404);
    expect((await app.call('GET', `${path}/contacts`)).body.contacts).toEqual([]);
    expect((await app.call('GET', '/api/companies/019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b/contacts')).status).toBe(404);
  });
});

test('the palette finds customers, companies and deals', async () => {
  const zoe = await app.foundation.getCustomerByEmail('zoe@list.example');
  await app.call('POST', '/api/deals', { customer_id: zoe?.id, name: 'Zoe’s renewal' });
  expect((await app.call('GET', '/api/search?q=zoe')).body).toMatchObject({
    customers: [{ name: 'Zoe' }],
    companies: [],
    deals: [{ name: 'Zoe’s renewal', customer: { name: 'Zoe' } }],
  });
  expect((await app.call('GET', '/api/search?q=alder')).body.companies).toMatchObject([{ name: 'Alder Foods' }]);
  expect((await app.call('GET', '/api/search?q=')).status).toBe(422);
});

test('the palette shows the newest first', async () => {
  for (const name of ['Nordlicht A', 'Nordlicht C', 'Nordlicht B']) {
    await app.foundation.createCompany({ name });
    const email = `${name.replace(' ', '.').toLowerCase()}@x.example`;
    const customer = await app.foundation.createCustomer({ name, email });
    await app.call('POST', '/api/deals', { customer_id: customer.id, name });
  }
  const { body } = await app.call('GET', '/api/search?q=nordlicht');
  for (const found of [body.customers, body.companies, body.deals])
    expect(found.map((row: Row) => row.name)).toEqual(['Nordlicht B', 'Nordlicht C', 'Nordlicht A']);
});

describe('a name is found', () => {
  beforeAll(async () => {
    const company = await app.foundation.createCompany({ name: 'Škoda Łódź' });
    const customer = await app.foundation.createCustomer({
      name: 'Özgür Weiß',
      email: 'o.w@marks.example',
      company_id: company.id,
    });
    await app.foundation.createCustomer({ name: 'Ozgur Plain', email: 'plain@marks.example' });
    await app.foundation.createCustomer({ name: 'Οδυσσεύς', email: 'o1@greek.example' });
    await app.foundation.createCustomer({ name: 'ΟΔΥΣΣΕΥΣ', email: 'o2@greek.example' });
    for (const [name, phone] of [
      ["Mary O'Connor", '+49 30 1234567 ext. 5'],
      ['Sean O’Connor', '+49 30 1234567'],
      ['Jean-Pierre Ōe', '+81 3-1234-5678'],
      ['田中太郎', undefined],
      ['김민수', undefined],
      ['ｶﾅﾘﾔ １', undefined],
    ] as const)
      await app.foundation.createCustomer({
        name,
        email: `n${Math.random().toString(36).slice(2)}@marks.example`,
        ...(phone && { phone }),
      });
    const shared = await app.foundation.createCustomer({
      name: 'Ann Second',
      email: 'second@marks.example',
      phone: '+1 212 555 0100',
    });
    await app.foundation.addPhone(shared.id, '+44 20 7946 0991 x7');
    await app.foundation.createCustomer({ name: 'One Two Three Four Five Six', email: 'six@words.example' });
    await app.call('POST', '/api/deals', { customer_id: customer.id, name: 'Crème brûlée' });
  });

  test.each([
    ['ozgur', ['Ozgur Plain', 'Özgür Weiß']],
    ['OZGUR', ['Ozgur Plain', 'Özgür Weiß']],
    ['özgür', ['Ozgur Plain', 'Özgür Weiß']],
    ['oz', ['Ozgur Plain', 'Özgür Weiß']],
    ['weiss', ['Özgür Weiß']],
    ['skoda', ['Özgür Weiß']],
    ['łodz ozgur', ['Özgür Weiß']],
    ["o'connor", ['Sean O’Connor', "Mary O'Connor"]],
    ['OCONNOR', ['Sean O’Connor', "Mary O'Connor"]],
    ['o`con', ['Sean O’Connor', "Mary O'Connor"]],
    ['jean pierre', ['Jean-Pierre Ōe']],
    ['jeanpierre', ['Jean-Pierre Ōe']],
    ['jean–pierre oe', ['Jean-Pierre Ōe']],
    ['太郎', ['田中太郎']],
    ['田中 太郎', ['田中太郎']],
    ['中太', ['田中太郎']],
    ['郎', ['田中太郎']],
    ['⽥', ['田中太郎']],
    ['゠', []],
    ['太田', []],
    ['민수', ['김민수']],
    ['カナリヤ', ['ｶﾅﾘﾔ １']],
    ['tel:+49-30-1234567', ['Sean O’Connor', "Mary O'Connor"]],
    ['+49 (0)30 1234567', ['Sean O’Connor', "Mary O'Connor"]],
    ['+49 30 1234567 x5', ['Sean O’Connor', "Mary O'Connor"]],
    ['+49 30 1234567 x6', ['Sean O’Connor']],
    ['0049 30 123', ['Sean O’Connor', "Mary O'Connor"]],
    ['+49 30 12345', ['Sean O’Connor', "Mary O'Connor"]],
    ['+49 30 12346', []],
    ['030/1234567', ['Sean O’Connor', "Mary O'Connor"]],
    ['34567', ['Sean O’Connor', "Mary O'Connor"]],
    ['4567', []],
    ['03-1234-5678', ['Jean-Pierre Ōe']],
    ['(0044) 20-79460991', ['Ann Second']],
    ['+44 20 7946 0991 x7', ['Ann Second']],
    ['+44 20 7946 0991 x8', []],
    ['020 7946 099', []],
    ['9460991', ['Ann Second']],
    ['+44207946', ['Ann Second']],
    ['uzgur', []],
    ['zg%r', []],
    ['ΟΔΥΣΣΕΥΣ', ['ΟΔΥΣΣΕΥΣ', 'Οδυσσεύς']],
    ['Οδυσσεύς', ['ΟΔΥΣΣΕΥΣ', 'Οδυσσεύς']],
    ['οδυσσ', ['ΟΔΥΣΣΕΥΣ', 'Οδυσσεύς']],
    ['one two three four five six', ['One Two Three Four Five Six']],
    ['one two three four five seven', []],
  ])('by %s, with its marks or without', async (search, expected) => {
    const list = await app.call('GET', `/api/customers?sort=created&search=${encodeURIComponent(search)}`);
    expect(list.body.customers.map((row: Row) => row.name)).toEqual(expected);
  });

  test('also of companies and deals', async () => {
    const { body } = await app.call('GET', '/api/search?q=creme');
    expect(body.deals).toMatchObject([{ name: 'Crème brûlée' }]);
    expect((await app.call('GET', '/api/search?q=ozgur')).body.deals).toHaveLength(1);
    expect((await app.call('GET', '/api/search?q=lodz')).body.companies).toMatchObject([{ name: 'Škoda Łódź' }]);
    expect((await app.call('GET', '/api/search?q=crama')).body.deals).toEqual([]);
  });
});

describe('saved views', () => {
  test('belong to one person until they are shared, and only their owner or an administrator changes them', async () => {
    const jonas = app.callAs('jonas');
    const mine = (await app.call('POST', '/api/views', { page: 'customers', name: 'Premium', query: 'tier=premium' }))
      .body;
    const seen = async (call = app.call) =>
      (await call('GET', '/api/views?page=customers')).body.views.map((view: Row) => view.name);
    expect([await seen(), await seen(jonas)]).toEqual([['Premium'], []]);
    await app.call('PATCH', `/api/views/${mine.id}`, { is_shared: true });
    expect(await seen(jonas)).toEqual(['Premium']);
    expect((await jonas('PATCH', `/api/views/${mine.id}`, { name: 'Taken' })).status).toBe(404);
    expect((await jonas('DELETE', `/api/views/${mine.id}`)).status).toBe(404);
    expect((await app.call('POST', '/api/views', { page: 'customers', name: 'Premium', query: '' })).status).toBe(409);
    expect((await app.callAs('service')('POST', '/api/views', { page: 'deals', name: 'x', query: '' })).body.code).toBe(
      'person-only',
    );
    expect((await app.call('DELETE', `/api/views/${mine.id}`)).status).toBe(204);
    expect(await seen(jonas)).toEqual([]);
  });
});

describe('users', () => {
  test('are visible to all staff; administrators give and take the role, and the last administrator keeps it', async () => {
    expect((await app.call('GET', '/api/users')).body.users).toContainEqual(
      expect.objectContaining({ id: 'maya', role: 'user' }),
    );
    expect((await app.call('PATCH', '/api/users/maya', { role: 'admin' })).body.code).toBe('admin-only');
    await app.foundation.updateUser('maya', { role: 'admin' });
    expect((await app.call('PATCH', '/api/users/maya', { role: 'user' })).body.code).toBe('last-admin');
    expect((await app.call('PATCH', '/api/users/jonas', { role: 'steward' })).body).toMatchObject({ role: 'steward' });
    expect((await app.callAs('jonas')('PATCH', '/api/users/jonas', { role: 'admin' })).body.code).toBe('admin-only');
    expect((await app.call('PATCH', '/api/users/maya', { role: 'steward' })).body.code).toBe('last-admin');
    expect((await app.call('PATCH', '/api/users/jonas', { role: 'admin' })).body).toMatchObject({ role: 'admin' });
    const answers = await Promise.all([
      app.call('PATCH', '/api/users/jonas', { role: 'user' }),
      app.callAs('jonas')('PATCH', '/api/users/maya', { role: 'user' }),
    ]);
    expect(answers.map((answer) => answer.status).sort()).not.toEqual([200, 200]);
    expect((await app.foundation.listUsers()).filter((user) => user.role === 'admin')).toHaveLength(1);
    expect((await app.call('PATCH', '/api/users/nobody', { role: 'user' })).status).toBeGreaterThanOrEqual(403);
  });
});

test('the list by tier answers soon also when PostgreSQL has no statistics yet, and shows every customer once', async () => {
  await app.foundation.query(
    `insert into platform.customers (email, name, account_tier)
     select 'many' || n || '@tiers.example', 'Many ' || n, (array['free', 'basic', 'standard', 'premium', 'enterprise', null])[1 + n % 6]
     from generate_series(1, 420) n`,
  );
  const seen: (string | null)[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const { status, body } = await app.call(
      'GET',
      `/api/customers?sort=tier&limit=100${cursor && `&cursor=${cursor}`}`,
    );
    expect(status).toBe(200);
    seen.push(...body.customers.map((row: Row) => row.account_tier));
    cursor = body.next_cursor;
  }
  const [all] = await app.foundation.query<{ count: number }>('select count(*)::integer from platform.customers');
  expect(seen).toHaveLength(all?.count as number);
  const order = ['free', 'basic', 'standard', 'premium', 'enterprise', null];
  expect(seen).toEqual([...seen].sort((one, other) => order.indexOf(one) - order.indexOf(other)));
});

describe('a list as a file', () => {
  async function readFile(path: string, who = 'maya'): Promise<string[]> {
    const answer = await fetch(`${app.url}${path}`, { headers: await app.headersOf(who) });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/csv; charset=utf-8']);
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(await answer.arrayBuffer());
    expect(text.startsWith('\ufeff')).toBe(true); // spreadsheets take a file without the mark for another encoding
    return text.slice(1).split('\r\n').slice(0, -1);
  }
  const customerHead =
    'id,email,name,phone,company,domain,tier,owner,language,timezone,tags,created_at,updated_at,created_by_app,crm_id,support_id,other_emails,other_phones,last_activity_at,open_deals';

  test('has each customer that the filters let through once, with what an import takes, and formulas as text', async () => {
    const customer = await app.foundation.createCustomer({
      name: '=HYPERLINK("https://evil.example")',
      email: 'filed@file.example',
      phone: '+49 30 901820',
      account_tier: 'premium',
      account_manager_id: 'maya',
    });
    await app.foundation.updateCustomer(customer.id, { email: 'now@file.example' });
    await app.foundation.updateUser('maya', { role: 'admin' }); // of two who take it from each other above, either may have kept it
    const { status, body: field } = await app.call('POST', '/api/custom-fields', {
      record: 'customer',
      key: 'shoe_size',
      label: 'Shoe size',
      type: 'number',
    });
    expect(status).toBe(201);
    await app.call('PATCH', `/api/customers/${customer.id}`, { custom: { [field.key]: 43 } });
    const [head, row, ...more] = await readFile('/api/customers.csv?search=now@file.example');
    expect(head).toBe(`${customerHead},custom:shoe_size`);
    expect(more).toEqual([]);
    expect(row).toMatch(
      new RegExp(
        `^${customer.id},now@file.example,"'=HYPERLINK\\(""https://evil.example""\\)",'\\+49 30 901820,,,premium,maya@aether.example,,,,2\\d{3}-.*Z,2\\d{3}-.*Z,foundation,${customer.crm_id},,filed@file.example,,,0,43$`,
      ),
    );
    const all = await readFile('/api/customers.csv');
    const ids = (await readAll('/api/customers?', 'customers')).map(({ id }) => id);
    expect(all.slice(1).map((line) => line.split(',')[0])).toEqual(ids);
  });

  test('of companies and of deals opens again as the rows of the list, whatever is in their texts', async () => {
    const texts = ['=1+1', '+49 30, "the line"', "'quoted, @home", '-5', 'Åse ☂ ＝1', '|calc', '%1'];
    const customer = await app.foundation.getCustomerByEmail('zoe@list.example');
    for (const [n, name] of texts.entries()) {
      const { body: company } = await app.call('POST', '/api/companies', {
        name,
        domain: `n${n}.reopened.example`,
        owner_id: n % 2 === 0 ? 'maya' : null,
      });
      expect(company.name).toBe(name);
      const deal = { customer_id: customer?.id, name, amount: 1234.5 + n, currency: 'EUR' };
      expect((await app.call('POST', '/api/deals', { ...deal, expected_close_on: '2027-02-28' })).status).toBe(201);
    }
    const field = { record: 'deal', key: 'why', label: 'Why', type: 'text' };
    expect((await app.call('POST', '/api/custom-fields', field)).status).toBe(201);
    const own = (await readAll('/api/deals?', 'deals')) as unknown as { id: number; name: string }[];
    for (const { id, name } of own.filter(({ name }) => texts.includes(name)))
      await app.call('PATCH', `/api/deals/${id}`, { custom: { why: `${name}\n${name}` } });
    const open = async (path: string) => openCsv((await readFile(path)).join('\r\n'));
    const listed = async (path: string, of: string) =>
      (await readAll(path, of)) as unknown as Record<string, unknown>[];

    const companies = await listed('/api/companies?sort=created', 'companies');
    expect(companies.filter(({ name }) => texts.includes(String(name)))).toHaveLength(texts.length);
    expect(await open('/api/companies.csv')).toEqual(
      companies.map((row) => ({
        id: row.id,
        company: row.name,
        domain: cellOf(row.domain),
        owner: row.owner_id === 'maya' ? 'maya@aether.example' : '',
        customers: cellOf(row.customers),
        open_deals: cellOf(row.open_deals),
        created_at: row.created_at,
        updated_at: row.updated_at,
        created_by_app: row.created_by_app,
      })),
    );

    const deals = await listed('/api/deals?', 'deals');
    expect(deals.filter(({ name }) => texts.includes(String(name)))).toHaveLength(texts.length);
    const opened = new Map((await open('/api/deals.csv')).map((row) => [row.id, row]));
    expect(opened.size).toBe(deals.length);
    for (const row of deals)
      expect(opened.get(String(row.id))).toEqual({
        id: cellOf(row.id),
        deal: row.name,
        amount: cellOf(row.amount),
        currency: cellOf(row.currency),
        status: row.status,
        pipeline: 'Sales',
        stage: row.stage_name,
        customer_id: row.customer_id,
        customer: (row.customer as Row).name,
        company: cellOf((row.company as Row | null)?.name),
        owner: cellOf((row.owner as Row | null)?.name),
        expected_close_on: cellOf(row.expected_close_on),
        closed_at: cellOf(row.closed_at),
        created_at: row.created_at,
        updated_at: row.updated_at,
        'custom:why': texts.includes(String(row.name)) ? `${row.name}\n${row.name}` : '',
      });
  });

  test('of companies and of deals goes beyond one page of the list', async () => {
    const [company] = (await app.call('GET', '/api/companies?search=alder')).body.companies;
    expect(await readFile('/api/companies.csv?search=alder')).toEqual([
      'id,company,domain,owner,customers,open_deals,created_at,updated_at,created_by_app',
      `${company.id},Alder Foods,alder.example,,2,0,${company.created_at},${company.updated_at},foundation`,
    ]);
    const ada = await app.foundation.getCustomerByEmail('ada@list.example');
    await app.foundation.transaction({ actor: 'maya' }, (tx) =>
      tx.query(
        `insert into crm.deals (customer_id, pipeline_id, stage_id, name, amount, currency)
         select $1, s.pipeline_id, s.id, 'Filed ' || n, 1.5, 'EUR'
         from generate_series(1, 1100) n, crm.pipeline_stages s where s.name = 'Qualified'`,
        [ada?.id],
      ),
    );
    const deals = await readFile('/api/deals.csv?search=filed&status=open');
    expect(deals[0]).toMatch(/^id,deal,amount,currency,status,pipeline,stage,customer_id,customer,company,/);
    expect(deals).toHaveLength(1_101);
    expect(new Set(deals.map((line) => line.split(',')[0])).size).toBe(1_101);
    expect(deals[1]).toMatch(/^\d+,Filed 1100,1.5,EUR,open,Sales,Qualified,/);
  });

  test('is for those who may read the list, and refuses what the list refuses', async () => {
    for (const path of ['/api/customers.csv', '/api/companies.csv', '/api/deals.csv']) {
      expect([path, (await app.callAnonymously('GET', path)).status]).toEqual([path, 401]);
      expect([path, (await app.callWith('events.read')('GET', path)).status]).toEqual([path, 403]);
      expect([path, (await app.call('GET', `${path}?sort=name`)).status]).toEqual([path, 422]);
    }
  });
});
