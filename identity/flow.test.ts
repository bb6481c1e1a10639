import { atEnd } from '@aether/database/testing';
import { readProblem } from '@aether/http/testing';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { fetchLocalToken } from './provider.ts';
import { startTestApps, type TestApps, testApps } from './testing.apps.ts';
import { openBrowser, type TestBrowser } from './testing.browser.ts';

let apps: TestApps;
let appUrl: string;
beforeAll(async () => {
  apps = await startTestApps();
  appUrl = apps.foundation.url;
});
afterEach(() => {
  vi.useRealTimers();
});

const isCallback = (url: string) => url.includes('/signin/callback');
/** Goes on until the provider sends the browser back, with the code in the address. */
const bringCode = async (browser: TestBrowser, persona = 'Maya') =>
  (await browser.choose(`${appUrl}/signin`, persona, isCallback)).url;
const openPage = (browser: TestBrowser, url: string) => browser.fetch(url, { headers: { Accept: 'application/json' } });
const tokenOf = (browser: TestBrowser) => browser.cookies.get('aether-foundation');

/** Changes the data that the browser carries through the sign-in. */
function tamper(browser: TestBrowser, change: Record<string, string>): void {
  const [name = '', value = ''] = [...browser.cookies].find(([each]) => each.includes('-attempt-')) ?? [];
  const attempt = JSON.parse(Buffer.from(value, 'base64url').toString());
  browser.cookies.set(name, Buffer.from(JSON.stringify({ ...attempt, ...change })).toString('base64url'));
}

describe('signing in', () => {
  test('takes one click, and leads back to the page that the person wanted', async () => {
    const browser = openBrowser();
    const { url } = await browser.signIn(appUrl, 'Maya', '/customers?search=nora#top');
    expect(url).toBe(`${appUrl}/customers?search=nora#top`);
    const me = await browser.call(appUrl, 'GET', '/signin/me');
    expect(me).toMatchObject({
      status: 200,
      body: {
        user: { name: 'Maya Okafor', email: 'maya@aether.example' },
        csrf_token: expect.any(String),
        app: 'foundation',
      },
    });
  });

  test('sets a cookie that no script can read and no foreign page can send with a change', async () => {
    const browser = openBrowser();
    const callback = await bringCode(browser);
    const cookie = (await browser.fetch(callback)).headers
      .getSetCookie()
      .find((each) => each.startsWith('aether-foundation='));
    expect(cookie).toMatch(/^aether-foundation=[\w-]{43}; Max-Age=129600; Path=\/; HttpOnly; SameSite=Lax$/);
  });

  test('asks the provider with PKCE, state and nonce, and for a code only', async () => {
    const response = await openBrowser().fetch(`${appUrl}/signin`);
    const target = new URL(response.headers.get('location') ?? '');
    expect(target.origin).toBe(apps.provider.issuer);
    expect(Object.fromEntries(target.searchParams)).toMatchObject({
      response_type: 'code',
      code_challenge_method: 'S256',
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      redirect_uri: `${appUrl}/signin/callback`,
      scope: 'openid profile email',
    });
  });

  test('works in two tabs at once', async () => {
    const browser = openBrowser();
    const first = await bringCode(browser, 'Maya');
    const second = await bringCode(browser, 'Jonas');
    expect((await openPage(browser, second)).status).toBe(303);
    expect((await openPage(browser, first)).status).toBe(303);
    expect((await browser.call(appUrl, 'GET', '/signin/me')).body.user.name).toBe('Maya Okafor');
  });

  test('under another name of this machine continues under the name to which the provider sends people back', async () => {
    const { port } = new URL(appUrl);
    const response = await openBrowser().fetch(`http://localhost:${port}/signin?return_to=%2Fdeals`);
    expect(response.headers.get('location')).toBe(`${appUrl}/signin?return_to=%2Fdeals`);
  });

  test('leaves few cookies after many abandoned attempts', async () => {
    const browser = openBrowser();
    for (let n = 0; n < 12; n += 1) await browser.fetch(`${appUrl}/signin`);
    expect(browser.cookies.size).toBeLessThanOrEqual(5);
  });

  test('ends the sign-in that this browser had before', async () => {
    const browser = openBrowser();
    await browser.signIn(appUrl, 'Maya');
    const before = tokenOf(browser);
    await browser.signIn(appUrl, 'Jonas');
    expect(tokenOf(browser)).not.toBe(before);
    const old = await fetch(`${appUrl}/signin/me`, { headers: { Cookie: `aether-foundation=${before}` } });
    expect(old.status).toBe(401);
  });
});

describe('a callback is refused, and signs nobody in', () => {
  const refusals: [string, code: string, (browser: TestBrowser, url: URL) => void | Promise<void>][] = [
    ['with another state', 'sign-in-expired', (_, url) => url.searchParams.set('state', 'x'.repeat(43))],
    ['without a state', 'sign-in-expired', (_, url) => url.searchParams.delete('state')],
    ['in a browser that did not begin it', 'sign-in-expired', (browser) => browser.cookies.clear()],
    ['if the ID token has another nonce', 'sign-in-failed', (browser) => tamper(browser, { nonce: 'x'.repeat(43) })],
    ['with another PKCE verifier', 'sign-in-failed', (browser) => tamper(browser, { verifier: 'x'.repeat(43) })],
    [
      'with a code that the provider did not issue',
      'sign-in-failed',
      (_, url) => url.searchParams.set('code', 'made-up'),
    ],
    ['without a code', 'sign-in-failed', (_, url) => url.searchParams.delete('code')],
    [
      'with the answer of another issuer',
      'sign-in-failed',
      (_, url) => url.searchParams.set('iss', 'https://evil.example'),
    ],
    [
      'with a code of another person',
      'sign-in-failed',
      async (_, url) => {
        const theirs = new URL(await bringCode(openBrowser(), 'Jonas'));
        url.searchParams.set('code', theirs.searchParams.get('code') ?? '');
      },
    ],
  ];
  test.each(refusals)('%s', async (_, code, change) => {
    const browser = openBrowser();
    const url = new URL(await bringCode(browser));
    await change(browser, url);
    expect(await readProblem(await openPage(browser, url.href))).toMatchObject({ code });
    expect(tokenOf(browser)).toBeUndefined();
  });

  test('the second time', async () => {
    const browser = openBrowser();
    const url = await bringCode(browser);
    const carried = new Map(browser.cookies);
    expect((await openPage(browser, url)).status).toBe(303);
    expect(await readProblem(await openPage(browser, url))).toMatchObject({ code: 'sign-in-expired' });
    // Even with a copy of the browser's data it fails, because the provider accepts a code only once.
    const thief = openBrowser();
    for (const [name, value] of carried) thief.cookies.set(name, value);
    expect(await readProblem(await openPage(thief, url))).toMatchObject({ code: 'sign-in-failed' });
    expect(tokenOf(thief)).toBeUndefined();
  });

  test('if the code has expired', async () => {
    const browser = openBrowser();
    const url = await bringCode(browser);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 180_000 });
    expect(await readProblem(await openPage(browser, url))).toMatchObject({ code: 'sign-in-failed' });
  });

  test('if the provider refuses the person', async () => {
    const browser = openBrowser();
    const url = new URL(await bringCode(browser));
    url.searchParams.delete('code');
    url.searchParams.set('error', 'access_denied');
    expect(await readProblem(await openPage(browser, url.href))).toMatchObject({
      status: 403,
      code: 'sign-in-refused',
    });
  });

  test('as a page with a link to try again', async () => {
    const answer = await fetch(`${appUrl}/signin/callback?state=x&code=<script>`, { headers: { Accept: 'text/html' } });
    const html = await answer.text();
    expect([answer.status, answer.headers.get('content-type')]).toEqual([400, 'text/html; charset=utf-8']);
    expect(html).toMatch(/href="\/signin"/);
    expect(html).not.toContain('<script>');
    expect(answer.headers.get('content-security-policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
  });
});

test.each([
  'https://evil.example/',
  '//evil.example',
  '/\\evil.example',
  '/.//evil.example',
  '/x/..//evil.example',
  '/\t/evil.example',
  'javascript:alert(1)',
  '/signin/out',
  '/api/customers',
])('no sign-in leads to %j', async (returnTo) => {
  const browser = openBrowser();
  const { url } = await browser.choose(
    `${appUrl}/signin?return_to=${encodeURIComponent(returnTo)}`,
    'Jonas',
    (next) => !isCallback(next) && !next.startsWith(apps.provider.issuer),
  );
  expect(url).toBe(`${appUrl}/`);
});

test('no sign-in leads to another host, even with a forged cookie', async () => {
  const browser = openBrowser();
  const url = await bringCode(browser);
  tamper(browser, { returnTo: '//evil.example' });
  expect((await openPage(browser, url)).headers.get('location')).toBe(`${appUrl}/`);
});

describe('over https', () => {
  test('cookies are Secure and __Host-, and the provider sends people back to the public address', async () => {
    const server = await apps.start('foundation', { FOUNDATION_PUBLIC_URL: 'https://crm.example.com' });
    const elsewhere = await fetch(`${server.url}/signin`, { redirect: 'manual' });
    expect(elsewhere.headers.get('location')).toBe('https://crm.example.com/signin?return_to=%2F');
    const { request } = await import('node:http');
    const head = await new Promise<{ location?: string; cookies: string[] }>((resolve) => {
      request(`${server.url}/signin`, { headers: { Host: 'crm.example.com' } }, (answer) => {
        answer.resume();
        resolve({ location: answer.headers.location, cookies: answer.headers['set-cookie'] ?? [] });
      }).end();
    });
    expect(new URL(head.location ?? '').searchParams.get('redirect_uri')).toBe(
      'https://crm.example.com/signin/callback',
    );
    expect(head.cookies).toEqual([
      expect.stringMatching(/^__Host-aether-foundation-attempt-\w+=.*; Path=\/; HttpOnly; SameSite=Lax; Secure$/),
    ]);
  });
});

test('a sign-in names a provider that is down as the reason, and succeeds when the provider is back', async () => {
  const { createServer } = await import('node:http');
  const closed = createServer().listen(0, '127.0.0.1');
  const { port } = await new Promise<{ port: number }>((resolve) =>
    closed.once('listening', () => resolve(closed.address() as { port: number })),
  );
  const issuer = `http://127.0.0.1:${port}`;
  closed.close();
  const server = await apps.start('foundation', { SIGNIN_ISSUER: issuer });
  expect(await readProblem(await fetch(`${server.url}/signin`))).toMatchObject({
    status: 503,
    code: 'identity-provider-unavailable',
  });
  const back = createServer((_, response) =>
    response
      .setHeader('Content-Type', 'application/json')
      .end(JSON.stringify({ issuer, authorization_endpoint: `${issuer}/auth`, token_endpoint: `${issuer}/token` })),
  ).listen(port, '127.0.0.1');
  atEnd(async () => {
    back.close();
  });
  const answer = await fetch(`${server.url}/signin`, { redirect: 'manual' });
  expect(answer.headers.get('location')).toMatch(`${issuer}/auth`);
});

describe('with a bound on who may sign in', () => {
  const asPage = { headers: { Accept: 'text/html' } };
  const usersOf = async (name: string) =>
    (await (await apps.database.connect('postgres')).query('select from platform.users where name = $1', [name])).rows;
  const bounded = () => apps.start('support', { SIGNIN_ALLOWED_DOMAINS: 'aether.example' });

  test('a person inside of the bound signs in, by browser and by token', async () => {
    const server = await bounded();
    const browser = openBrowser();
    await browser.signIn(server.url, 'Jonas');
    expect((await browser.call(server.url, 'GET', '/signin/me')).body.user.name).toBe('Jonas Weber');
  });

  test('a person outside of it sees a page with the reason, the account and a link to another one', async () => {
    const server = await bounded();
    const browser = openBrowser();
    const callback = (await browser.choose(`${server.url}/signin`, 'Gail', isCallback)).url;
    const answer = await browser.fetch(callback, asPage);
    const page = await answer.text();
    expect(answer.status).toBe(403);
    expect(page).toContain('You may not use this app');
    expect(page).toContain('gail@guest.example');
    expect(page).toContain('href="/signin?another_account"');
    expect(browser.cookies.has('aether-support')).toBe(false);
    expect(await usersOf('Gail Guest')).toEqual([]);
    expect(server.entries).toContainEqual(expect.objectContaining({ problem: 'sign-in-not-allowed' }));
    expect(JSON.stringify(server.entries)).not.toContain('gail@');
  });

  test('the link to another account asks the provider for a new login', async () => {
    const server = await bounded();
    const answer = await openBrowser().fetch(`${server.url}/signin?another_account`);
    expect(new URL(answer.headers.get('location') ?? '').searchParams.get('prompt')).toBe('login');
  });

  test('a token of a person outside of it is refused, and makes no user', async () => {
    const server = await bounded();
    const { folder, provider } = apps;
    const tokenFor = (who: string) =>
      fetchLocalToken({ folder, issuer: provider.issuer, who, apps: testApps, app: 'support' });
    const ask = async (who: string) =>
      fetch(`${server.url}/api/staff`, { headers: { Authorization: `Bearer ${await tokenFor(who)}` } });
    expect(await readProblem(await ask('gail'))).toMatchObject({ status: 403, code: 'sign-in-not-allowed' });
    expect(await usersOf('Gail Guest')).toEqual([]);
    expect((await ask('jonas')).status).toBe(200);
  });

  test('a malformed bound stops the start, with the name of the setting', async () => {
    await expect(apps.start('support', { SIGNIN_ALLOWED_DOMAINS: 'x' })).rejects.toThrow(/SIGNIN_ALLOWED_DOMAINS/);
  });
});
