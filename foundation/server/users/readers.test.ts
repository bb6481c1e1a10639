import { beforeAll, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

/** Ida is the reader, Jon works with the records, Maya is the administrator. */
let app: TestFoundation;
let asIda: TestFoundation['call'];
beforeAll(async () => {
  app = await startTestFoundation();
  await app.foundation.updateUser('maya', { role: 'admin' });
  for (const id of ['ida', 'jon'])
    await app.foundation.signInUser({
      subject: id,
      email: `${id}@aether.example`,
      name: id,
      tenantId: 'test-tenant',
      objectId: id,
    });
  asIda = app.callAs('ida');
  await app.call('PATCH', '/api/users/ida', { role: 'reader' });
});

const newCustomer = (more: object = {}) =>
  app.call('POST', '/api/customers', { email: `r${Math.random()}@read.example`, name: 'A customer', ...more });
const refused = { status: 403, body: { code: 'readers-only-read' } };
const noReader = (field: string) => ({
  status: 422,
  body: { errors: [{ field, message: expect.stringContaining('is a reader') }] },
});

describe('a reader', () => {
  test('sees a customer, its timeline and the deals, and changes none of them, until an administrator gives another role', async () => {
    const { id, version } = (await newCustomer()).body;
    for (const path of [`/api/customers/${id}`, `/api/customers/${id}/timeline`, '/api/deals'])
      expect([path, (await asIda('GET', path)).status]).toEqual([path, 200]);
    const change = () => asIda('PATCH', `/api/customers/${id}`, { name: 'Hers', expected_version: version });
    expect(await change()).toMatchObject(refused);
    const note = { client_id: crypto.randomUUID(), type: 'note', description: 'Mine' };
    expect(await asIda('POST', `/api/customers/${id}/activities`, note)).toMatchObject(refused);
    expect(await asIda('POST', '/api/customers/acts', {})).toMatchObject(refused);
    await app.call('PATCH', '/api/users/ida', { role: 'user' });
    expect((await change()).status).toBe(200);
    await app.call('PATCH', '/api/users/ida', { role: 'reader' });
    expect(await change()).toMatchObject(refused);
  });

  test('has views of their own, and none that others see', async () => {
    const view = { page: 'customers', name: 'Of Ida', query: 'sort=name', is_shared: false };
    const { id } = (await asIda('POST', '/api/views', view)).body;
    expect((await asIda('PATCH', `/api/views/${id}`, { name: 'Still hers' })).status).toBe(200);
    expect(await asIda('PATCH', `/api/views/${id}`, { is_shared: true })).toMatchObject(refused);
    expect(await asIda('POST', '/api/views', { ...view, name: 'All', is_shared: true })).toMatchObject(refused);
    const superuser = await app.database.connect('postgres');
    await superuser.query('update crm.saved_views set is_shared = true where id = $1', [id]);
    expect((await asIda('PATCH', `/api/views/${id}`, { name: 'Ours' })).status).toBe(404);
    expect((await asIda('DELETE', `/api/views/${id}`)).status).toBe(404);
  });

  test('reads and puts away what is in their own inbox', async () => {
    expect((await asIda('GET', '/api/notices')).status).toBe(200);
    expect((await asIda('POST', '/api/notices/read-all', {})).status).toBe(200);
  });

  test('is given nothing: no customer, deal or task, also by SQL, and is no successor', async () => {
    expect(await newCustomer({ account_manager_id: 'ida' })).toMatchObject(noReader('account_manager_id'));
    const { id, version } = (await newCustomer({ account_manager_id: 'jon' })).body;
    expect(
      await app.call('PATCH', `/api/customers/${id}`, { account_manager_id: 'ida', expected_version: version }),
    ).toMatchObject(noReader('account_manager_id'));
    const deal = { client_id: crypto.randomUUID(), customer_id: id, name: 'A deal', owner_id: 'ida' };
    expect(await app.call('POST', '/api/deals', deal)).toMatchObject(noReader('owner_id'));
    const task = { client_id: crypto.randomUUID(), type: 'task', description: 'Call', assigned_to: 'ida' };
    expect(await app.call('POST', `/api/customers/${id}/activities`, task)).toMatchObject(noReader('assigned_to'));
    const login = await app.database.connect('foundation_app');
    await expect(
      login.query(`update platform.customers set account_manager_id = 'ida' where id = $1`, [id]),
    ).rejects.toThrow('a reader is given nothing');
    expect((await app.call('POST', '/api/users/jon/leave', { hand_over_to: 'ida' })).status).toBe(422);
  });

  test('is made by administrators only, and never of the last one', async () => {
    expect(await app.callAs('jon')('PATCH', '/api/users/ida', { role: 'user' })).toMatchObject({ status: 403 });
    expect(await asIda('PATCH', '/api/users/ida', { role: 'admin' })).toMatchObject({ status: 403 });
    expect(await app.call('PATCH', '/api/users/maya', { role: 'reader' })).toMatchObject({
      status: 409,
      body: { code: 'last-admin' },
    });
  });
});
