import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

let app: TestFoundation;
let superuser: Awaited<ReturnType<TestFoundation['database']['connect']>>;
beforeAll(async () => {
  app = await startTestFoundation();
  superuser = await app.database.connect('postgres');
  await app.foundation.updateUser('maya', { role: 'admin' });
});

let n = 0;
/** The person who leaves in this test, and who gets what they have. */
let leaver = '';
let successor = '';
beforeEach(async () => {
  n += 1;
  leaver = `leaver-${n}`;
  successor = `successor-${n}`;
  for (const [id, name] of [
    [leaver, `Lea Ver ${n}`],
    [successor, `Sue Cess ${n}`],
  ] as const)
    await app.foundation.signInUser({
      subject: id,
      email: `${id}@aether.example`,
      name,
      tenantId: 'test-tenant',
      objectId: id,
    });
});

const leave = (to?: string, who = leaver) =>
  app.call('POST', `/api/users/${who}/leave`, { ...(to !== undefined && { hand_over_to: to }) });
const comeBack = (give_back = true, who = leaver) => app.call('POST', `/api/users/${who}/return`, { give_back });
const makeCustomer = async (more: object = {}): Promise<string> =>
  (
    await app.call('POST', '/api/customers', {
      email: `c${Math.random()}@leave.example`,
      name: 'A customer',
      account_manager_id: leaver,
      ...more,
    })
  ).body.id;
const makeCompany = async (): Promise<string> =>
  (await app.call('POST', '/api/companies', { name: 'A company', owner_id: leaver })).body.id;
const makeDeal = async (customer: string) =>
  (
    await app.call('POST', '/api/deals', {
      client_id: crypto.randomUUID(),
      customer_id: customer,
      name: 'A deal',
      owner_id: leaver,
    })
  ).body;
const makeTask = async (customer: string, by = 'maya', assigned_to: string | undefined = leaver) =>
  (
    await app.callAs(by)('POST', `/api/customers/${customer}/activities`, {
      client_id: crypto.randomUUID(),
      type: 'task',
      description: 'Call them',
      ...(assigned_to && { assigned_to }),
    })
  ).body;
const one = async (query: string, ...values: unknown[]) => (await superuser.query(query, values)).rows[0];

const ownerOf = (company: string) => one('select owner_id as owner from platform.companies where id = $1', company);

describe('somebody who left', () => {
  test('comes in by no token', async () => {
    expect((await app.callAs(leaver)('GET', '/api/tags')).status).toBe(200);
    expect((await leave()).body.user.left_at).not.toBeNull();
    expect((await app.callAs(leaver)('GET', '/api/tags')).body).toMatchObject({ status: 403, code: 'user-left' });
  });

  test('is no agent until they return, and their open conversations wait for another one', async () => {
    await superuser.query(
      `with w as (insert into support.widgets (name, key) values ('Site', 'departures') returning id),
         a as (insert into support.agents (user_id, availability) values ($1, 'online') returning id)
       insert into support.sessions (widget_id, agent_id, status, token_hash, visitor_name, ended_at, resolved)
       select w.id, a.id, s, sha256((s || $1)::bytea), 'Ada', case s when 'ended' then now() end, nullif(s = 'ended', false)
       from w, a, unnest(array['active', 'ended']) s`,
      [leaver],
    );
    await leave();
    const { rows } = await superuser.query(
      `select s.status, s.agent_id is null as waits, a.is_active from support.agents a, support.sessions s
       where a.user_id = $1 and s.token_hash in (sha256(('active' || $1)::bytea), sha256(('ended' || $1)::bytea)) order by 1`,
      [leaver],
    );
    expect(rows).toEqual([
      { status: 'active', waits: true, is_active: false },
      { status: 'ended', waits: false, is_active: false },
    ]);
    await comeBack();
    expect((await one('select is_active from support.agents where user_id = $1', leaver)).is_active).toBe(true);
  });

  test('is given nothing: no customer, company, deal or task, and no place among the agents', async () => {
    const customer = await makeCustomer({ account_manager_id: 'maya' });
    const deal = (await makeDeal(await makeCustomer())).id;
    const company = await makeCompany();
    await leave(successor);
    const field = (name: string) => ({
      status: 422,
      code: 'invalid-field',
      errors: [expect.objectContaining({ field: name, message: expect.stringMatching(/has left/) })],
    });
    const refused = [
      [await app.call('PATCH', `/api/customers/${customer}`, { account_manager_id: leaver }), 'account_manager_id'],
      [
        await app.call('POST', '/api/customers', {
          email: `x${n}@leave.example`,
          name: 'X',
          account_manager_id: leaver,
        }),
        'account_manager_id',
      ],
      [await app.call('PATCH', `/api/deals/${deal}`, { owner_id: leaver }), 'owner_id'],
      [await app.call('PATCH', `/api/companies/${company}`, { owner_id: leaver }), 'owner_id'],
      [await app.call('POST', '/api/companies', { name: 'X', owner_id: leaver }), 'owner_id'],
    ] as const;
    for (const [{ body }, name] of refused) expect(body).toMatchObject(field(name));
    expect(await makeTask(customer)).toMatchObject(field('assigned_to'));
    await expect(app.support.query('insert into support.agents (user_id) values ($1)', [leaver])).rejects.toMatchObject(
      {
        code: 'invalid-field',
      },
    );
    const { body } = await app.call('GET', '/api/users/mentionable?search=lea');
    expect(body.people.map(({ id }: { id: string }) => id)).not.toContain(leaver);
  });
});

describe('what somebody had', () => {
  test('goes to the successor: customers, companies, open deals, tasks and shared views; closed and done things stay', async () => {
    const customer = await makeCustomer();
    const company = await makeCompany();
    const deal = await makeDeal(customer);
    const closed = await makeDeal(customer);
    await superuser.query(
      `update crm.deals set stage_id = (select id from crm.pipeline_stages where outcome = 'won' limit 1) where id = $1`,
      [closed.id],
    );
    const task = await makeTask(customer);
    const own = await makeTask(customer, leaver, undefined);
    const done = await makeTask(customer);
    await superuser.query('update crm.activities set done_at = now() where id = $1', [done.id]);
    const view = (name: string, by: string) =>
      app.callAs(by)('POST', '/api/views', { page: 'deals', name, query: 'a=1', is_shared: true });
    await view('Big ones', leaver);
    await view('Hot', leaver);
    await view('Hot', successor);
    expect((await app.call('GET', `/api/users/${leaver}/holdings`)).body).toEqual({
      customers: 1,
      companies: 1,
      deals: 1,
      tasks: 2,
      views: 2,
    });

    const { body } = await leave(successor);
    expect(body).toMatchObject({
      handed_over: { customers: 1, companies: 1, deals: 1, tasks: 2, views: 2 },
      left_over: { customers: 0, companies: 0, deals: 0, tasks: 0, views: 0 },
    });
    expect(
      (await one('select account_manager_id as owner from platform.customers where id = $1', customer)).owner,
    ).toBe(successor);
    expect((await ownerOf(company)).owner).toBe(successor);
    expect((await one('select owner_id as owner from crm.deals where id = $1', deal.id)).owner).toBe(successor);
    expect((await one('select owner_id as owner from crm.deals where id = $1', closed.id)).owner).toBe(leaver);
    for (const { id } of [task, own])
      expect((await one('select assigned_to as owner from crm.activities where id = $1', id)).owner).toBe(successor);
    expect((await one('select assigned_to as owner from crm.activities where id = $1', done.id)).owner).toBe(leaver);
    const { rows } = await superuser.query('select name from crm.saved_views where owner_id = $1 order by name', [
      successor,
    ]);
    expect(rows.map(({ name }) => name)).toEqual(['Big ones', 'Hot', `Hot (Lea Ver ${n})`]);
    const event = await one(
      `select actor, data from sync.outbox where type = 'customer.updated' and row_id = $1 order by id desc limit 1`,
      customer,
    );
    expect(event).toMatchObject({ actor: 'maya', data: { account_manager_id: successor } });
    expect(
      (await one('select count(*)::integer as told from platform.notices where user_id = $1', successor)).told,
    ).toBe(0);
  });

  test('may wait: it stays theirs until a later call names somebody, and a call that was cut off is made again', async () => {
    await superuser.query(
      `insert into platform.customers (email, email_key, name, account_manager_id, created_by_app)
       select e, e, 'Person', $1, 'foundation' from generate_series(1, 600) g, lateral (select 'p' || g || '@' || $1 || '.example') x (e)`,
      [leaver],
    );
    expect((await leave()).body).toMatchObject({ handed_over: { customers: 0 }, left_over: { customers: 600 } });
    const first = (await leave(successor)).body;
    const second = (await leave(successor)).body;
    expect(first.handed_over.customers + second.handed_over.customers).toBe(600);
    expect(second).toMatchObject({ user: { left_at: first.user.left_at }, left_over: { customers: 0 } });
  });

  test('cannot be mentioned any more, and stays where they were mentioned before', async () => {
    const customer = await makeCustomer();
    const path = `/api/customers/${customer}/activities`;
    const write = (description: string) =>
      app.call('POST', path, { client_id: crypto.randomUUID(), type: 'note', description });
    const note = (await write(`<@${leaver}> knows them`)).body;
    await leave(successor);
    const { name } = await one('select name from platform.users where id = $1', leaver);
    expect(await write(`<@${leaver}> look`)).toMatchObject({
      status: 422,
      body: { errors: [{ field: 'description', message: `mentions ${name}, who has left: leave the name out` }] },
    });
    const edited = { description: `<@${leaver}> knew them` };
    expect((await app.call('PATCH', `/api/activities/${note.id}`, edited)).status).toBe(200);
    await comeBack();
  });

  test('is given back to somebody who returns, but for what others have by now', async () => {
    const [still, since] = [await makeCustomer(), await makeCustomer()];
    const [house, houseSince] = [await makeCompany(), await makeCompany()];
    const deal = await makeDeal(still);
    const own = await makeTask(still, leaver, undefined);
    const nobodys = await makeTask(still, leaver, undefined);
    await superuser.query('update crm.activities set assigned_to = null where id = $1', [nobodys.id]);
    await leave(successor);
    await app.call('PATCH', `/api/customers/${since}`, { account_manager_id: 'maya' });
    await app.call('PATCH', `/api/companies/${houseSince}`, { owner_id: 'maya' });
    const { body } = await comeBack();
    expect(body).toMatchObject({
      user: { left_at: null },
      given_back: { customers: 1, companies: 1, deals: 1, tasks: 2, views: 0 },
      kept: { customers: 1, companies: 1, deals: 0, tasks: 0, views: 0 },
      is_done: true,
    });
    expect((await one('select account_manager_id as owner from platform.customers where id = $1', still)).owner).toBe(
      leaver,
    );
    expect((await one('select account_manager_id as owner from platform.customers where id = $1', since)).owner).toBe(
      'maya',
    );
    expect([(await ownerOf(house)).owner, (await ownerOf(houseSince)).owner]).toEqual([leaver, 'maya']);
    expect((await one('select owner_id as owner from crm.deals where id = $1', deal.id)).owner).toBe(leaver);
    expect((await one('select assigned_to as owner from crm.activities where id = $1', own.id)).owner).toBe(leaver);
    expect((await one('select assigned_to as owner from crm.activities where id = $1', nobodys.id)).owner).toBeNull();
    expect((await app.callAs(leaver)('GET', '/api/tags')).status).toBe(200);
    expect((await comeBack()).body).toMatchObject({ given_back: { customers: 0 }, kept: { customers: 0 } });
  });

  test('of an erased person goes to the successor as well: an open deal stays in the books', async () => {
    const customer = await makeCustomer();
    const deal = await makeDeal(customer);
    await superuser.query('update platform.customers set erased_at = now(), account_manager_id = null where id = $1', [
      customer,
    ]);
    expect((await leave(successor)).body).toMatchObject({ handed_over: { deals: 1 }, left_over: { deals: 0 } });
    expect((await one('select owner_id as owner from crm.deals where id = $1', deal.id)).owner).toBe(successor);
    expect(await one('select from crm.handovers where customer_id = $1', customer)).toBeUndefined();
    expect((await comeBack()).body).toMatchObject({ given_back: { deals: 1 } });
  });

  test('a view whose new name they have themselves is handed over; one whose name they have since stays with the successor', async () => {
    const view = async (name: string, by: string, is_shared = true) =>
      (await app.callAs(by)('POST', '/api/views', { page: 'deals', name, query: 'a=1', is_shared })).body.id;
    const plain = await view('Hot', leaver);
    await view(`Hot (Lea Ver ${n})`, leaver);
    await view('Hot', successor);
    await view('Mine', leaver, false);
    expect((await leave(successor)).body).toMatchObject({ handed_over: { views: 2 }, left_over: { views: 0 } });
    await app.callAs(successor)('PATCH', `/api/views/${plain}`, { name: 'Mine' });
    expect((await comeBack()).body).toMatchObject({ given_back: { views: 1 }, kept: { views: 1 }, is_done: true });
  });

  test('is not handed over any more once they are back', async () => {
    await superuser.query(
      `insert into platform.customers (email, email_key, name, account_manager_id, created_by_app)
       select e, e, 'Person', $1, 'foundation' from generate_series(1, 3000) g, lateral (select 'b' || g || '@' || $1 || '.example') x (e)`,
      [leaver],
    );
    const handing = leave(successor);
    await expect
      .poll(async () => (await one('select count(*)::integer as n from crm.handovers where from_user = $1', leaver)).n)
      .toBeGreaterThan(0);
    expect((await comeBack(false)).status).toBe(200);
    const { body } = await handing;
    expect(body.handed_over.customers).toBeLessThan(3000);
    expect(body.handed_over.customers + body.left_over.customers).toBe(3000);
  });

  test('is given back for thirty days, and forgotten after that', async () => {
    const customer = await makeCustomer();
    await leave(successor);
    await superuser.query(`update crm.handovers set created_at = now() - interval '31 days' where from_user = $1`, [
      leaver,
    ]);
    expect((await comeBack()).body).toMatchObject({ given_back: { customers: 0 }, kept: { customers: 0 } });
    expect(
      (await one('select account_manager_id as owner from platform.customers where id = $1', customer)).owner,
    ).toBe(successor);
    await superuser.query('select platform.forget_handovers(100)');
    expect(await one('select from crm.handovers where from_user = $1', leaver)).toBeUndefined();
  });

  test('is not given back by the undo of an earlier act once they left: the outcome says why', async () => {
    const customer = await makeCustomer();
    const { version } = await one('select version::integer from platform.customers where id = $1', customer);
    const act = await app.call('POST', '/api/customers/acts', {
      chosen: { [customer]: version },
      change: { account_manager_id: successor },
    });
    await leave(successor);
    const { body } = await app.call('POST', `/api/customers/acts/${act.body.id}/undo`, {});
    expect(body).toMatchObject({ changed: 0, refused: [{ code: 'invalid-field', detail: 'Whose it was has left.' }] });
  });
});

describe('what goes on after somebody has left', () => {
  test('a task of theirs that repeats is ticked by a colleague, who has the next one; the tick is taken back with it', async () => {
    const customer = await makeCustomer({ account_manager_id: 'maya' });
    const repeated = async (assigned_to?: string) =>
      (
        await app.callAs(assigned_to ? 'maya' : leaver)('POST', `/api/customers/${customer}/activities`, {
          client_id: crypto.randomUUID(),
          type: 'task',
          description: 'Call them',
          due_at: '2026-03-01T10:00:00Z',
          repeats: 'weekly',
          time_zone: 'Europe/Berlin',
          ...(assigned_to && { assigned_to }),
        })
      ).body.id;
    const tasks = [await repeated(leaver), await repeated()];
    await leave();
    for (const id of tasks) {
      const ticked = await app.callAs(successor)('PATCH', `/api/activities/${id}`, { is_done: true });
      expect(ticked.status).toBe(200);
      const next = await one('select * from crm.activities where repeated_from = $1', id);
      expect(next).toMatchObject({ assigned_to: null, created_by: successor });
      await app.callAs(successor)('PATCH', `/api/activities/${id}`, { is_done: false });
      expect(await one('select from crm.activities where repeated_from = $1', id)).toBeUndefined();
    }
  });

  test('a process of a former version ticks a task of theirs as well', async () => {
    const task = await makeTask(await makeCustomer({ account_manager_id: 'maya' }));
    await leave();
    const { rowCount } = await (await app.database.connect('foundation_app')).query(
      `insert into crm.activities (customer_id, type, description, assigned_to, repeated_from)
       select customer_id, type, description, assigned_to, id from crm.activities where id = $1`,
      [task.id],
    );
    expect(rowCount).toBe(1);
  });

  test('pairs of duplicates that they were to decide wait for anybody, and are not given to them', async () => {
    await app.foundation.updateUser(leaver, { role: 'steward' });
    const [a, b] = [await makeCustomer(), await makeCustomer()].sort();
    await superuser.query(
      `insert into platform.review_candidates (customer_id, other_id, reason, evidence, assigned_to, assigned_at)
       values ($1, $2, 'manual', '{}', $3, now())`,
      [a, b, leaver],
    );
    await leave();
    const pair = await one('select id, assigned_to from platform.review_candidates where customer_id = $1', a);
    expect(pair.assigned_to).toBeNull();
    await expect(superuser.query('select platform.require_decider($1)', [leaver])).rejects.toThrow(
      /only a data steward/,
    );
  });
});

describe('nobody is entered as having left', () => {
  test('by somebody who is no administrator, by themselves, or while they are the last administrator', async () => {
    expect((await app.callAs(successor)('POST', `/api/users/${leaver}/leave`, {})).body.code).toBe('admin-only');
    expect((await app.callAs(successor)('GET', `/api/users/${leaver}/holdings`)).body.code).toBe('admin-only');
    expect((await leave(undefined, 'maya')).body).toMatchObject({ status: 409, code: 'own-departure' });
    expect((await leave(undefined, 'nobody')).status).toBe(404);
    expect((await comeBack(true, 'nobody')).status).toBe(404);
  });

  test('two administrators who enter each other at the same moment leave one', async () => {
    await app.foundation.updateUser(leaver, { role: 'admin' });
    await Promise.all([leave(), app.callAs(leaver)('POST', '/api/users/maya/leave', {})]);
    const left = await one(
      `select count(*) filter (where left_at is null)::integer as here from platform.users where role = 'admin'`,
    );
    expect(left.here).toBe(1);
    await superuser.query(
      `update platform.users set left_at = null, role = case when id = 'maya' then 'admin' else 'user' end`,
    );
  });

  test('with a successor who is not there or has left as well: nothing has changed then', async () => {
    await leave(undefined, successor);
    for (const to of [successor, leaver, 'nobody'])
      expect((await leave(to)).body).toMatchObject({ status: 422, errors: [{ field: 'hand_over_to' }] });
    expect((await one('select left_at from platform.users where id = $1', leaver)).left_at).toBeNull();
  });
});
