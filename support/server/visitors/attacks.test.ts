import { SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { racing, startTestSupport, type TestSupport, widgetKey } from '../testing.ts';
import { visit } from './testing.visitor.ts';

/** The attacks of a malicious visitor, each with an honest visitor's counterpart. */

const shopOrigin = 'https://shop.example';
const otherSecret = 'x'.repeat(43);

let app: TestSupport;
let secret: string;
let shopKey: string;
beforeAll(async () => {
  app = await startTestSupport(racing);
  shopKey = 'guarded-shop';
  secret = 'S'.repeat(43);
  await app.support.query(
    `with made as (insert into support.widgets (key, name, allowed_origins) values ($1, 'Shop', $2) returning id)
     insert into support.widget_secrets (widget_id, secret) select id, $3 from made`,
    [shopKey, [shopOrigin], secret],
  );
  await app.support.query(
    'insert into support.widget_secrets (widget_id, secret) select id, $1 from support.widgets where key = $2',
    ['R'.repeat(43), shopKey],
  );
  await app.support.query(
    `update support.widget_secrets set retires_at = now() - interval '1 second' where secret = $1`,
    ['R'.repeat(43)],
  );
});

const sign = (claims: Record<string, unknown> = {}, { key = secret, alg = 'HS256', life = '10m' } = {}) =>
  new SignJWT({ email: 'ada@lovelace.example', name: 'Ada Lovelace', aud: shopKey, ...claims })
    .setProtectedHeader({ alg })
    .setIssuedAt()
    .setExpirationTime(life)
    .sign(new TextEncoder().encode(key));

const open = (body: Record<string, unknown>, headers: Record<string, string> = {}, key = shopKey) =>
  app.callAnonymously('POST', `/api/widgets/${key}/sessions`, body, headers);
const ada = { email: 'ada@typed.example', name: 'Ada' };

describe('a malicious visitor who wants to read what is not theirs', () => {
  test('1. gets 404 for the id of another visitor’s conversation, as for one that does not exist', async () => {
    const [mine, other] = [await visit(app), await visit(app)];
    const tried = await mine.call('GET', 'messages', undefined);
    expect(tried.status).toBe(200);
    const bearer = { Authorization: `Bearer ${mine.token}` };
    const [theirs, none] = await Promise.all([
      app.callAnonymously('GET', `/api/sessions/${other.id}/messages`, undefined, bearer),
      app.callAnonymously('GET', '/api/sessions/00000000-0000-4000-8000-000000000000/messages', undefined, bearer),
    ]);
    expect(theirs.status).toBe(404);
    expect({ ...theirs.body, requestId: '' }).toEqual({ ...none.body, requestId: '' });
  });

  test.each(['messages', 'typing', 'read', 'hand-over', 'identity', 'contact'])(
    '2. gets 404 for writing to another visitor’s conversation (%s)',
    async (what) => {
      const [mine, other] = [await visit(app), await visit(app)];
      const bodies: Record<string, Record<string, unknown>> = {
        messages: { client_id: 'x', body: 'x' },
        typing: { is_typing: true },
        read: { number: 1 },
        identity: { identity_token: await sign() },
        contact: ada,
      };
      const call = (id: string) =>
        app.callAnonymously('POST', `/api/sessions/${id}/${what}`, bodies[what] ?? {}, {
          Authorization: `Bearer ${mine.token}`,
        });
      expect((await call(other.id)).status).toBe(404);
      expect((await call(mine.id)).status).not.toBe(404);
    },
  );

  test('3. cannot use the token in the address, where logs would keep it', async () => {
    const visitor = await visit(app);
    const answer = await app.callAnonymously('GET', `/api/sessions/${visitor.id}/messages?token=${visitor.token}`);
    expect(answer.status).toBe(422);
    const quiet = await app.callAnonymously('GET', `/api/sessions/${visitor.id}/messages`);
    expect(quiet.status).toBe(401);
  });

  test('4. cannot use the database’s copy of a token, because it is a hash', async () => {
    const visitor = await visit(app);
    const [row] = await app.support.query<{ hash: string }>(
      `select encode(token_hash, 'hex') as hash from support.sessions where id = $1`,
      [visitor.id],
    );
    expect(JSON.stringify(row)).not.toContain(visitor.token);
    const stolen = await visitor.call('GET', 'messages', undefined, { Authorization: `Bearer ${row?.hash}` });
    expect(stolen.status).toBe(404);
  });

  test('5. gets 401 for calling a staff route with a visitor’s token', async () => {
    const visitor = await visit(app);
    const headers = { Authorization: `Bearer ${visitor.token}` };
    for (const [method, path, body] of [
      ['GET', '/api/inbox'],
      ['GET', `/api/sessions/${visitor.id}`],
      ['POST', `/api/sessions/${visitor.id}/replies`, { client_id: 'x', body: 'x' }],
      ['POST', `/api/sessions/${visitor.id}/end`, { resolved: true }],
      ['GET', '/api/customers/context?email=ada@example.com'],
      ['GET', '/api/events'],
      ['GET', '/api/chatbots'],
    ] as const)
      expect([path, (await app.callAnonymously(method, path, body, headers)).status]).toEqual([path, 401]);
  });

  test('6. gets the same answer for an address that is known and for one that is not', async () => {
    await app.foundation.createCustomer({ email: 'known@target.example', name: 'Known', account_tier: 'premium' });
    const shape = ({ status, body }: { status: number; body: Record<string, unknown> }) => ({
      status,
      fields: Object.keys(body).sort(),
      lengths: Object.values(body).map((value) => String(value).length),
    });
    const [known, unknown] = [
      await open({ email: 'known@target.example', name: 'X' }),
      await open({ email: 'never@target.example', name: 'X' }),
    ];
    expect(shape(known)).toEqual(shape(unknown));
    const read = async ({ body }: typeof known) => {
      const { body: seen } = await app.callAnonymously('GET', `/api/sessions/${body.session_id}/messages`, undefined, {
        Authorization: `Bearer ${body.visitor_token}`,
      });
      return JSON.stringify(seen);
    };
    expect(await read(known)).toBe(await read(unknown));
    expect(await read(known)).not.toContain('premium');
  });

  test('7. finds no secrets, teams, ids or rules in the widget’s settings', async () => {
    const { body } = await app.callAnonymously('GET', `/api/widgets/${shopKey}/config`);
    expect(Object.keys(body).sort()).toEqual([
      ...['ask', 'asks_rating', 'bot', 'is_online', 'language', 'languages', 'name', 'opens_at', 'texts', 'theme'],
    ]);
    expect(JSON.stringify(body)).not.toContain(secret);
  });
});

describe('a malicious visitor who pretends to be another', () => {
  test('8. who types another customer’s address is only claimed to be them, and changes nothing of them', async () => {
    const before = await app.foundation.createCustomer({
      email: 'victim@post.example',
      name: 'Victim',
      phone: '+49 30 1234567',
    });
    const { body } = await open({ email: 'victim@post.example', name: 'Robert’); drop table' });
    const [session] = await app.support.query('select identity from support.sessions where id = $1', [body.session_id]);
    expect(session).toEqual({ identity: 'claimed' });
    expect(await app.foundation.getCustomerById(before.id)).toMatchObject({ name: 'Victim', phone: '+49 30 1234567' });
  });

  test.each([
    ['9. with a secret of their own', () => sign({}, { key: otherSecret })],
    ['10. with a secret that was taken back', () => sign({}, { key: 'R'.repeat(43) })],
    ['11. for another widget', () => sign({ aud: widgetKey })],
    ['12. that has expired', () => sign({}, { life: '-5m' })],
    ['13. that lives for a year', () => sign({}, { life: '365d' })],
    ['14. with an algorithm of their choice', () => sign({}, { alg: 'HS512' })],
    [
      '15. without any signature (alg none)',
      async () => `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await sign()).split('.')[1]}.AA`,
    ],
    ['16. whose claims were exchanged', async () => swapClaims(await sign(), { email: 'boss@lovelace.example' })],
    ['17. without an address', () => sign({ email: undefined })],
  ])('is refused with an identity token: %s', async (_, token) => {
    expect(await open({ identity_token: await token() })).toMatchObject({
      status: 401,
      body: { code: 'identity-refused' },
    });
    expect(await open({ identity_token: await sign() })).toMatchObject({ status: 201, body: { identity: 'verified' } });
  });

  test('18. cannot use the token from before the verification: only the new one is valid', async () => {
    const visitor = await visit(app, {}, { key: shopKey });
    const verified = await visitor.call('POST', 'identity', { identity_token: await sign() });
    expect(verified).toMatchObject({ status: 200, body: { identity: 'verified' } });
    expect((await visitor.say('still me?')).status).toBe(404);
    const renewed = await visitor.call(
      'POST',
      'messages',
      { client_id: 'n', body: 'me' },
      {
        Authorization: `Bearer ${verified.body.visitor_token}`,
      },
    );
    expect(renewed.status).toBe(201);
  });

  test('19. cannot write as an agent or as the bot: the field is refused, and the author is the visitor', async () => {
    const visitor = await visit(app);
    for (const author of ['agent', 'bot'])
      expect((await visitor.call('POST', 'messages', { client_id: 'x', body: 'x', author })).status).toBe(422);
    expect((await visitor.say('me')).body.author).toBe('visitor');
  });

  test('20. cannot move a conversation to another customer by giving a second address', async () => {
    const visitor = await visit(app);
    expect(await visitor.call('POST', 'contact', { email: 'boss@post.example', name: 'Boss' })).toMatchObject({
      status: 422,
      body: { errors: [{ field: 'email' }] },
    });
  });
});

describe('a malicious page', () => {
  test('21. of a foreign origin can neither use the shop’s widget nor read a word of it', async () => {
    const foreign = { Origin: 'https://evil.example' };
    const refused = await open(ada, foreign);
    expect(refused).toMatchObject({ status: 403, body: { code: 'origin-not-allowed' } });
    expect(refused.headers.get('access-control-allow-origin')).toBeNull();
    const config = await app.callAnonymously('GET', `/api/widgets/${shopKey}/config`, undefined, foreign);
    expect(config.status).toBe(403);
    const own = await open(ada, { Origin: shopOrigin });
    expect(own.status).toBe(201);
    expect(own.headers.get('access-control-allow-origin')).toBe(shopOrigin);
    expect(own.headers.get('access-control-allow-credentials')).toBeNull();
    const bearer = { Authorization: `Bearer ${own.body.visitor_token}` };
    const path = `/api/sessions/${own.body.session_id}/messages`;
    expect((await app.callAnonymously('GET', path, undefined, { ...bearer, ...foreign })).status).toBe(403);
  });

  test.each([
    'null',
    'https://shop.example.evil.example',
    'http://shop.example',
    'https://shop.example:444',
    'https://SHOP.example/',
  ])('22. whose origin only resembles the shop’s (%s) is refused', async (origin) => {
    expect((await open(ada, { Origin: origin })).status).toBe(403);
  });

  test('23. gets no permission for staff routes in a preflight', async () => {
    const preflight = (path: string) =>
      fetch(`${app.url}${path}`, {
        method: 'OPTIONS',
        headers: { Origin: 'https://evil.example', 'Access-Control-Request-Method': 'POST' },
      });
    const staff = await preflight('/api/inbox');
    expect(staff.headers.get('access-control-allow-origin')).toBeNull();
    const visitor = await preflight(`/api/widgets/${shopKey}/sessions`);
    expect(visitor.headers.get('access-control-allow-headers')).toContain('Authorization');
    expect(visitor.headers.get('access-control-allow-credentials')).toBeNull();
  });
});

describe('a malicious visitor who wants to break or flood', () => {
  test.each([
    ['markup', '<img src=x onerror=alert(1)><script>alert(1)</script>'],
    ['a formula', '=HYPERLINK("https://evil.example")'],
    ['text that runs backwards', 'invoice\u202Efdp.exe'],
  ])('24. who writes %s has it stored letter by letter as text, and no answer is ever HTML', async (_, body) => {
    const visitor = await visit(app);
    const sent = await visitor.say(body);
    expect(sent.headers.get('content-type')).toContain('application/json');
    expect(sent.headers.get('x-content-type-options')).toBe('nosniff');
    const { body: read } = await visitor.call('GET', 'messages');
    expect(read.messages.map((message: { body: string }) => message.body)).toEqual([body]);
  });

  test('25. who opens sessions or writes too fast gets 429 with the time to wait, while others continue', async () => {
    const call = await app.startAnother({ SUPPORT_RATE_FACTOR: '1', SUPPORT_PROXY_HOPS: '1' });
    const from = (address: string, email: string) =>
      call('POST', `/api/widgets/${widgetKey}/sessions`, { email, name: 'Flood' }, { 'X-Forwarded-For': address });
    const flood = [];
    for (let n = 0; n < 25; n += 1) flood.push(await from('203.0.113.7', `flood${n}@post.example`));
    const statuses = flood.map(({ status }) => status);
    expect(statuses.slice(0, 20)).toEqual(Array(20).fill(201));
    expect(statuses.slice(20)).toEqual(Array(5).fill(429));
    expect(Number(flood.at(-1)?.headers.get('retry-after'))).toBeGreaterThan(0);
    // Anything that the client itself wrote into the header is further left.
    expect((await from('198.51.100.9, 203.0.113.7', 'spoof@post.example')).status).toBe(429);
    const honest = await from('203.0.113.8', 'honest@post.example');
    expect(honest.status).toBe(201);
    const said = [];
    for (let n = 0; n < 35; n += 1)
      said.push(
        await call(
          'POST',
          `/api/sessions/${honest.body.session_id}/messages`,
          { client_id: `c${n}`, body: 'x' },
          { Authorization: `Bearer ${honest.body.visitor_token}`, 'X-Forwarded-For': '203.0.113.8' },
        ),
      );
    expect(said.filter(({ status }) => status === 429)).toHaveLength(5);
  });

  test('26. is limited by the typed address too, even from many network addresses', async () => {
    const call = await app.startAnother({ SUPPORT_RATE_FACTOR: '1', SUPPORT_PROXY_HOPS: '1' });
    const statuses = [];
    for (let n = 0; n < 10; n += 1) {
      const body = { email: n % 2 ? 'Same@post.example' : 'same@POST.example', name: 'Same' };
      const answer = await call('POST', `/api/widgets/${widgetKey}/sessions`, body, {
        'X-Forwarded-For': `203.0.113.${n + 50}`,
      });
      statuses.push(answer.status);
    }
    expect(statuses).toEqual([...Array(8).fill(201), 429, 429]);
  });

  test('26b. an address that visitors give after they opened a conversation counts towards the same limit', async () => {
    const call = await app.startAnother({ SUPPORT_RATE_FACTOR: '1', SUPPORT_PROXY_HOPS: '1' });
    await app.support.query(
      `insert into support.widgets (key, name, settings) values ('asks-never', 'Asks never', '{"ask":"never"}')`,
    );
    const statuses = [];
    for (let n = 0; n < 10; n += 1) {
      const place = { 'X-Forwarded-For': `198.51.100.${n + 50}` };
      const { body: opened } = await call('POST', '/api/widgets/asks-never/sessions', {}, place);
      const contact = { email: n % 2 ? 'Later@post.example' : 'later@POST.example', name: 'Later' };
      const answer = await call('POST', `/api/sessions/${opened.session_id}/contact`, contact, {
        Authorization: `Bearer ${opened.visitor_token}`,
        ...place,
      });
      statuses.push(answer.status);
    }
    expect(statuses).toEqual([...Array(8).fill(204), 429, 429]);
  });

  test('27. who guesses tokens is refused after some attempts, even with a right one', async () => {
    const call = await app.startAnother({ SUPPORT_RATE_FACTOR: '0.2', SUPPORT_PROXY_HOPS: '1' });
    const visitor = await visit(app);
    const guess = (token: string) =>
      call('GET', `/api/sessions/${visitor.id}/messages`, undefined, {
        Authorization: `Bearer ${token}`,
        'X-Forwarded-For': '203.0.113.99',
      });
    const statuses = [];
    for (let n = 0; n < 14; n += 1) statuses.push((await guess(`wrong${n}`)).status);
    expect(statuses).toEqual([...Array(12).fill(404), 429, 429]);
    expect((await guess(visitor.token)).status).toBe(429);
  });

  test.each([
    ['a message without end', { client_id: 'x', body: 'x'.repeat(4_001) }, 422],
    ['a body over the limit', { client_id: 'x', body: 'x'.repeat(200_000) }, 413],
    ['NUL', { client_id: 'x', body: 'a\u0000b' }, 422],
    ['a client_id that is none', { client_id: '../../etc', body: 'x' }, 422],
  ])('28. who sends %s is refused', async (_, body, status) => {
    const visitor = await visit(app);
    expect((await visitor.call('POST', 'messages', body)).status).toBe(status);
    expect((await visitor.say('fine')).status).toBe(201);
  });

  test('29. who sends one message a hundred times at once has sent one', async () => {
    const visitor = await visit(app);
    const sent = await Promise.all(Array.from({ length: 100 }, () => visitor.say('once', 'the-same')));
    expect(new Set(sent.map(({ status, body }) => `${status} ${body.number}`))).toEqual(new Set(['201 1']));
    expect((await visitor.call('GET', 'messages')).body.messages).toHaveLength(1);
  });
});

/** The same signature with other claims. */
function swapClaims(token: string, claims: Record<string, unknown>): string {
  const [head, body = '', signature] = token.split('.');
  const changed = { ...JSON.parse(Buffer.from(body, 'base64url').toString()), ...claims };
  return [head, Buffer.from(JSON.stringify(changed)).toString('base64url'), signature].join('.');
}
