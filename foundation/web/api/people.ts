import type { FindPeople } from '@aether/ui/mentions/useMentioning.ts';
import { read } from '@aether/ui/request.ts';
import { mentionable } from './clients.ts';

/** Everybody of staff can be mentioned in what is written about customers. */
export const staffToMention: FindPeople = {
  of: [],
  find: (search, signal) => read(mentionable.mentionable.$get({ query: { search } }, { init: { signal } })),
};
