import { expect, test } from 'vitest';
import type { Pending } from '../chat/outbox.ts';
import type { SessionState } from '../chat/server.ts';
import type { Message } from '../chat/thread.ts';
import { wordsOf } from '../chat/words.ts';
import { describeNews } from './news.ts';

const words = wordsOf('en');
const session: SessionState = {
  status: 'active',
  handler: 'bot',
  agent: null,
  agent_read_number: 0,
  identity: 'claimed',
  visitor_name: null,
};
const quiet = {
  thread: [] as Message[],
  outbox: [] as Pending[],
  session,
  read: 0,
  isConnected: true,
  isDelayed: false,
  isAsking: false,
  refusal: null,
};
const pending: Pending = { client_id: 'c', body: 'Hi', at: 1, state: 'waiting' };
const answer: Message = {
  number: 2,
  author: 'agent',
  agent_name: 'Priya',
  client_id: 'x',
  body: 'Hello',
  choices: null,
  created_at: '',
};

test.each([
  ['an answer', {}, { thread: [answer] }, 'Priya: Hello'],
  ['the end', {}, { session: { ...session, status: 'ended' } }, 'This conversation has ended.'],
  ['a person instead of the bot', {}, { session: { ...session, handler: 'agent' } }, 'A person will answer.'],
  ['the wish for a person', {}, { isAsking: true }, 'Asking for a person…'],
  ['a cut line', {}, { isConnected: false, isDelayed: true }, words.reconnecting],
  ['the line that is back', { isConnected: false }, {}, 'The connection is back.'],
  ['a busy server', {}, { isDelayed: true }, 'Not sent yet; trying again'],
  [
    'a message that arrived',
    { outbox: [pending] },
    { thread: [{ ...answer, author: 'visitor', client_id: 'c' }] },
    'Sent',
  ],
  [
    'messages that an ended conversation did not take, once',
    { outbox: [pending, { ...pending, client_id: 'd' }] },
    {
      outbox: [
        { ...pending, state: 'ended' },
        { ...pending, client_id: 'd', state: 'ended' },
      ],
    },
    'Not sent: this conversation has ended.',
  ],
  ['a refusal', { outbox: [pending] }, { outbox: [{ ...pending, state: 'refused', reason: 'why' }] }, 'Not sent: why'],
  ['a closed chat', { outbox: [pending] }, { outbox: [{ ...pending, state: 'refused' }] }, words.closed],
  ['a refused address', {}, { refusal: 'This is no address.' }, 'This is no address.'],
] as const)('a visitor who does not see the screen is told of %s', (_, was, now, said) => {
  const [before, after] = [
    { ...quiet, ...was },
    { ...quiet, ...now },
  ] as [typeof quiet, typeof quiet];
  expect(describeNews(before, after, words)).toBe(said);
  expect(describeNews(after, after, words)).toBe('');
});

test('messages that were read before are not read out again when the page is opened', () => {
  expect(describeNews({ ...quiet, read: 2 }, { ...quiet, read: 2, thread: [answer] }, words)).toBe('');
});
