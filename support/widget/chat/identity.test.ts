import { expect, test } from 'vitest';
import { whoIs } from './identity.ts';

const tokenOf = (claims: object) => `h.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.s`;
const ada = { sub: '1', email: 'ada@example.com', name: 'Ada Ünal' };

test('two tokens of one person are the same person, and those of two people are not', () => {
  expect(whoIs(tokenOf({ ...ada, iat: 1 }))).toBe(whoIs(tokenOf({ ...ada, email: 'ADA@example.com', iat: 2 })));
  expect(whoIs(tokenOf(ada))).not.toBe(whoIs(tokenOf({ ...ada, email: 'bob@example.com' })));
  expect(whoIs(tokenOf(ada))).not.toBe(whoIs(tokenOf({ ...ada, sub: '2' })));
});

test.each(['', 'null', 'a.b.c', 'a.%%%.c'])('%j is nobody', (text) => {
  expect(whoIs(text)).toBe(0);
});
