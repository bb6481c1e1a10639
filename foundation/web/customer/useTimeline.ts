import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { liveFeed } from '../api/live.ts';
import type { TimelineEntry } from '../api/records.ts';
import { fetchTimeline, type TimelineFilters, timelineQuery } from '../api/timeline.ts';
import { findFresh, prepend, renew } from './stream.ts';

/** The history is written by a subscription, some moments after the change that it tells of: look twice. */
const looksMs = [250, 2_000];

type Fresh = { queryKey: unknown; entries: TimelineEntry[] };

/** A customer's timeline, and beside it what came since and waits to be shown. */
export function useTimeline(customerId: string, filters: TimelineFilters) {
  const client = useQueryClient();
  const applied = JSON.stringify(filters);
  const options = useMemo(() => timelineQuery(customerId, JSON.parse(applied)), [customerId, applied]);
  const { queryKey } = options;
  const query = useInfiniteQuery(options);
  const [waiting, setWaiting] = useState<Fresh | undefined>();

  const show = useCallback(
    (entries: TimelineEntry[]) => {
      client.setQueryData(queryKey, (data) => data && { ...data, pages: prepend(data.pages, entries) });
      setWaiting(undefined);
    },
    [client, queryKey],
  );

  const look = useCallback(async () => {
    const [, id, asked] = queryKey;
    const head = await fetchTimeline(id, asked).catch(() => undefined);
    if (!head) return;
    client.setQueryData(queryKey, (data) => data && { ...data, pages: renew(data.pages, head.entries) });
    const pages = client.getQueryData(queryKey)?.pages;
    if (pages) setWaiting({ queryKey, entries: findFresh(pages, head.entries) });
  }, [client, queryKey]);

  useEffect(() => {
    let timers: ReturnType<typeof setTimeout>[] = [];
    const unfollow = liveFeed.follow((event) => {
      if (event && event.key !== customerId) return;
      for (const timer of timers) clearTimeout(timer);
      timers = looksMs.map((ms) => setTimeout(() => void look(), ms));
    });
    return () => {
      for (const timer of timers) clearTimeout(timer);
      unfollow();
    };
  }, [customerId, look]);

  const entries = query.data?.pages.flatMap((page) => page.entries) ?? [];
  const fresh = waiting?.queryKey === queryKey ? waiting.entries : noEntries;
  return { query, entries, fresh, look, show };
}

const noEntries: TimelineEntry[] = [];
