import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd } from '@aether/database/testing';
import { readProblem, sendRaw } from '@aether/http/testing';
import { serviceToken } from '@aether/signin';
import { decodeJwt } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { fetchLocalToken, type LocalProvider, startLocalProvider } from './provider.ts';
import { personas, startTestApps, type TestApps, testApps } from './testing.apps.ts';

let apps: TestApps;
beforeAll(async () => {
  apps = await startTestApps();
});

const tokenFor = (who: string, app: 'foundation' | 'support' = 'foundation', scopes: string[] = []) =>
  fetchLocalToken({ folder: apps.folder, issuer: apps.provider.issuer, who, apps: testApps, app, scopes });
const asks = async (token: string, path = '/api/staff', app: 'foundation' | 'support' = 'foundation') =>
  fetch(`${apps[app].url}${path}`, { headers: { Authorization: `Bearer ${token}` } });
const authorize = (change: Record<string, string>) => {
  const url = new URL('/auth', apps.provider.issuer);
  const parameters = {
    client_id: 'foundation',
    response_type: 'code',
    scope: 'openid',
    redirect_uri: 'http://127.0.0.1:4100/signin/callback',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    ...change,
  };
  for (const [name, value] of Object.entries(parameters)) if (value) url.searchParams.set(name, value);
  return fetch(url, { redirect: 'manual' });
};
const ask = (body: Record<string, string>) =>
  fetch(`${apps.provider.issuer}/token`, { method: 'POST', body: new URLSearchParams(body) });

describe('a script', () => {
  test('gets a token of a persona or of a machine for one app, which the other app refuses', async () => {
    for (const [who, actor] of [
      ['maya', expect.any(String)],
      ['oid-jonas', expect.any(String)],
      ['service', null],
    ] as const)
      for (const app of ['foundation', 'support'] as const) {
        const token = await tokenFor(who, app, who === 'service' ? ['context.read'] : []);
        const answer = await asks(token, '/api/staff', app);
        expect([answer.status, await answer.json()]).toEqual([200, { actor }]);
        const refused = await asks(token, '/api/staff', app === 'support' ? 'foundation' : 'support');
        expect(await readProblem(refused)).toMatchObject({
          code: 'token-refused',
          detail: expect.stringContaining('made for another app'),
        });
      }
  });

  test('gets a token that allows only the chosen scopes, of a machine and of a persona', async () => {
    for (const who of ['service', 'maya']) {
      const token = await tokenFor(who, 'foundation', ['deals.read', 'customers.read']);
      expect(await readProblem(await asks(token))).toMatchObject({ status: 403, code: 'token-lacks-scope' });
      expect((await asks(await tokenFor(who, 'foundation', ['context.read']))).status).toBe(200);
    }
  });

  test.each([
    ['service', 'foundation', [], /may do nothing without a scope.*deals\.write/],
    ['service', 'foundation', ['deals.wriet'], /foundation has no scope deals\.wriet.*deals\.write/],
    ['maya', 'support', ['deals.read'], /support has no scope deals\.read/],
    ['maya', 'billing', [], /no app billing.*foundation, support/],
  ])(
    'gets no token for %s at %s with the scopes %j, but a list of the possible ones',
    async (who, app, scopes, message) => {
      await expect(tokenFor(who, app as 'support', scopes)).rejects.toThrow(message);
    },
  );

  test('acts as the same user who signs in with the browser', async () => {
    const token = await tokenFor('maya');
    expect(decodeJwt(token)).toMatchObject({ oid: 'oid-maya', name: 'Maya Okafor' });
    const { rows } = await (await apps.database.connect('postgres')).query(
      `select count(*)::integer as n from platform.users where name = 'Maya Okafor'`,
    );
    expect(rows).toEqual([{ n: 1 }]);
  });

  test('gets no token of an unknown person, but a list of the personas', async () => {
    await expect(tokenFor('mallory')).rejects.toThrow(/no token for mallory.*maya, jonas, gail, service/);
  });

  test('of another user of this machine gets no token: only the owner can read the file with the secret', async () => {
    const { mode } = await stat(join(apps.folder, 'identity.json'));
    expect(mode & 0o777).toBe(0o600);
    for (const secret of ['', 'guess']) {
      const body = {
        grant_type: 'urn:aether:grant:persona',
        persona: 'maya',
        client_id: 'aether-cli',
        client_secret: secret,
      };
      expect((await ask(body)).status).toBe(401);
    }
    // An app's secret opens only the app's own grants.
    const { SIGNIN_CLIENT_SECRET: secret = '' } = apps.provider.settingsOf('support');
    const body = {
      grant_type: 'urn:aether:grant:persona',
      persona: 'maya',
      client_id: 'support',
      client_secret: secret,
    };
    expect((await ask(body)).status).toBe(400);
  });
});

describe('the local provider', () => {
  test.each([
    ['without PKCE', { code_challenge: '', code_challenge_method: '' }, /invalid_request/],
    ['with PKCE in clear', { code_challenge_method: 'plain' }, /invalid_request/],
    ['for a token instead of a code', { response_type: 'token' }, /unsupported_response_type|invalid_request/],
  ])('refuses a request %s', async (_, change, error) => {
    const answer = await authorize(change as unknown as Record<string, string>);
    expect(`${answer.headers.get('location')} ${await answer.text()}`).toMatch(error);
    expect((await authorize({})).headers.get('location')).toMatch(/\/choose\//);
  });

  test.each([
    'https://evil.example/signin/callback',
    'http://127.0.0.1.evil.example/signin/callback',
    'http://127.0.0.1:4100/other',
    'http://192.0.2.1/signin/callback',
  ])('sends no browser to %s', async (redirect_uri) => {
    const answer = await authorize({ redirect_uri });
    expect([answer.status, answer.headers.get('location')]).toEqual([400, null]);
  });

  test('answers only on this machine, and under no other name for it', async () => {
    const { port } = new URL(apps.provider.issuer);
    const get = (host: string) =>
      sendRaw(
        Number(port),
        `GET /.well-known/openid-configuration HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      );
    expect((await get('evil.example'))?.status).toBe(403);
    expect((await get(`localhost:${port}`))?.status).toBe(200);
  });

  test('shows its personas only to the browser that began a sign-in', async () => {
    const begun = await authorize({});
    const page = new URL(begun.headers.get('location') ?? '', apps.provider.issuer).href;
    const cookies = begun.headers
      .getSetCookie()
      .map((each) => each.split(';')[0])
      .join('; ');
    const shown = await fetch(page, { headers: { Cookie: cookies } });
    expect(await shown.text()).toMatch(/Maya Okafor.*Jonas Weber/s);
    expect(shown.headers.get('content-security-policy')).toMatch(/default-src 'none'/);
    const stranger = await fetch(page);
    expect([stranger.status, await stranger.text()]).toEqual([400, expect.not.stringContaining('Maya')]);
    expect((await fetch(`${page}/oid-maya`, { method: 'POST' })).status).toBe(400);
  });

  test('keeps its keys: a token is valid after a restart, but not after the keys are gone', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'aether-identity-'));
    const running: LocalProvider[] = [];
    const start = async (port: number) => {
      const provider = await startLocalProvider({ folder, personas, apps: testApps, port });
      running.push(provider);
      return provider;
    };
    atEnd(async () => {
      await running.at(-1)?.close();
      await rm(folder, { recursive: true });
    });
    const first = await start(0);
    const port = Number(new URL(first.issuer).port);
    const token = await fetchLocalToken({ folder, issuer: first.issuer, apps: testApps, who: 'maya' });
    const meAt = async () => {
      const server = await apps.start('foundation', first.settingsOf('foundation'));
      return (await fetch(`${server.url}/api/staff`, { headers: { Authorization: `Bearer ${token}` } })).status;
    };
    await first.close();
    const second = await start(port);
    expect(second.issuer).toBe(first.issuer);
    expect(await meAt()).toBe(200);
    await second.close();
    await rm(join(folder, 'identity.json'));
    await start(port);
    expect(await meAt()).toBe(401);
  });

  test('leaves the language of lists as it was, also when two are started at once', async () => {
    const begin = () => startLocalProvider({ folder: apps.folder, personas, apps: testApps, port: 0 });
    const both = await Promise.all([begin(), begin()]);
    expect(new Intl.ListFormat('de').format(['Brot', 'Salz'])).toBe('Brot und Salz');
    await Promise.all(both.map((each) => each.close()));
  });

  test('passes over a port that is taken, and reports it', async () => {
    const taken = Number(new URL(apps.provider.issuer).port);
    const other = await startLocalProvider({ folder: apps.folder, personas, apps: testApps, port: taken });
    expect(other.portTaken).toBe(taken);
    expect(other.issuer).not.toBe(apps.provider.issuer);
    await other.close();
  });
});

describe('Support’s own token for Foundation', () => {
  // The second scope is the one for Entra ID: it means all granted roles.
  test.each(['context.read', 'api://aether-foundation/.default'])(
    'with the scope %s lets it read a context',
    async (scope) => {
      const token = await serviceToken(apps.provider.settingsOf('support'), scope).get();
      expect(decodeJwt(token)).toMatchObject({ aud: 'api://aether-foundation', roles: ['context.read'] });
      const answer = await asks(token);
      expect([answer.status, await answer.json()]).toEqual([200, { actor: null }]);
      expect((await asks(token, '/api/admin')).status).toBe(403);
      expect((await asks(token, '/api/staff', 'support')).status).toBe(401);
    },
  );

  test.each(['deals.read', 'customers.read', 'access_as_user'])('is refused for the scope %s', async (scope) => {
    await expect(serviceToken(apps.provider.settingsOf('support'), scope).get()).rejects.toThrow();
  });
});
