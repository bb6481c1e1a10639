import { client } from '@aether/ui/client.ts';
import { show, toText } from '@aether/ui/mentions/drafts.ts';
import type { Unsent } from '@aether/ui/unsent.ts';
import { openOutbox } from '@aether/ui/useOutbox.ts';
import { liveFeed } from '../api/live.ts';
import type { NewActivity, NewCompanyActivity } from '../api/records.ts';
import { addActivity, addCompanyActivity, type TimelineOf } from '../api/timeline.ts';

/** Its description is as a draft keeps it, so that it can be edited again. */
type Written = { activity: Omit<NewActivity, 'client_id'> };

/** Where entries of a timeline wait. What waits of a customer's has its id alone. */
export const placeOf = ({ kind, id }: TimelineOf): string => (kind === 'company' ? `company:${id}` : id);

export type UnsentActivity = Unsent<Written>;

/** The entries of a timeline that the server has not confirmed, and the actions on them. */
export const { useOutbox, sendUnsent } = openOutbox<Written>({
  name: 'activities',
  feed: liveFeed,
  async deliver({ place, client_id, activity }) {
    const entry = { ...activity, description: toText(activity.description), client_id };
    if (place.startsWith('company:')) {
      const { type, description, occurred_at } = entry;
      const ofCompany = { type: type as NewCompanyActivity['type'], description, occurred_at, client_id };
      await addCompanyActivity(place.slice('company:'.length), ofCompany);
      return;
    }
    await addActivity(place, entry);
    void client.invalidateQueries({ queryKey: ['tasks'] });
  },
  wordsOf: ({ activity }) => show(activity.description),
});
