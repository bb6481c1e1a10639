import { expect, test } from 'vitest';
import type { Session } from '../api/records.ts';
import { appendRows, holdOrder, isUnread } from './order.ts';
import { formatWaiting } from './waiting.ts';

const session = (id: string, part: Partial<Session> = {}) => ({ id, ...part }) as Session;
const [a, b, c] = [session('a'), session('b'), session('c')];

test('rows that are held keep their places and show their current data', () => {
  const later = session('a', { message_count: 7 });
  const { rows, news, isHeld } = holdOrder([a, b], [c, b, later]);
  expect(rows.map(({ session: { id } }) => id)).toEqual(['a', 'b']);
  expect(rows[0]?.session.message_count).toBe(7);
  expect([news, isHeld]).toEqual([1, true]);
});

test('a row that left the view stays in sight, and is marked', () => {
  const { rows, news, isHeld } = holdOrder([a, b], [b]);
  expect(rows.map(({ isGone }) => isGone)).toEqual([true, false]);
  expect([news, isHeld]).toEqual([0, true]);
});

test('no row is held back when none moved', () => {
  expect(holdOrder([a, b], [a, b]).isHeld).toBe(false);
});

test('a page that was loaded goes behind the rows that are held, also behind one that has left the view', () => {
  const held = appendRows([a, b], [b, c]);
  expect(held.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
  const { rows, isHeld } = holdOrder(held, [b, c]);
  expect(rows.map(({ isGone }) => isGone)).toEqual([true, false, false]);
  expect(isHeld).toBe(true);
});

test('a conversation is unread when no agent has seen the visitor’s latest message', () => {
  const last = { body: '', created_at: '' };
  const counts = { status: 'active', message_count: 3, agent_read_number: 2 } as const;
  expect(isUnread(session('a', { ...counts, last_message: { ...last, author: 'visitor' } }), 'me')).toBe(true);
  expect(isUnread(session('a', { ...counts, last_message: { ...last, author: 'bot' } }), 'me')).toBe(false);
  expect(
    isUnread(session('a', { ...counts, agent_read_number: 3, last_message: { ...last, author: 'visitor' } }), 'me'),
  ).toBe(false);
});

test('a conversation that was handed to this agent is unread until they open it, and not so for others', () => {
  const handed = session('a', {
    status: 'active',
    message_count: 2,
    agent_read_number: 2,
    is_new_to_agent: true,
    agent: { id: 'me', name: 'Me' },
  });
  expect([isUnread(handed, 'me'), isUnread(handed, 'other')]).toEqual([true, false]);
  expect(isUnread({ ...handed, is_new_to_agent: false }, 'me')).toBe(false);
});

test('an ended conversation is not unread, whatever was seen of it', () => {
  const last_message = { body: '', created_at: '', author: 'visitor' } as const;
  const counts = { message_count: 3, agent_read_number: 2, last_message };
  expect(isUnread(session('a', { ...counts, status: 'ended' }), 'me')).toBe(false);
});

test('a waiting time is shown more roughly the longer it is', () => {
  expect([42_900, 187_000, 3_900_000, 200_000_000].map(formatWaiting)).toEqual([
    '42 s',
    '3:07 min',
    '1 h 5 min',
    '2 days',
  ]);
});
