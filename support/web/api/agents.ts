import { readAllPages } from '@aether/ui/lists.ts';
import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import { agents, users } from './clients.ts';
import type { Availability } from './records.ts';

/** The agent row of the signed-in person, if they have one. */
export const ownAgentQuery = queryOptions({
  queryKey: ['own-agent'],
  staleTime: 60_000,
  queryFn: ({ signal }) => read(agents.me.$get({}, { init: { signal } })),
});

export const agentsQuery = queryOptions({
  queryKey: ['agents'],
  refetchInterval: 60_000, // whether a console is open changes without an event
  queryFn: ({ signal }) => read(agents.$get({}, { init: { signal } })),
});

export const usersQuery = queryOptions({
  queryKey: ['users'],
  queryFn: ({ signal }) =>
    readAllPages(
      (cursor) => read(users.$get({ query: { limit: '1000', cursor } }, { init: { signal } })),
      ({ users }) => users,
    ).then((users) => ({ users })),
});

export const addAgent = (user_id: string) => read(agents.$post({ json: { user_id } }));

export const changeAgent = (id: string, json: { availability?: Availability; is_active?: boolean }) =>
  read(agents[':id'].$patch({ param: { id }, json }));

/** Reports that the console is open: without this an online agent soon counts as absent. */
export const tellOpen = () => read(agents.me.seen.$post({ json: {} }));
