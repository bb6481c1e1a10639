import { Button, SegmentedControl } from '@mantine/core';
import { IconChecks, IconInbox } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useRef } from 'react';
import { useKeys } from '../Keys.tsx';
import { ErrorNotice, Nothing } from '../Notice.tsx';
import { Picker } from '../Picker.tsx';
import { PageHead } from '../Shell.tsx';
import { showDone, showRefusal, showUndo } from '../toasts.tsx';
import { Waiting } from '../Waiting.tsx';
import { type Notice, noticesQuery, readAll } from './calls.ts';
import classes from './inbox.module.css';
import { NoticeRow } from './NoticeRow.tsx';
import type { Apps } from './places.ts';
import { type InboxSearch, kinds } from './search.ts';
import { useUnread } from './useInbox.ts';
import { useMarks } from './useMarks.ts';

const kindNames = {
  mention: 'Mentions',
  assignment: 'Assignments',
  handover: 'Handed conversations',
  task: 'Due tasks',
  deadline: 'Targets soon missed',
};

type InboxPageProps = {
  own: Notice['app'];
  apps: Apps;
  search: InboxSearch;
  onSearch: (search: InboxSearch) => void;
};

/** What colleagues and the clock have told the person. J and K move through it, Enter opens, E puts away, U makes unread. */
export function InboxPage({ own, apps, search, onSearch }: InboxPageProps) {
  const { kind, state = 'open' } = search;
  const query = noticesQuery({ state, kind });
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(query);
  const unread = useUnread()?.unread ?? 0;
  const list = useRef<HTMLUListElement>(null);
  const { mark, asMarked, inTurn, refresh } = useMarks();
  const notices = asMarked(data?.pages.flatMap((page) => page.notices) ?? [], state);

  const rowsHere = () => [...(list.current?.querySelectorAll<HTMLElement>('[data-notice]') ?? [])];
  const focusAt = (place: number) => {
    const rows = rowsHere();
    const row = rows[Math.min(Math.max(place, 0), rows.length - 1)];
    row?.focus();
    row?.scrollIntoView({ block: 'nearest' });
  };
  const placeNow = () => rowsHere().findIndex((row) => row.parentElement?.contains(document.activeElement));
  const here = () => notices.find(({ id }) => id === rowsHere()[placeNow()]?.dataset.notice);

  const putAway = (notice: Notice, isDone = state === 'open') => {
    const place = placeNow();
    mark({ id: notice.id, is_done: isDone }, { is_done: isDone }).then(
      () =>
        showUndo({
          message: isDone ? 'Put away.' : 'It is in the inbox again.',
          undo: () => mark({ id: notice.id, is_done: !isDone }, { is_done: !isDone, is_read: notice.read_at !== null }),
        }),
      (refusal) => showRefusal('The notice was not changed', refusal),
    );
    if (place >= 0) requestAnimationFrame(() => focusAt(place));
  };
  const turn = (notice: Notice, isRead = notice.read_at === null) =>
    void mark({ id: notice.id, read_at: isRead ? new Date().toISOString() : null }, { is_read: isRead }).catch(
      (refusal) => showRefusal('The notice was not changed', refusal),
    );
  const turnAll = async () => {
    try {
      const { changed, undo } = await inTurn(() => readAll(kind));
      void refresh();
      if (changed === 0) showDone('Everything was read already.');
      else
        showUndo({
          message: changed === 1 ? 'One notice is read.' : `${changed} notices are read.`,
          undo: () => inTurn(undo).then(refresh),
        });
    } catch (refusal) {
      showRefusal('Not all notices are read', refusal);
    }
  };
  const withHere = (act: (notice: Notice) => void) => () => {
    const notice = here();
    if (notice) act(notice);
  };
  useKeys([
    { keys: 'j', label: 'Next notice; Enter opens it', group: 'Inbox', run: () => focusAt(placeNow() + 1) },
    { keys: 'k', label: 'Notice before', group: 'Inbox', run: () => focusAt(placeNow() - 1) },
    { keys: 'e', label: 'Put away, or take out again', group: 'Inbox', run: withHere((each) => putAway(each)) },
    { keys: 'u', label: 'Unread, or read', group: 'Inbox', run: withHere((each) => turn(each)) },
    { keys: 'a', label: 'All are read', group: 'Inbox', run: () => void turnAll() },
  ]);

  return (
    <>
      <PageHead title="Inbox">
        <Picker
          aria-label="Which notices"
          w={190}
          clearable
          placeholder="All notices"
          data={kinds.map((value) => ({ value, label: kindNames[value] }))}
          value={kind ?? null}
          onChange={(value) => {
            const { kind: _, ...rest } = search;
            const next = kinds.find((each) => each === value);
            onSearch({ ...rest, ...(next && { kind: next }) });
          }}
        />
        <SegmentedControl
          aria-label="Open or put away"
          data={[
            { value: 'open', label: 'Open' },
            { value: 'done', label: 'Done' },
          ]}
          value={state}
          onChange={(value) => {
            const { state: _, ...rest } = search;
            onSearch(value === 'done' ? { ...rest, state: 'done' } : rest);
          }}
        />
        {state === 'open' && (
          <Button
            variant="default"
            leftSection={<IconChecks size={15} />}
            disabled={unread === 0}
            onClick={() => void turnAll()}
          >
            All read
          </Button>
        )}
      </PageHead>
      <div className={classes.page}>
        {!data && !error && <Waiting lines={8} height={34} />}
        {error && !data && <ErrorNotice title="The inbox could not be loaded" error={error} onRetry={refetch} />}
        {data && notices.length === 0 && (
          <Nothing
            icon={<IconInbox size={28} />}
            title={state === 'done' ? 'Nothing is put away' : kind ? 'Nothing of this kind' : 'Your inbox is empty'}
          >
            {state === 'done'
              ? 'What you put away stays here for 30 days.'
              : 'Mentions, what colleagues give you, and tasks that are due come here by themselves.'}
          </Nothing>
        )}
        {notices.length > 0 && (
          <ul ref={list} className={classes.rows} aria-label="Notices">
            {notices.map((notice) => (
              <NoticeRow
                key={notice.id}
                notice={notice}
                own={own}
                apps={apps}
                onOpen={() => notice.read_at === null && turn(notice, true)}
                onPutAway={() => putAway(notice)}
                onTurn={() => turn(notice)}
              />
            ))}
          </ul>
        )}
        {hasNextPage && (
          <Button variant="default" mt="md" loading={isFetchingNextPage} onClick={() => fetchNextPage()}>
            Show more
          </Button>
        )}
      </div>
    </>
  );
}
