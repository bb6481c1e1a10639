import { CsvLink } from '@aether/ui/CsvLink.tsx';
import { useKeys } from '@aether/ui/Keys.tsx';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { lazyDialog, lazyPage } from '@aether/ui/parts/lazy.tsx';
import { useSelection } from '@aether/ui/useSelection.ts';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { ActionIcon, Button, CloseButton, NativeSelect, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconArrowUp, IconBookmarkPlus, IconMoodSmile, IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useEffectEvent, useRef, useState } from 'react';
import type { View } from '../api/records.ts';
import { tagsQuery } from '../api/tags.ts';
import { teamsQuery } from '../api/teams.ts';
import { savedViewsQuery } from '../api/views.ts';
import { useMe } from '../shell/person.ts';
import classes from './desk.module.css';
import { InboxRow } from './InboxRow.tsx';
import { priorities, priorityNames } from './priorities.ts';
import { type DeskSearch, dues, viewNames, writeDeskSearch } from './search.ts';
import { useInbox } from './useInbox.ts';

/** Loaded when something is chosen. */
const InboxBar = lazyPage(() => import('./InboxBar.tsx'), 'InboxBar', 'panel');

const SaveView = lazyDialog(() => import('./SaveView.tsx'), 'SaveView');

const emptyWords: Record<View, [title: string, words: string]> = {
  mine: ['Nothing is yours to do', 'Claim a conversation under Unassigned, or wait: it appears here by itself.'],
  unassigned: ['Nobody waits', 'Every conversation has an agent. New ones appear here by themselves.'],
  all: ['No conversation is open', 'When a visitor writes, it appears here by itself.'],
  bot: ['The bot talks to nobody', 'Conversations that a chatbot leads appear here; you can step in at any time.'],
  snoozed: ['Nothing is snoozed', 'What you snooze waits here, and comes back by itself.'],
  ended: ['Nothing has ended yet', 'Ended conversations are kept here.'],
};

const readersWords = ['A reader has no conversations', 'Those of your teams are under All.'] as const;

type InboxListProps = { search: DeskSearch; openId: string | undefined };

/** The conversations of a view. J and K or the arrows move through the list, Enter opens. */
export function InboxList({ search, openId }: InboxListProps) {
  const me = useMe();
  const { view = 'mine', search: words, widget, tag, priority, order, due } = search;
  const inbox = useInbox({ view, search: words, widget, tag, priority, order, due });
  const { data, error, refetch, hasNextPage, isFetchingNextPage, fetchNextPage } = inbox.query;
  const list = useRef<HTMLUListElement>(null);
  const end = useRef<HTMLDivElement>(null);

  const ids = inbox.rows.map(({ session }) => session.id);
  const selection = useSelection(JSON.stringify([view, words, widget, tag, priority, order, due]), ids, undefined);
  const focused = () =>
    list.current?.contains(document.activeElement)
      ? document.activeElement?.closest<HTMLElement>('[data-session]')?.dataset.session
      : undefined;
  const step = (by: number) => {
    const links = [...(list.current?.querySelectorAll<HTMLElement>('a') ?? [])];
    const at = links.indexOf(document.activeElement as HTMLElement);
    const opened = links.findIndex((link) => link.parentElement?.dataset.open === 'true');
    const next = at >= 0 ? at + by : opened >= 0 ? opened + by : 0;
    const link = links[Math.min(Math.max(next, 0), links.length - 1)];
    link?.focus();
    link?.scrollIntoView({ block: 'nearest' });
    inbox.onKey();
  };
  useKeys([
    { keys: 'j', label: 'Next conversation; Enter opens it', group: 'Inbox', run: () => step(1) },
    { keys: 'k', label: 'Conversation before', group: 'Inbox', run: () => step(-1) },
    ...(me.isReader
      ? []
      : [
          {
            keys: 'x',
            label: 'Choose the conversation; Shift and an arrow choose several',
            group: 'Inbox',
            run: () => {
              const id = focused() ?? openId;
              if (id) selection.toggle(id);
            },
          },
        ]),
  ]);
  const walk = useEffectEvent((event: KeyboardEvent) => {
    const isHere = event.target === document.body || list.current?.contains(event.target as Node);
    const by = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (!isHere || by === 0 || event.defaultPrevented) return;
    event.preventDefault();
    const from = event.shiftKey && !me.isReader ? focused() : undefined;
    step(by);
    const to = focused();
    if (from === undefined || to === undefined || from === to) return;
    if (!selection.has(from)) selection.toggle(from);
    selection.extend(to);
  });
  useEffect(() => {
    const listen = (event: KeyboardEvent) => walk(event);
    document.addEventListener('keydown', listen);
    return () => document.removeEventListener('keydown', listen);
  }, []);
  useEffect(() => {
    const mark = end.current;
    if (!mark || !hasNextPage || isFetchingNextPage) return;
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && void fetchNextPage(), {
      rootMargin: '200px',
    });
    observer.observe(mark);
    return () => observer.disconnect();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);

  const [title, advice] = me.isReader && view === 'mine' ? readersWords : emptyWords[view];
  const isFiltered = Boolean(words || tag || priority || due);
  return (
    <section className={classes.list} aria-label={`Conversations: ${viewNames[view]}`}>
      <ListHead search={search} />
      <div className={classes.scroller}>
        {error && !data && <ErrorNotice title="The inbox could not be loaded" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting lines={8} height={40} />}
        {data && inbox.rows.length === 0 && (
          <Nothing icon={<IconMoodSmile size={28} />} title={isFiltered ? 'No conversation is like that' : title}>
            {isFiltered ? 'Names, addresses and telephone numbers are searched, in this view only.' : advice}
          </Nothing>
        )}
        {inbox.rows.length > 0 && (
          <ul
            ref={list}
            className={classes.rows}
            data-choosing={selection.keys.size > 0}
            onPointerEnter={(event) => event.pointerType === 'mouse' && inbox.onPointerEnter()}
            onPointerLeave={inbox.onPointerLeave}
          >
            {inbox.rows.map((row) => (
              <InboxRow
                key={row.session.id}
                row={row}
                ownAgentId={me.agent?.id ?? ''}
                isOpen={row.session.id === openId}
                search={search}
                isChosen={selection.has(row.session.id)}
                onChoose={
                  me.isReader ? undefined : (isRange) => (isRange ? selection.extend : selection.toggle)(row.session.id)
                }
              />
            ))}
          </ul>
        )}
        <div ref={end} className={classes.end}>
          {isFetchingNextPage && 'Loading more…'}
        </div>
      </div>
      {selection.keys.size > 0 && <InboxBar selection={selection} />}
      {inbox.isHeld && (
        <Button
          className={classes.news}
          variant="light"
          leftSection={<IconArrowUp size={14} />}
          onPointerEnter={inbox.onPointerEnter}
          onPointerLeave={inbox.onPointerLeave}
          onClick={inbox.showNow}
          title="The list is held still while you are in it"
        >
          {inbox.news > 0 ? `Show ${inbox.news} new` : 'Sort again'}
        </Button>
      )}
    </section>
  );
}

function ListHead({ search }: { search: DeskSearch }) {
  const me = useMe();
  const navigate = useNavigate();
  const { view = 'mine' } = search;
  const [typed, setTyped] = useState(search.search ?? '');
  const input = useRef<HTMLInputElement>(null);
  const go = (part: Partial<DeskSearch>) =>
    void navigate({ to: '.', search: (before: DeskSearch) => ({ ...before, ...part }), replace: true });
  const tell = useDebouncedCallback((words: string) => go({ search: words.trim() || undefined }), 180);
  const type = (words: string) => {
    setTyped(words);
    tell(words);
  };
  useKeys([{ keys: 'f', label: 'Search this list', group: 'Inbox', run: () => input.current?.focus() }]);
  const widgets = me.agent?.widgets ?? [];
  const { data: tagged } = useQuery(tagsQuery);
  const tags = tagged?.tags ?? [];
  const { data: known } = useQuery(teamsQuery);
  const hasTargets = known?.teams.some(({ targets }) => targets !== null);
  const { data: saved } = useQuery(savedViewsQuery);
  const [isSaving, setSaving] = useState(false);
  const now = writeDeskSearch(search);
  const isFiltered = search.search || search.widget || search.tag || search.priority || search.order || search.due;
  const isNew = Boolean(isFiltered && saved && !saved.views.some(({ query }) => query === now));
  return (
    <div className={classes.head}>
      <h1 className={classes.title}>{viewNames[view]}</h1>
      <TextInput
        ref={input}
        type="search"
        aria-label="Search name or address"
        placeholder="Search"
        className={classes.search}
        leftSection={<IconSearch size={15} />}
        rightSection={typed && <CloseButton size="xs" aria-label="Empty the search" onClick={() => type('')} />}
        value={typed}
        onChange={(event) => type(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') type('');
          if (event.key === 'Enter' || event.key === 'Escape') input.current?.blur();
        }}
      />
      {widgets.length > 1 && (
        <NativeSelect
          aria-label="Widget"
          value={search.widget ?? ''}
          data={[{ value: '', label: 'All widgets' }, ...widgets.map(({ id, name }) => ({ value: id, label: name }))]}
          onChange={(event) => go({ widget: event.currentTarget.value || undefined })}
        />
      )}
      {(tags.length > 0 || search.tag !== undefined) && (
        <NativeSelect
          aria-label="Tag"
          value={search.tag ?? ''}
          data={[
            { value: '', label: 'All tags' },
            ...tags.map(({ id, name }) => ({ value: String(id), label: name })),
            // An address or a saved view can name one that was removed: the list is empty for it, and says why.
            ...(tagged && search.tag && !tags.some(({ id }) => id === search.tag)
              ? [{ value: String(search.tag), label: 'A removed tag' }]
              : []),
          ]}
          onChange={(event) => go({ tag: Number(event.currentTarget.value) || undefined })}
        />
      )}
      <NativeSelect
        aria-label="Priority"
        value={search.priority ?? ''}
        data={[
          { value: '', label: 'All priorities' },
          ...priorities.toReversed().map((each) => ({ value: each, label: priorityNames[each] })),
        ]}
        onChange={(event) => go({ priority: priorities.find((each) => each === event.currentTarget.value) })}
      />
      {(hasTargets || search.order || search.due) && (
        <NativeSelect
          aria-label="Targets"
          value={search.due ?? search.order ?? ''}
          data={[
            { value: '', label: 'Longest waiting first' },
            { value: 'due', label: 'Next due first' },
            { value: 'next', label: 'Due, next first' },
            { value: 'missed', label: 'Target missed' },
          ]}
          onChange={({ currentTarget: { value } }) =>
            go({ order: value === '' ? undefined : 'due', due: dues.find((each) => each === value) })
          }
        />
      )}
      {isNew && (
        <ActionIcon
          variant="default"
          size={30}
          aria-label="Save this view"
          title="Save this view"
          onClick={() => setSaving(true)}
        >
          <IconBookmarkPlus size={16} />
        </ActionIcon>
      )}
      {isSaving && <SaveView query={now} onClose={() => setSaving(false)} />}
      <CsvLink
        path="/api/conversations.csv"
        filters={{
          view,
          search: search.search,
          widget: search.widget,
          tag: search.tag,
          priority: search.priority,
          due: search.due,
        }}
      />
    </div>
  );
}
