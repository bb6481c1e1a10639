import { SentFiles } from '@aether/ui/attachments/SentFiles.tsx';
import { formatMoment, formatTime, formatWhen } from '@aether/ui/formats.ts';
import { MailNote, MailSubject } from '@aether/ui/mail/MailNote.tsx';
import { useMayChange } from '@aether/ui/reading.tsx';
import { showRefusal } from '@aether/ui/toasts.tsx';
import { Button } from '@mantine/core';
import { IconArrowDown, IconRobot } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type RefObject, useEffect, useState } from 'react';
import { loadOlder, markRead, take } from '../api/conversation.ts';
import type { Conversation, Message, Named, Session } from '../api/records.ts';
import { isNewTo, nameVisitor } from '../desk/order.ts';
import type { Sought } from '../desk/search.ts';
import { useMe } from '../shell/person.ts';
import classes from './conversation.module.css';
import { EntryLine } from './EntryLine.tsx';
import type { UnsentWords } from './sending.ts';
import { arrange } from './stream.ts';
import { UnsentMessage } from './UnsentMessage.tsx';
import { useScrollPlace } from './useScrollPlace.ts';

type StreamProps = {
  conversation: Conversation;
  sought: Sought;
  ownName: string;
  unsent: UnsentWords[];
  isVisitorTyping: boolean;
  /** When the visitor's reading mark arrived. */
  readAt: string | undefined;
  onRetry: (clientId: string) => void;
  onEdit: (clientId: string) => void;
  onNote: (clientId: string) => void;
  onDiscard: (clientId: string) => void;
  onTakeOver: (holder: Named) => void;
};

/** Messages and actions in order; it keeps the reading place, and counts new messages below it. */
export function Stream(props: StreamProps) {
  const {
    conversation,
    sought,
    ownName,
    unsent,
    isVisitorTyping,
    readAt,
    onRetry,
    onEdit,
    onNote,
    onDiscard,
    onTakeOver,
  } = props;
  const { session, messages, entries } = conversation;
  const client = useQueryClient();
  const [readNumber] = useState(session.agent_read_number);
  const items = arrange({ messages, entries, unsent, readNumber });
  const firstNumber = messages[0]?.number ?? 1;
  const lastNumber = messages.at(-1)?.number ?? 0;
  const { scroller, isAtEnd, news, toEnd } = useScrollPlace({
    first: firstNumber,
    last: lastNumber + entries.length,
    own: unsent.length,
    isTyping: isVisitorTyping,
  });
  const older = useMutation({
    mutationFn: () => loadOlder(client, session.id),
    onError: (error) => showRefusal('Earlier messages could not be loaded', error),
  });
  useSought(session.id, sought, firstNumber, scroller);
  useRead(session, isNewTo(session, useMe().agent?.id ?? ''), lastNumber, isAtEnd);
  const readMark = messages.findLast(
    ({ author, number }) => author === 'agent' && number <= session.visitor_read_number,
  )?.number;
  const visitor = nameVisitor(session);
  return (
    <div className={classes.stream}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling area must be reachable by keyboard */}
      <div ref={scroller} className={classes.scroller} role="log" aria-label="Messages" tabIndex={0}>
        {firstNumber > 1 && (
          <div className={classes.older}>
            <Button variant="default" loading={older.isPending} onClick={() => older.mutate()}>
              Earlier messages
            </Button>
          </div>
        )}
        {items.map((item) => {
          switch (item.kind) {
            case 'day':
              return (
                <h3 key={item.key} className={classes.day}>
                  <span>{item.label}</span>
                </h3>
              );
            case 'unread':
              return (
                <div key={item.key} className={classes.unread}>
                  <span>New</span>
                </div>
              );
            case 'entry':
              return (
                <EntryLine
                  key={item.key}
                  entry={item.entry}
                  sessionId={session.id}
                  isSought={item.entry.id === sought.entry}
                />
              );
            case 'unsent':
              return (
                <UnsentMessage
                  key={item.key}
                  unsent={item.unsent}
                  onRetry={() => onRetry(item.key)}
                  onEdit={() => onEdit(item.key)}
                  onNote={() => onNote(item.key)}
                  onDiscard={() => onDiscard(item.key)}
                  onTakeOver={onTakeOver}
                />
              );
            default:
              return (
                <MessageGroup
                  key={item.key}
                  author={item.author}
                  name={item.author === 'visitor' ? visitor : (item.name ?? (item.author === 'bot' ? 'Bot' : 'Agent'))}
                  isOwn={item.author === 'agent' && item.name === ownName}
                  messages={item.messages}
                  soughtNumber={sought.message}
                  readMark={readMark}
                  readAt={readAt}
                />
              );
          }
        })}
        {isVisitorTyping && (
          <div className={classes.typing} role="status">
            <span className={classes.dots} aria-hidden>
              <i />
              <i />
              <i />
            </span>
            {visitor} is typing
          </div>
        )}
      </div>
      {!isAtEnd && (
        <Button
          className={classes.toEnd}
          variant={news > 0 ? 'filled' : 'default'}
          leftSection={<IconArrowDown size={14} />}
          onClick={toEnd}
        >
          {news > 0 ? `${news} new` : 'To the newest'}
        </Button>
      )}
    </div>
  );
}

type MessageGroupProps = {
  author: Message['author'];
  name: string;
  isOwn: boolean;
  messages: Message[];
  /** The message that somebody came for. */
  soughtNumber: number | undefined;
  /** The visitor's reading mark is below this message. */
  readMark: number | undefined;
  /** When the mark arrived, if the page was open then. */
  readAt: string | undefined;
};

function MessageGroup({ author, name, isOwn, messages, soughtNumber, readMark, readAt }: MessageGroupProps) {
  const [first] = messages;
  return (
    <article className={classes.group} data-author={author}>
      <div className={classes.by}>
        {author === 'bot' && <IconRobot size={14} aria-hidden />}
        <span className={classes.author}>{isOwn ? 'You' : name}</span>
        {author === 'bot' && <span>automatic answer</span>}
        {first && (
          <time dateTime={first.created_at} title={formatMoment(first.created_at)}>
            {formatTime(first.created_at)}
          </time>
        )}
      </div>
      {messages.map(({ number, body, choices, files, mail, created_at }) => (
        <div
          key={number}
          className={classes.bubble}
          data-sought={number === soughtNumber}
          title={formatMoment(created_at)}
        >
          {mail && <MailSubject mail={mail} />}
          {body}
          {files && <SentFiles files={files} />}
          {mail && <MailNote mail={mail} />}
          {choices && choices.length > 0 && (
            <span className={classes.choices}>
              {choices.map(({ id, label }) => (
                <span key={id} className={classes.choice}>
                  {label}
                </span>
              ))}
            </span>
          )}
        </div>
      ))}
      {messages.some(({ number }) => number === readMark) && (
        <div className={classes.read}>
          {readAt ? `Read ${formatWhen(readAt, new Date(first?.created_at ?? readAt))}` : 'Read'}
        </div>
      )}
    </article>
  );
}

/** Loads the conversation as far back as what somebody came for, and scrolls to it once. */
function useSought(
  sessionId: string,
  { message, entry }: Sought,
  firstNumber: number,
  scroller: RefObject<HTMLDivElement | null>,
): void {
  const client = useQueryClient();
  const sought = message ?? entry ?? '';
  const [reached, setReached] = useState<string | number>('');
  useEffect(() => {
    if (sought === '' || sought === reached) return;
    const found = scroller.current?.querySelector('[data-sought="true"]');
    if (found) {
      found.scrollIntoView({ block: 'center' });
      setReached(sought);
    } else if (firstNumber > 1) void loadOlder(client, sessionId).catch(() => setReached(sought));
  }, [client, sessionId, sought, reached, firstNumber, scroller]);
}

/** Reports to the server, and so to the visitor, how far an agent has read: only messages in sight count. */
function useRead(session: Session, isNew: boolean, lastNumber: number, isAtEnd: boolean): void {
  const { id, agent_read_number, status } = session;
  const client = useQueryClient();
  const mayChange = useMayChange(); // what a reader has read, nobody has answered
  useEffect(() => {
    if (!mayChange || !isAtEnd || (lastNumber <= agent_read_number && !isNew) || status === 'ended') return;
    const read = () => {
      if (document.visibilityState !== 'visible') return;
      document.removeEventListener('visibilitychange', read);
      markRead(id, lastNumber).then(
        () => {
          const shown = client.getQueryData<Conversation>(['session', id])?.session;
          if (shown) take(client, id, { session: { ...shown, agent_read_number: lastNumber, is_new_to_agent: false } });
          void client.invalidateQueries({ queryKey: ['inbox'] });
        },
        () => {}, // reported again with the next message
      );
    };
    document.addEventListener('visibilitychange', read);
    read();
    return () => document.removeEventListener('visibilitychange', read);
  }, [client, id, agent_read_number, isNew, lastNumber, isAtEnd, status, mayChange]);
}
