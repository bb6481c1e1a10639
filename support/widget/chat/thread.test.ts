import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lastWhole, type Message, merge, unreadIn } from './thread.ts';

const message = (number: number, author: Message['author'] = 'visitor'): Message => ({
  number,
  author,
  agent_name: null,
  client_id: `c${number}`,
  body: `${number}`,
  choices: null,
  created_at: '2026-01-01T00:00:00Z',
});
const numbers = (thread: Message[]) => thread.map(({ number }) => number);

test('each message appears once, in the place of its number, in any order of arrival', () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.integer({ min: 1, max: 12 }))), (batches) => {
      const thread = batches.reduce<Message[]>(
        (known, batch) =>
          merge(
            known,
            batch.map((n) => message(n)),
          ),
        [],
      );
      expect(numbers(thread)).toEqual([...new Set(batches.flat())].sort((a, b) => a - b));
      const whole = lastWhole(thread);
      expect(numbers(thread).slice(0, whole)).toEqual(Array.from({ length: whole }, (_, index) => index + 1));
      expect(numbers(thread)).not.toContain(whole + 1);
    }),
  );
});

test('a thread without new messages stays the same object', () => {
  const thread = [message(1), message(2)];
  expect(merge(thread, [message(2)])).toBe(thread);
});

test('messages of others after the reading mark are unread', () => {
  const thread = [message(1, 'agent'), message(2), message(3, 'bot'), message(4, 'agent')];
  expect(numbers(unreadIn(thread, 1))).toEqual([3, 4]);
  expect(unreadIn(thread, 4)).toEqual([]);
});
