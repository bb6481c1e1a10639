import { expect, test } from 'vitest';
import { readAttempt, requireSameContent, requireSameRequest } from './attempts.ts';

const digestRequest = (asked: object) => readAttempt('first', asked).digest;
const asked = { name: 'Renewal', amount: 10, custom: { colour: 'red', size: [1, 2] } };

test('a retry is the same request in any order of its keys, and an undefined key counts as absent', () => {
  const attempt = readAttempt('a', {
    custom: { size: [1, 2], colour: 'red' },
    amount: 10,
    name: 'Renewal',
    owner_id: undefined,
  });
  expect(() => requireSameRequest(digestRequest(asked), attempt)).not.toThrow();
});

test.each([
  ['another value', { ...asked, amount: 11 }],
  ['another nested value', { ...asked, custom: { colour: 'blue', size: [1, 2] } }],
  ['another order of a list', { ...asked, custom: { colour: 'red', size: [2, 1] } }],
  ['an additional key', { ...asked, owner_id: 'maya' }],
  ['a missing key', { name: 'Renewal', amount: 10 }],
  ['a null for an absent key', { ...asked, owner_id: null }],
])('a request with %s under the same client_id is refused', (_, other) => {
  const attempt = readAttempt('a', other);
  expect(() => requireSameRequest(digestRequest(asked), attempt)).toThrow(
    expect.objectContaining({ code: 'client-id-reused' }),
  );
});

test('a request without a client_id is no attempt, and a client_id that names another record is refused', () => {
  expect(readAttempt(undefined, asked)).toBeUndefined();
  expect(() => requireSameRequest(null, readAttempt('a', asked))).toThrow(
    expect.objectContaining({ code: 'client-id-reused' }),
  );
});

test('a record that never changes is compared by its content', () => {
  expect(() => requireSameContent({ body: 'Hi', agent: null }, { agent: null, body: 'Hi' })).not.toThrow();
  expect(() => requireSameContent({ body: 'Hi' }, { body: 'Ho' })).toThrow(
    expect.objectContaining({ code: 'client-id-reused' }),
  );
});
