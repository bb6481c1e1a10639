import { whenLoaded } from '@aether/ui/client.ts';
import type { LiveEvent } from '@aether/ui/live.ts';
import { type InfiniteData, useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
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

/**
 * An event does not say which company its customer is of, so a company's page looks after any of them; a customer's page looks after the
 * deals of others in which the customer has a part. Not more often than this.
 */
const looksSometimeMs = 3_000;

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
    /** Of a deal that the page shows: of one with another contact, or of another contact of it. */
    const isOfPart = ({ type, row_id, data, previous }: LiveEvent) => {
      const deal = type.startsWith('deal.') ? row_id : ({ ...previous, ...data }.deal_id ?? undefined);
      if (deal === undefined) return false;
      if (`${deal}` === `${JSON.parse(applied).deal}`) return true;
      return client
        .getQueriesData<InfiniteData<{ deals: { id: number }[] }>>({ queryKey: ['deals', { contact_id: ofId }] })
        .some(([, list]) => list?.pages.some(({ deals }) => deals.some(({ id }) => `${id}` === `${deal}`)));
    };
    let isDue = false;
    const lookSometime = () => {
      if (isDue) return;
      isDue = true;
      timers = [
        setTimeout(() => {
          isDue = false;
          void look();
        }, looksSometimeMs),
      ];
    };
    const unfollow = liveFeed.follow((event) => {
      if (kind === 'company') {
        if (!event) return lookSometime();
        const own = event.key === ofId || { ...event.previous, ...event.data }.company_id === ofId;
        if (own && !event.customer) lookLater(looksMs);
        else if (event.customer || event.type.startsWith('customer.')) lookSometime();
      } else if (!event || event.customer === ofId) lookLater(looksMs);
      else if (isOfPart(event)) lookSometime();
    });
    return () => {
      for (const timer of timers) clearTimeout(timer);
      unfollow();
    };
  }, [applied, client, kind, ofId, look]);

  const entries = query.data?.pages.flatMap((page) => page.entries) ?? [];
  const fresh = waiting?.queryKey === queryKey ? waiting.entries : noEntries;
  return { query, entries, fresh, look, show };
}

const noEntries: TimelineEntry[] = [];
