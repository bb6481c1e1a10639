import { listOptions } from '@aether/ui/lists.ts';
import { read } from '@aether/ui/request.ts';
import { infiniteQueryOptions } from '@tanstack/react-query';
import { changedActivities, companyTimelines, timelines } from './clients.ts';
import { beginOf } from './days.ts';
import type { ActivityChange, NewActivity, NewCompanyActivity, TimelineEntry } from './records.ts';

export type TimelineFilters = {
  kind?: 'activity' | 'deal' | 'field';
  type?: string;
  app?: 'foundation' | 'support';
  person?: string;
  /** Days. */
  since?: string;
  until?: string;
  deal?: number;
};

/** Whose timeline: a customer's, or that of a company and all its customers. */
export type TimelineOf = { kind: 'customer' | 'company'; id: string };

type Page = { entries: TimelineEntry[]; next_cursor: string | null };

/** A page of a timeline; without a cursor, the newest page. */
export const fetchTimeline = (
  { kind, id }: TimelineOf,
  filters: TimelineFilters,
  cursor?: string,
  signal?: AbortSignal,
): Promise<Page> => {
  const { since, until, deal, ...rest } = filters;
  const query = { ...rest, since: beginOf(since), until: beginOf(until), cursor, limit: '40' };
  const more = { init: { signal } };
  return kind === 'company'
    ? read(companyTimelines[':id'].timeline.$get({ param: { id }, query }, more))
    : read(timelines[':id'].timeline.$get({ param: { id }, query: { ...query, deal: deal?.toString() } }, more));
};

/** Never fetched again by itself: new entries appear as a count first, and in the list when the person asks for them. */
export const timelineQuery = (of: TimelineOf, filters: TimelineFilters) => ({
  ...listOptions(['timeline', of.id, filters] as const, (cursor, signal) => fetchTimeline(of, filters, cursor, signal)),
  staleTime: Number.POSITIVE_INFINITY,
  gcTime: 0,
});

const saidPage = 100;

/** What was said in the conversation that an entry is about; read anew each time, because Support may have changed its mind. */
export const sharedConversationQuery = (activityId: string) =>
  infiniteQueryOptions({
    queryKey: ['shared-conversation', activityId],
    initialPageParam: 0,
    gcTime: 0,
    queryFn: ({ pageParam, signal }) =>
      read(
        changedActivities[':id'].conversation.$get(
          { param: { id: activityId }, query: { after: `${pageParam}`, limit: `${saidPage}` } },
          { init: { signal } },
        ),
      ),
    getNextPageParam: ({ messages }) => (messages.length === saidPage ? messages.at(-1)?.number : undefined),
  });

export const addActivity = (customerId: string, json: NewActivity) =>
  read(timelines[':id'].activities.$post({ param: { id: customerId }, json }));

export const addCompanyActivity = (companyId: string, json: NewCompanyActivity) =>
  read(companyTimelines[':id'].activities.$post({ param: { id: companyId }, json }));

export const changeActivity = (id: string, json: ActivityChange) =>
  read(changedActivities[':id'].$patch({ param: { id }, json }));
