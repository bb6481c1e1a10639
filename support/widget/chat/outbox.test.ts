import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { atAfter, backoffMs, newId, nextOf, type Pending, readAttempt } from './outbox.ts';

const pending = (client_id: string, given: Partial<Pending> = {}): Pending => ({
  client_id,
  body: client_id,
  at: 1,
  state: 'waiting',
  ...given,
});

describe('an answer', () => {
  test.each([
    ['none at all', undefined, {}, 'later'],
    ['of a server in trouble', 503, {}, 'later'],
    ['that took too long', 408, {}, 'later'],
    ['of a message that was taken', 201, {}, 'taken'],
    ['of a conversation that has ended', 409, { code: 'session-ended' }, 'ended'],
    ['to a token that is dead', 404, { code: 'not-found' }, 'stranger'],
    ['to a message that is no message', 422, { detail: 'body is too long' }, 'refused'],
    ['to a page that may not', 403, { code: 'origin-not-allowed' }, 'refused'],
  ])('%s (status %s) is classified', (_, status, problem, kind) => {
    expect(readAttempt(status, problem, 0).kind).toBe(kind);
  });

  test('that says when to try again is believed', () => {
    expect(readAttempt(429, { retryAfter: '7' }, 0)).toEqual({ kind: 'later', afterMs: 7_000, isCut: false });
    expect(readAttempt(429, { retryAfter: null }, 0)).toEqual({ kind: 'later', afterMs: 1_000, isCut: false });
  });

  test('that refuses says why', () => {
    expect(readAttempt(422, { detail: 'body is too long' }, 0)).toEqual({
      kind: 'refused',
      reason: 'body is too long',
    });
    expect(readAttempt(418, {}, 0)).toEqual({ kind: 'refused', reason: '418' });
  });
});

test('pauses between attempts grow, but never beyond fifteen seconds', () => {
  fc.assert(
    fc.property(fc.nat(40), fc.double({ min: 0, max: 1, noNaN: true }), (failures, chance) => {
      const ms = backoffMs(failures, chance);
      expect(ms).toBeGreaterThanOrEqual(250);
      expect(ms).toBeLessThanOrEqual(15_000);
      expect(backoffMs(failures + 1, chance)).toBeGreaterThanOrEqual(ms);
    }),
  );
});

test('refused messages are skipped, and waiting ones are sent in the order of writing', () => {
  const refused = pending('a', { state: 'refused', reason: 'too long' });
  expect(nextOf([refused, pending('b'), pending('c')])?.client_id).toBe('b');
  expect(nextOf([refused])).toBeUndefined();
});

test('a new message comes behind the waiting ones, also if the clock was set back', () => {
  expect(atAfter([pending('a', { at: 500 })], 100)).toBe(501);
  expect(atAfter([pending('a', { at: 500 })], 900)).toBe(900);
  expect(atAfter([], 100)).toBe(100);
});

test('an id is valid for the server, and never repeats', () => {
  const ids = Array.from({ length: 1_000 }, newId);
  expect(new Set(ids).size).toBe(1_000);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
});
