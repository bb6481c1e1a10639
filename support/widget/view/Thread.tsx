import { useEffect, useRef, useState } from 'preact/hooks';
import type { Chat, View } from '../chat/chat.ts';
import { findLinks } from '../chat/links.ts';
import type { Pending } from '../chat/outbox.ts';
import type { Config } from '../chat/server.ts';
import type { Message } from '../chat/thread.ts';
import type { Words } from '../chat/words.ts';

/** A reader this near to the end follows new messages. */
const nearPx = 80;

/** The messages, and the unsent ones below. */
export function Thread({ chat, view, config, words }: { chat: Chat; view: View; config: Config; words: Words }) {
  const list = useRef<HTMLOListElement>(null);
  const isNear = useRef(true);
  const { thread, outbox, session, typing } = view;
  const inThread = new Set(thread.map(({ client_id }) => client_id));
  const pending = outbox.filter(({ client_id }) => !inThread.has(client_id));
  const lastOwn = thread.findLast(({ author }) => author === 'visitor')?.number;
  const lastBot = session?.status !== 'ended' && pending.length === 0 ? thread.at(-1) : undefined;

  // biome-ignore lint/correctness/useExhaustiveDependencies: when something was added
  useEffect(() => {
    if (isNear.current && list.current) list.current.scrollTop = list.current.scrollHeight;
  }, [thread.length, pending.length, typing]);

  return (
    <>
      <ol
        ref={list}
        class="thread"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling area must be reachable by keyboard
        tabIndex={0}
        aria-label={words.title}
        onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
          isNear.current = scrollHeight - scrollTop - clientHeight < nearPx;
        }}
      >
        {thread.length === 0 && (
          <li class="row first">
            <div class="bubble">{config.bot?.greeting ?? words.greeting}</div>
            {config.bot && !view.hasSession && <Choices choices={config.bot.questions} chat={chat} />}
          </li>
        )}
        {thread.map((message, index) => (
          <Row
            key={message.number}
            message={message}
            before={thread[index - 1]}
            words={words}
            botName={config.bot?.name}
          >
            {message.number === lastOwn && pending.length === 0 && (
              <span class="state">{(session?.agent_read_number ?? 0) >= message.number ? words.seen : words.sent}</span>
            )}
            {message === lastBot && message.choices && <Choices choices={message.choices} chat={chat} />}
          </Row>
        ))}
        {pending.map((each) => (
          <PendingRow key={each.client_id} pending={each} chat={chat} words={words} isConnected={view.isConnected} />
        ))}
        {typing !== null && (
          <li class="row first">
            <span class="who">
              {typing} {words.typing}
              <span class="dots" aria-hidden="true">
                <i />
                <i />
                <i />
              </span>
            </span>
          </li>
        )}
      </ol>
      <Announcer thread={thread} words={words} />
    </>
  );
}

type RowProps = {
  message: Message;
  before: Message | undefined;
  words: Words;
  botName: string | undefined;
  children?: preact.ComponentChildren;
};

function Row({ message, before, words, botName, children }: RowProps) {
  const { author, agent_name, body, created_at } = message;
  const isFirst = before?.author !== author || before.agent_name !== agent_name;
  return (
    <li class={`row${author === 'visitor' ? ' own' : ''}${isFirst ? ' first' : ''}`}>
      {isFirst && author === 'visitor' && <span class="unseen">{words.you}</span>}
      {isFirst && author !== 'visitor' && (
        <span class="who">
          {author === 'bot' ? botName : agent_name}
          {author === 'bot' && <span class="tag">{words.bot}</span>}
        </span>
      )}
      <div class="bubble" dir="auto" title={new Date(created_at).toLocaleString()}>
        <Text text={body} />
      </div>
      {children}
    </li>
  );
}

function PendingRow({
  pending,
  chat,
  words,
  isConnected,
}: {
  pending: Pending;
  chat: Chat;
  words: Words;
  isConnected: boolean;
}) {
  const { body, state, reason } = pending;
  return (
    <li class="row own">
      <div class="bubble" dir="auto">
        <Text text={body} />
      </div>
      {state === 'waiting' ? (
        <span class="state">{isConnected ? words.sending : words.waiting}</span>
      ) : (
        <span class="state bad" role="alert">
          {words.refused}: {reason}
          <button type="button" onClick={() => chat.retry(pending)}>
            {words.retry}
          </button>
          <button type="button" onClick={() => chat.discard(pending)}>
            {words.discard}
          </button>
        </span>
      )}
    </li>
  );
}

function Choices({ choices, chat }: { choices: { id: string; label: string }[]; chat: Chat }) {
  return (
    <div class="choices">
      {choices.map(({ id, label }) => (
        <button key={id} type="button" class="choice" onClick={() => chat.write(label, id)}>
          {label}
        </button>
      ))}
    </div>
  );
}

/** Text and nothing but text: markup is shown as it was typed. */
function Text({ text }: { text: string }) {
  return (
    <>
      {findLinks(text).map(({ text: words, href }) =>
        href ? (
          <a key={href} href={href} target="_blank" rel="noopener noreferrer nofollow">
            {words}
          </a>
        ) : (
          words
        ),
      )}
    </>
  );
}

/** Announces new messages of others to visitors who cannot see them. */
function Announcer({ thread, words }: { thread: Message[]; words: Words }) {
  const known = useRef<number>(undefined);
  const [said, setSaid] = useState('');
  const last = thread.findLast(({ author }) => author !== 'visitor');
  useEffect(() => {
    const before = known.current;
    known.current = last?.number ?? 0;
    if (before !== undefined && last && last.number > before) setSaid(`${last.agent_name ?? words.bot}: ${last.body}`);
  }, [last, words]);
  return (
    <div class="unseen" role="status" aria-live="polite">
      {said}
    </div>
  );
}
