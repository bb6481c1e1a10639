import type { Customer } from '@aether/platform';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

let app: TestFoundation;
let customer: Customer;
let unique = 0;
beforeAll(async () => {
  app = await startTestFoundation();
});

const newCustomer = () => app.foundation.createCustomer({ name: 'Erik', email: `erik${++unique}@fjordlight.example` });
const add = (who: Customer, type: string, occurred_at: string, description = type) =>
  app.call('POST', `/api/customers/${who.id}/activities`, { type, description, occurred_at });
const logChat = (who: Customer, occurredAt: string) =>
  app.support.query(
    `insert into crm.activities (customer_id, type, description, occurred_at, idempotency_key)
      values ($1, 'support_chat', 'Support conversation resolved', $2, $3)`,
    [who.id, occurredAt, `session:${++unique}`],
  );

async function readAll(who: Customer, query = ''): Promise<string[]> {
  const seen: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const { body } = await app.call(
      'GET',
      `/api/customers/${who.id}/timeline?limit=2${query}${cursor && `&cursor=${cursor}`}`,
    );
    seen.push(...body.entries.map((entry: { description: string }) => entry.description));
    cursor = body.next_cursor;
  }
  return seen;
}

describe('the timeline', () => {
  beforeAll(async () => {
    customer = await newCustomer();
    await add(customer, 'call', '2026-03-01T10:00:00Z', 'first');
    await logChat(customer, '2026-03-02T10:00:00Z');
    await add(customer, 'note', '2026-03-03T10:00:00Z', 'third');
    await add(customer, 'call', '2026-03-04T10:00:00Z', 'fourth');
  });

  test('shows what both apps added, newest first, page by page', async () => {
    expect(await readAll(customer)).toEqual(['fourth', 'third', 'Support conversation resolved', 'first']);
  });

  test('is filtered by app and by types', async () => {
    expect(await readAll(customer, '&app=support')).toEqual(['Support conversation resolved']);
    expect(await readAll(customer, '&type=call')).toEqual(['fourth', 'first']);
    expect(await readAll(customer, '&type=note,support_chat')).toEqual(['third', 'Support conversation resolved']);
    expect(await readAll(customer, '&app=support&type=call')).toEqual([]);
  });

  test('is found by the number of the customer as well', async () => {
    const { body } = await app.call('GET', `/api/customers/${customer.crm_id}/timeline`);
    expect(body.entries).toHaveLength(4);
    expect(body.entries[2]).toMatchObject({ type: 'support_chat', app: 'support', deal_id: null, actor: null });
  });

  test('loses and doubles none of many entries within one microsecond and one microsecond apart', async () => {
    const busy = await newCustomer();
    await app.foundation.query(
      `insert into crm.activities (customer_id, type, description, occurred_at)
       select $1, 'note', 'n' || n, timestamptz '2026-03-01 10:00:00.000001Z' + make_interval(secs => (n / 3) * 0.000001)
         from generate_series(0, 20) n`,
      [busy.id],
    );
    const seen = await readAll(busy);
    expect(new Set(seen).size).toBe(21);
    expect(seen).toHaveLength(21);
  });

  test('of an unknown customer is 404; of a customer without entries it is empty', async () => {
    expect((await app.call('GET', '/api/customers/019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b/timeline')).status).toBe(404);
    const { body } = await app.call('GET', `/api/customers/${(await newCustomer()).id}/timeline`);
    expect(body).toEqual({ entries: [], next_cursor: null });
  });

  test.each(['type=Call', 'type=', `type=${Array(21).fill('call')}`, 'app=C-R-M', 'cursor=e30', 'limit=201'])(
    '?%s is refused',
    async (query) => {
      expect((await app.call('GET', `/api/customers/${customer.id}/timeline?${query}`)).status).toBe(422);
    },
  );
});

describe('adding an activity', () => {
  test('records the person who did it', async () => {
    const who = await newCustomer();
    const added = await app.call('POST', `/api/customers/${who.id}/activities`, {
      type: 'task',
      description: 'Send the offer\r\nand call',
      due_at: '2026-12-01T09:00:00+01:00',
    });
    expect(added).toMatchObject({
      status: 201,
      body: {
        type: 'task',
        description: 'Send the offer\nand call',
        due_at: '2026-12-01T08:00:00.000Z',
        app: 'foundation',
        actor: { id: 'maya', name: 'Maya Okafor' },
      },
    });
  });

  test('takes any offset and answers in UTC', async () => {
    const added = await add(await newCustomer(), 'call', '2026-01-01T00:00:00+23:00');
    expect(added).toMatchObject({ status: 201, body: { occurred_at: '2025-12-31T01:00:00.000Z' } });
  });

  test('twice with one client_id adds one, also if it was edited meanwhile', async () => {
    const who = await newCustomer();
    const send = () =>
      app.call('POST', `/api/customers/${who.id}/activities`, { type: 'note', description: 'once', client_id: 'abc' });
    const [first, second] = await Promise.all([send(), send()]);
    expect(first?.body).toEqual(second?.body);
    await app.call('PATCH', `/api/activities/${first?.body.id}`, { description: 'edited' });
    expect(await send()).toMatchObject({ status: 201, body: { id: first?.body.id, description: 'edited' } });
    expect(await readAll(who)).toEqual(['edited']);
  });

  test.each([
    ['another text', { description: 'other' }],
    ['another type', { type: 'call' }],
    ['another time', { occurred_at: '2026-01-01T00:00:00Z' }],
  ])('with a client_id that was used for %s is refused', async (_, more) => {
    const who = await newCustomer();
    const note = { type: 'note', description: 'first', client_id: `reused-${++unique}` };
    const path = `/api/customers/${who.id}/activities`;
    await app.call('POST', path, note);
    expect(await app.call('POST', path, { ...note, ...more })).toMatchObject({
      status: 409,
      body: { code: 'client-id-reused' },
    });
    expect(await readAll(who)).toEqual(['first']);
  });

  test('with a client_id that was used for another customer is refused', async () => {
    const note = { type: 'note', description: 'first', client_id: `reused-${++unique}` };
    await app.call('POST', `/api/customers/${(await newCustomer()).id}/activities`, note);
    const other = await newCustomer();
    expect(await app.call('POST', `/api/customers/${other.id}/activities`, note)).toMatchObject({
      status: 409,
      body: { code: 'client-id-reused' },
    });
    expect(await readAll(other)).toEqual([]);
  });

  test.each([
    [{ type: 'support_chat', description: 'forged' }, 'type'],
    [{ type: 'deal_won', description: 'forged' }, 'type'],
    [{ type: 'note', description: ' ' }, 'description'],
    [{ type: 'note', description: 'x'.repeat(4_001) }, 'description'],
    [{ type: 'note', description: 'x', occurred_at: 'yesterday' }, 'occurred_at'],
    [{ type: 'note', description: 'x', occurred_at: '9999-12-31T23:59:59-15:00' }, 'occurred_at'],
    [{ type: 'note', description: 'x', occurred_at: '0001-01-01T00:00:00+10:00' }, 'occurred_at'],
    [{ type: 'note', description: 'x', deal_id: 999_999 }, 'deal_id'],
    [{ type: 'note', description: 'x', created_by_app: 'support' }, 'created_by_app'],
  ])('with %j is refused, and the refusal names %s', async (body, field) => {
    const answer = await app.call('POST', `/api/customers/${(await newCustomer()).id}/activities`, body);
    expect(answer.status).toBe(422);
    expect(answer.body.errors.map((error: { field: string }) => error.field)).toEqual([field]);
  });

  test('to the deal of another customer is refused', async () => {
    const deal = await app.call('POST', '/api/deals', { customer_id: (await newCustomer()).id, name: 'Theirs' });
    const answer = await app.call('POST', `/api/customers/${(await newCustomer()).id}/activities`, {
      type: 'note',
      description: 'x',
      deal_id: deal.body.id,
    });
    expect(answer).toMatchObject({ status: 422, body: { code: 'reference-not-found' } });
  });
});

describe('an activity of the wrong person', () => {
  const move = (id: string, to: Customer, call = app.call) =>
    call('POST', `/api/activities/${id}/moves`, { customer_id: to.id, reason: 'Wrong Erik' });
  const undo = (id: string, moved: string) => app.call('POST', `/api/activities/${id}/moves/${moved}/undo`, {});

  test('moves to the right one by its author, says there where it was, and comes back', async () => {
    const [wrong, right] = [await newCustomer(), await newCustomer()];
    const { body } = await add(wrong, 'note', '2026-03-01T10:00:00Z', 'Likes tea');
    const moved = await move(body.id, right);
    expect(moved).toMatchObject({ status: 200, body: { move: { from: { id: wrong.id }, to: { id: right.id } } } });
    expect([await readAll(wrong), await readAll(right)]).toEqual([[], ['Likes tea']]);
    const [entry] = (await app.call('GET', `/api/customers/${right.id}/timeline`)).body.entries;
    expect(entry.move).toMatchObject({ from: { id: wrong.id, name: 'Erik' }, reason: 'Wrong Erik' });
    expect((await undo(body.id, moved.body.move.id)).status).toBe(200);
    expect([await readAll(wrong), await readAll(right)]).toEqual([['Likes tea'], []]);
  });

  test('stays when another person wrote it, when an app did, and when it belongs to a deal', async () => {
    const [wrong, right] = [await newCustomer(), await newCustomer()];
    const asJonas = app.callAs('jonas');
    await asJonas('GET', '/signin/me');
    const { body } = await add(wrong, 'note', '2026-03-01T10:00:00Z');
    expect(await move(body.id, right, asJonas)).toMatchObject({ status: 403, body: { code: 'not-yours' } });
    await app.foundation.query(`update platform.users set role = 'steward' where id = 'jonas'`);
    expect((await move(body.id, right, asJonas)).status).toBe(200);
    await logChat(wrong, '2026-03-02T10:00:00Z');
    const [chat] = (await app.call('GET', `/api/customers/${wrong.id}/timeline`)).body.entries;
    expect((await move(chat.id, right)).status).toBe(404);
    const deal = await app.call('POST', '/api/deals', { customer_id: wrong.id, name: 'Roof', amount: 1 });
    const ofDeal = await app.call('POST', `/api/customers/${wrong.id}/activities`, {
      ...{ type: 'note', description: 'About the roof', deal_id: deal.body.id },
    });
    expect(await move(ofDeal.body.id, right)).toMatchObject({
      status: 409,
      body: { code: 'move-refused', detail: expect.stringContaining('deal') },
    });
  });
});

describe('a task', () => {
  const addTask = async (task: Record<string, unknown> = {}, who?: Customer, call = app.call) => {
    const customer = who ?? (await newCustomer());
    const body = { type: 'task', description: 'Send the offer', ...task };
    return call('POST', `/api/customers/${customer.id}/activities`, body);
  };
  const change = (id: string, body: Record<string, unknown>, call = app.call) =>
    call('PATCH', `/api/activities/${id}`, body);
  const list = async (query: string, call = app.call): Promise<{ id: string; description: string }[]> =>
    (await call('GET', `/api/activities?limit=200&${query}`)).body.activities;
  const idsOf = (tasks: { id: string }[]) => tasks.map(({ id }) => id);
  const soon = new Date(Date.now() + 3 * 86_400_000).toISOString();
  const weekly = { due_at: soon, repeats: 'weekly', time_zone: 'Europe/Berlin' };
  let ines: typeof app.call;
  beforeAll(async () => {
    ines = app.callAs('ines');
    await ines('GET', '/signin/me');
  });

  test('is its author’s until it is given to somebody, and goes back to its author', async () => {
    const { body: task } = await addTask();
    expect(task.assigned_to).toBeNull();
    expect(idsOf(await list('mine=true'))).toContain(task.id);
    expect((await change(task.id, { assigned_to: 'ines' })).body.assigned_to).toMatchObject({ id: 'ines' });
    expect(idsOf(await list('mine=true'))).not.toContain(task.id);
    expect(idsOf(await list('mine=true', ines))).toContain(task.id);
    expect(idsOf(await list('person=ines'))).toContain(task.id);
    await change(task.id, { assigned_to: null });
    expect(idsOf(await list('mine=true'))).toContain(task.id);
    const given = await addTask({ assigned_to: 'ines' });
    expect(idsOf(await list('mine=true', ines))).toContain(given.body.id);
  });

  test('that repeats comes again when it is ticked, once, and goes with the tick', async () => {
    const who = await newCustomer();
    const { body: task } = await addTask(
      { ...weekly, remind_at: new Date(Date.parse(soon) - 3_600_000).toISOString() },
      who,
    );
    const ticks = await Promise.all([change(task.id, { is_done: true }), change(task.id, { is_done: true })]);
    const [next] = ticks.flatMap(({ body }) => body.next ?? []);
    expect(ticks.filter(({ body }) => body.next)).toHaveLength(1);
    expect(Date.parse(next.due_at) - Date.parse(soon)).toBeLessThanOrEqual(7 * 86_400_000 + 3_600_000);
    const [open] = (await app.call('GET', `/api/activities?state=open&customer_id=${who.id}`)).body.activities;
    expect(open).toMatchObject({
      id: next.id,
      repeats: 'weekly',
      assigned_to: { id: 'maya' },
      customer: { id: who.id },
    });
    expect(Date.parse(open.due_at) - Date.parse(open.remind_at)).toBe(3_600_000);
    await change(task.id, { is_done: false });
    expect(idsOf(await list(`state=open&customer_id=${who.id}`))).toEqual([task.id]);
  });

  test('of the 31st keeps to the last day of each month, also when a form sends again what it has', async () => {
    const rhythm = { repeats: 'monthly', time_zone: 'Europe/Berlin' };
    let { body: task } = await addTask({ ...rhythm, due_at: '2026-01-31T11:00:00Z' });
    for (let round = 0; round < 4; round++) {
      const { body } = await change(task.id, { is_done: true });
      task = (await change(body.next.id, { ...rhythm, due_at: body.next.due_at, assigned_to: 'ines' })).body;
      const dayAfter = new Date(Date.parse(task.due_at) + 86_400_000);
      expect(dayAfter.getUTCDate(), task.due_at).toBe(1);
    }
  });

  test('that came again and was changed since stays when the tick before it is taken back', async () => {
    const who = await newCustomer();
    const { body: task } = await addTask(weekly, who);
    const { body } = await change(task.id, { is_done: true });
    await change(body.next.id, { assigned_to: 'ines' });
    await change(task.id, { is_done: false });
    expect(idsOf(await list(`state=open&customer_id=${who.id}`)).sort()).toEqual([task.id, body.next.id].sort());
    // Ticked once more, it has come already.
    expect((await change(task.id, { is_done: true })).body.next).toBeUndefined();
  });

  test('is found among the open and the done ones, the last done first, and by when it is due', async () => {
    const who = await newCustomer();
    const [first, second, third] = [
      await addTask({}, who),
      await addTask({ due_at: soon }, who),
      await addTask({}, who),
    ];
    for (const { body } of [first, third]) await change(body.id, { is_done: true });
    const of = (query: string) => list(`customer_id=${who.id}&${query}`).then(idsOf);
    expect(await of('state=done')).toEqual([third.body.id, first.body.id]);
    expect(await of('state=open')).toEqual([second.body.id]);
    expect(await of(`due_from=${soon}`)).toEqual([second.body.id]);
    expect(await of(`due_before=${soon}`)).toEqual([]);
    const page = await app.call('GET', `/api/activities?customer_id=${who.id}&state=done&limit=1`);
    const other = await app.call(
      'GET',
      `/api/activities?customer_id=${who.id}&limit=1&cursor=${page.body.next_cursor}`,
    );
    expect(other.status).toBe(422);
  });

  test('reminds whoever is to do it, when the time has come, until the reminder is answered', async () => {
    const past = new Date(Date.now() - 1_000).toISOString();
    const { body: task } = await addTask({ remind_at: past, due_at: past, assigned_to: 'ines' });
    const { body: later } = await addTask({ remind_at: soon, assigned_to: 'ines' });
    const waiting = async (call = ines) => (await call('GET', `/api/tasks/waiting?due_before=${soon}`)).body;
    expect(await waiting()).toMatchObject({ reminders: [{ id: task.id }], next_reminder_at: later.remind_at });
    expect((await waiting()).due).toBeGreaterThanOrEqual(1);
    expect(idsOf((await waiting(app.call)).reminders)).not.toContain(task.id);
    await change(task.id, { remind_at: null }, ines);
    expect((await waiting()).reminders).toEqual([]);
  });

  test.each([
    [{ assigned_to: 'nobody' }, 'assigned_to'],
    [{ repeats: 'weekly', time_zone: 'Europe/Berlin' }, 'due_at'],
    [{ repeats: 'weekly', due_at: soon }, 'time_zone'],
    [{ repeats: 'weekly', due_at: soon, time_zone: 'Mars/Olympus' }, 'time_zone'],
    [{ repeats: 'sometimes', due_at: soon }, 'repeats'],
    [{ type: 'note', assigned_to: 'ines' }, 'assigned_to'],
    [{ type: 'note', remind_at: soon }, 'remind_at'],
  ])('with %j is refused, and the refusal names %s', async (part, field) => {
    const answer = await addTask(part);
    expect(answer.status).toBe(422);
    expect(answer.body.errors.map((error: { field: string }) => error.field)).toEqual([field]);
  });

  test('that repeats keeps a day: taking it away is refused, and ending the repetition first is not', async () => {
    const { body: task } = await addTask(weekly);
    const refused = await change(task.id, { due_at: null });
    expect([refused.status, refused.body.errors[0].field]).toEqual([422, 'due_at']);
    expect((await change(task.id, { repeats: null })).status).toBe(200);
    expect((await change(task.id, { due_at: null })).body).toMatchObject({ due_at: null, repeats: null });
  });

  test('of the timeline can be deleted by no app, unless it came by itself and is open', async () => {
    const { body: task } = await addTask(weekly);
    const { body } = await change(task.id, { is_done: true });
    const remove = (id: string) => app.foundation.query('delete from crm.activities where id = $1 returning id', [id]);
    expect(await remove(task.id)).toEqual([]);
    await change(body.next.id, { is_done: true });
    expect(await remove(body.next.id)).toEqual([]);
    await expect(app.support.query('delete from crm.activities where id = $1', [task.id])).rejects.toThrow();
  });
});
