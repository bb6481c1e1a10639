import { formatAgo, formatMoment } from '@aether/ui/formats.ts';
import { Tag } from '@aether/ui/Tag.tsx';
import { useDraftMark } from '@aether/ui/useDraft.ts';
import { IconClockPause, IconMailForward, IconPencil, IconRobot } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { Conversation, Session } from '../api/records.ts';
import { draftOf } from '../conversation/drafts.ts';
import { Deadline } from './Deadline.tsx';
import classes from './desk.module.css';
import { Labels } from './Labels.tsx';
import { isNewTo, isUnread, nameVisitor, type Row } from './order.ts';
import type { DeskSearch } from './search.ts';
import { TierTag } from './TierTag.tsx';
import { WaitingTime } from './Waiting.tsx';

type InboxRowProps = {
  row: Row;
  ownAgentId: string;
  isOpen: boolean;
  search: DeskSearch;
  isChosen: boolean;
  /** Chooses it, or everything from the last chosen one to it; undefined: nothing can be done with several. */
  onChoose: ((isRange: boolean) => void) | undefined;
};

/** One conversation of the list: the visitor, their last message, the waiting time, and the assigned agent. */
export function InboxRow(props: InboxRowProps) {
  const { row, ownAgentId, isOpen, search, isChosen, onChoose } = props;
  const { session, isGone } = row;
  const hasDraft = useDraftMark(draftOf(session.id));
  const unread = isUnread(session, ownAgentId);
  const { last_message: last } = session;
  return (
    <li
      className={classes.row}
      data-open={isOpen}
      data-gone={isGone}
      data-unread={unread}
      data-session={session.id}
      data-chosen={isChosen}
    >
      {onChoose ? (
        <label className={classes.pick}>
          <input
            type="checkbox"
            aria-label={`Choose ${nameVisitor(session)}`}
            checked={isChosen}
            onClick={(event) => {
              if (!event.shiftKey) return;
              event.preventDefault();
              onChoose(true);
            }}
            onChange={() => onChoose(false)}
          />
        </label>
      ) : (
        <span className={classes.pick} aria-hidden />
      )}
      <Link
        to="/sessions/$id"
        params={{ id: session.id }}
        search={search}
        className={classes.link}
        aria-current={isOpen ? 'true' : undefined}
      >
        <span className={classes.line}>
          {unread && <span className={classes.unread} role="img" aria-label="Unread" />}
          <span className={classes.name}>{nameVisitor(session)}</span>
          <span className={classes.when}>
            {session.waiting_since && session.status === 'active' && !isGone ? (
              <WaitingTime since={session.waiting_since} />
            ) : (
              session.last_message_at && (
                <time dateTime={session.last_message_at} title={formatMoment(session.last_message_at)}>
                  {formatAgo(session.last_message_at)}
                </time>
              )
            )}
          </span>
        </span>
        <span className={classes.words}>
          {last?.author === 'agent' && <span className={classes.by}>Answered: </span>}
          {last?.author === 'bot' && <span className={classes.by}>Bot: </span>}
          {last?.body ?? 'Nothing written yet'}
        </span>
        <span className={classes.facts}>
          <Labels session={session} />
          <TierTag tier={session.customer?.account_tier} />
          {isGone ? (
            <Gone session={session} ownAgentId={ownAgentId} />
          ) : (
            <Holder session={session} ownAgentId={ownAgentId} />
          )}
          {!isGone && <Deadline session={session} />}
          {isNewTo(session, ownAgentId) && <span className={classes.fact}>handed to you</span>}
          {session.snoozed_until && (
            <span className={classes.fact}>
              <IconClockPause size={13} aria-hidden /> until {formatMoment(session.snoozed_until)}
            </span>
          )}
          {session.is_offline && (
            <span className={classes.fact} title="Written while nobody was online: the visitor expects an e-mail">
              <IconMailForward size={13} aria-hidden /> offline
            </span>
          )}
          {session.status === 'ended' && (
            <Tag tone={session.resolved ? 'good' : 'warn'}>{session.resolved ? 'Resolved' : 'Not resolved'}</Tag>
          )}
          {hasDraft && (
            <span className={classes.draft}>
              <IconPencil size={12} aria-hidden /> Draft
            </span>
          )}
        </span>
      </Link>
    </li>
  );
}

/** A row that left this view says so, and who has the conversation now if this page knows it. What the list last said is no longer true. */
function Gone({ session, ownAgentId }: { session: Session; ownAgentId: string }) {
  const now = useQueryClient().getQueryData<Conversation>(['session', session.id])?.session;
  return (
    <>
      {now?.agent && now.agent.id !== session.agent?.id && <Holder session={now} ownAgentId={ownAgentId} />}
      <span className={classes.fact}>No longer in this list</span>
    </>
  );
}

/** The assigned agent. */
function Holder({ session: { agent, handler, widget }, ownAgentId }: { session: Session; ownAgentId: string }) {
  if (handler === 'bot')
    return (
      <span className={classes.fact}>
        <IconRobot size={13} aria-hidden /> Bot
      </span>
    );
  if (!agent)
    return (
      <span className={classes.fact} title={`From ${widget.name}`}>
        Unassigned
      </span>
    );
  return <span className={classes.fact}>{agent.id === ownAgentId ? 'You' : agent.name}</span>;
}
