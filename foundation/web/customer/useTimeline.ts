import { whenLoaded } from '@aether/ui/client.ts';
import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { liveFeed } from '../api/live.ts';
import type { TimelineEntry } from '../api/records.ts';
import { fetchTimeline, type TimelineFilters, type TimelineOf, timelineQuery } from '../api/timeline.ts';
import { findFresh, renew } from './stream.ts';

/** A subscription writes the history shortly after the change, so the page looks twice. */
const looksMs = [250, 2_000];

/** After each event only this many entries of a long list are compared. Showing the new entries reads the whole list. */
const pagesMax = 3;

type Fresh = { queryKey: unknown; entries: TimelineEntry[] };

/** An event does not say which company its customer is of, so a company's page looks after any of them, but not more often than this. */
const companyLooksMs = 3_000;

/** A timeline, and the new entries that wait to be shown. */
export function useTimeline({ kind, id: ofId }: TimelineOf, filters: TimelineFilters) {
  const client = useQueryClient();
  const applied = JSON.stringify(filters);
  const options = useMemo(() => timelineQuery({ kind, id: ofId }, JSON.parse(applied)), [kind, ofId, applied]);
  const { queryKey } = options;
  const query = useInfiniteQuery(options);
  const [waiting, setWaiting] = useState<Fresh | undefined>();

  /** Reads the shown entries again, from the top, so that no new entry is left out. */
  const show = useCallback(async () => {
    await client.refetchQueries({ queryKey, exact: true });
    setWaiting(undefined);
  }, [client, queryKey]);

  const look = useCallback(async () => {
    const [, id, asked] = queryKey;
    await whenLoaded(client.getQueryCache().find({ queryKey, exact: true })).catch(() => {});
    const shown = client.getQueryData(queryKey)?.pages;
    if (!shown) return;
    const read: TimelineEntry[] = [];
    let cursor: string | undefined;
    for (let n = 0; n < Math.min(shown.length, pagesMax); n++) {
      const page = await fetchTimeline({ kind, id }, asked, cursor).catch(() => undefined);
      if (!page) return;
      read.push(...page.entries);
      cursor = page.next_cursor ?? undefined;
      if (!cursor) break;
    }
    client.setQueryData(queryKey, (data) => data && { ...data, pages: renew(data.pages, read) });
    const pages = client.getQueryData(queryKey)?.pages;
    if (pages) setWaiting({ queryKey, entries: findFresh(pages, read, !pages.at(-1)?.next_cursor) });
  }, [client, kind, queryKey]);

  useEffect(() => {
    let timers: ReturnType<typeof setTimeout>[] = [];
    const lookLater = (delays: number[]) => {
      for (const timer of timers) clearTimeout(timer);
      timers = delays.map((ms) => setTimeout(() => void look(), ms));
    };
    let isDue = false;
    const lookSometime = () => {
      if (isDue) return;
      isDue = true;
      timers = [
        setTimeout(() => {
          isDue = false;
          void look();
        }, companyLooksMs),
      ];
    };
    const unfollow = liveFeed.follow((event) => {
      if (kind === 'company') {
        if (!event || event.customer || event.type.startsWith('customer.')) lookSometime();
      } else if (!event || event.customer === ofId) lookLater(looksMs);
    });
    return () => {
      for (const timer of timers) clearTimeout(timer);
      unfollow();
    };
  }, [kind, ofId, look]);

  const entries = query.data?.pages.flatMap((page) => page.entries) ?? [];
  const fresh = waiting?.queryKey === queryKey ? waiting.entries : noEntries;
  return { query, entries, fresh, look, show };
}

const noEntries: TimelineEntry[] = [];
