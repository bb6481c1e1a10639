import { client } from '@aether/ui/client.ts';
import { show, toText } from '@aether/ui/mentions/drafts.ts';
import type { Unsent } from '@aether/ui/unsent.ts';
import { openOutbox } from '@aether/ui/useOutbox.ts';
import { liveFeed } from '../api/live.ts';
import type { NewActivity } from '../api/records.ts';
import { addActivity } from '../api/timeline.ts';

/** Its description is as a draft keeps it, so that it can be edited again. */
type Written = { activity: Omit<NewActivity, 'client_id'> };

export type UnsentActivity = Unsent<Written>;

/** The entries of a customer's timeline that the server has not confirmed, and the actions on them. */
export const { useOutbox, sendUnsent } = openOutbox<Written>({
  name: 'activities',
  feed: liveFeed,
  async deliver({ place, client_id, activity }) {
    await addActivity(place, { ...activity, description: toText(activity.description), client_id });
    void client.invalidateQueries({ queryKey: ['tasks'] });
  },
  wordsOf: ({ activity }) => show(activity.description),
});
