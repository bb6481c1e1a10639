import { createHash } from 'node:crypto';
import { untilSomebodyWaits } from '@aether/database/testing';
import { until } from '@aether/database/testing.scope';
import { beforeAll, describe, expect, test } from 'vitest';
import { racing, startTestSupport, type TestSupport, widgetKey } from '../testing.ts';

let app: TestSupport;
let unique = 0;
beforeAll(async () => {
  app = await startTestSupport(racing);
});

const newEmail = () => `visitor${++unique}@post.example`;
const open = (email: string, name = 'Ada') =>
  app.callAnonymously('POST', `/api/widgets/${widgetKey}/sessions`, { email, name });
/** As the owner of the table does it; no app has that role. */
async function erase(id: string): Promise<void> {
  const owner = await app.database.connect('platform_migrator');
  await owner.query('set role platform_owner');
  await owner.query('update platform.customers set erased_at = now() where id = $1', [id]);
}
const slowMs = 1_000;
/** An unknown address, whose customer takes a second to create, or to get a time zone. */
async function slowEmail(at: 'slow' | 'learned' = 'slow'): Promise<string> {
  const superuser = await app.database.connect('postgres');
  await superuser.query(
    `create or replace function public.sleep() returns trigger language plpgsql
      as $$ begin perform pg_sleep(${slowMs / 1_000}); return new; end $$;
     create or replace trigger sleep before insert on platform.customers for each row
       when (new.email like 'slow%') execute function public.sleep();
     create or replace trigger sleep_to_learn before update of timezone on platform.customers for each row
       when (new.email like 'learned%') execute function public.sleep()`,
  );
  return `${at}.${newEmail()}`;
}
const greetingRules = {
  ...{ greeting: 'Hello!', questions: [], fallback: 'Sorry?', fallbacks_max: 1 },
  ...{ hand_over_text: 'One moment', office_hours: null, out_of_hours_text: 'Later' },
};
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

async function openSession(): Promise<{ path: string; token: string; id: string }> {
  const { status, body } = await open(newEmail());
  expect(status).toBe(201);
  return { id: body.session_id, path: `/api/sessions/${body.session_id}/messages`, token: body.visitor_token };
}

describe('starting to chat', () => {
  test('creates a customer whom Foundation sees at once, and a session whose identity is only claimed', async () => {
    const { body } = await open('Hanna.Virtanen@Post.example', 'Hanna Virtanen');
    const seen = await app.foundation.getCustomerByEmail('hanna.virtanen@post.example');
    expect(seen).toMatchObject({ name: 'Hanna Virtanen', created_by_app: 'support', crm_id: null });
    expect(seen?.support_id).toBeGreaterThan(0);
    const [session] = await app.support.query(
      'select customer_id, identity, status from support.sessions where id = $1',
      [body.session_id],
    );
    expect(session).toEqual({ customer_id: seen?.id, identity: 'claimed', status: 'active' });
  });

  test('as a known customer changes nothing of that customer, except that it gives a customer of Foundation’s a Support number', async () => {
    const known = await app.foundation.createCustomer({
      name: 'Real Name',
      email: 'known@example.com',
      phone: '+49 30 1234567',
    });
    await open('KNOWN@example.com', 'Someone Else');
    const after = await app.foundation.getCustomerById(known.id);
    expect(after).toMatchObject({
      name: 'Real Name',
      email: 'known@example.com',
      phone: '+49 30 1234567',
      created_by_app: 'foundation',
    });
    expect(after?.support_id).toBeGreaterThan(0);
  });

  test('fifty times at once with one address in different spellings makes one customer and fifty sessions', async () => {
    const spellings = [
      'storm@example.com',
      'STORM@example.com',
      ' Storm@Example.COM',
      'mailto:storm@example.com',
      'S <storm@example.com>',
    ];
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) => open(spellings[n % spellings.length] as string)),
    );
    expect(answers.map((answer) => answer.status)).toEqual(Array(50).fill(201));
    const customers = await app.support.query(`select from platform.customers where email_key = 'storm@example.com'`);
    const sessions = await app.support.query('select distinct customer_id from support.sessions where id = any ($1)', [
      answers.map((answer) => answer.body.session_id),
    ]);
    expect([customers.length, sessions.length]).toEqual([1, 1]);
  });

  test('gets the same answer for a known and an unknown address: fields, lengths, headers', async () => {
    await app.foundation.createCustomer({ name: 'Known', email: 'alike@example.com', account_tier: 'premium' });
    const [known, unknown] = [await open('alike@example.com'), await open('never@example.com')];
    const shape = (answer: typeof known) => ({
      status: answer.status,
      fields: Object.entries(answer.body).map(([field, value]) => [field, String(value).length]),
      headers: [...answer.headers].map(([name, value]) => [
        name,
        ['date', 'x-request-id', 'traceparent'].includes(name) ? '' : value,
      ]),
    });
    expect(shape(known)).toEqual(shape(unknown));
    expect(Object.keys(known.body).sort()).toEqual(['identity', 'session_id', 'started_at', 'status', 'visitor_token']);
  });

  test('reveals its duration in no number: the id of the session holds no time', async () => {
    const { body } = await open(newEmail());
    expect(body.session_id[14]).toBe('4');
  });

  test('reveals its duration in nothing that the visitor reads: a bot greets before the search for the customer', async () => {
    await app.support.query(
      `with w as (insert into support.widgets (key, name) values ('greeting-shop', 'Greeting') returning id)
       insert into support.chatbots (widget_id, name, rules, is_live) select id, 'Bot', $1, true from w`,
      [JSON.stringify(greetingRules)],
    );
    const email = await slowEmail();
    const { body } = await app.callAnonymously('POST', '/api/widgets/greeting-shop/sessions', { email, name: 'Ada' });
    const { body: read } = await app.callAnonymously(
      'GET',
      `/api/sessions/${body.session_id}/messages`,
      undefined,
      bearer(body.visitor_token),
    );
    const [greeting] = read.messages;
    const startedAt = Date.parse(body.started_at);
    const madeAt = Number.parseInt(greeting.id.replace('-', '').slice(0, 12), 16); // the time in a version 7 UUID
    expect(Date.parse(greeting.created_at) - startedAt).toBeLessThan(slowMs / 2);
    expect(madeAt - startedAt).toBeLessThan(slowMs / 2);
    expect((await app.support.getCustomerByEmail(email))?.name).toBe('Ada');
  });

  test.each([
    ['the record is made', 'slow'],
    ['the record learns the time zone', 'learned'],
  ] as const)('reveals no duration to a message sent while %s: the message does not wait for that', async (_, at) => {
    await app.support.query(
      `insert into support.widgets (key, name, settings) values ('silent-shop', 'Silent', '{"ask":"never"}')
       on conflict do nothing`,
    );
    const { body } = await app.callAnonymously('POST', '/api/widgets/silent-shop/sessions', {
      time_zone: 'Europe/Oslo',
    });
    const call = (what: string, given: Record<string, unknown>) =>
      app.callAnonymously('POST', `/api/sessions/${body.session_id}/${what}`, given, bearer(body.visitor_token));
    const contact = call('contact', { email: await slowEmail(at), name: 'Ada' });
    const watcher = await app.database.connect('postgres');
    const isAsleep = async () =>
      (
        await watcher.query(
          `select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`,
        )
      ).rowCount === 1;
    await until(isAsleep);
    expect((await call('messages', { client_id: 'm', body: 'Hello' })).status).toBe(201);
    expect(await isAsleep()).toBe(true);
    expect((await contact).status).toBe(204);
  });

  test('gets the same answer for an erased customer whose address is still on file, and does not change that customer', async () => {
    const email = newEmail();
    const erased = await app.foundation.createCustomer({ name: 'Forgotten', email });
    await erase(erased.id);
    const before = await app.foundation.getCustomerById(erased.id);
    const [known, unknown] = [await open(email), await open(newEmail())];
    expect(known.status).toBe(201);
    expect(Object.keys(known.body)).toEqual(Object.keys(unknown.body));
    expect(await app.foundation.getCustomerById(erased.id)).toEqual(before);
  });

  test('stores the token only as a hash, and never shows it again', async () => {
    const { id, path, token } = await openSession();
    expect(token).toMatch(/^[\w-]{43}$/);
    const [stored] = await app.support.query(
      'select s::text as everything, token_hash from support.sessions s where id = $1',
      [id],
    );
    expect(stored?.everything).not.toContain(token);
    expect(stored?.token_hash).toEqual(createHash('sha256').update(token).digest());
    const shown = [await app.call('GET', `/api/sessions/${id}`), await app.call('GET', path, undefined, bearer(token))];
    expect(JSON.stringify(shown.map((answer) => answer.body))).not.toContain(token);
  });

  test.each([
    ['an unknown widget', 'no-such-widget', 404],
    ['a widget that is switched off', 'retired-widget', 404],
    ['what is no key', 'x', 422],
  ])('at %s is refused and creates no customer', async (_, key, status) => {
    const email = newEmail();
    expect((await app.callAnonymously('POST', `/api/widgets/${key}/sessions`, { email, name: 'Ada' })).status).toBe(
      status,
    );
    expect(await app.support.getCustomerByEmail(email)).toBeNull();
  });

  test.each([
    [{ name: 'Ada' }, 'email'],
    [{ email: 'a@example.com' }, 'name'],
    [{ email: 'nobody', name: 'Ada' }, 'email'],
    [{ email: `${'x'.repeat(2_000)}@example.com`, name: 'Ada' }, 'email'],
    [{ email: 'a@example.com', name: 'Ada\u0007' }, 'name'],
    [{ email: 'a@example.com', name: 'x'.repeat(201) }, 'name'],
    [{ email: ['a@example.com'], name: 'Ada' }, 'email'],
    [{ email: 'a@example.com', name: 'Ada', customer_id: '1' }, 'customer_id'],
  ])('with the body %j is refused, naming %s', async (body, field) => {
    const answer = await app.callAnonymously('POST', `/api/widgets/${widgetKey}/sessions`, body);
    expect(answer.status).toBe(422);
    expect(answer.body.errors[0].field).toBe(field);
  });

  test('from a page whose title turns the direction of its text is accepted, without the marks', async () => {
    const page = { url: 'https://shop.example/', title: '\u202bשלום \u202aShop\u202c\u202c' };
    const { body } = await app.callAnonymously('POST', `/api/widgets/${widgetKey}/sessions`, {
      email: newEmail(),
      name: 'Ada',
      page,
    });
    const [stored] = await app.support.query("select page->>'title' as title from support.sessions where id = $1", [
      body.session_id,
    ]);
    expect(stored).toEqual({ title: 'שלום Shop' });
  });

  test('with half a surrogate pair in the name is refused', async () => {
    const response = await fetch(`${app.url}/api/widgets/${widgetKey}/sessions`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{"email":"a@example.com","name":"\\ud800"}',
    });
    expect(response.status).toBe(422);
  });
});

describe('messages of a visitor', () => {
  test('are numbered densely in the order in which they were accepted', async () => {
    const { path, token } = await openSession();
    const sent = await Promise.all(
      Array.from({ length: 30 }, (_, n) =>
        app.call('POST', path, { client_id: `c${n}`, body: `message ${n}` }, bearer(token)),
      ),
    );
    expect(sent.map((answer) => answer.body.number).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 30 }, (_, n) => n + 1),
    );
    const { body } = await app.call('GET', `${path}?after=28`, undefined, bearer(token));
    expect(body.messages.map((message: { number: number }) => message.number)).toEqual([29, 30]);
  });

  test('repeated with their client_id are accepted once, also at once, also after the end', async () => {
    const { id, path, token } = await openSession();
    const send = () => app.call('POST', path, { client_id: 'one', body: 'Hello' }, bearer(token));
    const first = await Promise.all([send(), send(), send(), send(), send()]);
    await app.callAs('priya')('POST', `/api/sessions/${id}/end`, { resolved: true });
    for (const answer of [...first, await send()]) expect(answer).toMatchObject({ status: 201, body: first[0]?.body });
    expect((await app.call('GET', path, undefined, bearer(token))).body.messages).toHaveLength(1);
  });

  test('with another text under a used client_id are refused', async () => {
    const { path, token } = await openSession();
    await app.call('POST', path, { client_id: 'one', body: 'Hello' }, bearer(token));
    const answer = await app.call('POST', path, { client_id: 'one', body: 'Goodbye' }, bearer(token));
    expect(answer).toMatchObject({ status: 409, body: { code: 'client-id-reused', errors: [{ field: 'client_id' }] } });
  });

  test('after the end are refused where the widget opens no conversation again', async () => {
    const { id, path, token } = await openSession();
    await app.callAs('priya')('POST', `/api/sessions/${id}/end`, { resolved: false });
    await app.support.query(`update support.sessions set ended_at = now() - interval '1 year' where id = $1`, [id]);
    const answer = await app.call('POST', path, { client_id: 'late', body: 'Hello?' }, bearer(token));
    expect(answer).toMatchObject({ status: 409, body: { code: 'session-ended' } });
  });

  test.each([
    ['refused if its token is replaced meanwhile, and nothing is stored', `token_hash = sha256('other')`, 404, 0],
    ['given to the bot that took the session over meanwhile', `handler = 'bot'`, 201, 1],
  ])('one that waits for another change of the session is %s', async (_, change, status, stored) => {
    const { id, path, token } = await openSession();
    const rival = await app.database.connect('support_app');
    await rival.query('begin');
    await rival.query(`update support.sessions set ${change} where id = $1`, [id]);
    const answer = app.call('POST', path, { client_id: 'waits', body: 'Hello' }, bearer(token));
    await untilSomebodyWaits(rival);
    await rival.query('commit');
    expect((await answer).status).toBe(status);
    const kinds = await app.support.query('select kind from support.session_entries where session_id = $1', [id]);
    expect(kinds).toEqual(stored === 1 ? [{ kind: 'handed_over' }] : []);
    const [count] = await app.support.query('select count(*) as n from support.messages where session_id = $1', [id]);
    expect(count).toEqual({ n: stored });
  });

  test('keep their text as it was typed: markup, emoji, several lines', async () => {
    const { path, token } = await openSession();
    const body = '<script>alert(1)</script>\n👩‍👩‍👧 İstanbul\t"quoted"';
    expect((await app.call('POST', path, { client_id: 'one', body }, bearer(token))).body.body).toBe(body);
  });

  test.each([
    [{ client_id: 'a b', body: 'x' }, 'client_id'],
    [{ client_id: 'x'.repeat(65), body: 'x' }, 'client_id'],
    [{ body: 'x' }, 'client_id'],
    [{ client_id: 'a', body: '' }, 'body'],
    [{ client_id: 'a', body: 'x'.repeat(4_001) }, 'body'],
    [{ client_id: 'a', body: 'a\u0000b' }, 'body'],
    [{ client_id: 'a', body: 'x', author: 'agent' }, 'author'],
  ])('with the body %j are refused, naming %s', async (body, field) => {
    const { path, token } = await openSession();
    const answer = await app.call('POST', path, body, bearer(token));
    expect(answer.status).toBe(422);
    expect(answer.body.errors[0].field).toBe(field);
  });
});

describe('a visitor without the token of the session', () => {
  test('gets the same 404, whether or not the session exists', async () => {
    const { path } = await openSession();
    const other = await openSession();
    const nowhere = '/api/sessions/019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b/messages';
    const answers = [
      await app.call('GET', path, undefined, bearer(other.token)),
      await app.call('GET', path, undefined, bearer('guess')),
      await app.call('GET', nowhere, undefined, bearer(other.token)),
      await app.call('POST', path, { client_id: 'a', body: 'x' }, bearer(other.token)),
    ];
    for (const { status, body } of answers) {
      expect([status, body.code, body.detail]).toEqual([404, 'not-found', 'There is no such session.']);
    }
  });

  test.each([
    {},
    { Authorization: 'Basic dXNlcjpwYXNz' },
    { Authorization: 'Bearer ' },
    { Authorization: `Bearer ${'x'.repeat(300)}` },
  ])('and without any token (%j) gets 401', async (headers) => {
    const { path } = await openSession();
    const answer = await app.callAnonymously('GET', path, undefined, headers as Record<string, string>);
    expect(answer).toMatchObject({ status: 401, body: { code: 'token-required' } });
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  });

  test('cannot read or end a session through the staff routes, not even with the session’s token', async () => {
    const { id, token } = await openSession();
    for (const headers of [{}, { Authorization: `Bearer ${token}` }]) {
      const ask = (method: string, path: string, body?: Record<string, unknown>) =>
        app.callAnonymously(method, path, body, headers as Record<string, string>);
      expect((await ask('GET', `/api/sessions/${id}`)).status).toBe(401);
      expect((await ask('POST', `/api/sessions/${id}/end`, { resolved: true })).status).toBe(401);
      expect((await ask('GET', '/api/customers/context?email=known@example.com')).status).toBe(401);
    }
  });
});
