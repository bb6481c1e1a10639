import { expect, test } from 'vitest';
import { rememberTokens } from './verifiedtokens.ts';

const minute = 60_000;
let now = 1_000_000_000;
const claimsFor = (lifeMs: number) => ({ sub: 'maya', exp: (now + lifeMs) / 1_000 });

test('a verified token is known for a minute, and then verified again', () => {
  const tokens = rememberTokens(() => now);
  const claims = claimsFor(10 * minute);
  tokens.keep('token', claims);
  expect(tokens.find('token')).toBe(claims);
  expect(tokens.find('another')).toBeUndefined();
  now += minute - 1;
  expect(tokens.find('token')).toBe(claims);
  now += 1;
  expect(tokens.find('token')).toBeUndefined();
});

test('a verified token is forgotten when it expires', () => {
  const tokens = rememberTokens(() => now);
  tokens.keep('token', claimsFor(1_000));
  now += 999;
  expect(tokens.find('token')).toBeDefined();
  now += 1;
  expect(tokens.find('token')).toBeUndefined();
});

test('of many verified tokens only the latest 500 are known', () => {
  const tokens = rememberTokens(() => now);
  for (let n = 0; n < 600; n += 1) tokens.keep(`token ${n}`, claimsFor(minute));
  expect(tokens.find('token 99')).toBeUndefined();
  expect(tokens.find('token 100')).toBeDefined();
  expect(tokens.find('token 599')).toBeDefined();
});

test('a clock that is put back lets no verified token count for longer', () => {
  const tokens = rememberTokens(() => now);
  tokens.keep('token', claimsFor(100 * minute));
  now -= 30 * minute;
  expect(tokens.find('token')).toBeUndefined();
  now += 30 * minute;
  expect(tokens.find('token')).toBeUndefined();
});
