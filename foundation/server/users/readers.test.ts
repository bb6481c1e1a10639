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
    const company = (await app.call('POST', '/api/companies', { name: 'A company' })).body.id;
    expect(await asIda('POST', `/api/companies/${company}/activities`, note)).toMatchObject(refused);
    const deal = (await app.call('POST', '/api/deals', { customer_id: id, name: 'A deal' })).body.id;
    expect((await asIda('GET', `/api/deals/${deal}/contacts`)).status).toBe(200);
    expect(await asIda('PUT', `/api/deals/${deal}/contacts/${id}`, { role: 'Mine' })).toMatchObject(refused);
    expect(await asIda('DELETE', `/api/deals/${deal}/contacts/${id}`)).toMatchObject(refused);
    expect(await asIda('POST', `/api/deals/${deal}/primary`, { customer_id: id })).toMatchObject(refused);
    await app.call('PATCH', '/api/users/ida', { role: 'user' });
    expect((await change()).status).toBe(200);
    await app.call('PATCH', '/api/users/ida', { role: 'reader' });
    expect(await change()).toMatchObject(refused);
  });

  test('asks for the companies that may be the same, which changes nothing, and makes none', async () => {
    const draft = { name: 'Fjordlight' };
    expect(await asIda('POST', '/api/companies/similar', draft)).toMatchObject({ status: 200, body: { similar: [] } });
    expect(await asIda('POST', '/api/companies', draft)).toMatchObject(refused);
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

  test('is given nothing: no customer, company, deal or task, also by SQL, and is no successor', async () => {
    expect(await newCustomer({ account_manager_id: 'ida' })).toMatchObject(noReader('account_manager_id'));
    const { id, version } = (await newCustomer({ account_manager_id: 'jon' })).body;
    expect(
      await app.call('PATCH', `/api/customers/${id}`, { account_manager_id: 'ida', expected_version: version }),
    ).toMatchObject(noReader('account_manager_id'));
    const deal = { client_id: crypto.randomUUID(), customer_id: id, name: 'A deal', owner_id: 'ida' };
    expect(await app.call('POST', '/api/deals', deal)).toMatchObject(noReader('owner_id'));
    const task = { client_id: crypto.randomUUID(), type: 'task', description: 'Call', assigned_to: 'ida' };
    expect(await app.call('POST', `/api/customers/${id}/activities`, task)).toMatchObject(noReader('assigned_to'));
    const company = { name: 'A company', owner_id: 'ida' };
    expect(await app.call('POST', '/api/companies', company)).toMatchObject(noReader('owner_id'));
    const { body: made } = await app.call('POST', '/api/companies', { ...company, owner_id: 'jon' });
    expect(await app.call('PATCH', `/api/companies/${made.id}`, { owner_id: 'ida' })).toMatchObject(
      noReader('owner_id'),
    );
    const login = await app.database.connect('foundation_app');
    await expect(
      login.query(`update platform.customers set account_manager_id = 'ida' where id = $1`, [id]),
    ).rejects.toThrow('a reader is given nothing');
    expect((await app.call('POST', '/api/users/jon/leave', { hand_over_to: 'ida' })).status).toBe(422);
  });

  test('gets nothing back by a return, an undo or a task that comes again', async () => {
    const nina = {
      subject: 'nina',
      email: 'nina@aether.example',
      name: 'Nina',
      tenantId: 'test-tenant',
      objectId: 'nina',
    };
    await app.foundation.signInUser(nina);
    const [first, second] = [
      (await newCustomer({ account_manager_id: 'nina' })).body,
      (await newCustomer({ account_manager_id: 'nina' })).body,
    ];
    const task = (
      await app.call('POST', `/api/customers/${first.id}/activities`, {
        ...{ client_id: crypto.randomUUID(), type: 'task', description: 'Call', assigned_to: 'nina' },
        ...{ due_at: '2026-01-05T09:00:00Z', repeats: 'weekly', time_zone: 'Europe/Berlin' },
      })
    ).body;
    const act = await app.call('POST', '/api/customers/acts', {
      chosen: { [second.id]: second.version },
      change: { account_manager_id: 'jon' },
    });
    const role = (given: string) => app.call('PATCH', '/api/users/nina', { role: given });
    await role('reader');
    expect((await app.call('POST', `/api/customers/acts/${act.body.id}/undo`, {})).body).toMatchObject({
      ...{ changed: 0, refused_count: 1 },
      refused: [{ code: 'invalid-field', detail: 'Whose it was is a reader now.' }],
    });
    expect((await app.call('PATCH', `/api/activities/${task.id}`, { is_done: true })).status).toBe(200);
    const next = await app.foundation.query('select assigned_to from crm.activities where repeated_from = $1', [
      task.id,
    ]);
    expect(next).toEqual([{ assigned_to: null }]);

    await role('user');
    expect((await app.call('POST', '/api/users/nina/leave', { hand_over_to: 'jon' })).body).toMatchObject({
      handed_over: { customers: 1 },
    });
    await role('reader');
    const comeBack = () => app.call('POST', '/api/users/nina/return', { give_back: true });
    expect(await comeBack()).toMatchObject({
      status: 200,
      body: { user: { left_at: null }, given_back: { customers: 0 }, is_done: true },
    });
    await role('user');
    expect((await comeBack()).body).toMatchObject({ given_back: { customers: 1 } });
  });

  test('who becomes one while they are handed what somebody had gets no more of it', async () => {
    for (const id of ['lee', 'sue'])
      await app.foundation.signInUser({ subject: id, email: `${id}@aether.example`, name: id });
    const superuser = await app.database.connect('postgres');
    await superuser.query(
      `insert into platform.customers (email, email_key, name, account_manager_id, created_by_app)
       select e, e, 'Person', 'lee', 'foundation' from generate_series(1, 1000) g, lateral (select 'l' || g || '@read.example') x (e)`,
    );
    const handing = app.call('POST', '/api/users/lee/leave', { hand_over_to: 'sue' });
    await expect
      .poll(() => app.foundation.query(`select from crm.handovers where from_user = 'lee' limit 1`))
      .toHaveLength(1);
    await app.call('PATCH', '/api/users/sue', { role: 'reader' });
    const { status, body } = await handing;
    expect(status).toBe(200);
    expect(body.handed_over.customers).toBeLessThan(1000);
    expect(body.handed_over.customers + body.left_over.customers).toBe(1000);
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
