import { ActionIcon } from '@mantine/core';
import {
  IconAt,
  IconBell,
  IconCheck,
  IconChecklist,
  IconClockExclamation,
  IconExternalLink,
  IconInbox,
  IconMail,
  IconMailOpened,
  IconMessageForward,
  IconUserCheck,
} from '@tabler/icons-react';
import { useRouter } from '@tanstack/react-router';
import type { MouseEvent } from 'react';
import { formatAgo, formatMoment } from '../formats.ts';
import type { Notice } from './calls.ts';
import classes from './inbox.module.css';
import { type Apps, placeOf } from './places.ts';
import { sayAbout, sayNotice } from './words.ts';

const icons = {
  mention: IconAt,
  assignment: IconUserCheck,
  handover: IconMessageForward,
  task: IconChecklist,
  deadline: IconClockExclamation,
};

type NoticeRowProps = {
  notice: Notice;
  own: Notice['app'];
  apps: Apps;
  onOpen: () => void;
  onPutAway: () => void;
  onTurn: () => void;
};

/** A notice: what happened, what it is about, when. It leads to its record, in this app or the other one. */
export function NoticeRow({ notice, own, apps, onOpen, onPutAway, onTurn }: NoticeRowProps) {
  const router = useRouter();
  const { id, kind, is_reminder, at, read_at, done_at, app } = notice;
  const Icon = is_reminder ? IconBell : icons[kind];
  const place = placeOf(notice, { own, apps });
  const isElsewhere = app !== own;
  const isUnread = read_at === null && done_at === null;
  const said = sayNotice(notice);
  const open = (event: MouseEvent) => {
    onOpen();
    if (isElsewhere || !place || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
      return;
    event.preventDefault();
    router.history.push(place);
  };
  const words = (
    <>
      <span className={classes.icon} aria-hidden>
        <Icon size={16} stroke={1.7} />
      </span>
      <span className={classes.words}>
        <span className={classes.said}>
          {isUnread && <span className={classes.unseen}>Unread: </span>}
          {said}
          {isElsewhere && place && (
            <>
              <IconExternalLink size={13} className={classes.elsewhere} aria-hidden />
              <span className={classes.unseen}>, in {app === 'support' ? 'Support' : 'Foundation'}</span>
            </>
          )}
        </span>
        <span className={classes.about}>
          {isElsewhere || notice.is_readable ? sayAbout(notice) : 'You may no longer read it.'}
        </span>
      </span>
      <time className={classes.when} dateTime={at} title={formatMoment(at)}>
        {formatAgo(at)}
      </time>
    </>
  );
  return (
    <li className={classes.row} data-unread={isUnread}>
      {place ? (
        <a
          className={classes.link}
          href={place}
          data-notice={id}
          onClick={open}
          {...(isElsewhere && { target: '_blank', rel: 'noopener' })}
        >
          {words}
        </a>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the keys of the list reach it
        <div className={classes.link} data-notice={id} tabIndex={0}>
          {words}
        </div>
      )}
      <span className={classes.actions}>
        {done_at === null && (
          <ActionIcon aria-label={isUnread ? `Mark as read: ${said}` : `Mark as unread: ${said}`} onClick={onTurn}>
            {isUnread ? <IconMailOpened size={16} /> : <IconMail size={16} />}
          </ActionIcon>
        )}
        <ActionIcon aria-label={done_at === null ? `Put away: ${said}` : `Take out again: ${said}`} onClick={onPutAway}>
          {done_at === null ? <IconCheck size={16} /> : <IconInbox size={16} />}
        </ActionIcon>
      </span>
    </li>
  );
}
