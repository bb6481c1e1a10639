import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button } from '@mantine/core';
import { useIntersection } from '@mantine/hooks';
import { IconArrowUp, IconHistory } from '@tabler/icons-react';
import { type ReactNode, type RefObject, useEffect, useEffectEvent, useRef, useState } from 'react';
import type { TimelineEntry } from '../api/records.ts';
import type { TimelineFilters, TimelineOf } from '../api/timeline.ts';
import { useMe } from '../shell/person.ts';
import { Composer } from './Composer.tsx';
import { Entry } from './Entry.tsx';
import { groupByDay } from './stream.ts';
import classes from './timeline.module.css';
import { useTimeline } from './useTimeline.ts';

/** Within this distance from the top, the person's own new entry can appear without a jump. */
const topPx = 60;

type TimelineProps = {
  of: TimelineOf;
  filters: TimelineFilters;
  /** New entries written here belong to this deal. */
  dealId?: number;
  /** The entry to which it scrolls, and its time. `seek` shows the entries of that time, if they are far down. */
  sought?: { id: string; at: string | undefined; seek: () => void };
  /** Shown above the list. */
  children?: ReactNode;
};

/** The timeline of a customer, or of a company and all its customers, newest first. Entries that arrive during reading wait behind a pill. */
export function Timeline({ of, filters, dealId, sought, children }: TimelineProps) {
  const me = useMe();
  const scroller = useRef<HTMLDivElement>(null);
  const { query, entries, fresh, look, show } = useTimeline(of, filters);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  const { ref: end, entry: endInSight } = useIntersection({ rootMargin: '600px' });
  const isEndInSight = endInSight?.isIntersecting === true;
  useEffect(() => {
    if (isEndInSight && hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [isEndInSight, hasNextPage, isFetchingNextPage, fetchNextPage]);
  useSought(sought, query, entries, scroller);
  useEffect(() => {
    const isOwn = fresh.length > 0 && fresh.every(({ actor, app }) => actor?.id === me.id && app === 'foundation');
    if ((isOwn && (scroller.current?.scrollTop ?? 0) < topPx) || (fresh.length > 0 && entries.length === 0))
      void show();
  }, [fresh, entries.length, me.id, show]);
  const showFresh = async () => {
    await show();
    scroller.current?.scrollTo({ top: 0 });
  };
  const isFiltered = Object.entries(filters).some(([name, value]) => name !== 'deal' && value);
  return (
    <>
      {children}
      <div ref={scroller} className={classes.scroller}>
        {!me.isReader && <Composer of={of} dealId={dealId} onAdded={look} />}
        <div className={classes.live} role="status">
          {fresh.length > 0 && (
            <Button size="compact-sm" radius="xl" leftSection={<IconArrowUp size={14} />} onClick={showFresh}>
              {fresh.length} new
            </Button>
          )}
        </div>
        {query.isPending && <Waiting />}
        {query.error && (
          <ErrorNotice title="The timeline could not be loaded" error={query.error} onRetry={query.refetch} />
        )}
        {query.data && entries.length === 0 && (
          <Nothing
            icon={<IconHistory size={28} />}
            title={isFiltered ? 'Nothing is like that' : 'Nothing happened yet'}
          >
            {isFiltered
              ? 'Take a filter away to see more.'
              : `${me.isReader ? '' : 'Write down a call or a note above. '}${
                  of.kind === 'customer'
                    ? 'Chats, deals and changes appear by themselves.'
                    : 'What happens with the customers of the company appears by itself.'
                }`}
          </Nothing>
        )}
        {groupByDay(entries).map(({ day, entries: ofDay }) => (
          <section key={day} aria-label={day}>
            <h3 className={classes.day}>{day}</h3>
            <ul className={classes.entries}>
              {ofDay.map((entry) => (
                <Entry
                  key={entry.id}
                  entry={entry}
                  customerId={entry.customer?.id ?? of.id}
                  isSought={entry.id === sought?.id}
                  onChanged={look}
                  onMoved={show}
                />
              ))}
            </ul>
          </section>
        ))}
        <div ref={end} className={classes.end}>
          {isFetchingNextPage && <Waiting lines={3} />}
          {!hasNextPage && entries.length > 8 && 'This is where it began.'}
        </div>
      </div>
    </>
  );
}

/** After so many pages the sought entry is looked for by its day. */
const soughtPagesMax = 20;

/** Loads the timeline as far as the sought entry, and scrolls to it once. */
function useSought(
  sought: TimelineProps['sought'],
  { data, hasNextPage, isFetchingNextPage, fetchNextPage }: ReturnType<typeof useTimeline>['query'],
  entries: TimelineEntry[],
  scroller: RefObject<HTMLDivElement | null>,
): void {
  const [reached, setReached] = useState('');
  const isShown = sought !== undefined && entries.some(({ id }) => id === sought.id);
  const { id = '', at = '' } = sought ?? {};
  const pages = data?.pages.length ?? 0;
  const isBehind = !isShown && pages > 0 && hasNextPage && (entries.at(-1)?.occurred_at ?? '') >= at;
  const seek = useEffectEvent(() => sought?.seek());
  useEffect(() => {
    if (id === '' || id === reached || !isBehind || isFetchingNextPage) return;
    if (pages < soughtPagesMax) void fetchNextPage();
    else if (pages === soughtPagesMax) seek();
  }, [id, reached, isBehind, isFetchingNextPage, fetchNextPage, pages]);
  useEffect(() => {
    if (!isShown || id === reached) return;
    setReached(id);
    const find = () => scroller.current?.querySelector(`[data-entry="${CSS.escape(id)}"]`);
    find()?.scrollIntoView({ block: 'center' });
    // What comes into sight gets its own height, and moves the rest.
    requestAnimationFrame(() => find()?.scrollIntoView({ block: 'center' }));
  }, [id, isShown, reached, scroller]);
}
