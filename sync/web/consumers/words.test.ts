import { expect, test } from 'vitest';
import { sayAct, sayOutcome, sayParked, sayWaiting } from './words.ts';

test('an order is said with what it is about, and not as if it were done', () => {
  expect(sayAct({ act: 'skip', scope: { session: 's', event: '7' } })).toBe('Skip event 7');
  expect(sayAct({ act: 'retry', scope: {} })).toBe('Try dead events again');
  expect(sayAct({ act: 'retry', scope: { session: 's' } })).toBe('Try dead events again, of s');
  expect(sayAct({ act: 'resubmit', scope: { numbers: ['3', '5'] } })).toBe('Resubmit dead letters 3, 5');
});

test('the outcome of an order says how many it was about, or why nothing came of it', () => {
  expect(sayOutcome({ act: 'retry', state: 'done', outcome: { count: 1 } })).toBe('done, 1 event');
  expect(sayOutcome({ act: 'resubmit', state: 'done', outcome: { count: 2 } })).toBe('done, 2 messages');
  expect(sayOutcome({ act: 'pause', state: 'done', outcome: { count: 0 } })).toBe('done');
  expect(sayOutcome({ act: 'skip', state: 'failed', outcome: { count: 0, refused: 'gone' } })).toBe('gone');
  expect(sayOutcome({ act: 'skip', state: 'unanswered', outcome: null })).toBe('nobody answered');
});

test('what nobody has counted is not said as none', () => {
  expect(sayWaiting({})).toMatch(/^not counted/);
  expect(sayWaiting({ waiting: 0 })).toBe('no message waits');
  expect(sayWaiting({ waiting: 1 })).toBe('1 message waits');
  expect(sayWaiting({ waiting: 3, oldest_seconds: 12 })).toBe('3 messages wait, the oldest for 12 s');
  expect(sayParked({ parked: 3, dead: 1 })).toBe('3 events, 1 of them dead');
});
