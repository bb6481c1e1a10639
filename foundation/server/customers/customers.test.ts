import { requireUnderWay } from '@aether/database/testing.scope';
import { createModelReader } from '@aether/importer/similar';
import { walkPage } from '@aether/sync/detection';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

let app: TestFoundation;
beforeAll(async () => {
  app = await startTestFoundation();
});

const search = async (text: string) =>
  (await app.call('GET', `/api/customers?search=${encodeURIComponent(text)}`)).body.customers.map(
    (customer: { name: string }) => customer.name,
  );

describe('finding customers', () => {
  beforeAll(async () => {
    const { id: company_id } = await app.foundation.createCompany({
      name: 'Tidewater Robotics',
      domain: 'tidewater.example',
    });
    await app.foundation.createCustomer({ name: 'Kenji Watanabe', email: 'kenji@tidewater.example', company_id });
    await app.foundation.createCustomer({ name: 'Ümit Öz', email: 'umit@bücher.example' });
    await app.foundation.createCustomer({ name: 'Percy 100%_sure', email: 'percy@example.com' });
  });

  test('finds a customer that Support has just made', async () => {
    await app.support.findOrCreateCustomer({ email: 'Hanna.Virtanen@Post.example', name: 'Hanna Virtanen' });
    expect(await search('hanna.virtanen@post.EXAMPLE')).toEqual(['Hanna Virtanen']);
  });

  test.each([
    ['part of the name', 'watana', ['Kenji Watanabe']],
    ['the company', 'tidewater rob', ['Kenji Watanabe']],
    ['words in any order', 'robotics kenji', ['Kenji Watanabe']],
    ['part of the address', 'kenji@tide', ['Kenji Watanabe']],
    ['two letters at the beginning of a word', 'wa', ['Kenji Watanabe']],
    ['two letters that begin the name', 'üm', ['Ümit Öz']],
    ['two letters within a word', 'at', []],
    ['two letters that begin the company', 'ti ke', ['Kenji Watanabe']],
    ['another script', 'ümit', ['Ümit Öz']],
    ['an address with a domain beyond ASCII', 'UMIT@bücher.example', ['Ümit Öz']],
    ['characters that mean something in a pattern', '100%_', ['Percy 100%_sure']],
    ['a backslash', 'ab\\', []],
    ['one word that fits and one that does not', 'kenji nobody', []],
    ['nobody', 'no such person', []],
  ])('by %s (%j) finds %j', async (_, text, names) => {
    expect(await search(text)).toEqual(names);
  });

  test('works by the number that Foundation gave and by an old address', async () => {
    const customer = await app.foundation.createCustomer({ name: 'Old Address', email: 'old@example.com' });
    await app.foundation.updateCustomer(customer.id, { email: 'new@example.com' });
    expect(await search(String(customer.crm_id))).toContain('Old Address');
    expect(await search('old@example.com')).toEqual(['Old Address']);
    expect(await search('OLD@exa')).toEqual(['Old Address']); // while it is typed
    expect(await search('old_exa')).toEqual([]);
  });

  test('shows each customer once, newest first, page by page, also while customers are added', async () => {
    const made: string[] = [];
    for (let n = 0; n < 7; n += 1) {
      made.unshift((await app.foundation.createCustomer({ name: `Paged ${n}`, email: `paged${n}@example.com` })).name);
    }
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await app.call('GET', `/api/customers?search=paged&limit=3${cursor ? `&cursor=${cursor}` : ''}`);
      seen.push(...page.body.customers.map((customer: { name: string }) => customer.name));
      cursor = page.body.next_cursor;
      await app.foundation.createCustomer({
        name: `Paged late ${seen.length}`,
        email: `late${seen.length}@example.com`,
      });
    } while (cursor);
    expect(seen).toEqual(made);
  });

  test.each([
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['cursor=nonsense', 'cursor'],
    [`cursor=${Buffer.from('"x"').toString('base64url')}`, 'cursor'],
    ['search=%00', 'search'],
    [`search=${'x'.repeat(201)}`, 'search'],
    ['sort=colour', 'sort'],
    ['dir=up', 'dir'],
    ['created_after=yesterday', 'created_after'],
    ['company=1', 'company'],
    ['no_manager=maybe', 'no_manager'],
  ])('with %s is refused, and the refusal names %s', async (query, field) => {
    const { status, body } = await app.call('GET', `/api/customers?${query}`);
    expect(status).toBe(422);
    expect(body.errors[0]).toMatchObject({ field, in: 'query' });
  });
});

describe('one customer', () => {
  test('is found by uuid and by crm_id, with its company and CRM context', async () => {
    const company = await app.foundation.createCompany({ name: 'Saffron & Co', domain: 'saffron.example' });
    const made = await app.foundation.createCustomer({
      name: 'Yusuf Demir',
      email: 'yusuf@saffron.example',
      company_id: company.id,
      account_manager_id: 'maya',
    });
    const byId = await app.call('GET', `/api/customers/${made.id}`);
    expect(byId).toMatchObject({
      status: 200,
      body: {
        customer: { id: made.id, name: 'Yusuf Demir', crm_id: made.crm_id, created_by_app: 'foundation' },
        company: { id: company.id, name: 'Saffron & Co', domain: 'saffron.example' },
        crm: {
          account_manager_name: 'Maya Okafor',
          open_deals: 0,
          open_deals_value: {},
          deals_of_others: 0,
          last_activity: null,
        },
      },
    });
    expect((await app.call('GET', `/api/customers/${made.crm_id}`)).body).toEqual(byId.body);
  });

  test('that does not exist is 404; a text that is no id is 422, and the refusal shows the form of an id', async () => {
    expect((await app.call('GET', '/api/customers/019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b')).status).toBe(404);
    expect((await app.call('GET', '/api/customers/999999999')).status).toBe(404);
    for (const id of ['-1', 'ada', '9999999999999999999']) {
      expect(await app.call('GET', `/api/customers/${id}`)).toMatchObject({
        status: 422,
        body: { errors: [{ field: 'id', in: 'path', message: 'must be a customer’s UUID or crm_id' }] },
      });
    }
  });
});

describe('writing customers', () => {
  test('creates and changes a customer, and refuses a change of an older version', async () => {
    const made = await app.call('POST', '/api/customers', { name: 'Grace', email: 'Grace@maplerow.example' });
    expect(made).toMatchObject({ status: 201, body: { email: 'Grace@maplerow.example', version: 1 } });
    const path = `/api/customers/${made.body.id}`;
    expect(await app.call('PATCH', path, { phone: '+1 212 555 0100', expected_version: 1 })).toMatchObject({
      status: 200,
      body: { phone: '+1 212 555 0100', version: 2 },
    });
    expect(await app.call('PATCH', path, { phone: null, expected_version: 1 })).toMatchObject({
      status: 409,
      body: { code: 'customer-version-conflict', expected: 1, actual: 2 },
    });
  });

  test('refuses an address that another customer has', async () => {
    await app.call('POST', '/api/customers', { name: 'First', email: 'taken@example.com' });
    expect(await app.call('POST', '/api/customers', { name: 'Second', email: 'TAKEN@example.com' })).toMatchObject({
      status: 409,
      body: { code: 'email-taken' },
    });
  });

  test.each([
    [{ name: 'No address' }, 'email', 422],
    [{ name: '', email: 'a@example.com' }, 'name', 422],
    [{ name: 'A\u0000', email: 'a@example.com' }, 'name', 422],
    [{ name: 'A', email: 'not an address' }, 'email', 422],
    [{ name: 'A', email: 'a@example.com', created_by_app: 'support' }, 'created_by_app', 422],
    [{ name: 'A', email: 'a@example.com', preferred_language: 'de' }, 'preferred_language', 422],
    [{ name: 'A', email: 'a@example.com', company_id: '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b' }, 'company_id', 422],
    [{ name: 'A', email: 'a@example.com', account_manager_id: 'nobody' }, 'account_manager_id', 422],
    [{ name: 'A', email: 'a@example.com', account_tier: 'Gold!' }, 'account_tier', 422],
  ])('refuses the new customer %j and names %s', async (body, field, status) => {
    const answer = await app.call('POST', '/api/customers', body);
    expect(answer.status).toBe(status);
    expect(answer.body.errors.map((error: { field: string }) => error.field)).toContain(field);
    expect(JSON.stringify(answer.body)).not.toMatch(/constraint|relation|column|syntax/);
  });
});

describe('a customer who is about to be made', () => {
  const similar = (draft: Record<string, unknown>) => app.call('POST', '/api/customers/similar', draft);

  test('is hinted at as one who is there, with the reasons, by what is typed so far; a colleague is not', async () => {
    const { id } = await app.foundation.createCustomer({
      name: 'Wilhelmine Aschenbach',
      email: 'mina@aschenbach.example',
      phone: '+49 89 5550199',
    });
    await findKeys();
    expect((await similar({ name: 'Wilhelmina Aschenbach', phone: '+49 (0)89 5550199' })).body).toEqual({
      similar: [
        {
          id,
          name: 'Wilhelmine Aschenbach',
          email: 'mina@aschenbach.example',
          reasons: expect.arrayContaining(['the telephone number is the same', 'the last name is the same']),
        },
      ],
    });
    expect((await similar({ email: 'Mina@aschenbach.example' })).body.similar).toEqual([
      expect.objectContaining({ id, reasons: ['the e-mail address is the same'] }),
    ]);
    expect((await similar({ name: 'Otto Grube', email: 'otto@aschenbach.example' })).body).toEqual({ similar: [] });
    expect((await similar({ name: 'Wil', email: 'mina@asch', phone: '+49' })).body).toEqual({ similar: [] });
    expect((await similar({})).body).toEqual({ similar: [] });
  });

  test('is hinted at only for who may read customers', async () => {
    const refused = await app.callWith('deals.read')('POST', '/api/customers/similar', {
      name: 'Wilhelmine Aschenbach',
    });
    expect(refused.status).toBe(403);
  });

  /** As the worker does, which does not run here. */
  async function findKeys(): Promise<void> {
    const worker = await app.database.connect('sync_app');
    const on = { query: async (text: string, values?: unknown[]) => (await worker.query(text, values)).rows as never };
    while (await walkPage(on, { readModel: createModelReader() })) requireUnderWay();
  }
});

test('Foundation reports that it is ready while the database is ready', async () => {
  expect(await app.call('GET', '/readyz')).toMatchObject({ status: 200, body: { status: 'ready' } });
});
