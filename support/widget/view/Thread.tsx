import { useEffect, useRef } from 'preact/hooks';
import type { Chat, View } from '../chat/chat.ts';
import type { Config } from '../chat/server.ts';
import type { Message } from '../chat/thread.ts';
import type { Words } from '../chat/words.ts';
import { Files } from './Files.tsx';
import { PendingRow } from './PendingRow.tsx';
import { Text } from './Text.tsx';

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

  // biome-ignore lint/correctness/useExhaustiveDependencies: whatever has changed may have made it longer, or the room lower
  useEffect(() => {
    if (isNear.current && list.current) list.current.scrollTop = list.current.scrollHeight;
  }, [view]);

  return (
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
          chat={chat}
          words={words}
          botName={config.bot?.name}
        >
          {message.number === lastOwn && pending.length === 0 && (
            <span class="state">{(session?.agent_read_number ?? 0) >= message.number ? words.seen : words.sent}</span>
          )}
          {message === lastBot && message.choices && <Choices choices={message.choices} chat={chat} />}
        </Row>
      ))}
      {pending.map((each, index) => (
        <PendingRow
          key={each.client_id}
          pending={each}
          isFirst={index === 0 && thread.at(-1)?.author !== 'visitor'}
          chat={chat}
          view={view}
          words={words}
        />
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
  );
}

type RowProps = {
  message: Message;
  before: Message | undefined;
  chat: Chat;
  words: Words;
  botName: string | undefined;
  children?: preact.ComponentChildren;
};

function Row({ message, before, chat, words, botName, children }: RowProps) {
  const { author, agent_name, body, files, created_at } = message;
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
      {body && (
        <div class="bubble" dir="auto" title={new Date(created_at).toLocaleString()}>
          <Text text={body} />
        </div>
      )}
      {files && <Files files={files} chat={chat} />}
      {children}
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
