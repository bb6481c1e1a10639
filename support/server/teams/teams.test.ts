import { beforeAll, describe, expect, test } from 'vitest';
import { startTestSupport, type TestSupport } from '../testing.ts';
import { mayAssign } from './assigning.ts';
import { waitingWork } from './turns.ts';

let app: TestSupport;
let admin: TestSupport['call'];
let unique = 0;
const agents: Record<string, string> = {};
beforeAll(async () => {
  app = await startTestSupport({}, { turnEveryMs: 40 });
  admin = app.callAs('admin');
  for (const { id, user_id } of (await admin('GET', '/api/agents')).body.agents) agents[user_id] = id;
});

type Given = Record<string, unknown>;

async function newTeam(given: Given = {}): Promise<{ id: string; name: string; version: number }> {
  const { status, body } = await admin('POST', '/api/teams', { name: `Team ${++unique}`, ...given });
  expect(status, JSON.stringify(body)).toBe(201);
  return body;
}
async function newWidget(given: Given = {}): Promise<{ id: string; key: string }> {
  const { body } = await admin('POST', '/api/widgets', { name: `Widget ${++unique}` });
  const changed = await admin('PATCH', `/api/widgets/${body.id}`, given);
  expect(changed.status, JSON.stringify(changed.body)).toBe(200);
  return changed.body;
}
async function ask(key: string, given: Given = {}): Promise<string> {
  const opened = await app.call('POST', `/api/widgets/${key}/sessions`, {
    email: `asker${++unique}@post.example`,
    name: 'Asker',
    ...given,
  });
  const { session_id: id, visitor_token } = opened.body;
  const said = { client_id: 'm1', body: 'Hello?' };
  await app.call('POST', `/api/sessions/${id}/messages`, said, { Authorization: `Bearer ${visitor_token}` });
  return id;
}
const sessionOf = async (id: string) => (await admin('GET', `/api/sessions/${id}`)).body.session;
const agentOf = async (id: string) => (await sessionOf(id)).agent?.name ?? null;
const entriesOf = async (id: string) => (await admin('GET', `/api/sessions/${id}`)).body.entries;
const slow = { timeout: 20_000 };
async function be(availability: string, ...users: string[]): Promise<void> {
  for (const user of users) {
    await app.callAs(user)('PATCH', `/api/agents/${agents[user]}`, { availability });
    await app.callAs(user)('POST', '/api/agents/me/seen', {});
  }
}
/** The conversations of other tests count for no limit, and wait for nobody. */
const endAll = () =>
  app.support.query(
    `update support.sessions set status = 'ended', resolved = false, ended_at = now(), waiting_since = null where status = 'active'`,
  );
const of = (...users: string[]) =>
  users.map((user) => ({ agent_id: agents[user] as string, languages: [] as string[] }));

describe('a team', () => {
  test('is changed by administrators alone, and read by agents', async () => {
    const { id } = await newTeam();
    expect((await app.callAs('priya')('POST', '/api/teams', { name: 'Mine' })).status).toBe(403);
    expect((await app.callAs('priya')('PATCH', `/api/teams/${id}`, { name: 'Mine' })).status).toBe(403);
    expect((await app.callAs('priya')('DELETE', `/api/teams/${id}`)).status).toBe(403);
    expect((await app.callAs('priya')('GET', '/api/teams')).status).toBe(200);
    expect((await admin('DELETE', `/api/teams/${id}`)).status).toBe(204);
    expect((await admin('DELETE', `/api/teams/${id}`)).status).toBe(404);
  });

  test('keeps its members, languages, hours, holidays and targets as they were given', async () => {
    const given = {
      assigning: 'least_open',
      open_max: 5,
      hours: {
        time_zone: 'Europe/Oslo',
        days: {
          mon: [
            ['09:00', '12:00'],
            ['13:00', '17:00'],
          ],
          sat: [['22:00', '02:00']],
        },
        holidays: [
          { date: '2026-12-24', name: 'Christmas Eve', hours: [['09:00', '14:00']] },
          { date: '2026-12-25', name: 'Christmas Day', hours: [] },
        ],
      },
      targets: {
        ...{ first_response: 30, resolution: null, clock: 'office', warn_minutes: 10 },
        priorities: { urgent: { first_response: 5 } },
      },
    };
    const members = [{ agent_id: agents.priya as string, languages: ['de', 'pt-BR'] }];
    const team = await newTeam({ ...given, members });
    expect(team).toMatchObject({ ...given, members: [{ agent: { name: 'Priya Nair' }, languages: ['de', 'pt'] }] });
  });

  test.each([
    [{ hours: { time_zone: 'Mars/Olympus', days: {} } }, 'hours.time_zone'],
    [{ hours: { time_zone: 'UTC', days: { mon: [['09:00', '09:00']] } } }, 'hours.days.mon[0]'],
    [
      { hours: { time_zone: 'UTC', days: {}, holidays: [{ date: '2026-02-30', name: 'x' }] } },
      'hours.holidays[0].date',
    ],
    [{ targets: { first_response: 0, resolution: null, clock: 'office' } }, 'targets.first_response'],
    [{ open_max: 0 }, 'open_max'],
    [
      { members: [{ agent_id: '00000000-0000-4000-8000-000000000000', languages: ['german'] }] },
      'members[0].languages[0]',
    ],
  ])('%o is refused at %s', async (given, field) => {
    const { status, body } = await admin('POST', '/api/teams', { name: `Team ${++unique}`, ...given });
    expect([status, body.errors?.[0]?.field]).toEqual([422, field]);
  });

  test('with the name of another one is refused, and so is a change of what somebody has changed since', async () => {
    const { id, name, version } = await newTeam();
    expect((await admin('POST', '/api/teams', { name: name.toUpperCase() })).status).toBe(409);
    expect((await admin('PATCH', `/api/teams/${id}`, { members: of('tom') })).status).toBe(200);
    expect(await admin('PATCH', `/api/teams/${id}`, { open_max: 3, expected_version: version })).toMatchObject({
      status: 409,
      body: { code: 'team-version-conflict' },
    });
  });

  test('of a widget decides who reads its conversations, from a change on', async () => {
    const team = await newTeam({ members: of('priya') });
    const widget = await newWidget({ team_id: team.id });
    const id = await ask(widget.key);
    const read = async (user: string) => (await app.callAs(user)('GET', `/api/sessions/${id}`)).status;
    expect([await read('priya'), await read('tom')]).toEqual([200, 403]);
    await admin('PATCH', `/api/teams/${team.id}`, { members: of('tom') });
    expect([await read('priya'), await read('tom')]).toEqual([403, 200]);
    const refused = await admin('PUT', `/api/widgets/${widget.id}/team`, { agent_ids: [agents.priya] });
    expect(refused).toMatchObject({ status: 409, body: { code: 'widget-of-team' } });
    expect(await admin('DELETE', `/api/teams/${team.id}`)).toMatchObject({
      status: 409,
      body: { code: 'team-in-use' },
    });
    await admin('PATCH', `/api/widgets/${widget.id}`, { team_id: null });
    expect((await admin('DELETE', `/api/teams/${team.id}`)).status).toBe(204);
    expect([await read('priya'), await read('tom')]).toEqual([403, 200]);
  });

  test('outside of its hours is offline for visitors, who learn when it answers again', async () => {
    await be('online', 'priya');
    const always = {
      time_zone: 'UTC',
      days: Object.fromEntries(
        ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'].map((day) => [day, [['00:00', '24:00']]]),
      ),
    };
    const team = await newTeam({ members: of('priya'), hours: always });
    const widget = await newWidget({ team_id: team.id });
    const config = async () => (await app.call('GET', `/api/widgets/${widget.key}/config`)).body;
    expect(await config()).toMatchObject({ is_online: true, opens_at: null });
    const [today, tomorrow] = [0, 86_400_000].map((ms) => new Date(Date.now() + ms).toISOString().slice(0, 10));
    const holidays = [{ date: today, name: 'A holiday', hours: [] }];
    await admin('PATCH', `/api/teams/${team.id}`, { hours: { ...always, holidays } });
    expect(await config()).toMatchObject({ is_online: false, opens_at: `${tomorrow}T00:00:00.000Z` });
    await be('offline', 'priya');
  });
});

describe('the rule of a team', () => {
  test('gives nothing to who is not there; who comes gets what waits, and is told why and by what', async () => {
    const team = await newTeam({ assigning: 'round_robin', members: of('priya', 'tom') });
    const { key } = await newWidget({ team_id: team.id });
    const id = await ask(key);
    await be('online', 'tom');
    await expect.poll(() => agentOf(id), slow).toBe('Tom Berglund');
    expect(await entriesOf(id)).toMatchObject([
      { kind: 'assigned_by_rule', agent: null, to_agent: { name: 'Tom Berglund' }, body: `${team.name}: by turns` },
    ]);
    const { notices } = (await app.callAs('tom')('GET', '/api/notices?kind=handover')).body;
    expect(notices).toMatchObject([{ record_id: id, kind: 'handover' }]);
    expect(await sessionOf(id)).toMatchObject({ is_new_to_agent: true });
    await be('offline', 'tom');
  });

  test('by turns gives each of three agents the same number, with two servers and thirty at once', async () => {
    await app.startAnother({});
    await be('offline', 'priya', 'tom', 'admin');
    const team = await newTeam({ assigning: 'round_robin', members: of('priya', 'tom', 'admin') });
    const { key } = await newWidget({ team_id: team.id });
    const ids = await Promise.all(Array.from({ length: 30 }, () => ask(key)));
    // All at one moment, so that the first has no head start.
    await app.support.query(`update support.agents set availability = 'online', last_seen_at = now()`);
    await expect.poll(async () => (await Promise.all(ids.map(agentOf))).includes(null), slow).toBe(false);
    const rows = await app.support.query<{ agent_id: string; given: number }>(
      `select agent_id, count(*)::integer as given from support.sessions where id = any ($1) group by agent_id`,
      [ids],
    );
    expect(rows.map(({ given }) => given)).toEqual([10, 10, 10]);
    const twice = await app.support.query(
      `select session_id from support.session_entries where session_id = any ($1) and kind = 'assigned_by_rule'
       group by session_id having count(*) > 1`,
      [ids],
    );
    expect(twice).toEqual([]);
    await be('offline', 'priya', 'tom', 'admin');
  });

  test('stops at the limit of open ones, and goes on when one ends; the fewest come first', async () => {
    await endAll();
    const team = await newTeam({ assigning: 'least_open', open_max: 2, members: of('priya', 'tom') });
    const { key } = await newWidget({ team_id: team.id });
    const held = await ask(key);
    await app.callAs('priya')('POST', `/api/sessions/${held}/claim`, {});
    await be('online', 'priya', 'tom');
    const ids: string[] = [];
    for (let n = 0; n < 4; n += 1) ids.push(await ask(key));
    const given = async () => (await Promise.all(ids.map(agentOf))).filter(Boolean).sort();
    await expect.poll(given, slow).toEqual(['Priya Nair', 'Tom Berglund', 'Tom Berglund']);
    await app.callAs('priya')('POST', `/api/sessions/${held}/end`, { resolved: true });
    await expect.poll(given, slow).toEqual(['Priya Nair', 'Priya Nair', 'Tom Berglund', 'Tom Berglund']);
    await be('offline', 'priya', 'tom');
  });

  test('prefers who speaks the visitor’s language, and says so', async () => {
    await endAll();
    const team = await newTeam({
      assigning: 'round_robin',
      members: [...of('priya'), { agent_id: agents.tom as string, languages: ['pt'] }],
    });
    const { key } = await newWidget({ team_id: team.id });
    await be('online', 'priya', 'tom');
    const ids: string[] = [];
    for (let n = 0; n < 3; n += 1) ids.push(await ask(key, { language: 'pt-BR' }));
    await expect.poll(() => Promise.all(ids.map(agentOf)), slow).toEqual(Array(3).fill('Tom Berglund'));
    expect(await entriesOf(ids[0] as string)).toMatchObject([
      { body: `${team.name}: by turns, among those who speak pt` },
    ]);
    const other = await ask(key, { language: 'fi' });
    await expect.poll(() => agentOf(other), slow).toBe('Priya Nair');
    await be('offline', 'priya', 'tom');
  });

  test('takes back what an agent who went away has not opened, and who gave it back does not get it again', async () => {
    const team = await newTeam({ assigning: 'round_robin', members: of('priya', 'tom') });
    const { key } = await newWidget({ team_id: team.id });
    await be('online', 'priya');
    const [unseen, seen] = [await ask(key), await ask(key)];
    await expect.poll(() => Promise.all([unseen, seen].map(agentOf)), slow).toEqual(['Priya Nair', 'Priya Nair']);
    await app.callAs('priya')('POST', `/api/sessions/${seen}/seen`, { number: 1 });
    await be('offline', 'priya');
    await expect.poll(() => agentOf(unseen), slow).toBeNull();
    expect((await entriesOf(unseen)).at(-1)).toMatchObject({ kind: 'taken_back', to_agent: { name: 'Priya Nair' } });
    await be('online', 'tom');
    await expect.poll(() => agentOf(unseen), slow).toBe('Tom Berglund');
    expect(await agentOf(seen)).toBe('Priya Nair');
    await app.callAs('tom')('POST', `/api/sessions/${unseen}/assign`, { agent_id: null });
    const next = await ask(key);
    await expect.poll(() => agentOf(next), slow).toBe('Tom Berglund');
    expect(await agentOf(unseen)).toBeNull();
    await be('offline', 'tom');
  });
});

describe('a target of a team', () => {
  const targets = { first_response: 60, resolution: 480, clock: 'always', warn_minutes: 15 };
  const minutesFrom = (one: string, other: string) => Math.round((Date.parse(other) - Date.parse(one)) / 60_000);

  test('is due from the question on, stricter by priority; the first answer meets it, and the end meets the other', async () => {
    const team = await newTeam({ targets: { ...targets, priorities: { urgent: { first_response: 5 } } } });
    const { key } = await newWidget({ team_id: team.id });
    const id = await ask(key);
    const clock = async () => {
      const { first_due_at, resolve_due_at, due_at, started_at, status } = await sessionOf(id);
      return due_at || status === 'ended'
        ? [first_due_at, resolve_due_at, due_at].map((at) => at && minutesFrom(started_at, at))
        : undefined;
    };
    await expect.poll(clock, slow).toEqual([60, 480, 60]);
    await app.callAs('priya')('POST', '/api/sessions/acts', {
      ids: [id],
      act: { kind: 'priority', priority: 'urgent' },
    });
    await expect.poll(clock, slow).toEqual([5, 480, 5]);
    await app.callAs('priya')('POST', `/api/sessions/${id}/replies`, { client_id: 'r1', body: 'Yes?' });
    expect(await clock()).toEqual([5, 480, 480]);
    expect((await sessionOf(id)).first_answered_at).toEqual(expect.any(String));
    await app.callAs('priya')('POST', `/api/sessions/${id}/end`, { resolved: true });
    expect(await clock()).toEqual([5, 480, null]);
  });

  test('counts the minutes of office hours only, and is computed again when they change', async () => {
    const hours = { time_zone: 'UTC', days: {} };
    const team = await newTeam({ targets: { ...targets, clock: 'office' }, hours });
    const { key } = await newWidget({ team_id: team.id });
    const id = await ask(key);
    const isClocked = async () =>
      (await app.support.query('select from support.sessions where id = $1 and clocked_at is not null', [id])).length;
    await expect.poll(isClocked, slow).toBe(1);
    expect(await sessionOf(id)).toMatchObject({ first_due_at: null, due_at: null });
    await admin('PATCH', `/api/teams/${team.id}`, { hours: null });
    await expect.poll(async () => (await sessionOf(id)).due_at, slow).not.toBeNull();
  });

  test('that is soon missed is told to its agent once, or to the team of one that nobody has, until it is met', async () => {
    const team = await newTeam({ targets, members: of('priya', 'tom') });
    const { key } = await newWidget({ team_id: team.id });
    const [mine, nobodys] = [await ask(key), await ask(key)];
    await app.callAs('priya')('POST', `/api/sessions/${mine}/claim`, {});
    // Both: a clock that is computed later would take the place of what is set here.
    const clocked = async () =>
      (
        await app.support.query('select from support.sessions where id = any ($1) and clocked_at is not null', [
          [mine, nobodys],
        ])
      ).length;
    await expect.poll(clocked, slow).toBe(2);
    await app.support.query(
      `update support.sessions set due_at = now() + interval '10 minutes', warn_at = now() where id = any ($1)`,
      [[mine, nobodys]],
    );
    const toldTo = async (user: string) => {
      const { notices } = (await app.callAs(user)('GET', '/api/notices?kind=deadline')).body;
      return notices.map(({ record_id }: { record_id: string }) => record_id).sort();
    };
    await expect.poll(() => toldTo('priya'), slow).toEqual([mine, nobodys].sort());
    expect(await toldTo('tom')).toEqual([nobodys]);
    await app.callAs('priya')('POST', `/api/sessions/${mine}/replies`, { client_id: 'r1', body: 'Yes?' });
    const unread = async () =>
      (await app.callAs('priya')('GET', '/api/notices?kind=deadline')).body.notices
        .filter(({ read_at }: { read_at: string | null }) => read_at === null)
        .map(({ record_id }: { record_id: string }) => record_id);
    expect(await unread()).toEqual([nobodys]);
  });

  test('sorts the list by what is due next, and finds what was missed', async () => {
    const team = await newTeam({ targets });
    const { id: widget, key } = await newWidget({ team_id: team.id });
    const ids = [await ask(key), await ask(key), await ask(key)];
    await expect
      .poll(async () => (await Promise.all(ids.map(sessionOf))).every(({ due_at }) => due_at), slow)
      .toBe(true);
    const dues = [20, -10, 5];
    for (const [index, id] of ids.entries())
      await app.support.query(
        `update support.sessions set due_at = now() + make_interval(mins => $2), first_due_at = now() + make_interval(mins => $2)
         where id = $1`,
        [id, dues[index]],
      );
    const list = async (query: string) =>
      (await admin('GET', `/api/inbox?view=all&widget=${widget}&${query}`)).body.sessions.map(
        ({ id }: { id: string }) => ids.indexOf(id),
      );
    expect(await list('order=due')).toEqual([1, 2, 0]);
    expect(await list('order=due&due=missed')).toEqual([1]);
    expect(await list('order=due&due=next')).toEqual([2, 0]);
    const { next_cursor } = (await admin('GET', `/api/inbox?view=all&widget=${widget}&order=due&limit=2`)).body;
    expect(await list(`order=due&limit=2&cursor=${encodeURIComponent(next_cursor)}`)).toEqual([0]);
  });
});

test('a change of hours, targets or team waits for no conversation that somebody holds, and holds none itself', async () => {
  const team = await newTeam();
  const widget = await newWidget({ team_id: team.id });
  const id = await ask(widget.key);
  const isClocked = () =>
    app.support.query('select from support.sessions where id = $1 and clocked_at is not null', [id]);
  await expect.poll(async () => (await isClocked()).length, slow).toBe(1);
  const targets = { first_response: 60, resolution: null, clock: 'always' };
  await app.support.transaction({}, async (tx) => {
    await tx.query('select from support.sessions where id = $1 for update', [id]);
    const changed = [
      await admin('PATCH', `/api/teams/${team.id}`, { targets }),
      await admin('PATCH', `/api/widgets/${widget.id}`, { ends_after_hours: 1, team_id: team.id }),
    ];
    expect(changed.map(({ status }) => status)).toEqual([200, 200]);
  });
  await expect.poll(async () => (await sessionOf(id)).due_at, slow).not.toBeNull();
});

test('a rule has nothing to do while nobody of its team is there, and they have opened what they have', async () => {
  const team = await newTeam({ assigning: 'round_robin', members: of('priya', 'tom') });
  const { key } = await newWidget({ team_id: team.id });
  await be('offline', 'priya', 'tom', 'admin');
  const isAsked = async () => (await app.support.query<{ asked: boolean }>(`select ${mayAssign} as asked`))[0]?.asked;
  await ask(key);
  await expect.poll(isAsked, slow).toBe(false);
  await be('online', 'tom');
  expect(await isAsked()).toBe(true);
  await be('offline', 'tom');
});

test('a look for work reads no table of conversations, even where the planner believes that most of them need some', async () => {
  const { id } = await newWidget();
  // Without their triggers, which have no part in a plan.
  const superuser = await app.database.connect('postgres');
  await superuser.query('set session_replication_role = replica');
  await superuser.query(
    `insert into support.sessions (widget_id, identity, token_hash, handler, asked_at, clocked_at, idle_check_at, warn_at)
     select $1, 'claimed', sha256(uuid_send(uuidv7())), 'agent', now(), null, now(), now() from generate_series(1, 4000)`,
    [id],
  );
  const owner = await app.database.connect('platform_migrator');
  await owner.query('set role platform_owner');
  await owner.query('analyze support.sessions');
  const plan = await app.support.query<Record<string, string>>(`explain ${waitingWork}`);
  expect(plan.flatMap(Object.values).filter((line) => line.includes('Scan on sessions'))).toEqual([]);
});
