import type { FindPeople } from '@aether/ui/mentions/useMentioning.ts';
import { read } from '@aether/ui/request.ts';
import { mentionable } from './clients.ts';

/** Who may read a conversation can be mentioned in its notes. */
export const readersToMention = (id: string): FindPeople => ({
  of: [id],
  find: (search, signal) =>
    read(mentionable[':id'].mentionable.$get({ param: { id }, query: { search } }, { init: { signal } })),
});
