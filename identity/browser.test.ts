import { createHash } from 'node:crypto';
import { readProblem } from '@aether/http/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestApps, type TestApps } from './testing.apps.ts';
import { openBrowser, type TestBrowser } from './testing.browser.ts';

/** The hash of a token, which the database stores. */
const hashToken = (token: string) => createHash('sha256').update(token).digest();

let apps: TestApps;
let appUrl: string;
let superuser: Awaited<ReturnType<TestApps['database']['connect']>>;
beforeAll(async () => {
  apps = await startTestApps();
  appUrl = apps.foundation.url;
  superuser = await apps.database.connect('postgres');
});

const cookie = 'aether-foundation';
const tokenOf = (browser: TestBrowser) => browser.cookies.get(cookie) ?? '';
async function signedIn(persona = 'Maya', url = appUrl): Promise<TestBrowser> {
  const browser = openBrowser();
  await browser.signIn(url, persona);
  return browser;
}
const staff = (token: string, headers: Record<string, string> = {}) =>
  fetch(`${appUrl}/api/staff`, { headers: { Cookie: `${cookie}=${token}`, ...headers } });
/** Moves a sign-in back in time, as if it had been open for that long. */
const age = (token: string, change: string) =>
  superuser.query(`update platform.sign_ins set ${change} where token_hash = $1`, [hashToken(token)]);
const post = (browser: TestBrowser, headers: Record<string, string>) =>
  browser.fetch(`${appUrl}/api/staff`, {
    method: 'POST',
    body: '{}',
    headers: { 'Content-Type': 'application/json', Accept: 'application/json', ...headers },
  });
const csrfOf = async (browser: TestBrowser) => (await browser.call(appUrl, 'GET', '/signin/me')).body.csrf_token;

test('without a sign-in staff endpoints refuse and name the address for sign-in', async () => {
  const answer = await fetch(`${appUrl}/api/staff`);
  expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  expect(await readProblem(answer)).toMatchObject({ status: 401, code: 'not-signed-in' });
  expect((await staff('made-up')).status).toBe(401);
  expect((await fetch(`${appUrl}/signin/me`)).status).toBe(401);
  expect((await (await signedIn()).call(appUrl, 'GET', '/api/staff')).status).toBe(200);
});

test('the OpenAPI document names the real cookie and header for sign-in', async () => {
  const { components, paths } = (await (await fetch(`${appUrl}/openapi.json`)).json()) as {
    components: { securitySchemes: Record<string, { in?: string; name?: string }> };
    paths: Record<string, Record<string, { security: Record<string, string[]>[] }>>;
  };
  const browser = await signedIn();
  const secrets = { cookie: tokenOf(browser), header: await csrfOf(browser) };
  const [, security = {}] = paths['/api/staff']?.post?.security ?? [];
  const headers = new Headers({ 'Content-Type': 'application/json' });
  for (const scheme of Object.keys(security).map((each) => components.securitySchemes[each])) {
    if (scheme?.in === 'cookie') headers.set('Cookie', `${scheme.name}=${secrets.cookie}`);
    if (scheme?.in === 'header') headers.set(scheme.name ?? '', secrets.header);
  }
  expect((await fetch(`${appUrl}/api/staff`, { method: 'POST', headers, body: '{}' })).status).toBe(200);
});

test('the database keeps no token that could be used', async () => {
  const browser = await signedIn();
  const { rows } = await superuser.query('select * from platform.sign_ins');
  expect(JSON.stringify(rows)).not.toContain(tokenOf(browser));
});

describe('a forged request', () => {
  test('without the CSRF token changes nothing, but a request with it does', async () => {
    const browser = await signedIn();
    expect(await readProblem(await post(browser, { Origin: appUrl }))).toMatchObject({ code: 'csrf-token-wrong' });
    const other = await csrfOf(await signedIn('Jonas'));
    expect((await post(browser, { Origin: appUrl, 'X-CSRF-Token': other })).status).toBe(403);
    expect((await post(browser, { Origin: appUrl, 'X-CSRF-Token': await csrfOf(browser) })).status).toBe(200);
  });

  test.each([
    ['a foreign page', { Origin: 'https://evil.example' }],
    ['a page without an origin', { Origin: 'null' }],
    ['the other app on this machine', { Origin: 'http://127.0.0.1:1' }],
    ['a page of the same address over https', { Origin: 'https://127.0.0.1' }],
    ['a foreign frame or image, for which the browser names only the site', { 'Sec-Fetch-Site': 'cross-site' }],
  ])('from %s is refused even with the CSRF token, and so is a GET', async (_, headers) => {
    const browser = await signedIn();
    const answer = await post(browser, { ...headers, 'X-CSRF-Token': await csrfOf(browser) } as Record<string, string>);
    expect(await readProblem(answer)).toMatchObject({ status: 403, code: 'foreign-page' });
    expect((await staff(tokenOf(browser), headers as Record<string, string>)).status).toBe(403);
    expect((await staff(tokenOf(browser), { Origin: appUrl, 'Sec-Fetch-Site': 'same-origin' })).status).toBe(200);
  });

  test('with two cookies of the same name is refused, because somebody else set one of them', async () => {
    const [mine, theirs] = [await signedIn(), await signedIn('Jonas')];
    const answer = await fetch(`${appUrl}/api/staff`, {
      headers: { Cookie: `${cookie}=${tokenOf(theirs)}; ${cookie}=${tokenOf(mine)}` },
    });
    expect(answer.status).toBe(401);
  });
});

describe('a token in use', () => {
  const overdue = `rotated_at = now() - interval '16 minutes'`;

  test('is replaced after a while, and requests under way with the old one still succeed', async () => {
    const browser = await signedIn();
    const old = tokenOf(browser);
    await age(old, overdue);
    const answers = await Promise.all(Array.from({ length: 20 }, () => staff(old)));
    expect(answers.map((answer) => answer.status)).toEqual(Array(20).fill(200));
    const given = answers.flatMap((answer) => answer.headers.getSetCookie());
    expect(given).toHaveLength(1);
    const next = /^aether-foundation=([\w-]{43});/.exec(given[0] ?? '')?.[1] ?? '';
    expect(next).not.toBe(old);
    const mixed = await Promise.all([next, old, next, old].map((token) => staff(token)));
    expect(mixed.map((answer) => answer.status)).toEqual([200, 200, 200, 200]);
  });

  test('stays valid if the answer with the next one is lost, and the browser gets another', async () => {
    const browser = await signedIn();
    const old = tokenOf(browser);
    await age(old, overdue);
    expect((await staff(old)).headers.getSetCookie()).toHaveLength(1); // lost
    expect((await staff(old)).status).toBe(200);
    await age(old, `next_token_at = now() - interval '2 minutes'`);
    await browser.call(appUrl, 'GET', '/api/staff');
    expect(tokenOf(browser)).not.toBe(old);
    expect((await browser.call(appUrl, 'GET', '/api/staff')).status).toBe(200);
  });

  test('that was replaced and comes back later opens nothing, and the sign-in ends for thief and owner', async () => {
    const browser = await signedIn();
    const stolen = tokenOf(browser);
    await age(stolen, overdue);
    await browser.call(appUrl, 'GET', '/api/staff'); // brings the next one
    await browser.call(appUrl, 'GET', '/api/staff'); // shows it
    expect((await staff(stolen)).status).toBe(200); // could still be a request under way
    await age(tokenOf(browser), `rotated_at = now() - interval '2 minutes'`);
    expect((await staff(stolen)).status).toBe(401);
    expect((await browser.call(appUrl, 'GET', '/api/staff')).status).toBe(401);
    const { rows } = await superuser.query('select end_reason from platform.sign_ins where previous_token_hash = $1', [
      hashToken(stolen),
    ]);
    expect(rows).toEqual([{ end_reason: 'token-reused' }]);
  });

  test('is recorded as seen once a minute, not with every request', async () => {
    const browser = await signedIn();
    const seen = async () =>
      (
        await superuser.query('select last_seen_at::text as at from platform.sign_ins where token_hash = $1', [
          hashToken(tokenOf(browser)),
        ])
      ).rows[0].at;
    const before = await seen();
    await staff(tokenOf(browser));
    expect(await seen()).toBe(before);
    await age(tokenOf(browser), `last_seen_at = last_seen_at - interval '2 minutes'`);
    await staff(tokenOf(browser));
    expect((await seen()) > before).toBe(true);
  });
});

describe('a sign-in ends', () => {
  test.each([
    [
      'if it was not used for a long time',
      `last_seen_at = now() - interval '121 minutes'`,
      `last_seen_at = now() - interval '119 minutes'`,
    ],
    [
      'at its limit, even if it is in use',
      `created_at = now() - interval '1 day', expires_at = now() - interval '1 second'`,
      `expires_at = now() + interval '1 minute'`,
    ],
  ])('%s', async (_, over, nearly) => {
    const browser = await signedIn();
    await age(tokenOf(browser), nearly);
    expect((await staff(tokenOf(browser))).status).toBe(200);
    await age(tokenOf(browser), over);
    expect(await readProblem(await staff(tokenOf(browser)))).toMatchObject({ status: 401, code: 'sign-in-timed-out' });
    await age(tokenOf(browser), `ended_at = now(), end_reason = 'signed-out'`);
    expect(await readProblem(await staff(tokenOf(browser)))).toMatchObject({ status: 401, code: 'not-signed-in' });
  });

  test('by a sign-out, at once and in this browser only', async () => {
    const [here, there] = [await signedIn(), await signedIn()];
    const token = tokenOf(here);
    expect((await here.call(appUrl, 'POST', '/signin/out', {})).body).toMatchObject({ ended: 1 });
    expect(here.cookies.has(cookie)).toBe(false);
    expect((await staff(token)).status).toBe(401);
    expect((await staff(tokenOf(there))).status).toBe(200);
  });

  test('by a sign-out everywhere, in both apps and every browser of the person, but of nobody else', async () => {
    const [one, two, other] = [await signedIn(), await signedIn(), await signedIn('Jonas')];
    await one.signIn(apps.support.url, 'Maya');
    expect((await one.call(apps.support.url, 'GET', '/api/staff')).status).toBe(200);
    expect((await one.call(appUrl, 'POST', '/signin/out-everywhere', {})).body.ended).toBeGreaterThanOrEqual(3);
    expect((await one.call(apps.support.url, 'GET', '/api/staff')).status).toBe(401);
    expect((await staff(tokenOf(two))).status).toBe(401);
    expect((await staff(tokenOf(other))).status).toBe(200);
  });

  test('and its stream of events ends with it', async () => {
    const browser = await signedIn();
    const response = await fetch(`${appUrl}/api/events`, { headers: { Cookie: `${cookie}=${tokenOf(browser)}` } });
    const reader = response.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toMatch(/^: open\n/);
    await browser.call(appUrl, 'POST', '/signin/out', {});
    expect((await reader?.read())?.done).toBe(true); // well before the next sign of life, which comes after 15 s
  });

  test('but never by a request of a foreign page', async () => {
    const browser = await signedIn();
    const forged = await browser.fetch(`${appUrl}/signin/out-everywhere`, {
      method: 'POST',
      body: '{}',
      headers: { 'Content-Type': 'application/json', Origin: 'https://evil.example', Accept: 'application/json' },
    });
    expect(forged.status).toBe(403);
    expect((await browser.call(appUrl, 'GET', '/api/staff')).status).toBe(200);
  });
});

describe('the cookie of one app', () => {
  test('opens nothing in the other app, even under the name of its cookie', async () => {
    const browser = await signedIn();
    const answer = await fetch(`${apps.support.url}/api/staff`, {
      headers: { Cookie: `aether-support=${tokenOf(browser)}` },
    });
    expect(answer.status).toBe(401);
    expect((await browser.call(apps.support.url, 'GET', '/api/staff')).status).toBe(401);
  });
});

describe('administrators', () => {
  test('see where a user is signed in to this app and not to the other, and end one or all in every app', async () => {
    const [maya, jonas] = [await signedIn(), await signedIn('Jonas')];
    await jonas.signIn(apps.support.url, 'Jonas');
    const second = await signedIn('Jonas');
    const { id } = (await jonas.call(appUrl, 'GET', '/signin/me')).body.user;
    const path = `/api/users/${encodeURIComponent(id)}/sign-ins`;
    const { rows } = await superuser.query(
      `select id from platform.sign_ins where user_id = $1 and app = 'support' and ended_at is null`,
      [id],
    );
    const open = (await maya.call(appUrl, 'GET', path)).body.sign_ins;
    expect(open.length).toBeGreaterThanOrEqual(2);
    const shown = open.map((each: { id: string }) => each.id);
    for (const inSupport of rows) expect(shown).not.toContain(inSupport.id);
    expect(JSON.stringify(open)).not.toMatch(/token|hash/);
    const end = async (body: object) => (await maya.call(appUrl, 'POST', `${path}/end`, body)).body.ended;
    expect(await end({ sign_in_id: rows.at(-1)?.id })).toBe(0);
    expect(await end({ sign_in_id: open[0].id })).toBe(1);
    expect((await second.call(appUrl, 'GET', '/api/staff')).status).toBe(401);
    expect((await jonas.call(appUrl, 'GET', '/api/staff')).status).toBe(200);
    expect((await jonas.call(apps.support.url, 'GET', '/api/staff')).status).toBe(200);
    expect(await end({})).toBe(open.length - 1 + rows.length);
    expect((await jonas.call(appUrl, 'GET', '/api/staff')).status).toBe(401);
    expect((await jonas.call(apps.support.url, 'GET', '/api/staff')).status).toBe(401);
    expect((await maya.call(appUrl, 'GET', '/api/users/nobody/sign-ins')).status).toBe(404);
  });

  test('are the only ones who may do so', async () => {
    const jonas = await signedIn('Jonas');
    const { id } = (await jonas.call(appUrl, 'GET', '/signin/me')).body.user;
    for (const [method, path] of [
      ['GET', 'sign-ins'],
      ['POST', 'sign-ins/end'],
    ] as const) {
      const answer = await jonas.call(
        appUrl,
        method,
        `/api/users/${encodeURIComponent(id)}/${path}`,
        method === 'POST' ? {} : undefined,
      );
      expect(answer).toMatchObject({ status: 403, body: { code: 'admin-only' } });
    }
  });

  test('lose their rights with the next request after they lose the role', async () => {
    const maya = await signedIn();
    expect((await maya.call(appUrl, 'GET', '/api/admin')).status).toBe(200);
    await superuser.query(`update platform.users set role = 'user' where name = 'Maya Okafor'`);
    expect((await maya.call(appUrl, 'GET', '/api/admin')).body.code).toBe('admin-only');
    expect((await maya.call(appUrl, 'GET', '/api/staff')).status).toBe(200);
    await superuser.query(`update platform.users set role = 'admin' where name = 'Maya Okafor'`);
    expect((await maya.call(appUrl, 'GET', '/api/admin')).status).toBe(200);
  });
});
