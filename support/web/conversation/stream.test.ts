import { expect, test } from 'vitest';
import type { Entry, Message } from '../api/records.ts';
import type { UnsentWords } from './sending.ts';
import { arrange } from './stream.ts';

const at = (minute: number, day = 15) => `2026-06-${day}T12:${String(minute).padStart(2, '0')}:00.000Z`;
const message = (number: number, author: Message['author'], created_at: string): Message => ({
  id: `m${number}`,
  number,
  author,
  agent_name: author === 'agent' ? 'Priya' : null,
  client_id: `c${number}`,
  body: `message ${number}`,
  choices: null,
  files: null,
  mail: null,
  created_at,
});
const entry = (id: string, kind: Entry['kind'], created_at: string, body: string | null = null): Entry => ({
  id,
  kind,
  agent: null,
  mentions: [],
  files: null,
  to_agent: null,
  body,
  created_at,
});
const unsent = (client_id: string, kind: UnsentWords['kind'], body: string): UnsentWords => ({
  client_id,
  place: 's',
  kind,
  body,
  created_at: at(50),
  state: 'sending',
});
const now = new Date('2026-06-15T18:00:00Z');
const kinds = (items: ReturnType<typeof arrange>) =>
  items.map((item) => (item.kind === 'group' ? item.messages.map(({ number }) => number).join('+') : item.kind));

test('messages of one author form a group until another author writes, an action comes between, or time passes', () => {
  const messages = [
    message(1, 'visitor', at(0)),
    message(2, 'visitor', at(1)),
    message(3, 'agent', at(2)),
    message(4, 'agent', at(4)),
    message(5, 'agent', at(20)),
  ];
  const entries = [entry('note', 'note', at(3), 'Ask billing')];
  expect(kinds(arrange({ messages, entries, unsent: [], readNumber: 0, now }))).toEqual([
    'day',
    '1+2',
    '3',
    'entry',
    '4',
    '5',
  ]);
});

test('each day has its heading once', () => {
  const messages = [message(1, 'visitor', at(0, 13)), message(2, 'agent', at(0, 14)), message(3, 'visitor', at(0, 14))];
  expect(kinds(arrange({ messages, entries: [], unsent: [], readNumber: 0, now }))).toEqual([
    'day',
    '1',
    'day',
    '2',
    '3',
  ]);
});

test('a line precedes the first message that no agent had read', () => {
  const messages = [message(1, 'visitor', at(0)), message(2, 'agent', at(1)), message(3, 'visitor', at(2))];
  expect(kinds(arrange({ messages, entries: [], unsent: [], readNumber: 2, now }))).toEqual([
    'day',
    '1',
    '2',
    'unread',
    '3',
  ]);
});

test('actions before the first loaded message are not shown', () => {
  const entries = [entry('early', 'claimed', at(1)), entry('late', 'claimed', at(12))];
  const items = arrange({ messages: [message(40, 'visitor', at(10))], entries, unsent: [], readNumber: 0, now });
  expect(kinds(items)).toEqual(['day', '40', 'entry']);
});

test('a message that the feed brought before the answer to its sending is not shown twice', () => {
  const parts = {
    messages: [message(1, 'agent', at(50))],
    entries: [entry('n', 'note', at(50), 'Ask billing')],
    readNumber: 0,
    now,
  };
  const sending = [unsent('c1', 'reply', 'message 1'), unsent('x', 'note', 'Ask billing'), unsent('y', 'reply', 'New')];
  expect(arrange({ ...parts, unsent: sending }).filter(({ kind }) => kind === 'unsent')).toHaveLength(1);
});
