import { isNoAddress, showAddress } from '@aether/platform';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

let app: TestFoundation;
beforeAll(async () => {
  app = await startTestFoundation();
});

let unique = 0;
const newEmail = () => `book${++unique}@example.com`;
const create = (email = newEmail()) => app.foundation.createCustomer({ name: 'Ada', email });
const read = async (id: string) => (await app.call('GET', `/api/customers/${id}`)).body;
const post = (id: string, path: string, body: Record<string, unknown> = {}) =>
  app.call('POST', `/api/customers/${id}/addresses${path}`, body);
const remove = (id: string, address: string, query = '') =>
  app.call('DELETE', `/api/customers/${id}/addresses/${address}${query}`);
const add = async (id: string, email = newEmail()) => (await post(id, '', { email })).body;

describe('the addresses of a customer', () => {
  test('are shown with the customer, each with the person who added it and whether it is verified', async () => {
    const [customer, email] = [await create(), newEmail()];
    const added = await post(customer.id, '', { email, expected_version: 1 });
    expect(added).toMatchObject({ status: 201, body: { customer_id: customer.id, version: 2 } });
    const { addresses, candidates, customer: shown } = await read(customer.id);
    expect(added.body.addresses).toEqual(addresses);
    expect(shown.version).toBe(2);
    expect(candidates).toEqual([]);
    expect(addresses).toEqual([
      expect.objectContaining({ email: customer.email, is_primary: true, verified_at: null, added_by: null }),
      {
        ...{ id: added.body.address_id, email, is_primary: false, verified_at: null, verified_by: null },
        ...{ added_at: expect.any(String), added_by_app: 'foundation', added_by: { id: 'maya', name: 'Maya Okafor' } },
      },
    ]);
  });

  test('can be made primary, removed and given back, also by the number of the customer', async () => {
    const [customer, email] = [await create(), newEmail()];
    const number = String(customer.crm_id);
    const { address_id } = await add(number, email);
    expect((await post(number, `/${address_id}/primary`)).body.addresses[0]).toMatchObject({ email, is_primary: true });
    expect((await read(number)).customer.email).toBe(email);
    const former = (await read(number)).addresses[1];
    expect((await remove(number, former.id, '?expected_version=3')).body).toMatchObject({ version: 4 });
    expect((await read(number)).addresses).toHaveLength(1);
    const restored = await post(number, `/${former.id}/restore`, { expected_version: 4 });
    expect(restored).toMatchObject({ status: 200, body: { version: 5, address_id: former.id } });
    expect((await read(number)).addresses[1]).toEqual(former);
  });

  test('that were removed find another customer once that customer has them', async () => {
    const [customer, email] = [await create(), newEmail()];
    const { address_id } = await add(customer.id, email);
    const refused = await app.call('POST', '/api/customers', { name: 'Real', email });
    expect(refused).toMatchObject({ status: 409, body: { code: 'email-taken' } });
    await remove(customer.id, address_id);
    const { status, body: real } = await app.call('POST', '/api/customers', { name: 'Real', email });
    expect(status).toBe(201);
    const found = await app.call('GET', `/api/customers?search=${email}`);
    expect(found.body.customers.map(({ id }: { id: string }) => id)).toEqual([real.id]);
    expect(await post(customer.id, `/${address_id}/restore`)).toMatchObject({
      status: 409,
      body: { code: 'email-taken' },
    });
  });

  test('are refused with a reason: another customer’s address, an invalid one, removing the primary one, an unknown one, an old version', async () => {
    const [customer, other] = [await create(), await create()];
    const { address_id } = await add(other.id);
    const [primary] = (await read(customer.id)).addresses;
    const nowhere = '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b';
    for (const [answer, status, code] of [
      [await post(customer.id, '', { email: other.email }), 409, 'email-taken'],
      [await post(customer.id, '', { email: 'nobody' }), 422, 'invalid-email'],
      [await post(customer.id, '', { email: newEmail(), is_primary: true }), 422, 'invalid-field'],
      [await remove(customer.id, primary.id), 409, 'primary-address'],
      [await remove(customer.id, address_id), 404, 'not-found'],
      [await post(customer.id, `/${address_id}/primary`), 404, 'not-found'],
      [await post(customer.id, `/${primary.id}/restore`), 404, 'not-found'],
      [await post(nowhere, '', { email: newEmail() }), 404, 'not-found'],
      [await remove(customer.id, 'not-an-id'), 422, 'invalid-field'],
      [await post(customer.id, '', { email: newEmail(), expected_version: 9 }), 409, 'customer-version-conflict'],
      [await remove(customer.id, primary.id, '?expected_version=9'), 409, 'customer-version-conflict'],
    ] as const)
      expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect((await read(customer.id)).addresses).toHaveLength(1);
    expect(
      (await app.callAnonymously('POST', `/api/customers/${customer.id}/addresses`, { email: newEmail() })).status,
    ).toBe(401);
  });
});

describe('a corrected e-mail', () => {
  const correct = (id: string, change: Record<string, unknown>) => app.call('PATCH', `/api/customers/${id}`, change);
  const emailsOf = async (id: string) => (await read(id)).addresses.map(({ email }: { email: string }) => email);

  test('leaves the former address with the customer by default, and frees it on request', async () => {
    const [customer, second, third] = [await create(), newEmail(), newEmail()];
    await correct(customer.id, { email: second });
    expect(await emailsOf(customer.id)).toEqual([second, customer.email]);
    const freed = await correct(customer.id, { email: third, former_address: 'free' });
    expect(freed.body).toMatchObject({ email: third, version: 4 });
    expect(await emailsOf(customer.id)).toEqual([third, customer.email]);
    expect((await app.call('POST', '/api/customers', { name: 'Real', email: second })).status).toBe(201);
  });

  test('is refused with an unknown choice for the former address', async () => {
    const customer = await create();
    const answer = await correct(customer.id, { email: newEmail(), former_address: 'forget' });
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ field: 'former_address' }] } });
  });
});

test('a customer who lost an address to its proven owner shows the customer to compare with', async () => {
  const [customer, email] = [await create(), newEmail()];
  await add(customer.id, email);
  const { customer: proven } = await app.support.proveAddress({ email, name: 'Grace' });
  const candidate = {
    reason: 'verified_claim',
    evidence: { address: email, taken_from: customer.id, was_primary: false },
  };
  expect((await read(customer.id)).candidates).toMatchObject([
    { ...candidate, customer: { id: proven.id, name: 'Grace', email } },
  ]);
  const other = await read(proven.id);
  expect(other.candidates).toMatchObject([{ ...candidate, customer: { id: customer.id } }]);
  expect(other.addresses).toMatchObject([{ email, is_primary: true, verified_by: 'signed_identity' }]);
});

test('a customer without an address gets one, and an undo gives the mark of none back', async () => {
  const [customer, email] = [await create(), newEmail()];
  await app.support.proveAddress({ email: customer.email, name: 'Grace' });
  const none = (await read(customer.id)).customer.email;
  expect([isNoAddress(none), showAddress(none)]).toEqual([true, 'no address']);
  const change = (body: Record<string, unknown>) => app.call('PATCH', `/api/customers/${customer.id}`, body);
  await change({ email, former_address: 'keep' });
  expect((await read(customer.id)).addresses).toMatchObject([{ email, is_primary: true }]);
  expect((await change({ email: none, former_address: 'free' })).status).toBe(200);
  expect((await read(customer.id)).addresses).toMatchObject([{ email: none, is_primary: true }]);
  expect([isNoAddress(email), showAddress(email)]).toEqual([false, email]);
});

describe('what another record has', () => {
  const path = (id: string, rest = '') => `/api/customers/${id}${rest}`;

  test('is refused with the name and the id of that record, wherever it is written', async () => {
    const [holder, other] = [await create(), await create()];
    const second = newEmail();
    const { address_id } = await add(other.id, second);
    await remove(other.id, address_id);
    await add(holder.id, second);
    const company = (await app.call('POST', '/api/companies', { name: 'Acme', domain: 'acme.example' })).body;
    const beta = (await app.call('POST', '/api/companies', { name: 'Beta' })).body;
    const ofCustomer = { type: 'customer', id: holder.id, name: 'Ada' };
    const ofCompany = { type: 'company', id: company.id, name: 'Acme' };
    for (const [answer, named] of [
      [await app.call('POST', '/api/customers', { name: 'New', email: holder.email.toUpperCase() }), ofCustomer],
      [await app.call('POST', '/api/customers', { name: 'New', email: second }), ofCustomer],
      [await app.call('PATCH', path(other.id), { email: holder.email }), ofCustomer],
      [await post(other.id, '', { email: second }), ofCustomer],
      [await post(other.id, `/${address_id}/restore`), ofCustomer],
      [await app.call('POST', '/api/companies', { name: 'New', domain: 'ACME.example' }), ofCompany],
      [await app.call('PATCH', `/api/companies/${beta.id}`, { domain: 'acme.example' }), ofCompany],
    ] as const)
      expect(answer).toMatchObject({ status: 409, body: { holder: named } });
  });

  test('is refused without a name for a machine that may only write, and with it for one that may read', async () => {
    const holder = await create();
    const asMachine = (...scopes: string[]) =>
      app.callWith(...scopes)('POST', '/api/customers', { name: 'New', email: holder.email });
    const refused = await asMachine('customers.write');
    expect(refused).toMatchObject({ status: 409, body: { code: 'email-taken' } });
    expect(JSON.stringify(refused.body)).not.toMatch(new RegExp(`Ada|${holder.id}|${holder.email}`));
    expect((await asMachine('customers.write', 'customers.read')).body.holder.id).toBe(holder.id);
    await app.call('POST', '/api/companies', { name: 'Closed', domain: 'closed.example' });
    const company = await app.callWith('companies.write', 'customers.read')('POST', '/api/companies', {
      name: 'New',
      domain: 'closed.example',
    });
    expect(company).toMatchObject({ status: 409, body: { code: 'already-exists' } });
    expect(company.body.holder).toBeUndefined();
  });

  test('is refused without a name if its customer was erased', async () => {
    const holder = await create();
    const owner = await app.database.connect('platform_migrator');
    await owner.query('set role platform_owner');
    await owner.query('update platform.customers set erased_at = now() where id = $1', [holder.id]);
    const refused = await app.call('POST', '/api/customers', { name: 'New', email: holder.email });
    expect(refused).toMatchObject({ status: 409, body: { code: 'email-taken' } });
    expect(refused.body.holder).toBeUndefined();
  });
});
