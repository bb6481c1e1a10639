import { formatDuration } from '@aether/ui/formats.ts';
import { Tag } from '@aether/ui/Tag.tsx';
import { IconChevronRight } from '@tabler/icons-react';
import { useState } from 'react';
import type { ActivityEntry } from '../api/records.ts';
import { useMe } from '../shell/person.ts';
import { SharedConversation } from './SharedConversation.tsx';
import classes from './timeline.module.css';

/** A conversation with Support as one card: its end, its length, its rating, and whether the visitor proved their identity. The open card also shows the subject. */
export function ChatCard({ entry: { id, description, metadata, is_conversation_shared } }: { entry: ActivityEntry }) {
  const {
    resolved,
    duration_seconds: seconds,
    message_count: messages,
    summary,
    session_id: session,
    identity,
    rating,
  } = metadata;
  const { apps } = useMe();
  const [isOpen, setOpen] = useState(false);
  return (
    <details className={classes.chat} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <IconChevronRight size={15} className={classes.chevron} aria-hidden />
        <span className={classes.words}>{typeof summary === 'string' ? summary : description}</span>
        <span className={classes.outcome}>
          {identity === 'claimed' && <Tag tone="warn">Unverified</Tag>}
          <Tag tone={resolved ? 'good' : 'warn'}>{resolved ? 'Resolved' : 'Not resolved'}</Tag>
          {typeof rating === 'number' && <Tag>Rated {rating} of 5</Tag>}
          {typeof seconds === 'number' && <span className={classes.fact}>{formatDuration(seconds)}</span>}
        </span>
      </summary>
      <dl className={classes.facts}>
        <Fact name="What Support says" value={description} />
        {identity === 'claimed' && <Fact name="Visitor" value="Typed this customer’s address, which proves nothing" />}
        {typeof messages === 'number' && <Fact name="Messages" value={String(messages)} />}
        {typeof seconds === 'number' && <Fact name="Duration" value={formatDuration(seconds)} />}
        {session !== undefined && <Fact name="Conversation" value={String(session)} />}
      </dl>
      {isOpen && is_conversation_shared && (
        <div className={classes.elsewhere}>
          <SharedConversation activityId={id} />
        </div>
      )}
      {session !== undefined && apps.support && (
        <p className={classes.elsewhere}>
          Support keeps its conversations, and moves one that belongs to another customer:{' '}
          <a href={`${apps.support}/sessions/${session}`}>open it there</a>
        </p>
      )}
    </details>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
