import { formatMoment, formatTime } from '@aether/ui/formats.ts';
import { nameField } from '@aether/ui/refusal.ts';
import { Tag, type Tone } from '@aether/ui/Tag.tsx';
import { IconCash, IconPencil } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { memo, type ReactNode } from 'react';
import type { ActivityEntry, DealEntry, FieldChange, TimelineEntry } from '../api/records.ts';
import { nameApp } from '../record/Provenance.tsx';
import { describeType } from './activitytypes.tsx';
import { ChatCard } from './ChatCard.tsx';
import { EditableWords } from './EditableWords.tsx';
import { isNothing, showChanged } from './showchanged.ts';
import { TaskEntry } from './TaskEntry.tsx';
import classes from './timeline.module.css';

/** One entry of the timeline, of any kind. */
export const Entry = memo(function Entry({ entry, onChanged }: { entry: TimelineEntry; onChanged: () => void }) {
  switch (entry.kind) {
    case 'activity':
      return <ActivityItem entry={entry} onChanged={onChanged} />;
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

function ActivityItem({ entry, onChanged }: { entry: ActivityEntry; onChanged: () => void }) {
  const { label, icon: Icon } = describeType(entry.type);
  return (
    <Item entry={entry} icon={<Icon size={15} />} title={label} isStrong>
      {entry.type === 'support_chat' ? (
        <ChatCard entry={entry} />
      ) : entry.type === 'task' ? (
        <TaskEntry entry={entry} />
      ) : (
        <EditableWords entry={entry} onChanged={onChanged} />
      )}
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
};

function DealItem({ entry }: { entry: DealEntry }) {
  const [word, tone] = dealWords[entry.change];
  return (
    <Item entry={entry} icon={<IconCash size={15} />} title={<Tag tone={tone}>{word}</Tag>}>
      <p className={classes.words}>
        <Link to="/deals/$id" params={{ id: String(entry.deal.id) }}>
          {entry.deal.name}
        </Link>
      </p>
      {entry.change !== 'created' && <Changes changes={entry.changes} />}
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

type ItemProps = { entry: TimelineEntry; icon: ReactNode; title: ReactNode; isStrong?: boolean; children: ReactNode };

function Item({ entry: { app, actor, occurred_at }, icon, title, isStrong = false, children }: ItemProps) {
  return (
    <li className={classes.entry} data-app={app} data-strong={isStrong}>
      <span className={classes.icon} aria-hidden>
        {icon}
      </span>
      <div className={classes.body}>
        <div className={classes.line}>
          <span className={classes.title}>{title}</span>
          <span className={classes.who}>
            {actor?.name ?? nameApp(app)}
            {actor && app === 'support' && ' in Support'}
          </span>
          <time dateTime={occurred_at} title={formatMoment(occurred_at)} className={classes.time}>
            {formatTime(occurred_at)}
          </time>
        </div>
        {children}
      </div>
    </li>
  );
}
