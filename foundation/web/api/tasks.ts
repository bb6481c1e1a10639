import { listOptions } from '@aether/ui/lists.ts';
import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import { activities, tasks } from './clients.ts';
import { beginOf } from './days.ts';

export type TaskFilters = {
  /** Those of the signed-in person. */
  isMine?: boolean;
  /** Id of the user who is to do them. */
  person?: string;
  customer_id?: string;
  state?: 'open' | 'done';
  /** Days: the first that counts, and the first that no more does. */
  from?: string;
  before?: string;
};

/** Tasks: open ones by due date, done ones the last done first. */
export const tasksQuery = ({ isMine, person, customer_id, state = 'open', from, before }: TaskFilters) =>
  listOptions(['tasks', isMine, person, customer_id, state, from, before] as const, (cursor, signal) => {
    const whose = { mine: isMine ? ('true' as const) : undefined, person, customer_id };
    const query = { ...whose, state, due_from: beginOf(from), due_before: beginOf(before), cursor, limit: '50' };
    return read(activities.$get({ query }, { init: { signal } }));
  });

/** At least so often a reminder is looked for, also if this page's clock was asleep. */
const askedEachMs = 60_000;

/** What waits for the signed-in person. @param tomorrow the day up to which a task counts as due */
export const waitingQuery = (tomorrow: string) =>
  queryOptions({
    queryKey: ['tasks', 'waiting', tomorrow],
    queryFn: ({ signal }) =>
      read(tasks.waiting.$get({ query: { due_before: beginOf(tomorrow) ?? '' } }, { init: { signal } })),
    refetchInterval: ({ state: { data } }) => {
      const until = data?.next_reminder_at ? new Date(data.next_reminder_at).getTime() - Date.now() : askedEachMs;
      return Math.min(Math.max(until, 1_000), askedEachMs);
    },
    // A desktop notification is for whoever looks elsewhere.
    refetchIntervalInBackground: true,
  });
