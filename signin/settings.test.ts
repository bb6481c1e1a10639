import { describe, expect, test } from 'vitest';
import { cookiesOf } from './cookies.ts';
import { safeReturnTo } from './returnto.ts';
import { readSignInSettings } from './settings.ts';
import { decide, graceSeconds, rotateAfterSeconds } from './signins.ts';

const whole = { SIGNIN_ISSUER: 'https://login.microsoftonline.com/t/v2.0', SIGNIN_CLIENT_ID: 'app' };

describe('the settings', () => {
  test('need an issuer and a client id; the rest has defaults', () => {
    expect(readSignInSettings(whole)).toMatchObject({
      clientSecret: undefined,
      audiences: ['app'],
      adminRole: undefined,
      readerRole: undefined,
      scope: 'access_as_user',
      idleMinutes: 120,
      maxHours: 12,
    });
    expect(readSignInSettings({ ...whole, SIGNIN_AUDIENCE: 'api://app, app' }).audiences).toEqual(['api://app', 'app']);
  });

  test.each([
    [{ SIGNIN_ISSUER: '' }, /SIGNIN_ISSUER is not set.*docs\/signin\.md/],
    [{ SIGNIN_CLIENT_ID: '' }, /SIGNIN_CLIENT_ID is not set/],
    [{ SIGNIN_ISSUER: 'login.example' }, /SIGNIN_ISSUER must be the https address/],
    [{ SIGNIN_ISSUER: 'http://login.example' }, /SIGNIN_ISSUER must be the https address/],
    [{ SIGNIN_ISSUER: 'https://login.example/?a=b' }, /SIGNIN_ISSUER must be the https address/],
    [{ SIGNIN_IDLE_MINUTES: '0' }, /SIGNIN_IDLE_MINUTES must be a whole number from 1/],
    [{ SIGNIN_MAX_HOURS: '745' }, /SIGNIN_MAX_HOURS must be a whole number from 1 to 744/],
    [{ SIGNIN_MAX_HOURS: '1.5' }, /SIGNIN_MAX_HOURS/],
  ])('%j are refused with the name of the setting', (change, message) => {
    expect(() => readSignInSettings({ ...whole, ...(change as unknown as Record<string, string>) })).toThrow(message);
  });

  test('trust a provider over http only on this machine', () => {
    expect(readSignInSettings({ ...whole, SIGNIN_ISSUER: 'http://127.0.0.1:4400' }).issuer.port).toBe('4400');
    expect(() => readSignInSettings({ ...whole, SIGNIN_ISSUER: 'http://127.0.0.1.evil.example' })).toThrow(
      /SIGNIN_ISSUER/,
    );
  });
});

describe('the way back after a sign-in', () => {
  test.each(['/', '/customers', '/customers?search=a&sort=name#top', '/deals/1/', '/signinx'])('%s is kept', (path) => {
    expect(safeReturnTo(path)).toBe(path);
  });
  test.each([
    undefined,
    '',
    'customers',
    'https://x',
    '//x',
    '/\\x',
    '\\/x',
    '/./\\x',
    '/.//x',
    '/a/..//x',
    '/%2e//x',
    '/\n/x',
    '/signin',
    '/signin/callback?code=1',
    '/api',
    '/openapi.json',
    `/${'x'.repeat(2_000)}`,
  ])('%j leads to the start page', (path) => {
    expect(safeReturnTo(path)).toBe('/');
  });
});

describe('the token of a request', () => {
  const fresh = { place: 'present', secondsSinceRotation: 1, secondsSinceNext: null } as const;
  const old = rotateAfterSeconds + 1;
  test.each([
    ['the present one', fresh, 'accept'],
    ['the present one when it is due for replacement', { ...fresh, secondsSinceRotation: old }, 'offer-next'],
    [
      'the present one while the next is on its way',
      { ...fresh, secondsSinceRotation: old, secondsSinceNext: 1 },
      'accept',
    ],
    [
      'the present one when the next got lost',
      { ...fresh, secondsSinceRotation: old, secondsSinceNext: graceSeconds + 1 },
      'offer-next',
    ],
    ['the next one', { ...fresh, place: 'next', secondsSinceNext: 5_000 }, 'take-next'],
    ['the one before, at once', { ...fresh, place: 'previous', secondsSinceRotation: graceSeconds }, 'accept'],
    ['the one before, later', { ...fresh, place: 'previous', secondsSinceRotation: graceSeconds + 1 }, 'end'],
  ] as const)('%s: %#', (_, state, step) => {
    expect(decide(state)).toBe(step);
  });
});

describe('cookies', () => {
  const cookies = cookiesOf('foundation', false);
  test.each([
    ['', undefined],
    ['other=1', undefined],
    ['aether-foundation=', undefined],
    ['aether-foundation=a; aether-support=b', 'a'],
    ['a=b;aether-foundation=x', 'x'],
    ['aether-foundation-attempt-1=x', undefined],
    ['aether-foundation=a; aether-foundation=b', undefined],
  ])('%j holds the token %j', (header, token) => {
    expect(cookies.readToken(header)).toBe(token);
  });

  test.each(['e30', 'bnVsbA', 'not base64!', Buffer.from('{"state":1}').toString('base64url')])(
    'an attempt of %j is not valid',
    (value) => {
      const [name] = cookies.clearAttempt('s').split('=');
      expect(cookies.readAttempt(`${name}=${value}`, 's')).toBeUndefined();
    },
  );

  test('an attempt is found under its own state only', () => {
    const attempt = { state: 's', nonce: 'n', verifier: 'v', returnTo: '/' };
    const header = cookies.giveAttempt(attempt).split(';')[0];
    expect(cookies.readAttempt(header, 's')).toEqual(attempt);
    expect(cookies.readAttempt(header, 't')).toBeUndefined();
  });
});
