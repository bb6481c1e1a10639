import { until as untilFact } from '@aether/database/testing.scope';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

let app: TestFoundation;
let superuser: Awaited<ReturnType<TestFoundation['database']['connect']>>;
const jonas = 'jonas';
beforeAll(async () => {
  app = await startTestFoundation();
  await app.foundation.signInUser({ subject: 'jonas', email: 'jonas@aether.example', name: 'Jonas Weber' });
  superuser = await app.database.connect('postgres');
});

let made = 0;
/** Makes so many customers of one company of their own. @returns the ids in their order, and the company */
async function makeCustomers(count: number, tier: string | null = null): Promise<{ ids: string[]; company: string }> {
  const n = ++made;
  const { id: company } = await app.foundation.createCompany({ name: `Company ${n}`, domain: `act${n}.example` });
  const rows = await app.foundation.query<{ id: string }>(
    `insert into platform.customers (email, email_key, name, company_id, account_tier, created_by_app)
     select e, e, 'Person ' || g, $2, $3, 'foundation'
     from generate_series(1, $1) g, lateral (select 'p' || g || '@act' || $4 || '.example') x (e)
     returning id`,
    [count, company, tier, n],
  );
  return { ids: rows.map(({ id }) => id).sort(), company };
}
const versionsOf = async (ids: string[]): Promise<Record<string, number>> =>
  Object.fromEntries(
    (
      await app.foundation.query<{ id: string; version: number }>(
        'select id, version from platform.customers where id = any ($1)',
        [ids],
      )
    ).map(({ id, version }) => [id, version]),
  );
const act = async (body: Record<string, unknown>) => (await app.call('POST', '/api/customers/acts', body)).body;
const undo = (id: string, by = 'maya') => app.callAs(by)('POST', `/api/customers/acts/${id}/undo`, {});
const readColumn = async (column: string, ids: string[]) =>
  (
    await app.foundation.query<{ value: string | null }>(
      `select ${column} as value from platform.customers c where id = any ($1) order by id`,
      [ids],
    )
  ).map(({ value }) => value);
const tagsNow = async (id: string) =>
  (await app.call('GET', `/api/customers/${id}`)).body.tags.map(({ name }: { name: string }) => name);
const makeTag = async (name: string) => (await app.call('POST', '/api/tags', { name, colour: 'blue' })).body.id;

describe('one act on many customers', () => {
  test('gives a tier to those that are as the caller saw them, and names the others with the reason', async () => {
    const { ids } = await makeCustomers(6);
    const [a, b, c, d, e, f] = ids as [string, string, string, string, string, string];
    const seen = await versionsOf(ids);
    await app.callAs(jonas)('PATCH', `/api/customers/${b}`, { name: 'Somebody else' });
    await app.call('PATCH', `/api/customers/${c}`, { account_tier: 'premium' });
    const sync = await app.database.connect('sync_app');
    await sync.query('select platform.merge_customers($1, array[$2]::uuid[])', [a, d]);
    Object.assign(seen, await versionsOf([a]));
    const unknown = '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b';
    const done = await act({ chosen: { ...seen, [unknown]: 1 }, change: { account_tier: 'premium' } });
    expect(done).toMatchObject({ changed: 3, unchanged: 1, refused_count: 3 });
    expect(done.refused).toContainEqual({
      customer: { id: d, name: expect.any(String) },
      code: 'customer-merged',
      detail: 'It was merged into another customer.',
    });
    expect(done.refused).toContainEqual({
      customer: { id: unknown, name: null },
      code: 'not-found',
      detail: 'There is no such customer.',
    });
    expect(done.refused.find(({ customer }: { customer: { id: string } }) => customer.id === b)).toMatchObject({
      customer: { name: 'Somebody else' },
      code: 'customer-version-conflict',
      detail: expect.stringMatching(/^(Jonas Weber|Somebody) has changed it since\.$/),
    });
    expect(await readColumn('account_tier', [a, b, c, e, f])).toEqual([
      'premium',
      null,
      'premium',
      'premium',
      'premium',
    ]);
  });

  test('has the events of as many single changes, with the person', async () => {
    const { ids } = await makeCustomers(2, 'basic');
    const { id } = await act({ chosen: await versionsOf(ids), change: { account_tier: 'premium' } });
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    const events = await superuser.query(
      `select row_id, type, actor, data ->> 'account_tier' as tier, previous ->> 'account_tier' as was, version::integer
       from sync.outbox where row_id = any ($1) and type = 'customer.updated'
       union all select row_id, type, actor, data ->> 'account_tier', previous ->> 'account_tier', version::integer
       from sync.events where row_id = any ($1) and type = 'customer.updated' order by row_id`,
      [ids],
    );
    expect(events.rows).toEqual(
      ids.map((row_id) => ({
        row_id,
        type: 'customer.updated',
        actor: 'maya',
        tier: 'premium',
        was: 'basic',
        version: 2,
      })),
    );
  });

  test('on all that match acts in chunks, leaves out the exceptions, and is undone but for what somebody changed since', async () => {
    const { ids, company } = await makeCustomers(600, 'basic');
    const [kept, theirs] = [ids[3] as string, ids[400] as string];
    const done = await act({ matching: { company, except: [kept] }, change: { account_manager_id: jonas } });
    expect(done).toMatchObject({ changed: 599, unchanged: 0, refused_count: 0 });
    await app.call('PATCH', `/api/customers/${theirs}`, { account_manager_id: 'maya' });
    const { body: undone } = await undo(done.id);
    expect(undone).toMatchObject({ changed: 598, refused_count: 1, refused: [{ customer: { id: theirs } }] });
    expect(new Set(await readColumn('account_manager_id', ids))).toEqual(new Set([null, 'maya']));
    expect((await undo(done.id)).status).toBe(404);
  });

  test('is undone by whoever did it, and not by somebody else', async () => {
    const { ids } = await makeCustomers(1);
    const { id } = await act({ chosen: await versionsOf(ids), change: { account_tier: 'basic' } });
    expect((await undo(id, jonas)).status).toBe(404);
    expect((await undo(id)).body).toMatchObject({ changed: 1 });
    expect(await readColumn('account_tier', ids)).toEqual([null]);
  });

  test('tells the new manager of a few customers and of none of many', async () => {
    const [few, many] = [await makeCustomers(2), await makeCustomers(21)];
    for (const { ids } of [few, many])
      await act({ chosen: await versionsOf(ids), change: { account_manager_id: jonas } });
    const { rows } = await superuser.query(
      `select count(*) filter (where customer_id = any ($1))::integer as few,
         count(*) filter (where customer_id = any ($2))::integer as many
       from platform.notices`,
      [few.ids, many.ids],
    );
    expect(rows).toEqual([{ few: 2, many: 0 }]);
  });

  test('adds a task to each once, also when it is sent again, and its undo leaves one that was done', async () => {
    const { ids } = await makeCustomers(3);
    const body = {
      chosen: await versionsOf(ids),
      task: { description: 'Call about the renewal', due_at: '2030-01-02T09:00:00Z', assigned_to: jonas },
      client_id: 'call-once',
    };
    const { body: done } = await app.call('POST', '/api/customers/acts/tasks', body);
    expect(done).toMatchObject({ changed: 3, refused_count: 0 });
    expect((await app.call('POST', '/api/customers/acts/tasks', body)).body).toMatchObject({
      changed: 0,
      unchanged: 3,
    });
    const { body: mine } = await app.call('GET', `/api/activities?customer_id=${ids[0]}`);
    await app.call('PATCH', `/api/activities/${mine.activities[0].id}`, { is_done: true });
    expect((await undo(done.id)).body).toMatchObject({ changed: 2, refused_count: 1 });
    expect((await app.call('GET', `/api/activities?customer_id=${ids[1]}`)).body.activities).toEqual([]);
  });

  test('that gives or takes a tag beside another one that does the same says once of each customer that it was changed', async () => {
    const { ids } = await makeCustomers(3);
    const [tag, seen] = [await makeTag('Twice at once'), await versionsOf(ids)];
    const together = async (change: Record<string, unknown>) => {
      const other = await app.database.connect('postgres');
      await other.query('begin');
      await other.query('select from platform.customers where id = any ($1) for update', [ids]);
      const calls = ['maya', jonas].map((by) =>
        app.callAs(by)('POST', '/api/customers/acts', { chosen: seen, change }),
      );
      await expect
        .poll(
          async () =>
            (
              await superuser.query(
                `select from pg_stat_activity
               where datname = current_database() and wait_event_type = 'Lock' and usename = 'foundation_app'`,
              )
            ).rows.length,
        )
        .toBe(2);
      await other.query('commit');
      return (await Promise.all(calls)).map(({ body }) => body);
    };
    for (const change of [{ add_tag_id: tag }, { remove_tag_id: tag }]) {
      const outcomes = await together(change);
      expect(outcomes.map(({ changed, unchanged }) => [changed, unchanged]).sort()).toEqual([
        [0, 3],
        [3, 0],
      ]);
      expect(outcomes.find(({ changed }) => changed === 0).id).toBeNull();
    }
  });

  test('is undone in a second try where the first one failed, also half-way, and then no more', async () => {
    const { ids, company } = await makeCustomers(300, 'basic');
    const done = await act({ matching: { company }, change: { account_tier: 'premium' } });
    const refuseAt = async (id: string) => {
      await superuser.query(`create or replace function public.refuse_here() returns trigger language plpgsql as $$
        begin raise exception 'not here'; end $$`);
      await superuser.query(`create trigger refuse_here before update on platform.customers for each row
        when (new.id = '${id}') execute function public.refuse_here()`);
    };
    const letGo = () => superuser.query('drop trigger refuse_here on platform.customers');
    await refuseAt(ids[0] as string);
    expect((await undo(done.id)).status).toBe(500);
    await letGo();
    await refuseAt(ids[260] as string);
    expect((await undo(done.id)).body).toMatchObject({ changed: 250, refused_count: 50 });
    await letGo();
    expect((await undo(done.id)).body).toMatchObject({ changed: 50, unchanged: 0, refused_count: 0 });
    expect(new Set(await readColumn('account_tier', ids))).toEqual(new Set(['basic']));
    expect((await undo(done.id)).status).toBe(404);
  });

  test('is refused as a whole for what nobody can get, and for both or neither kind of choice', async () => {
    const { ids, company } = await makeCustomers(1);
    const chosen = await versionsOf(ids);
    const refuse = async (body: Record<string, unknown>) => {
      const { status, body: problem } = await app.call('POST', '/api/customers/acts', body);
      return [status, problem.errors?.map(({ field }: { field: string }) => field)];
    };
    expect(await refuse({ chosen, change: { account_tier: 'platinum' } })).toEqual([422, ['account_tier']]);
    expect(await refuse({ chosen, change: { account_manager_id: 'nobody' } })).toEqual([422, ['account_manager_id']]);
    expect(await refuse({ chosen, change: { add_tag_id: 999 } })).toEqual([422, ['tag_id']]);
    expect(await refuse({ chosen, matching: { company }, change: { account_tier: null } })).toEqual([422, ['chosen']]);
    expect(await refuse({ change: { account_tier: null } })).toEqual([422, ['chosen']]);
  });

  test('of a machine that may not read customers chooses none by a search, and is told no name', async () => {
    const { ids, company } = await makeCustomers(2);
    const [one, other] = ids as [string, string];
    const sync = await app.database.connect('sync_app');
    await sync.query('select platform.merge_customers($1, array[$2]::uuid[])', [one, other]);
    const task = { task: { description: 'Call' }, client_id: crypto.randomUUID() };
    const call = app.callWith('activities.read', 'activities.write', 'customers.write');
    for (const [path, body] of [
      ['/api/customers/acts/tasks', { ...task, matching: { company } }],
      ['/api/customers/acts', { matching: { company }, change: { account_tier: 'basic' } }],
    ] as const)
      expect((await call('POST', path, body)).body).toMatchObject({ status: 403, code: 'token-lacks-scope' });
    const { body } = await call('POST', '/api/customers/acts/tasks', { ...task, chosen: { [one]: 1, [other]: 1 } });
    expect(body).toMatchObject({ changed: 1, refused_count: 1 });
    expect(body).not.toHaveProperty('refused');
  });

  test('gives the chosen customers as a file', async () => {
    const { ids } = await makeCustomers(3);
    const chosen = await versionsOf(ids.slice(0, 2));
    const answer = await fetch(`${app.url}/api/customers/file`, {
      method: 'POST',
      headers: { ...(await app.headersOf('maya')), 'Content-Type': 'application/json' },
      body: JSON.stringify({ chosen }),
    });
    const lines = (await answer.text()).trim().split('\r\n');
    expect(lines).toHaveLength(3);
    expect(
      lines
        .slice(1)
        .map((line) => line.slice(0, 36))
        .sort(),
    ).toEqual(ids.slice(0, 2));
  });
});

describe('tags of customers', () => {
  test('are given to many and taken away, show on the record, in the list and in its filter, and raise no version', async () => {
    const { ids } = await makeCustomers(3);
    const tag = await makeTag('Beta');
    const seen = await versionsOf(ids);
    const done = await act({ chosen: seen, change: { add_tag_id: tag } });
    expect(done).toMatchObject({ changed: 3, unchanged: 0 });
    expect(await versionsOf(ids)).toEqual(seen);
    expect(await tagsNow(ids[0] as string)).toEqual(['Beta']);
    const { body: list } = await app.call('GET', `/api/customers?tag=${tag}`);
    expect(list.customers.map(({ id }: { id: string }) => id).sort()).toEqual(ids);
    expect(list.customers[0].tags).toEqual([{ id: tag, name: 'Beta', colour: 'blue' }]);
    await act({ chosen: { [ids[0] as string]: 1 }, change: { remove_tag_id: tag } });
    expect((await undo(done.id)).body).toMatchObject({ changed: 2, unchanged: 1 });
    expect((await app.call('GET', `/api/customers?tag=${tag}`)).body.customers).toEqual([]);
  });

  test('are renamed and removed by administrators alone, and a name is one tag’s in whatever case', async () => {
    const { ids } = await makeCustomers(1);
    const tag = await makeTag('Partner');
    expect((await app.call('POST', '/api/tags', { name: 'PARTNER' })).body).toMatchObject({ code: 'already-exists' });
    await makeTag('Caf\u00e9');
    expect((await app.call('POST', '/api/tags', { name: 'CAFE\u0301' })).body).toMatchObject({
      code: 'already-exists',
    });
    expect((await app.call('POST', '/api/tags', { name: 'Ca\u202efe' })).status).toBe(422);
    expect((await app.call('PATCH', `/api/tags/${tag}`, { name: 'Ally' })).status).toBe(403);
    await app.call('POST', `/api/customers/${ids[0]}/tags`, { tag_id: tag });
    await superuser.query(`update platform.users set role = 'admin' where id = 'maya'`);
    expect((await app.call('PATCH', `/api/tags/${tag}`, { name: 'Ally' })).body).toMatchObject({ name: 'Ally' });
    expect(await tagsNow(ids[0] as string)).toEqual(['Ally']);
    expect((await app.call('DELETE', `/api/tags/${tag}?dry_run=true`)).body).toEqual({ customers: 1 });
    expect((await app.call('DELETE', `/api/tags/${tag}`)).body).toEqual({ customers: 1 });
    await superuser.query(`update platform.users set role = 'user' where id = 'maya'`);
    expect(await tagsNow(ids[0] as string)).toEqual([]);
    expect((await app.call('POST', `/api/customers/${ids[0]}/tags`, { tag_id: tag })).status).toBe(404);
  });

  test('move in a merge, also where both have one, and come home when it is undone', async () => {
    const { ids } = await makeCustomers(2);
    const [one, other] = ids as [string, string];
    const [both, theirs] = [await makeTag('Both'), await makeTag('Theirs')];
    for (const id of ids) await app.call('POST', `/api/customers/${id}/tags`, { tag_id: both });
    await app.call('POST', `/api/customers/${other}/tags`, { tag_id: theirs });
    const sync = await app.database.connect('sync_app');
    const { rows } = await sync.query('select platform.merge_customers($1, array[$2]::uuid[]) as m', [one, other]);
    expect(await tagsNow(one)).toEqual(['Both', 'Theirs']);
    await sync.query('select platform.unmerge_customers($1)', [rows[0].m.merges[0].merge]);
    expect([await tagsNow(one), await tagsNow(other)]).toEqual([['Both'], ['Both', 'Theirs']]);
  });

  test('go with an erasure, and so does what an act could undo', async () => {
    const { ids } = await makeCustomers(1);
    const tag = await makeTag('Erased with');
    await act({ chosen: await versionsOf(ids), change: { add_tag_id: tag } });
    await act({ chosen: await versionsOf(ids), change: { account_tier: 'basic' } });
    const privacy = await app.database.connect('privacy_app');
    await privacy.query(`begin; set local aether.actor = 'maya'`);
    await privacy.query('select platform.erase_customer($1, $2)', [ids[0], 'A request']);
    await privacy.query('commit');
    const { rows } = await superuser.query(
      `select (select count(*)::integer from crm.customer_tags where customer_id = $1) as tags,
         (select count(*)::integer from crm.act_customers where customer_id = $1) as acts`,
      [ids[0]],
    );
    expect(rows).toEqual([{ tags: 0, acts: 0 }]);
  });
});

describe('an act that its caller names', () => {
  test('is undone by that id although no answer came, once, and no other act gets the id', async () => {
    const { ids } = await makeCustomers(2);
    const id = crypto.randomUUID();
    const chosen = await versionsOf(ids);
    const done = await app.call('POST', '/api/customers/acts', { chosen, change: { account_tier: 'premium' }, id });
    expect(done.body).toMatchObject({ id, changed: 2 });
    const again = await app.call('POST', '/api/customers/acts', { chosen, change: { account_tier: null }, id });
    expect(again).toMatchObject({ status: 422, body: { errors: [{ field: 'id' }] } });
    expect((await undo(id, jonas)).status).toBe(404);
    expect((await undo(id)).body).toMatchObject({ changed: 2 });
  });

  test('that is undone while it goes on goes on no further: of those whose caller got no answer, nobody keeps what was undone', async () => {
    const { ids, company } = await makeCustomers(1_100);
    const id = crypto.randomUUID();
    // A customer of the third chunk is held until the undo of the first two is there.
    await superuser.query('begin');
    await superuser.query('select from platform.customers where id = $1 for update', [ids[700]]);
    const acting = app.call('POST', '/api/customers/acts', {
      matching: { company },
      change: { account_tier: 'premium' },
      id,
    });
    const watcher = await app.database.connect('postgres');
    const until = (fact: string) => untilFact(async () => (await watcher.query(`select where ${fact}`)).rowCount);
    await until(`(select count(*) from crm.act_customers where act = '${id}') = 500`);
    const undoing = undo(id);
    await until(`(select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock') = 2
      or exists (select from crm.acts where id = '${id}' and undone_at is not null)`);
    await superuser.query('commit');
    const [done, undone] = await Promise.all([acting, undoing]);
    expect(undone.body).toMatchObject({ changed: done.body.changed, refused_count: 0 });
    expect(done.body.refused[0]).toMatchObject({ code: 'not-done', detail: 'It was undone before it came to it.' });
    expect(new Set(await readColumn('account_tier', ids))).toEqual(new Set([null]));
  });

  test('does not begin any more once it was undone, however late it comes', async () => {
    const { ids } = await makeCustomers(1);
    const id = crypto.randomUUID();
    expect((await undo(id)).status).toBe(404);
    const late = { chosen: await versionsOf(ids), change: { account_tier: 'premium' }, id };
    expect((await app.call('POST', '/api/customers/acts', late)).status).toBe(422);
    expect(await readColumn('account_tier', ids)).toEqual([null]);
  });
});
