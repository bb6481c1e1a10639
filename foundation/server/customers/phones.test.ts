import { beforeAll, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

let app: TestFoundation;
beforeAll(async () => {
  app = await startTestFoundation();
});

let unique = 0;
const [office, mobile, home] = ['+49 30 1111111', '+49 170 2222222', '+44 20 7946 0993'];
const create = (phone?: string) =>
  app.foundation.createCustomer({ name: 'Ada', email: `phones${++unique}@example.com`, ...(phone && { phone }) });
const read = async (id: string) => (await app.call('GET', `/api/customers/${id}`)).body;
const post = (id: string, path: string, body: Record<string, unknown> = {}) =>
  app.call('POST', `/api/customers/${id}/phones${path}`, body);
const remove = (id: string, phone: string, query = '') =>
  app.call('DELETE', `/api/customers/${id}/phones/${phone}${query}`);

describe('the telephone numbers of a customer', () => {
  test('are shown with the customer, each with the person who added it, the primary one first', async () => {
    const customer = await create(office);
    const added = await post(customer.id, '', { phone: `${mobile} ext. 12`, expected_version: 1 });
    expect(added).toMatchObject({ status: 201, body: { customer_id: customer.id, version: 2 } });
    const { phones, customer: shown } = await read(customer.id);
    expect(added.body.phones).toEqual(phones);
    expect(shown).toMatchObject({ version: 2, phone: office });
    expect(phones).toEqual([
      expect.objectContaining({ phone: office, phone_key: '+49301111111', is_primary: true, added_by: null }),
      {
        ...{ id: added.body.phone_id, phone: `${mobile} ext. 12`, phone_key: '+491702222222', phone_extension: '12' },
        ...{ is_primary: false, added_at: expect.any(String), added_by_app: 'foundation' },
        added_by: { id: 'maya', name: 'Maya Okafor' },
      },
    ]);
  });

  test('can be made primary, removed and given back, also by the number of the customer', async () => {
    const customer = await create(office);
    const number = String(customer.crm_id);
    const { phone_id } = (await post(number, '', { phone: mobile })).body;
    expect((await post(number, `/${phone_id}/primary`)).body.phones[0]).toMatchObject({ id: phone_id, phone: mobile });
    expect((await read(number)).customer.phone).toBe(mobile);
    const former = (await read(number)).phones[1];
    expect((await remove(number, former.id, '?expected_version=3')).body).toMatchObject({ version: 4 });
    expect((await read(number)).phones).toHaveLength(1);
    const restored = await post(number, `/${former.id}/restore`, { expected_version: 4 });
    expect(restored).toMatchObject({ status: 200, body: { version: 5, phone_id: former.id } });
    expect((await read(number)).phones[1]).toEqual(former);
  });

  test('are refused with a reason: no number, removing the primary one of several, an unknown one, an old version', async () => {
    const [customer, other] = [await create(office), await create(home)];
    await post(customer.id, '', { phone: mobile });
    const [primary, second] = (await read(customer.id)).phones;
    const [theirs] = (await read(other.id)).phones;
    const nowhere = '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b';
    for (const [answer, status, code] of [
      [await post(customer.id, '', { phone: 'no number' }), 422, 'invalid-field'],
      [await post(customer.id, '', { phone: home, is_primary: true }), 422, 'invalid-field'],
      [await remove(customer.id, primary.id), 409, 'primary-phone'],
      [await app.call('PATCH', `/api/customers/${customer.id}`, { phone: null }), 409, 'primary-phone'],
      [await remove(customer.id, theirs.id), 404, 'not-found'],
      [await post(customer.id, `/${theirs.id}/primary`), 404, 'not-found'],
      [await post(customer.id, `/${second.id}/restore`), 404, 'not-found'],
      [await post(nowhere, '', { phone: home }), 404, 'not-found'],
      [await remove(customer.id, 'not-an-id'), 422, 'invalid-field'],
      [await post(customer.id, '', { phone: home, expected_version: 9 }), 409, 'customer-version-conflict'],
      [await remove(customer.id, second.id, '?expected_version=9'), 409, 'customer-version-conflict'],
    ] as const)
      expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect((await read(customer.id)).phones).toHaveLength(2);
    expect((await app.callAnonymously('POST', `/api/customers/${customer.id}/phones`, { phone: home })).status).toBe(
      401,
    );
  });
});
