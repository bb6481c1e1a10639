import { beforeAll, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from './testing.ts';

const span = 'b7ad6b7169203331';
let app: TestFoundation;
beforeAll(async () => {
  app = await startTestFoundation();
});

test('every event names the request that caused it and the person who sent it', async () => {
  const superuser = await app.database.connect('postgres');
  let requests = 0;
  /** Sends a change as part of a trace of its own, and reads the events of that trace. */
  async function change(method: string, path: string, body?: object) {
    const id = String(++requests).padStart(32, 'a');
    const { status, body: answer } = await app.call(method, path, body as never, {
      traceparent: `00-${id}-${span}-01`,
    });
    expect([path, status]).toEqual([path, expect.toBeOneOf([200, 201, 204])]);
    const { rows } = await superuser.query(
      `select type, actor from sync.outbox where substr(trace, 4, 32) = $1 order by id`,
      [id],
    );
    return { answer, types: rows.map(({ type }) => type), actors: new Set(rows.map(({ actor }) => actor)) };
  }
  const before = (await superuser.query('select coalesce(max(id), 0) as id from sync.outbox')).rows[0].id;

  const company = await change('POST', '/api/companies', { name: 'Tidewater', domain: 'tidewater.example' });
  const customer = await change('POST', '/api/customers', { name: 'Kenji', email: 'kenji@tidewater.example' });
  expect(customer.types).toEqual(['customer.created']);
  const { id } = customer.answer;
  const renamed = await change('PATCH', `/api/customers/${id}`, { name: 'Kenji W.', expected_version: 1 });
  const deal = await change('POST', '/api/deals', { customer_id: id, name: 'Robots', amount: 5, currency: 'EUR' });
  const won = await change('POST', `/api/deals/${deal.answer.id}/close`, { outcome: 'won', tier: 'premium' });
  expect(won.types).toEqual(expect.arrayContaining(['deal.updated', 'customer.updated', 'activity.created']));
  for (const each of [company, customer, renamed, deal, won]) {
    expect(each.types.length).toBeGreaterThan(0);
    expect(each.actors).toEqual(new Set(['maya']));
  }

  const { rows: untraced } = await superuser.query('select type from sync.outbox where id > $1 and trace is null', [
    before,
  ]);
  expect(untraced).toEqual([]);
});
