import { untilSomebodyWaits } from '@aether/database/testing';
import { requireUnderWay } from '@aether/database/testing.scope';
import { createModelReader } from '@aether/importer/similar';
import { walkPage } from '@aether/sync/detection';
import { beforeAll, describe, expect, test } from 'vitest';
import { racing, startTestSupport, type TestSupport } from '../testing.ts';

let app: TestSupport;
let asPriya: TestSupport['call'];
let unique = 0;
beforeAll(async () => {
  app = await startTestSupport(racing);
  asPriya = app.callAs('priya');
});

const call = (given: object = {}) => ({
  client_id: `call-${++unique}`,
  direction: 'inbound',
  number: '+49 30 901820',
  outcome: 'resolved',
  started_at: new Date(Date.now() - 300_000).toISOString(),
  duration_seconds: 240,
  ...given,
});
const log = (given: object) => asPriya('POST', '/api/calls', call(given));
const activitiesOf = (callId: string) =>
  app.foundation.query(
    'select customer_id, type, description, metadata, created_by_app from crm.activities where idempotency_key = $1',
    [`call:${callId}`],
  );
const customer = (given: { email: string; name: string; phone?: string }) => app.foundation.createCustomer(given);

describe('a call', () => {
  test.each([
    ['+49 170 1234501', '+491701234501', undefined],
    ['+49 (0)170 1234502', '0170 1234502', 'DE'],
    ['+49 (170) 123-4503', '00491701234503', 'DE'],
    ['+49 170 1234504 ext. 7', '+49/170/1234504', undefined],
    ['＋４９ １７０ １２３４５０５', '+491701234505', undefined],
    ['+49 170 1234506', '＋４９ １７０ １２３４５０６', 'US'],
  ])('from the number %s belongs to the customer with %s', async (written, number, country) => {
    const known = await customer({ email: `phone${++unique}@post.example`, name: 'Phone', phone: written });
    const { status, body } = await log({ number, country });
    expect(status).toBe(201);
    expect(body).toMatchObject({ customer_was: 'found-by-number', call: { customer: { id: known.id } } });
    expect(body.call.number_e164).toMatch(/^\+49170123450\d$/);
  });

  test('with only the last digits of a customer’s number belongs to another customer', async () => {
    await customer({ email: `end${++unique}@post.example`, name: 'End', phone: '+44 20 71234567' });
    expect(await log({ number: '+49 30 71234567' })).toMatchObject({
      status: 422,
      body: { errors: [{ field: 'email' }] },
    });
  });

  test('from a number that several customers have belongs to the one with the address, or is refused with their names', async () => {
    const [one, two] = [
      await customer({ email: 'one@shared.example', name: 'One Shared', phone: '+49 40 5550001' }),
      await customer({ email: 'two@shared.example', name: 'Two Shared', phone: '+49 (0)40 5550001' }),
    ];
    const number = '+49405550001';
    const refused = await log({ number });
    expect(refused).toMatchObject({ status: 409, body: { code: 'number-ambiguous' } });
    expect(refused.body.detail).toContain('One Shared');
    expect((await log({ number, email: 'TWO@shared.example' })).body.call.customer.id).toBe(two.id);
    expect((await log({ number, customer_id: one.id })).body).toMatchObject({ customer_was: 'chosen' });
  });

  test('from a second number belongs to its customer, and one that is also another customer’s asks', async () => {
    const known = await customer({ email: 'second@number.example', name: 'Second', phone: '+49 40 5550300' });
    await app.foundation.addPhone(known.id, '+49 40 5550301');
    expect((await log({ number: '+49405550301' })).body).toMatchObject({
      ...{ customer_was: 'found-by-number', call: { customer: { id: known.id } } },
    });
    const other = await customer({ email: 'other@number.example', name: 'Other', phone: '+49 40 5550301' });
    const looked = await asPriya('POST', '/api/calls/lookup', { number: '040/5550301', country: 'DE' });
    expect(looked.body.by_number.map(({ name }: { name: string }) => name).sort()).toEqual(['Other', 'Second']);
    expect(await log({ number: '+49405550301' })).toMatchObject({ status: 409, body: { code: 'number-ambiguous' } });
    expect((await log({ number: '+49405550301', email: other.email })).body.call.customer.id).toBe(other.id);
  });

  test('from an extension belongs to the customer at that extension, otherwise to one of whom none is known', async () => {
    const phones = ['+49 40 5550100 ext. 12', '+49 40 5550100 x13', '+49 40 5550100'];
    const [at12, , at] = await Promise.all(
      phones.map((phone, index) => customer({ email: `desk${index}@shared.example`, name: `Desk ${index}`, phone })),
    );
    const callerAt = async (number: string) => (await log({ number })).body.call?.customer.id;
    expect(await callerAt('+49 40 5550100;ext=12')).toBe(at12?.id);
    expect(await callerAt('+49405550100 x99')).toBe(at?.id);
    expect((await log({ number: '+49 40 5550100' })).status).toBe(409);
    const { body } = await asPriya('POST', '/api/calls/lookup', { number: '+49 40 5550100 #12' });
    expect(body.by_number.map(({ name }: { name: string }) => name)).toEqual(['Desk 0']);
  });

  test('with the number of one customer and the address of another is refused until one of them is chosen', async () => {
    const one = await customer({ email: 'number@two.example', name: 'Number Two', phone: '+49 40 5550200' });
    await customer({ email: 'address@two.example', name: 'Address Two' });
    const given = { number: '+49 40 5550200', email: 'address@two.example' };
    const refused = await log(given);
    expect(refused).toMatchObject({ status: 409, body: { code: 'caller-ambiguous' } });
    expect(refused.body.detail).toContain('Number Two (number@two.example)');
    expect(refused.body.detail).toContain('Address Two');
    expect((await log({ ...given, customer_id: one.id })).body).toMatchObject({ customer_was: 'chosen' });
    expect((await log({ ...given, email: 'number@two.example' })).body).toMatchObject({
      customer_was: 'found-by-number',
    });
  });

  test('from an unknown number is found by address and adds the number to the customer, but overwrites none', async () => {
    const without = await customer({ email: 'without@number.example', name: 'Without' });
    const withOne = await customer({ email: 'with@number.example', name: 'With', phone: '+1 212 5550000' });
    const first = await log({ number: '+49 89 5550010', email: 'without@number.example' });
    expect(first.body).toMatchObject({ customer_was: 'found-by-email', call: { customer: { id: without.id } } });
    await log({ number: '+49 89 5550011', email: 'with@number.example' });
    expect((await app.foundation.getCustomerById(without.id))?.phone).toBe('+49895550010');
    expect((await app.foundation.getCustomerById(withOne.id))?.phone).toBe('+1 212 5550000');
  });

  test('from an unknown person makes a customer, whom Foundation sees', async () => {
    const { body } = await log({ number: '+49 89 5550020', email: 'new@caller.example', name: 'New Caller' });
    expect(body.customer_was).toBe('created');
    expect(await app.foundation.getCustomerByEmail('new@caller.example')).toMatchObject({
      name: 'New Caller',
      phone: '+49895550020',
      created_by_app: 'support',
    });
  });

  test('is one activity in the CRM’s timeline, without the number and the notes', async () => {
    const known = await customer({ email: 'told@crm.example', name: 'Told', phone: '+49 89 5550030' });
    const { body } = await log({ number: '+49895550030', notes: 'Secret: he is leaving.', outcome: 'follow-up' });
    expect(await activitiesOf(body.call.id)).toEqual([
      {
        customer_id: known.id,
        type: 'support_call',
        description: 'Inbound call, 4 min, to be followed up',
        created_by_app: 'support',
        metadata: {
          call_id: body.call.id,
          direction: 'inbound',
          outcome: 'follow-up',
          duration_seconds: 240,
          number_ends: '30',
        },
      },
    ]);
  });

  test('that is logged twenty times at once is one call, one activity, one customer', async () => {
    const given = call({ number: '+49 89 5550040', email: 'once@caller.example', name: 'Once' });
    const answers = await Promise.all(Array.from({ length: 20 }, () => asPriya('POST', '/api/calls', given)));
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.call?.id}`)).size).toBe(1);
    expect(await activitiesOf(answers[0]?.body.call.id)).toHaveLength(1);
  });

  test.each([
    ['another outcome', { outcome: 'voicemail' }],
    ['another number', { number: '+49 89 5550042' }],
    ['another address', { email: 'somebody-else@caller.example' }],
  ])('with a client_id that was used for %s is refused, and makes no customer', async (_, more) => {
    const given = call({ number: '+49 89 5550041', email: `reused${++unique}@caller.example`, name: 'Reused' });
    const first = await asPriya('POST', '/api/calls', given);
    await asPriya('PATCH', `/api/calls/${first.body.call.id}`, { notes: 'Corrected' });
    expect((await asPriya('POST', '/api/calls', given)).body.call.id).toBe(first.body.call.id);
    expect(await asPriya('POST', '/api/calls', { ...given, ...more })).toMatchObject({
      status: 409,
      body: { code: 'client-id-reused', errors: [{ field: 'client_id' }] },
    });
    expect(await app.foundation.getCustomerByEmail('somebody-else@caller.example')).toBeNull();
  });

  test('that races another one with the same client_id is refused, and only one call is logged', async () => {
    const client_id = `at-once-${++unique}`;
    const answers = await Promise.all(
      ['one', 'two'].map((name) =>
        asPriya(
          'POST',
          '/api/calls',
          call({ client_id, number: '+49 89 5550043', email: `${name}@at-once.example`, name }),
        ),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
    const known = await Promise.all(
      ['one', 'two'].map((name) => app.foundation.getCustomerByEmail(`${name}@at-once.example`)),
    );
    expect(known.filter((each) => each !== null)).toHaveLength(1);
  });

  test('does not overwrite a number that the customer gets meanwhile', async () => {
    const without = await customer({ email: 'meanwhile@number.example', name: 'Meanwhile' });
    const rival = await app.database.connect('foundation_app');
    await rival.query('begin');
    await rival.query('update platform.customers set phone = $2, phone_key = $3 where id = $1', [
      without.id,
      '+1 212 5550001',
      '+12125550001',
    ]);
    const logged = log({ number: '+49 89 5550044', email: 'meanwhile@number.example' });
    await untilSomebodyWaits(rival);
    await rival.query('commit');
    expect(await logged).toMatchObject({ status: 201, body: { customer_was: 'found-by-email' } });
    expect((await app.foundation.getCustomerById(without.id))?.phone).toBe('+1 212 5550001');
  });

  test('is corrected here, while the CRM’s activity stays unchanged', async () => {
    await customer({ email: 'fix@caller.example', name: 'Fix', phone: '+49 89 5550050' });
    const { body } = await log({ number: '+49895550050' });
    const before = await activitiesOf(body.call.id);
    const changed = await asPriya('PATCH', `/api/calls/${body.call.id}`, {
      outcome: 'voicemail',
      notes: 'On the machine',
    });
    expect(changed.body).toMatchObject({ outcome: 'voicemail', notes: 'On the machine', duration_seconds: 240 });
    expect((await asPriya('PATCH', `/api/calls/${body.call.id}`, { notes: null })).body.notes).toBeNull();
    expect(await activitiesOf(body.call.id)).toEqual(before);
  });

  test.each([
    ['a number that is none', { number: '12' }, 'number'],
    ['a national number without a country', { number: '0170 1234599' }, 'number'],
    ['a country that there is not', { number: '0170 1234599', country: 'ZZ' }, 'number'],
    ['a beginning in the future', { started_at: new Date(Date.now() + 3_600_000).toISOString() }, 'started_at'],
    ['a duration below nothing', { duration_seconds: -1 }, 'duration_seconds'],
    ['an outcome it does not know', { outcome: 'fine' }, 'outcome'],
  ])('with %s is refused', async (_, given, field) => {
    expect(await log(given)).toMatchObject({ status: 422, body: { errors: [{ field }] } });
  });

  test('is logged and read by agents, and by no other person; a machine with the scope reads the list', async () => {
    expect(await app.callAs('maya')('POST', '/api/calls', call())).toMatchObject({ status: 403 });
    expect(await app.callAs('maya')('GET', '/api/calls')).toMatchObject({ status: 403, body: { code: 'agent-only' } });
    expect((await app.callWith('calls.read')('GET', '/api/calls')).status).toBe(200);
  });

  test('shows its customer while the number is typed, and none for half a number', async () => {
    const known = await customer({ email: 'typed@look.example', name: 'Typed', phone: '+49 89 5550060' });
    const look = async (given: Record<string, unknown>) => (await asPriya('POST', '/api/calls/lookup', given)).body;
    expect(await look({ number: '+49 89' })).toEqual({ number_e164: null, by_number: [], by_email: null });
    expect(await look({ number: '089 5550060', country: 'DE', email: 'typed@loo' })).toMatchObject({
      number_e164: '+49895550060',
      by_number: [{ id: known.id, name: 'Typed' }],
      by_email: null,
    });
  });

  test('that would make a customer hints at one who may be the same person', async () => {
    const known = await customer({ email: 'theodora@hintz.example', name: 'Theodora Hintz' });
    const worker = await app.database.connect('sync_app');
    const on = { query: async (text: string, values?: unknown[]) => (await worker.query(text, values)).rows as never };
    while (await walkPage(on, { readModel: createModelReader() })) requireUnderWay();
    const look = async (given: Record<string, unknown>) => (await asPriya('POST', '/api/calls/similar', given)).body;
    expect(await look({ name: 'Teodora Hintz', email: 'theodora@hintz.exampel' })).toMatchObject({
      similar: [
        { id: known.id, name: 'Theodora Hintz', reasons: expect.arrayContaining(['the last name is the same']) },
      ],
    });
    expect(await look({ name: 'Somebody Else', number: '030 5550061', country: 'DE' })).toEqual({ similar: [] });
    // It finds customers by their names alone, as the list of customers does: to know an address is not enough to be let in.
    const machine = (scope: string) => app.callWith(scope)('POST', '/api/calls/similar', { name: 'Theodora Hintz' });
    expect(await machine('context.read')).toMatchObject({ status: 403 });
    expect(await machine('customers.read')).toMatchObject({ status: 200, body: { similar: [{ id: known.id }] } });
  });

  test('is listed once across the pages, also for one customer', async () => {
    const known = await customer({ email: 'many@calls.example', name: 'Many', phone: '+49 89 5550070' });
    const ids: string[] = [];
    for (let n = 0; n < 3; n += 1)
      ids.unshift((await log({ number: '+49895550070', started_at: `2026-01-0${n + 1}T10:00:00Z` })).body.call.id);
    const seen: string[] = [];
    for (let cursor = ''; cursor !== 'end'; ) {
      const { body } = await asPriya(
        'GET',
        `/api/calls?limit=2&customer_id=${known.id}${cursor && `&cursor=${cursor}`}`,
      );
      seen.push(...body.calls.map(({ id }: { id: string }) => id));
      cursor = body.next_cursor ?? 'end';
    }
    expect(seen).toEqual(ids);
  });
});
