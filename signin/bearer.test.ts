import { createHmac } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { atEnd, createTestDatabase } from '@aether/database/testing';
import { createStaffRoute, jsonBody, object, startServer, z } from '@aether/http';
import { callerOf, collectLog } from '@aether/http/testing';
import { connectPlatform, type PlatformDb } from '@aether/platform';
import { exportJWK, exportSPKI, generateKeyPair, importJWK, type JWK, type JWTPayload, SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { addSignIn } from './index.ts';
import { type SignedCalls, signCalls, startTestIssuer, type TestIssuer, testAudience, testTenant } from './testing.ts';

let issuer: TestIssuer;
let app: SignedCalls;
let db: PlatformDb;
let start: (variables: Record<string, string>) => Promise<SignedCalls>;
beforeAll(async () => {
  issuer = await startTestIssuer();
  const database = await createTestDatabase();
  db = await connectPlatform({ app: 'foundation', variables: { PLATFORM_DB_URL: database.url('foundation_app') } });
  atEnd(db.close);
  const schema = z.object({ actor: z.string().nullable(), role: z.string().nullable() });
  const responses = { 200: { description: 'ok', content: { 'application/json': { schema } } } };
  start = async (variables) => {
    const server = await startServer(
      {
        app: 'foundation',
        title: 'T',
        version: '1',
        description: 'T',
        portDefault: 0,
        rights: { scopes: {}, ofEvents: {} },
        addSignIn,
        addRoutes(routes) {
          for (const right of ['deals.read', 'deals.write', 'person', 'administrator'] as const)
            routes.openapi(
              createStaffRoute({
                method: right === 'deals.write' ? 'post' : 'get',
                path: right.startsWith('deals') ? '/api/staff' : `/api/${right}`,
                right,
                ...(right === 'deals.write' && { request: { body: jsonBody(object({})) } }),
                responses,
              }),
              (c) => c.json({ actor: c.get('actor')?.id ?? null, role: c.get('actor')?.role ?? null }, 200),
            );
        },
      },
      {
        port: 0,
        log: collectLog().log,
        variables: { PLATFORM_DB_URL: database.url('foundation_app'), ...issuer.variables, ...variables },
      },
    );
    atEnd(server.close);
    return signCalls(issuer, callerOf(server.url));
  };
  app = await start({});
  await db.signInUser({
    subject: 'maya',
    email: 'maya@aether.example',
    name: 'Maya',
    tenantId: testTenant,
    objectId: 'maya',
  });
});

const send = (token: string) =>
  app.callAnonymously('GET', '/api/staff', undefined, { Authorization: `Bearer ${token}` });
const person: JWTPayload = { scp: 'access_as_user', tid: testTenant, oid: 'maya' };
const sign = (
  payload: JWTPayload,
  header: { alg: string; kid?: string } = { alg: 'ES256', kid: 'test' },
  key = issuer.key,
) =>
  new SignJWT({ sub: 'maya', iss: issuer.url, aud: testAudience, ...person, ...payload })
    .setProtectedHeader(header)
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(key);
const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const nowSeconds = () => Math.floor(Date.now() / 1_000);

test('a person’s token lets them act, without a CSRF token and from any page', async () => {
  expect(await app.callAs('maya')('GET', '/api/staff')).toMatchObject({ status: 200, body: { actor: 'maya' } });
  expect((await app.callAs('maya')('POST', '/signin/out', {}, { Origin: 'https://script.example' })).status).toBe(200);
});

describe('a machine', () => {
  test('may do what the scopes of its token allow, and acts for no person', async () => {
    const reader = app.callWith('deals.read');
    expect(await reader('GET', '/api/staff')).toMatchObject({ status: 200, body: { actor: null } });
    const refused = await reader('POST', '/api/staff', {});
    expect(refused).toMatchObject({ status: 403, body: { code: 'token-lacks-scope' } });
    expect(refused.headers.get('www-authenticate')).toBe('Bearer error="insufficient_scope", scope="deals.write"');
    expect((await app.callWith('deals.write')('POST', '/api/staff', {})).status).toBe(200);
    expect((await app.callWith('deals.write')('GET', '/api/staff')).status).toBe(403);
  });

  test.each([
    [[]],
    [['Aether.Service']],
    [['access_as_user']],
    [['deals']],
    [['deals.*', '*', 'deals.readwrite', 'DEALS.READ']],
    [['customers.read', 'api://aether/deals.read']],
  ])('with the roles %j may do nothing', async (roles) => {
    expect(await app.callWith(...roles)('GET', '/api/staff')).toMatchObject({
      status: 403,
      body: { code: 'token-lacks-scope' },
    });
  });

  test.each(['/api/person', '/api/administrator', '/signin/me'])('is refused at %s with any scopes', async (path) => {
    const every = app.callWith('deals.read', 'deals.write', 'person', 'administrator');
    expect(await every('GET', path)).toMatchObject({ status: 403, body: { code: 'person-only' } });
  });

  test.each([
    ['Entra ID, with idtyp', { idtyp: 'app', roles: ['deals.read'] }],
    ['Entra ID, by the same id for subject and object', { sub: 'p', oid: 'p', tid: testTenant, roles: ['deals.read'] }],
    ['RFC 9068, as the subject, with scope', { sub: 'client', client_id: 'client', scope: 'openid deals.read' }],
    ['Okta, by cid, with a list in scp', { sub: 'client', cid: 'client', scp: ['deals.read'] }],
    ['Auth0, by gty', { sub: 'client@clients', gty: 'client-credentials', scope: 'deals.read' }],
  ])('is recognised as %s names it', async (_, claims) => {
    const whole = { scp: undefined, oid: undefined, tid: undefined, ...claims };
    expect(await send(await sign(whole as JWTPayload))).toMatchObject({ status: 200, body: { actor: null } });
    const bare = { ...whole, roles: undefined, scope: undefined, scp: undefined };
    expect((await send(await sign({ ...bare, idtyp: 'app' } as JWTPayload))).status).toBe(403);
  });
});

test('a person’s token for some scopes allows only these scopes', async () => {
  const withScopes = (scp: string) => async (method: string, path: string, body?: object) =>
    app.callAnonymously(method, path, body as never, { Authorization: `Bearer ${await sign({ scp })}` });
  const reader = withScopes('deals.read profile');
  expect(await reader('GET', '/api/staff')).toMatchObject({ status: 200, body: { actor: 'maya' } });
  expect((await reader('POST', '/api/staff', {})).body.code).toBe('token-lacks-scope');
  expect((await reader('GET', '/api/person')).body.code).toBe('person-only');
  expect((await withScopes('access_as_user')('GET', '/api/person')).status).toBe(200);
});

test('a person’s roles do not count as scopes', async () => {
  const answer = await send(await sign({ scp: 'customers.read', roles: ['deals.read'] }));
  expect(answer).toMatchObject({ status: 403, body: { code: 'token-lacks-scope' } });
});

test('a person who comes with a token for the first time becomes a user', async () => {
  expect((await app.callAs('newcomer')('GET', '/api/staff')).body.actor).toBe('newcomer');
  expect(await db.getUserByDirectory(testTenant, 'newcomer')).toMatchObject({ role: 'user' });
});

test('a token never does more than the directory’s roles allow', async () => {
  const withRoles = await start({ SIGNIN_ADMIN_ROLE: 'Aether.Admin' });
  await db.updateUser('maya', { role: 'admin' });
  const call = async (roles: string[]) =>
    (
      await withRoles.callAnonymously('GET', '/api/staff', undefined, {
        Authorization: `Bearer ${await sign({ roles })}`,
      })
    ).body.role;
  expect(await call(['Aether.Admin'])).toBe('admin');
  expect(await call([])).toBe('user');
  await db.updateUser('maya', { role: 'user' });
});

describe('a token is refused', () => {
  const expired = (seconds: number) =>
    new SignJWT({
      sub: 'maya',
      iss: issuer.url,
      aud: testAudience,
      ...person,
      iat: nowSeconds() - 600,
      exp: nowSeconds() + seconds,
    })
      .setProtectedHeader({ alg: 'ES256', kid: 'test' })
      .sign(issuer.key);
  const attacks: [string, () => string | Promise<string>][] = [
    [
      'without a signature (alg none)',
      () =>
        `${encode({ alg: 'none' })}.${encode({ sub: 'maya', iss: issuer.url, aud: testAudience, ...person, iat: nowSeconds(), exp: nowSeconds() + 60 })}.`,
    ],
    [
      'signed by HMAC with the public key as the secret',
      async () => {
        const [jwk] = ((await (await fetch(`${issuer.url}/jwks`)).json()) as { keys: JWK[] }).keys;
        const spki = await exportSPKI((await importJWK(jwk as JWK, 'ES256')) as CryptoKey);
        const body = `${encode({ alg: 'HS256', kid: 'test' })}.${encode({ sub: 'maya', iss: issuer.url, aud: testAudience, ...person, iat: nowSeconds(), exp: nowSeconds() + 60 })}`;
        return `${body}.${createHmac('sha256', spki).update(body).digest('base64url')}`;
      },
    ],
    ['for another audience', () => sign({ aud: 'api://another' })],
    ['of another issuer', () => sign({ iss: 'https://evil.example' })],
    ['that has expired', () => expired(-60)],
    [
      'without an expiry',
      () =>
        new SignJWT({ sub: 'maya', iss: issuer.url, aud: testAudience, ...person })
          .setProtectedHeader({ alg: 'ES256', kid: 'test' })
          .setIssuedAt()
          .sign(issuer.key),
    ],
    ['that is not valid yet', () => sign({ nbf: nowSeconds() + 600 })],
    [
      'of an unknown key',
      async () => sign({}, { alg: 'ES256', kid: 'unknown' }, (await generateKeyPair('ES256')).privateKey),
    ],
    [
      'of another key under a known name',
      async () => sign({}, { alg: 'ES256', kid: 'test' }, (await generateKeyPair('ES256')).privateKey),
    ],
    [
      'that brings its own key',
      async () => {
        const pair = await generateKeyPair('ES256', { extractable: true });
        return sign({}, { alg: 'ES256', jwk: await exportJWK(pair.publicKey) } as never, pair.privateKey);
      },
    ],
    [
      'whose claims were changed',
      async () => {
        const [head, , signature] = (await sign({})).split('.');
        return `${head}.${encode({ sub: 'maya', iss: issuer.url, aud: testAudience, ...person, oid: 'boss', exp: nowSeconds() + 60 })}.${signature}`;
      },
    ],
    ['that is not a JWT', () => 'opaque'],
    ['that is far too long', () => `${'x'.repeat(8_000)}.${'y'.repeat(4_000)}.z`],
  ];
  test.each(attacks)('%s', async (_, make) => {
    const answer = await send(await make());
    expect(answer).toMatchObject({ status: 401, body: { code: 'token-refused' } });
    expect(answer.headers.get('www-authenticate')).toMatch(/invalid_token/);
    expect((await send(await sign({}))).status).toBe(200);
  });

  test.each([
    ['a person’s without the scope', { scp: 'openid' }],
    ['an ID token, even one with roles', { scp: undefined, nonce: 'n', idtyp: 'app', roles: ['deals.read'] }],
    ['an ID token with a scope', { nonce: 'n' }],
    [
      'a machine’s without the app role',
      { scp: undefined, tid: undefined, oid: undefined, idtyp: 'app', roles: ['Other.Role'] },
    ],
    ['a person’s that has a machine’s role', { scp: undefined, roles: ['deals.read'], name: 'Maya' }],
    ['a person’s with idtyp user and a machine’s role', { scp: undefined, idtyp: 'user', roles: ['deals.read'] }],
  ])('%s: 403', async (_, claims) => {
    expect(await send(await sign(claims as JWTPayload))).toMatchObject({
      status: 403,
      body: { code: 'token-lacks-scope' },
    });
  });

  test.each(['Basic bWF5YTpzZWNyZXQ=', 'Bearer', 'Bearer a b', 'bearer  '])('in a header like %j', async (header) => {
    const answer = await app.callAnonymously('GET', '/api/staff', undefined, { Authorization: header });
    expect(answer).toMatchObject({ status: 401, body: { code: 'not-signed-in' } });
  });
});

test('a token that was just accepted is refused by an app with another audience, with one letter changed, and when its person has left', async () => {
  const other = await start({ SIGNIN_AUDIENCE: 'api://another' });
  const token = await sign({ sub: 'gone', oid: 'gone', name: 'Gone' });
  const at = (server: SignedCalls, sent: string) =>
    server.callAnonymously('GET', '/api/staff', undefined, { Authorization: `Bearer ${sent}` });
  for (let n = 0; n < 2; n++) {
    expect(await at(app, token)).toMatchObject({ status: 200 });
    expect(await at(other, token)).toMatchObject({ status: 401, body: { code: 'token-refused' } });
  }
  const changed = token.slice(0, -10) + (token.at(-10) === 'A' ? 'B' : 'A') + token.slice(-9);
  expect(await at(app, changed)).toMatchObject({ status: 401, body: { code: 'token-refused' } });
  await db.query(`update platform.users set left_at = now() where name = 'Gone'`);
  expect(await at(app, token)).toMatchObject({ status: 403 });
});

test('tokens with unknown keys do not cause a request to the provider each', async () => {
  let asked = 0;
  const { createServer } = await import('node:http');
  const proxy = createServer(async (request, response) => {
    if (request.url === '/jwks') asked += 1;
    const answer = await (await fetch(`${issuer.url}${request.url}`)).text();
    response.setHeader('Content-Type', 'application/json').end(answer.replaceAll(issuer.url, own));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => proxy.once('listening', resolve));
  const own = `http://127.0.0.1:${(proxy.address() as { port: number }).port}`;
  atEnd(async () => {
    proxy.closeAllConnections();
    proxy.close();
  });
  const server = await start({ SIGNIN_ISSUER: own });
  const { privateKey } = await generateKeyPair('ES256');
  for (let n = 0; n < 10; n += 1) {
    const token = await sign({ iss: own }, { alg: 'ES256', kid: `unknown-${n}` }, privateKey);
    const answer = await server.callAnonymously('GET', '/api/staff', undefined, { Authorization: `Bearer ${token}` });
    expect(answer.status).toBe(401);
  }
  expect(asked).toBeLessThanOrEqual(2);
});

test('a token is answered with 503 if the keys cannot be fetched', async () => {
  const server = await start({ SIGNIN_ISSUER: 'http://127.0.0.1:1' });
  const answer = await server.callAs('maya')('GET', '/api/staff');
  expect(answer).toMatchObject({ status: 503, body: { code: 'identity-provider-unavailable' } });
});

test('a token is answered with 503 while the provider gives rubbish, too much or a redirect, and is accepted as soon as it gives keys', async () => {
  let keys: RequestListener = () => {};
  const { createServer } = await import('node:http');
  const provider = createServer(async (request, response) => {
    if (request.url === '/jwks') return keys(request, response);
    const answer = await (await fetch(`${issuer.url}${request.url}`)).text();
    response.setHeader('Content-Type', 'application/json').end(answer.replaceAll(issuer.url, own));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => provider.once('listening', resolve));
  const own = `http://127.0.0.1:${(provider.address() as { port: number }).port}`;
  atEnd(async () => {
    provider.closeAllConnections();
    provider.close();
  });
  const server = await start({ SIGNIN_ISSUER: own });
  const Authorization = `Bearer ${await sign({ iss: own })}`;
  const ask = () => server.callAnonymously('GET', '/api/staff', undefined, { Authorization });
  const bad: RequestListener[] = [
    (_, response) => response.end('<html>'),
    (_, response) => response.end('{"keys":{}}'),
    (_, response) => response.end(JSON.stringify({ keys: [], more: 'x'.repeat(1024 * 1024) })),
    (_, response) => response.writeHead(302, { Location: `${issuer.url}/jwks` }).end(),
    (_, response) => response.writeHead(500).end(),
    (request) => request.socket.destroy(),
  ];
  for (keys of bad) expect(await ask()).toMatchObject({ status: 503, body: { code: 'identity-provider-unavailable' } });
  keys = async (_, response) => response.end(await (await fetch(`${issuer.url}/jwks`)).text());
  expect(await ask()).toMatchObject({ status: 200, body: { actor: 'maya' } });
});

test('a server without a sign-in provider does not start, and names the missing setting', async () => {
  await expect(start({ SIGNIN_ISSUER: '' })).rejects.toThrow(/SIGNIN_ISSUER is not set/);
});
