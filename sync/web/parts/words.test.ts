import { expect, test } from 'vitest';
import { readTexts, sayActor, sayCount, sayEvents } from './words.ts';

test('a count says when there are more than were counted', () => {
  expect([sayCount(0), sayCount(10_000), sayCount(10_001), sayCount(5, true)]).toEqual([
    '0',
    '10,000',
    '10,000+',
    '5+',
  ]);
  expect([sayEvents(1), sayEvents(2), sayEvents(10_001)]).toEqual(['1 event', '2 events', '10,000+ events']);
});

test('who did something is a person by name, a user of the command, or the login', () => {
  expect(sayActor({ actor: 'u1', actor_name: 'Maya Okafor' })).toBe('Maya Okafor');
  expect(sayActor({ actor: 'command:root', actor_name: null })).toBe('root, by command');
  expect([sayActor({ actor: null, login: 'sync_app' }), sayActor({ actor: 'gone' })]).toEqual(['sync_app', 'gone']);
});

test('a page reads from its URL only what it knows', () => {
  expect(readTexts({ key: 17, type: '', app: 'x', other: 'y' }, ['key', 'type', 'app'])).toEqual({
    key: '17',
    app: 'x',
  });
});
