import { nameMentions } from '@aether/platform/mentions';
import { SentFiles } from '@aether/ui/attachments/SentFiles.tsx';
import type { SentFile } from '@aether/ui/attachments/upload.ts';
import { formatMoment, formatTime } from '@aether/ui/formats.ts';
import { MovedHere } from '@aether/ui/MovedHere.tsx';
import { lazyDialog } from '@aether/ui/parts/lazy.tsx';
import { nameField } from '@aether/ui/refusal.ts';
import { Tag, type Tone } from '@aether/ui/Tag.tsx';
import { ActionIcon } from '@mantine/core';
import { IconArrowsExchange, IconCash, IconPencil } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { memo, type ReactNode, useState } from 'react';
import { movesOfActivity } from '../api/moves.ts';
import type { ActivityEntry, DealEntry, FieldChange, TimelineEntry } from '../api/records.ts';
import { nameApp } from '../record/Provenance.tsx';
import { useMe } from '../shell/person.ts';
import { describeType } from './activitytypes.tsx';
import { ChatCard } from './ChatCard.tsx';
import { EditableWords } from './EditableWords.tsx';
import { MailEntry } from './MailEntry.tsx';
import { isNothing, showChanged } from './showchanged.ts';
import { TaskEntry } from './TaskEntry.tsx';
import classes from './timeline.module.css';

const MoveActivity = lazyDialog(() => import('./MoveActivity.tsx'), 'MoveActivity');

type EntryProps = {
  entry: TimelineEntry;
  customerId: string;
  /** It is what somebody came for. */
  isSought?: boolean;
  /** Something in it was changed. */
  onChanged: () => void;
  /** It went to another customer. */
  onMoved: () => void;
};

/** One entry of the timeline, of any kind. */
export const Entry = memo(function Entry({ entry, customerId, isSought, onChanged, onMoved }: EntryProps) {
  switch (entry.kind) {
    case 'activity':
      return (
        <ActivityItem
          entry={entry}
          customerId={customerId}
          isSought={isSought}
          onChanged={onChanged}
          onMoved={onMoved}
        />
      );
    case 'deal':
      return <DealItem entry={entry} />;
    case 'field':
      return (
        <Item entry={entry} icon={<IconPencil size={15} />} title={entry.changes.map(nameChanged).join(', ')}>
          <Changes changes={entry.changes} />
        </Item>
      );
  }
});

/** What people write. Its author and those who look after everybody's data may move it; Support moves its own. */
const movedTypes = new Set(['note', 'call', 'email', 'meeting', 'task', 'email_sent', 'email_received']);

function ActivityItem({ entry, customerId, isSought, onChanged, onMoved }: EntryProps & { entry: ActivityEntry }) {
  const me = useMe();
  const [isMoving, setMoving] = useState(false);
  const { label, icon: Icon } = describeType(entry.type);
  const { move } = entry;
  const files: SentFile[] = entry.app === 'foundation' ? (entry.metadata.files ?? []) : [];
  const mayMove =
    !me.isReader &&
    entry.customer !== null && // what is of a company itself stays there
    entry.app === 'foundation' &&
    movedTypes.has(entry.type) &&
    (me.isSteward || entry.actor?.id === me.id);
  const moveBack = async (id: string) => {
    await movesOfActivity(entry.id).undo(id);
    onMoved();
  };
  return (
    <Item
      entry={entry}
      icon={<Icon size={15} />}
      title={label}
      isStrong
      isSought={isSought}
      action={
        mayMove && (
          <ActionIcon
            size="sm"
            className={classes.edit}
            aria-label={`Move to another customer: ${nameMentions(entry.description, entry.mentions).slice(0, 40)}`}
            onClick={() => setMoving(true)}
          >
            <IconArrowsExchange size={14} />
          </ActionIcon>
        )
      }
    >
      {entry.type === 'support_chat' ? (
        <ChatCard entry={entry} />
      ) : entry.type === 'task' ? (
        <TaskEntry entry={entry} />
      ) : entry.type === 'email_sent' || entry.type === 'email_received' ? (
        <MailEntry entry={entry} customerId={customerId} onChanged={onChanged} />
      ) : (
        <EditableWords entry={entry} onChanged={onChanged} />
      )}
      {entry.shared_notes && (
        <p className={classes.words}>
          <span className={classes.fact}>Notes:</span> {entry.shared_notes}
        </p>
      )}
      {files.length > 0 && <SentFiles files={files} />}
      {move && <MovedHere move={move} undo={mayMove ? () => moveBack(move.id) : undefined} />}
      {isMoving && <MoveActivity entry={entry} onMoved={onMoved} onClose={() => setMoving(false)} />}
    </Item>
  );
}

/** A custom field keeps the label that it had at that time. */
const nameChanged = ({ field, label }: FieldChange): string => label ?? nameField(field);

const dealWords: Record<DealEntry['change'], [word: string, tone: Tone]> = {
  created: ['Deal created', 'accent'],
  moved: ['Deal moved', 'accent'],
  won: ['Deal won', 'good'],
  lost: ['Deal lost', 'bad'],
  reopened: ['Deal reopened', 'warn'],
  edited: ['Deal changed', 'plain'],
  contact_added: ['Added to a deal', 'accent'],
  contact_changed: ['Another part in a deal', 'plain'],
  contact_removed: ['Removed from a deal', 'warn'],
};

function DealItem({ entry }: { entry: DealEntry }) {
  // The server may be newer than this page, and tell of changes that it has no word for.
  const [word, tone] = dealWords[entry.change] ?? dealWords.edited;
  const isHanded = entry.change === 'edited' && entry.changes.every(({ field }) => field === 'customer');
  const [only] = entry.changes;
  const part = entry.change === 'contact_added' && !isNothing(only?.new) ? showChanged(only?.new) : undefined;
  const shown = ['created', 'contact_added', 'contact_removed'].includes(entry.change) ? [] : entry.changes;
  return (
    <Item
      entry={entry}
      icon={<IconCash size={15} />}
      title={<Tag tone={tone}>{isHanded ? 'Another primary contact' : word}</Tag>}
    >
      <p className={classes.words}>
        <Link to="/deals/$id" params={{ id: String(entry.deal.id) }}>
          {entry.deal.name}
        </Link>
        {entry.contact && !entry.customer && <span className={classes.fact}> · {entry.contact.name}</span>}
      </p>
      {shown.length > 0 && <Changes changes={shown} />}
      {part && <p className={classes.fact}>as {part}</p>}
    </Item>
  );
}

function Changes({ changes }: { changes: FieldChange[] }) {
  return (
    <ul className={classes.changes}>
      {changes.map((change) => (
        <li key={change.field}>
          {changes.length > 1 && <span className={classes.field}>{nameChanged(change)} </span>}
          {isNothing(change.old) ? (
            <span className={classes.field}>nothing</span>
          ) : (
            <del>{showChanged(change.old)}</del>
          )}
          <span aria-hidden> → </span>
          <span className={classes.unseen}> became </span>
          <ins>{showChanged(change.new)}</ins>
        </li>
      ))}
    </ul>
  );
}

type ItemProps = {
  entry: TimelineEntry;
  icon: ReactNode;
  title: ReactNode;
  isStrong?: boolean;
  isSought?: boolean;
  /** What can be done with it. */
  action?: ReactNode;
  children: ReactNode;
};

function Item({ entry, icon, title, isStrong = false, isSought = false, action, children }: ItemProps) {
  const { app, actor, occurred_at } = entry;
  return (
    <li className={classes.entry} data-app={app} data-strong={isStrong} data-sought={isSought} data-entry={entry.id}>
      <span className={classes.icon} aria-hidden>
        {icon}
      </span>
      <div className={classes.body}>
        <div className={classes.line}>
          <span className={classes.title}>{title}</span>
          {entry.customer && (
            <Link to="/customers/$id" params={{ id: entry.customer.id }} className={classes.customer}>
              {entry.customer.name ?? 'A customer'}
            </Link>
          )}
          <span className={classes.who}>
            {actor?.name ?? nameApp(app)}
            {actor && app === 'support' && ' in Support'}
          </span>
          <time dateTime={occurred_at} title={formatMoment(occurred_at)} className={classes.time}>
            {formatTime(occurred_at)}
          </time>
          {action}
        </div>
        {children}
      </div>
    </li>
  );
}
