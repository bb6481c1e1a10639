import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import { teams } from './clients.ts';
import type { NewTeam, TeamChange } from './records.ts';

export const teamsQuery = queryOptions({
  queryKey: ['teams'],
  queryFn: ({ signal }) => read(teams.$get({}, { init: { signal } })),
});

const of = (id: string) => ({ param: { id } });

export const createTeam = (json: NewTeam) => read(teams.$post({ json }));

/** @throws Refusal with `isConflict` when it has changed since the `expected_version`. */
export const changeTeamOf = (id: string, json: TeamChange) => read(teams[':id'].$patch({ ...of(id), json }));

export const deleteTeam = (id: string) => read(teams[':id'].$delete(of(id)));
