import type { Customer } from '@aether/platform';
import { testTenant } from '@aether/signin/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from './testing.ts';

let app: TestFoundation;
let customer: Customer;
let unique = 0;
/** As `maya` and as `tom`, two people of staff. */
let maya: TestFoundation['call'];
let tom: TestFoundation['call'];

beforeAll(async () => {
  app = await startTestFoundation();
  for (const [id, name] of [
    ['tom', 'Tom Berglund'],
    ['sam', 'Sam Lee'],
    ['sam-2', 'Sam Lee'],
  ] as const)
    await app.foundation.signInUser({
      subject: id,
      email: `${id}@aether.example`,
      name,
      tenantId: testTenant,
      objectId: id,
    });
  [maya, tom] = [app.callAs('maya'), app.callAs('tom')];
  customer = await newCustomer();
});

const newCustomer = () => app.foundation.createCustomer({ name: 'Nora', email: `nora${++unique}@fjordlight.example` });
const write = (call: TestFoundation['call'], description: string, more: object = {}) =>
  call('POST', `/api/customers/${customer.id}/activities`, { type: 'note', description, ...more });
const inbox = async (call: TestFoundation['call'], query = '') =>
  (await call('GET', `/api/notices?${query}`)).body.notices;
const about = async (call: TestFoundation['call'], record: string | number, query = '') =>
  (await inbox(call, query)).filter((each: { record_id: string }) => each.record_id === String(record));

describe('a mention', () => {
  test('tells the person by id, in the transaction of the note, with the name and the text of now', async () => {
    const { body: note } = await write(tom, '<@maya> and <@maya>: see maya@aether.example');
    expect(note.mentions).toEqual([{ id: 'maya', name: 'Maya Okafor' }]);
    expect(await about(maya, note.id)).toMatchObject([
      {
        kind: 'mention',
        record: 'activity',
        app: 'foundation',
        actor: { id: 'tom', name: 'Tom Berglund' },
        text: '<@maya> and <@maya>: see maya@aether.example',
        mentions: [{ id: 'maya', name: 'Maya Okafor' }],
        customer: { id: customer.id, name: 'Nora' },
        read_at: null,
      },
    ]);
    const { body: timeline } = await maya('GET', `/api/customers/${customer.id}/timeline?limit=1`);
    expect(timeline.entries).toMatchObject([{ mentions: [{ id: 'maya', name: 'Maya Okafor' }] }]);
    expect(await about(tom, note.id)).toEqual([]);
  });

  test('tells nobody of what they wrote themselves, of an address, or of a name that was only typed', async () => {
    const { body: own } = await write(maya, '<@maya> remembers, @Maya Okafor and <maya@aether.example> too');
    expect(own.mentions).toHaveLength(1);
    expect(await about(maya, own.id)).toEqual([]);
  });

  test('tells once, however often the note is sent or edited; whom an edit adds is told, whom it takes out before they read it is not', async () => {
    const sent = { client_id: 'once' };
    const { body: note } = await write(tom, '<@maya> look', sent);
    expect((await write(tom, '<@maya> look', sent)).body.id).toBe(note.id);
    await tom('PATCH', `/api/activities/${note.id}`, { description: '<@maya> and <@sam-2> look' });
    expect(await about(maya, note.id)).toHaveLength(1);
    expect(await about(app.callAs('sam-2'), note.id)).toHaveLength(1);
    expect(await about(app.callAs('sam'), note.id)).toEqual([]);
    await tom('PATCH', `/api/activities/${note.id}`, { description: '<@maya> looks' });
    expect(await about(app.callAs('sam-2'), note.id)).toEqual([]);
  });

  test('of nobody, and of more than 50 people, is refused, and nothing of the note is kept', async () => {
    expect(await write(tom, 'Hello <@nobody-here>')).toMatchObject({
      status: 422,
      body: { errors: [{ field: 'description', message: 'mentions somebody who does not exist: nobody-here' }] },
    });
    const many = Array.from({ length: 51 }, (_, n) => `<@u${n}>`).join(' ');
    expect((await write(tom, many)).body.errors[0].message).toBe('mentions 51 people: mention at most 50 in one text');
    expect((await write(tom, '<@maya> '.repeat(600))).status).toBe(422);
    expect((await write(tom, '<@maya> '.repeat(10_000))).status).toBe(413);
    const { body: note } = await write(tom, 'Hello');
    expect((await tom('PATCH', `/api/activities/${note.id}`, { description: '<@nobody-here>' })).status).toBe(422);
  });

  test('goes with its note to another customer, and is deleted with a customer who is erased', async () => {
    const { body: note } = await write(tom, '<@maya> wrong place');
    const other = await newCustomer();
    const moved = await tom('POST', `/api/activities/${note.id}/moves`, { customer_id: other.id });
    expect([moved.status, await about(maya, note.id)]).toMatchObject([200, [{ customer: { id: other.id } }]]);
    const privacy = await app.database.connect('privacy_app');
    await privacy.query(`select set_config('aether.actor', 'tom', false)`);
    await privacy.query('select platform.erase_customer($1, $2)', [other.id, 'Asked us to']);
    const owner = await app.database.connect('postgres');
    expect((await owner.query('select from platform.notices where record_id = $1', [note.id])).rowCount).toBe(0);
    expect(await about(maya, note.id)).toEqual([]);
  });

  test('and an assignment, written since a merge about a record of the merged customer, go back with that record, and are erased with them', async () => {
    const [loser, survivor] = [await newCustomer(), await newCustomer()];
    const { body: note } = await tom('POST', `/api/customers/${loser.id}/activities`, {
      type: 'note',
      description: 'Before',
    });
    const { body: deal } = await tom('POST', '/api/deals', { customer_id: loser.id, name: 'Theirs' });
    const owner = await app.database.connect('postgres');
    await owner.query(`update platform.users set role = 'admin' where id = 'tom'`);
    const worker = await app.database.connect('sync_app');
    const privacy = await app.database.connect('privacy_app');
    for (const client of [worker, privacy]) await client.query(`select set_config('aether.actor', 'tom', false)`);
    const { rows } = await worker.query('select platform.merge_customers($1, $2) as answer', [survivor.id, [loser.id]]);
    await tom('PATCH', `/api/activities/${note.id}`, { description: 'Since, <@maya>' });
    await tom('PATCH', `/api/deals/${deal.id}`, { owner_id: 'maya', expected_version: deal.version });
    const places = async () => [
      (await about(maya, note.id))[0]?.customer.id,
      (await about(maya, deal.id))[0]?.customer.id,
    ];
    expect(await places()).toEqual([survivor.id, survivor.id]);
    await worker.query('select platform.unmerge_customers($1)', [rows[0].answer.merges[0].merge]);
    expect(await places()).toEqual([loser.id, loser.id]);
    await privacy.query('select platform.erase_customer($1, $2)', [loser.id, 'Asked us to']);
    expect(await places()).toEqual([undefined, undefined]);
  });

  test('in a task that repeats is told once, not whenever the task comes again', async () => {
    const { body: task } = await write(tom, 'Report to <@sam-2>', {
      type: 'task',
      due_at: new Date(Date.now() + 3_600_000).toISOString(),
      repeats: 'weekly',
      time_zone: 'Europe/Oslo',
    });
    const { body: ticked } = await tom('PATCH', `/api/activities/${task.id}`, { is_done: true });
    expect(await about(app.callAs('sam-2'), task.id)).toHaveLength(1);
    expect(ticked.next?.id).toEqual(expect.any(String));
    expect(await about(app.callAs('sam-2'), ticked.next.id)).toEqual([]);
  });

  test('offers everybody by the beginning of a word of the name, and no machine the list', async () => {
    const find = async (search: string) =>
      (await maya('GET', `/api/users/mentionable?search=${encodeURIComponent(search)}`)).body.people.map(
        ({ id }: { id: string }) => id,
      );
    expect([await find('lee'), await find('TOM b'), await find('erglund'), await find('%')]).toEqual([
      ['sam', 'sam-2'],
      ['tom'],
      [],
      [],
    ]);
    expect((await app.callWith('users.read')('GET', '/api/users/mentionable')).status).toBe(403);
  });
});

describe('an assignment', () => {
  test('of a deal, a customer, a company and a task by a colleague is told, and one by oneself is not', async () => {
    const { body: deal } = await tom('POST', '/api/deals', {
      customer_id: customer.id,
      name: 'Renewal',
      owner_id: 'maya',
    });
    const { body: task } = await write(tom, 'Call back', { type: 'task', assigned_to: 'maya' });
    await tom('PATCH', `/api/customers/${customer.id}`, {
      account_manager_id: 'maya',
      expected_version: await versionOf(),
    });
    expect(await about(maya, deal.id)).toMatchObject([
      { kind: 'assignment', name: 'Renewal', customer: { name: 'Nora' } },
    ]);
    expect(await about(maya, task.id)).toMatchObject([{ kind: 'assignment', text: 'Call back' }]);
    expect(await about(maya, customer.id)).toMatchObject([{ kind: 'assignment', record: 'customer' }]);
    const { body: company } = await tom('POST', '/api/companies', { name: 'Fjordlight', owner_id: 'maya' });
    expect(await about(maya, company.id)).toMatchObject([
      { kind: 'assignment', record: 'company', name: 'Fjordlight', is_readable: true, customer: null },
    ]);
    await tom('PATCH', `/api/companies/${company.id}`, { owner_id: null });
    expect(await about(maya, company.id)).toEqual([]);
    const { body: own } = await maya('POST', '/api/deals', { customer_id: customer.id, name: 'Own', owner_id: 'maya' });
    expect(await about(maya, own.id)).toEqual([]);
  });

  test('that is taken back before it was read is gone; one that comes again is unread again', async () => {
    const { body: deal } = await tom('POST', '/api/deals', {
      customer_id: customer.id,
      name: 'Swing',
      owner_id: 'maya',
    });
    let version = deal.version;
    const give = async (owner_id: string | null) => {
      const { body } = await tom('PATCH', `/api/deals/${deal.id}`, { owner_id, expected_version: version });
      version = body.version;
    };
    await give(null);
    expect(await about(maya, deal.id)).toEqual([]);
    await give('maya');
    const [told] = await about(maya, deal.id);
    await maya('PATCH', `/api/notices/${told.id}`, { is_done: true });
    await give('tom');
    await give('maya');
    expect(await about(maya, deal.id)).toMatchObject([{ id: told.id, read_at: null, done_at: null }]);
  });

  const versionOf = async () => (await tom('GET', `/api/customers/${customer.id}`)).body.customer.version;
});

describe('a task', () => {
  const at = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString();

  test('appears when it is due, again at its reminder, and goes when it is done; an open task comes back', async () => {
    const { body: task } = await write(maya, 'Send it', { type: 'task', due_at: at(-1), remind_at: at(60) });
    expect(await about(maya, task.id)).toMatchObject([{ kind: 'task', is_reminder: false, actor: null }]);
    await maya('PATCH', `/api/activities/${task.id}`, { remind_at: at(-2) });
    expect((await about(maya, task.id)).map((each: { is_reminder: boolean }) => each.is_reminder)).toEqual([
      false,
      true,
    ]);
    await maya('PATCH', `/api/activities/${task.id}`, { is_done: true });
    expect(await about(maya, task.id)).toEqual([]);
    await maya('PATCH', `/api/activities/${task.id}`, { is_done: false });
    expect(await about(maya, task.id)).toHaveLength(2);
  });

  test('that is done is no unread assignment any more', async () => {
    const { body: task } = await write(tom, 'Done soon', { type: 'task', assigned_to: 'maya' });
    expect(await about(maya, task.id)).toMatchObject([{ kind: 'assignment', read_at: null }]);
    await tom('PATCH', `/api/activities/${task.id}`, { is_done: true });
    expect(await about(maya, task.id)).toMatchObject([{ kind: 'assignment', read_at: expect.any(String) }]);
  });

  test('that is due later is not there yet, and the number says when to look', async () => {
    const due_at = at(5);
    const { body: task } = await write(app.callAs('sam'), 'Later', { type: 'task', due_at });
    const sam = app.callAs('sam');
    expect(await about(sam, task.id)).toEqual([]);
    expect((await sam('GET', '/api/notices/unread')).body).toMatchObject({ unread: 0, next_at: due_at });
    await sam('PATCH', `/api/activities/${task.id}`, { due_at: at(-5), assigned_to: 'tom' });
    expect(await about(sam, task.id)).toEqual([]);
    expect((await about(tom, task.id)).map(({ kind }: { kind: string }) => kind).sort()).toEqual([
      'assignment',
      'task',
    ]);
  });
});

describe('the inbox', () => {
  test('is its person’s own: the notice of somebody else is not found, and a machine has none', async () => {
    const { body: note } = await write(tom, '<@maya> private');
    const [notice] = await about(maya, note.id);
    expect(await tom('PATCH', `/api/notices/${notice.id}`, { is_read: true })).toMatchObject({
      status: 404,
      body: { code: 'not-found' },
    });
    expect((await about(maya, note.id))[0].read_at).toBeNull();
    expect((await app.callWith('activities.read')('GET', '/api/notices')).body.code).toBe('person-only');
  });

  test('marks one as read and unread, puts it away and takes it out again', async () => {
    const { body: note } = await write(tom, '<@maya> mark me');
    const [{ id }] = await about(maya, note.id);
    const mark = async (change: Record<string, unknown>) => (await maya('PATCH', `/api/notices/${id}`, change)).body;
    expect((await mark({ is_read: true })).read_at).not.toBeNull();
    expect((await mark({ is_read: false })).read_at).toBeNull();
    expect(await mark({ is_done: true })).toMatchObject({ read_at: expect.any(String), done_at: expect.any(String) });
    expect([await about(maya, note.id), await about(maya, note.id, 'state=done')]).toMatchObject([[], [{ id }]]);
    expect((await mark({ is_done: false, is_read: false })).done_at).toBeNull();
    expect(await about(maya, note.id)).toMatchObject([{ id, read_at: null }]);
  });

  test('marks all of a kind as read, and takes that back', async () => {
    const { body: note } = await write(tom, '<@maya> all');
    const unread = async () => (await maya('GET', '/api/notices/unread')).body.unread;
    const before = await unread();
    const { body: all } = await maya('POST', '/api/notices/read-all', { kind: 'mention' });
    expect(all).toMatchObject({ is_last: true, changed: expect.any(Number) });
    expect(all.changed).toBeGreaterThan(0);
    expect(await unread()).toBe(before - all.changed);
    expect((await about(maya, note.id))[0].read_at).toBe(all.read_at);
    expect((await maya('POST', '/api/notices/unread-again', { read_at: all.read_at })).body).toEqual({
      changed: all.changed,
    });
    expect(await unread()).toBe(before);
  });

  test('goes on page by page, by kind, and refuses a cursor of the other list', async () => {
    for (const n of [1, 2, 3]) await write(tom, `<@sam> number ${n}`);
    const sam = app.callAs('sam');
    const { body: first } = await sam('GET', '/api/notices?kind=mention&limit=2');
    const { body: second } = await sam('GET', `/api/notices?kind=mention&limit=2&cursor=${first.next_cursor}`);
    const texts = [...first.notices, ...second.notices].map(({ text }: { text: string }) => text);
    expect([texts, second.next_cursor]).toEqual([['<@sam> number 3', '<@sam> number 2', '<@sam> number 1'], null]);
    expect((await sam('GET', `/api/notices?state=done&cursor=${first.next_cursor}`)).status).toBe(422);
    expect((await sam('GET', '/api/notices?kind=gossip')).status).toBe(422);
  });

  test('rings in the stream of its person, and of nobody else', async () => {
    const closing = new AbortController();
    const hear = async (who: string, told: (signal: { kind: string; user_id: string }) => void) => {
      const { body } = await fetch(`${app.url}/api/events`, {
        headers: await app.headersOf(who),
        signal: closing.signal,
      });
      const lines = body?.pipeThrough(new TextDecoderStream()).getReader();
      await lines?.read();
      void (async () => {
        for (let text = ''; ; ) {
          const { value, done } = (await lines?.read().catch(() => undefined)) ?? { done: true };
          if (done) return;
          text += value;
          for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
            const data = /^event: signal$/m.test(text.slice(0, end)) && /^data: (.*)$/m.exec(text.slice(0, end))?.[1];
            if (data) told(JSON.parse(data));
            text = text.slice(end + 2);
          }
        }
      })();
    };
    const heard: string[] = [];
    await hear('maya', ({ user_id }) => heard.push(`maya hears ${user_id}`));
    await hear('tom', ({ user_id }) => heard.push(`tom hears ${user_id}`));
    // The listener of a process may still be on its way to the database: the first signals are repeated.
    await expect
      .poll(async () => {
        await write(tom, '<@maya> ring');
        return heard;
      })
      .toContain('maya hears maya');
    await write(maya, '<@tom> ring');
    await expect.poll(() => heard).toContain('tom hears tom');
    expect(heard.filter((each) => !['maya hears maya', 'tom hears tom'].includes(each))).toEqual([]);
    closing.abort();
  });
});

describe('the table of notices', () => {
  test('shows and changes for an app’s login only those of the person who acts, and lets it write none', async () => {
    const client = await app.database.connect('foundation_app');
    const as = (who: string) => client.query(`select set_config('aether.actor', $1, false)`, [who]);
    await as('sam-2');
    expect((await client.query(`select from platform.notices where user_id <> 'sam-2'`)).rowCount).toBe(0);
    await as('');
    expect((await client.query('select from platform.notices')).rowCount).toBe(0);
    await as('tom');
    expect((await client.query(`update platform.notices set read_at = now() where user_id = 'maya'`)).rowCount).toBe(0);
    for (const statement of [
      `insert into platform.notices (user_id, kind, record, record_id, cause) values ('maya', 'mention', 'deal', '1', 'forged')`,
      `update platform.notices set user_id = 'maya'`,
      'delete from platform.notices',
      `select platform.add_notice('maya', 'mention', 'deal', '1', null, 'forged')`,
    ])
      await expect(client.query(statement)).rejects.toThrow(/permission denied/);
  });

  test('answers list and number of a person with 20,000 notices by its indexes', async () => {
    const owner = await app.database.connect('postgres');
    await owner.query(`set session_replication_role = 'replica'`); // without the triggers, which take seconds
    await owner.query(
      `insert into platform.notices (user_id, kind, record, record_id, customer_id, cause, at, read_at, done_at)
       select 'sam', (array['mention', 'assignment', 'handover', 'task'])[1 + n % 4], 'customer', $1::text, $1::text::uuid, 'many:' || n,
         now() - make_interval(secs => n), case when n % 50 > 0 then now() end,
         case when n % 3 = 0 then now() - make_interval(secs => n) end
       from generate_series(1, 20000) n`,
      [customer.id],
    );
    await owner.query('analyze platform.notices');
    const plans: string[] = [];
    const reader = await app.database.connect('foundation_app');
    await reader.query(`select set_config('aether.actor', 'sam', false)`);
    const own = 'n.user_id = platform.current_actor()';
    for (const condition of [
      `${own} and n.done_at is null and n.at <= now() order by n.at desc, n.id desc limit 51`,
      `${own} and n.done_at is null and n.at <= now() and n.kind = 'handover' order by n.at desc, n.id desc limit 51`,
      `${own} and n.done_at is not null order by n.done_at desc, n.id desc limit 51`,
      `${own} and n.done_at is not null and n.kind = 'task' order by n.done_at desc, n.id desc limit 51`,
      `${own} and n.done_at is null and n.read_at is null and n.at <= now() order by n.at desc limit 100`,
      `${own} and n.done_at is null and n.read_at is null and n.at > now() order by n.at limit 1`,
    ]) {
      const { rows } = await reader.query(
        `explain (analyze, timing off) select n.id from platform.notices n where ${condition}`,
      );
      plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
    }
    expect(plans.filter((plan) => /Seq Scan|Sort/.test(plan) || !/Index/.test(plan))).toEqual([]);
    const rowsRead = plans.map((plan) =>
      Math.max(...[...plan.matchAll(/actual rows=(\d+)/g)].map(([, rows]) => Number(rows))),
    );
    expect(Math.max(...rowsRead)).toBeLessThanOrEqual(100);
    expect((await app.callAs('sam')('GET', '/api/notices/unread')).body.unread).toBe(100);
  });
});
