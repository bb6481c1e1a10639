import { isQuiet, readWishes } from '@aether/ui/attention/wishes.ts';
import { titleWith } from '@aether/ui/badge.ts';
import { expect, test } from 'vitest';
import type { Session } from '../api/records.ts';
import { countWaiting, findNotices } from './notices.ts';

const me = 'agent-1';
const mine = { id: me, name: 'Priya Nair' };
const session = (id: string, part: Partial<Session> = {}) =>
  ({
    id,
    status: 'active',
    visitor_name: `Visitor ${id}`,
    agent: mine,
    is_new_to_agent: false,
    message_count: 2,
    agent_read_number: 2,
    last_message: { author: 'visitor', body: 'Hello?', created_at: '' },
    ...part,
  }) as Session;
const nothing = { mine: [], unassigned: [] };

test('an agent is told of a message in an own conversation once, and not of one that was read', () => {
  const before = { mine: [session('a'), session('b')], unassigned: [] };
  const now = { mine: [session('a', { message_count: 3 }), session('b')], unassigned: [] };
  expect(findNotices(before, now, me)).toEqual([
    { kind: 'message', session: 'a', title: 'Visitor a writes', body: 'Hello?' },
  ]);
  expect(findNotices(now, now, me)).toEqual([]);
  const read = { mine: [session('a', { message_count: 3, agent_read_number: 3 })], unassigned: [] };
  expect(findNotices(before, read, me)).toEqual([]);
});

test('an agent is told of what a colleague handed on, although every message of it was read, and not of what they took themselves', () => {
  const free = session('a', { agent: null });
  const handed = session('a', { is_new_to_agent: true });
  const before = { mine: [], unassigned: [free] };
  expect(findNotices(before, { mine: [handed], unassigned: [] }, me)).toMatchObject([
    { kind: 'handed', title: 'Visitor a was handed to you' },
  ]);
  expect(findNotices(before, { mine: [session('a')], unassigned: [] }, me)).toEqual([]);
  expect(findNotices({ mine: [handed], unassigned: [] }, { mine: [handed], unassigned: [] }, me)).toEqual([]);
});

test('an agent is told once that a conversation waits for anybody, and not of one that they gave back', () => {
  const free = session('a', { agent: null });
  expect(findNotices(nothing, { mine: [], unassigned: [free] }, me)).toMatchObject([{ kind: 'waiting' }]);
  const longer = { mine: [], unassigned: [session('a', { agent: null, message_count: 9 })] };
  expect(findNotices({ mine: [], unassigned: [free] }, longer, me)).toEqual([]);
  expect(findNotices({ mine: [session('a')], unassigned: [] }, { mine: [], unassigned: [free] }, me)).toEqual([]);
});

test('of a list that is cut, one that comes up because another one was claimed is no news, and one that was written since is', () => {
  const at = (minute: number) => new Date(Date.UTC(2026, 10, 29, 9, minute)).toISOString();
  const free = (n: number) => session(`s${n}`, { agent: null, last_message_at: at(n) });
  const all = Array.from({ length: 52 }, (_, n) => free(n));
  const before = { mine: [], unassigned: all.slice(1, 51) };
  const later = session('late', { agent: null, last_message_at: at(59) });
  const old = session('old', { agent: null, last_message_at: at(3) });
  expect(findNotices(before, { mine: [], unassigned: [...all.slice(2, 51), old] }, me)).toEqual([]);
  expect(findNotices(before, { mine: [], unassigned: [...all.slice(2, 51), later] }, me)).toMatchObject([
    { session: 'late' },
  ]);
});

test('the number in the title counts what is unread and what nobody has, and is shortened beyond 99', () => {
  const waiting = {
    mine: [session('a', { message_count: 3 }), session('b'), session('c', { is_new_to_agent: true })],
    unassigned: [session('d', { agent: null })],
  };
  expect([countWaiting(waiting, me, true), countWaiting(waiting, me, false)]).toEqual([3, 2]);
  expect([0, 1, 99, 100].map((count) => titleWith('Support', count))).toEqual([
    'Support',
    '(1) Support',
    '(99) Support',
    '(99+) Support',
  ]);
});

test('quiet hours end before their last minute, and go on over midnight', () => {
  const at = (hours: number, minutes = 0) => new Date(2026, 10, 29, hours, minutes);
  const night = { quietFrom: '22:00', quietTo: '07:00' };
  expect([at(21, 59), at(22), at(3), at(6, 59), at(7)].map((now) => isQuiet(night, now))).toEqual([
    false,
    true,
    true,
    true,
    false,
  ]);
  const noon = { quietFrom: '12:00', quietTo: '13:00' };
  expect([at(11, 59), at(12), at(13)].map((now) => isQuiet(noon, now))).toEqual([false, true, false]);
  expect(isQuiet({ quietFrom: '', quietTo: '' }, at(3))).toBe(false);
});

test('what was kept by another version or spoilt is read as far as it fits', () => {
  const usual = { sound: true, desktop: false, unassigned: true, quietFrom: '', quietTo: '' };
  expect(readWishes(undefined)).toEqual(usual);
  expect(readWishes('{"sound":false,"desktop":"yes","more":1}')).toEqual({ ...usual, sound: false });
  expect(['null', '[]', '{', '"x"'].map((kept) => readWishes(kept))).toEqual([usual, usual, usual, usual]);
});
