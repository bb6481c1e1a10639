import { expect, test } from 'vitest';
import { describeDeadline, findDeadline, formatLeft } from './deadlines.ts';

const now = Date.parse('2026-11-23T10:00:00Z');
const open = {
  status: 'active' as const,
  first_answered_at: null,
  first_due_at: '2026-11-23T10:30:00.000Z',
  resolve_due_at: '2026-11-23T16:00:00.000Z',
  due_at: '2026-11-23T10:30:00.000Z',
  ended_at: null,
};
const answered = { ...open, first_answered_at: '2026-11-23T09:50:00.000Z', due_at: open.resolve_due_at };
const ended = { ...answered, status: 'ended' as const, due_at: null, ended_at: '2026-11-23T15:00:00.000Z' };

test.each([
  ['the first answer is due', open, { what: 'answer', state: 'next' }],
  [
    'the first answer is late',
    { ...open, due_at: '2026-11-23T09:30:00.000Z', first_due_at: '2026-11-23T09:30:00.000Z' },
    { what: 'answer', state: 'late' },
  ],
  ['after the answer the end is due', answered, { what: 'end', state: 'next' }],
  ['no clock runs', { ...open, first_due_at: null, resolve_due_at: null, due_at: null }, undefined],
  ['an ended one met both', ended, undefined],
  [
    'an ended one was answered too late',
    { ...ended, first_answered_at: '2026-11-23T10:31:00.000Z' },
    { what: 'answer', state: 'missed' },
  ],
  ['an ended one was never answered', { ...ended, first_answered_at: null }, { what: 'answer', state: 'missed' }],
  ['an ended one ended too late', { ...ended, ended_at: '2026-11-23T16:01:00.000Z' }, { what: 'end', state: 'missed' }],
])('%s', (_, session, expected) => {
  const found = findDeadline(session, now);
  if (expected) expect(found).toMatchObject(expected);
  else expect(found).toBeUndefined();
});

test.each([
  [42_000, '42 s'],
  [180_000, '3 min'],
  [3_900_000, '1 h 5 min'],
  [7_200_000, '2 h'],
  [86_400_000, '1 day'],
  [2 * 86_400_000 + 3 * 3_600_000, '2 days 3 h'],
])('%i ms are %s', (ms, words) => {
  expect(formatLeft(ms)).toBe(words);
});

test.each([
  ['of the next target', open, '30 min left'],
  ['once it is late', { ...open, due_at: '2026-11-23T09:30:00.000Z' }, '30 min late'],
  ['of one that ended too late', { ...ended, ended_at: '2026-11-23T16:01:00.000Z' }, 'late'],
  ['where no clock runs', ended, undefined],
])('the words %s', (_, session, words) => {
  expect(describeDeadline(findDeadline(session, now), now)).toBe(words);
});
