import { formatDay, formatWhen } from '@aether/ui/formats.ts';
import { describeError } from '@aether/ui/refusal.ts';
import { Tag } from '@aether/ui/Tag.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { IconChevronRight } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { conversationQuery } from '../api/conversation.ts';
import type { PastSession } from '../api/records.ts';
import classes from './context.module.css';
import { Section } from './Section.tsx';

type PastChatsProps = {
  sessions: PastSession[];
  /** True beside a conversation, which is then not among them. */
  isBeside: boolean;
};

/** The customer's conversations; each opens in its place. */
export function PastChats({ sessions, isBeside }: PastChatsProps) {
  return (
    <Section title={isBeside ? 'More conversations' : 'Conversations'}>
      {sessions.length === 0 && (
        <p className={classes.quiet}>{isBeside ? 'This is the only one.' : 'No conversations yet.'}</p>
      )}
      {sessions.map((past) => (
        <PastChat key={past.id} past={past} />
      ))}
    </Section>
  );
}

function PastChat({ past: { id, started_at, ended_at, resolved, message_count, summary } }: { past: PastSession }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details className={classes.chat} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <IconChevronRight size={14} className={classes.chevron} aria-hidden />
        <span className={classes.summary}>{summary ?? 'Without a summary'}</span>
        <span className={classes.chatFacts}>
          {ended_at ? (
            <Tag tone={resolved ? 'good' : 'warn'}>{resolved ? 'Resolved' : 'Not resolved'}</Tag>
          ) : (
            <Tag tone="accent">Open</Tag>
          )}
          {formatDay(started_at)}, {message_count} {message_count === 1 ? 'message' : 'messages'}
        </span>
      </summary>
      {isOpen && <Transcript id={id} count={message_count} />}
    </details>
  );
}

const nameAuthor = { visitor: 'Visitor', bot: 'Bot', agent: 'Agent' };

function Transcript({ id, count }: { id: string; count: number }) {
  const { data, error } = useQuery(conversationQuery(id, count));
  if (error) return <p className={classes.quiet}>{describeError(error)}</p>;
  if (!data) return <Waiting lines={3} />;
  return (
    <div className={classes.transcript}>
      {data.messages.map(({ number, author, agent_name, body, created_at }) => (
        <p key={number}>
          <strong>{agent_name ?? nameAuthor[author]}</strong>{' '}
          <time dateTime={created_at}>
            {formatWhen(created_at, new Date(data.messages[0]?.created_at ?? created_at))}
          </time>
          <br />
          {body}
        </p>
      ))}
      <Link to="/sessions/$id" params={{ id }} search={{}}>
        Open this conversation
      </Link>
    </div>
  );
}
