import { beforeAll, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

let app: TestFoundation;
let unique = 0;
beforeAll(async () => {
  app = await startTestFoundation();
  await app.foundation.updateUser('maya', { role: 'admin' });
});

type Json = Record<string, unknown>;
const newField = async (more: Json = {}) =>
  (
    await app.call('POST', '/api/custom-fields', {
      record: 'customer',
      key: `field_${++unique}`,
      label: 'Field',
      type: 'text',
      ...more,
    })
  ).body;
const newCustomer = (custom?: Json) =>
  app.call('POST', '/api/customers', {
    name: 'Ada',
    email: `custom${++unique}@example.com`,
    ...(custom && { custom }),
  });

describe('a field of the organisation', () => {
  test.each([
    ['text', 'Blue', 7, {}],
    ['number', 12.5, '12', {}],
    ['date', '2026-02-28', '2026-02-30', {}],
    ['choice', 'Gold', 'Silver', { choices: ['Gold', 'Iron'] }],
    ['checkbox', false, 'no', {}],
  ])('of the type %s keeps %j and refuses %j, in the API and in the database', async (type, good, bad, more) => {
    const { key, id } = await newField({ type, ...more });
    const { body: customer } = await newCustomer();
    const path = `/api/customers/${customer.id}`;
    expect((await app.call('PATCH', path, { custom: { [key]: good } })).status).toBe(200);
    expect((await app.call('GET', path)).body.custom).toEqual({ [key]: good });
    expect(await app.call('PATCH', path, { custom: { [key]: bad } })).toMatchObject({
      status: 422,
      body: { errors: [{ field: `custom.${key}` }] },
    });
    const write = app.foundation.query('update crm.custom_field_values set value = $2 where field_id = $1', [
      id,
      JSON.stringify(bad),
    ]);
    await expect(write).rejects.toMatchObject({ code: 'invalid-field' });
    expect((await app.call('GET', path)).body.custom).toEqual({ [key]: good });
    const list = await app.call('GET', `/api/customers?search=${encodeURIComponent(customer.email)}`);
    expect(list.body.customers[0].custom).toEqual({ [key]: good });
    await app.call('PATCH', path, { custom: { [key]: null } });
    expect((await app.call('GET', path)).body.custom).toEqual({});
    await app.call('DELETE', `/api/custom-fields/${id}`);
  });

  test('that is required must be given for a new record, and its value cannot be removed', async () => {
    const { key, id } = await newField({ is_required: true });
    expect(await newCustomer()).toMatchObject({ status: 422, body: { errors: [{ field: `custom.${key}` }] } });
    const { body: customer, status } = await newCustomer({ [key]: 'given' });
    expect(status).toBe(201);
    expect((await app.call('PATCH', `/api/customers/${customer.id}`, { custom: { [key]: null } })).status).toBe(422);
    await expect(
      app.foundation.query('delete from crm.custom_field_values where field_id = $1', [id]),
    ).rejects.toMatchObject({
      code: 'invalid-field',
    });
    const chatBorn = await app.support.findOrCreateCustomer({ email: `chat${++unique}@example.com`, name: 'Chat' });
    expect(
      (await app.call('PATCH', `/api/customers/${chatBorn.customer.id}`, { phone: '+1 212 555 0100' })).status,
    ).toBe(200);
    expect((await app.call('DELETE', `/api/custom-fields/${id}`)).body).toEqual({ values: 1 });
  });

  test.each([1e15, -1e15, 0.001])('of numbers takes %d', async (number) => {
    const { key } = await newField({ type: 'number' });
    expect((await newCustomer({ [key]: number })).status).toBe(201);
  });

  test.each(['1e16', '-1e16', '1e400'])('of numbers refuses %s, in the API and in the database', async (number) => {
    const { key, id } = await newField({ type: 'number' });
    const { body: customer } = await newCustomer({ [key]: 1 });
    const answer = await fetch(`${app.url}/api/customers/${customer.id}`, {
      method: 'PATCH',
      headers: { ...(await app.headersOf('maya')), 'Content-Type': 'application/json' },
      body: `{"custom":{"${key}":${number}}}`,
    });
    expect({ status: answer.status, body: await answer.json() }).toMatchObject({
      status: 422,
      body: { errors: [{ field: `custom.${key}` }] },
    });
    await expect(
      app.foundation.query('update crm.custom_field_values set value = $2 where field_id = $1', [id, number]),
    ).rejects.toMatchObject({ code: 'invalid-field' });
  });

  test('that deals or companies require is required in plain SQL too, but not of records that a chat makes', async () => {
    const { body: customer } = await newCustomer();
    const ofDeal = await newField({ record: 'deal', is_required: true });
    const ofCompany = await newField({ record: 'company', is_required: true });
    const makeDeal = (value?: string) =>
      app.foundation.transaction({}, async (tx) => {
        const [deal] = await tx.query<{ id: number }>(
          `insert into crm.deals (customer_id, pipeline_id, stage_id, name) select $1, pipeline_id, id, 'D' from crm.pipeline_stages
           where name = 'Qualified' limit 1 returning id`,
          [customer.id],
        );
        if (value)
          await tx.query('insert into crm.custom_field_values (field_id, deal_id, value) values ($1, $2, $3)', [
            ofDeal.id,
            deal?.id,
            JSON.stringify(value),
          ]);
      });
    await expect(makeDeal()).rejects.toMatchObject({ code: 'invalid-field', fields: [{ field: ofDeal.key }] });
    await makeDeal('given');
    await expect(app.foundation.createCompany({ name: 'Firm' })).rejects.toMatchObject({ code: 'invalid-field' });
    expect((await app.support.createCompany({ name: 'Born in a chat' })).created_by_app).toBe('support');
    expect((await app.support.findOrCreateCustomer({ email: `chat${++unique}@example.com`, name: 'C' })).created).toBe(
      true,
    );
    for (const { id } of [ofDeal, ofCompany]) await app.call('DELETE', `/api/custom-fields/${id}`);
    await app.foundation.createCompany({ name: 'Firm' });
  });

  test('exists for deals and companies as well, and only for its own kind of record', async () => {
    const deal = await newField({ record: 'deal' });
    const company = await newField({ record: 'company' });
    const { body: customer } = await newCustomer();
    const made = await app.call('POST', '/api/deals', {
      customer_id: customer.id,
      name: 'D',
      custom: { [deal.key]: 'x' },
    });
    expect((await app.call('GET', `/api/deals/${made.body.id}`)).body.custom).toEqual({ [deal.key]: 'x' });
    const { body: firm } = await app.call('POST', '/api/companies', { name: 'Firm', custom: { [company.key]: 'y' } });
    expect((await app.call('GET', `/api/companies/${firm.id}`)).body.custom).toEqual({ [company.key]: 'y' });
    expect((await app.call('PATCH', `/api/companies/${firm.id}`, { custom: { [deal.key]: 'y' } })).status).toBe(422);
    const misplaced = app.foundation.query(
      'insert into crm.custom_field_values (field_id, customer_id, value) values ($1, $2, $3)',
      [deal.id, customer.id, '"x"'],
    );
    await expect(misplaced).rejects.toMatchObject({ code: 'invalid-field' });
  });

  test('that two people change from the same version of the record is refused to the second', async () => {
    const { key, id } = await newField();
    const { body: customer } = await newCustomer();
    const change = (value: string) =>
      app.call('PATCH', `/api/customers/${customer.id}`, {
        custom: { [key]: value },
        expected_version: customer.version,
      });
    const first = await change('red');
    expect(first).toMatchObject({ status: 200, body: { version: customer.version + 1 } });
    expect(await change('blue')).toMatchObject({ status: 409, body: { code: 'customer-version-conflict' } });
    expect((await app.call('GET', `/api/customers/${customer.id}`)).body).toMatchObject({
      custom: { [key]: 'red' },
      customer: { version: first.body.version },
    });
    await app.call('DELETE', `/api/custom-fields/${id}`);
  });

  test('keeps the choices that a record has', async () => {
    const { id, key } = await newField({ type: 'choice', choices: ['A', 'B'] });
    await newCustomer({ [key]: 'A' });
    expect(await app.call('PATCH', `/api/custom-fields/${id}`, { choices: ['B'] })).toMatchObject({
      status: 409,
      body: { code: 'choice-in-use' },
    });
    const changed = await app.call('PATCH', `/api/custom-fields/${id}`, { choices: ['C', 'A'], label: 'Class' });
    expect(changed.body).toMatchObject({ choices: ['C', 'A'], label: 'Class', key });
  });

  test('can report the number of its values before it is removed', async () => {
    const { id, key } = await newField();
    await newCustomer({ [key]: 'one' });
    expect((await app.call('DELETE', `/api/custom-fields/${id}?dry_run=true`)).body).toEqual({ values: 1 });
    const list = async () => (await app.call('GET', '/api/custom-fields?record=customer')).body.custom_fields;
    expect((await list()).map((field: { id: number }) => field.id)).toContain(id);
    await app.call('DELETE', `/api/custom-fields/${id}`);
    expect((await list()).map((field: { id: number }) => field.id)).not.toContain(id);
  });

  test.each([
    [{ key: 'Bad Key' }, 'key'],
    [{ type: 'colour' }, 'type'],
    [{ type: 'choice' }, 'choices'],
    [{ choices: ['A'] }, 'choices'],
    [{ type: 'choice', choices: ['A', 'A'] }, 'choices'],
    [{ label: ' ' }, 'label'],
    [{ record: 'user' }, 'record'],
  ])('with %j is refused, and the refusal names %s', async (more, field) => {
    const answer = await app.call('POST', '/api/custom-fields', {
      record: 'customer',
      key: 'ok',
      label: 'Ok',
      type: 'text',
      ...more,
    });
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ field }] } });
  });

  test('can be made, changed and removed only by administrators', async () => {
    const { id } = await newField();
    await app.foundation.signInUser({ subject: 'plain', email: 'plain@aether.example', name: 'Plain' });
    const call = app.callAs('plain');
    const body = { record: 'customer', key: 'mine', label: 'Mine', type: 'text' };
    expect((await call('POST', '/api/custom-fields', body)).status).toBe(403);
    expect((await call('PATCH', `/api/custom-fields/${id}`, { label: 'x' })).status).toBe(403);
    expect((await call('DELETE', `/api/custom-fields/${id}`)).status).toBe(403);
    expect((await call('GET', '/api/custom-fields')).status).toBe(200);
  });
});
