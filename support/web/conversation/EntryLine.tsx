import { SentFiles } from '@aether/ui/attachments/SentFiles.tsx';
import { formatMoment, formatTime } from '@aether/ui/formats.ts';
import { MoveBack } from '@aether/ui/MovedHere.tsx';
import { Words } from '@aether/ui/mentions/Words.tsx';
import { IconNote } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { movesOfSession, refreshMoved } from '../api/moves.ts';
import type { Entry } from '../api/records.ts';
import classes from './conversation.module.css';
import { describeEntry } from './entries.ts';

/** A note in yellow, or one line about an action. */
export function EntryLine({ entry, sessionId, isSought }: { entry: Entry; sessionId: string; isSought: boolean }) {
  const client = useQueryClient();
  const time = (
    <time dateTime={entry.created_at} title={formatMoment(entry.created_at)}>
      {formatTime(entry.created_at)}
    </time>
  );
  const moveBack = async () => {
    await movesOfSession(sessionId).undo(entry.move?.id ?? '');
    refreshMoved(client);
  };
  if (entry.kind === 'note')
    return (
      <article className={classes.note} data-sought={isSought}>
        <div className={classes.by}>
          <IconNote size={14} aria-hidden />
          <span className={classes.author}>{entry.agent?.name ?? 'Somebody'}</span>
          <span>note, unseen by the visitor</span>
          {time}
        </div>
        <div className={classes.words}>
          <Words text={entry.body ?? ''} mentions={entry.mentions} />
          {entry.files && <SentFiles files={entry.files} />}
        </div>
      </article>
    );
  return (
    <div className={classes.done} data-sought={isSought}>
      <span>
        {describeEntry(entry)} {time}
      </span>
      {entry.body && entry.kind !== 'snoozed' && entry.kind !== 'expired' && (
        <span className={classes.doneBody}>
          <Words text={entry.body} mentions={entry.mentions} />
        </span>
      )}
      {entry.move?.is_latest && <MoveBack undo={moveBack} />}
    </div>
  );
}
