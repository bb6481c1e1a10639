import { queryOptions } from '@tanstack/react-query';
import { call } from './call.ts';
import type { Agent, Availability, OwnAgent, StaffUser } from './records.ts';

/** Who the person signed in is as an agent, if they are one. */
export const ownAgentQuery = queryOptions({
  queryKey: ['own-agent'],
  staleTime: 60_000,
  queryFn: ({ signal }) => call<{ agent: OwnAgent | null; is_admin: boolean }>('GET', 'agents/me', { signal }),
});

export const agentsQuery = queryOptions({
  queryKey: ['agents'],
  queryFn: ({ signal }) => call<{ agents: Agent[] }>('GET', 'agents', { signal }),
});

export const usersQuery = queryOptions({
  queryKey: ['users'],
  queryFn: ({ signal }) => call<{ users: StaffUser[] }>('GET', 'users', { signal }),
});

export const addAgent = (user_id: string) => call<unknown>('POST', 'agents', { body: { user_id } });
export const changeAgent = (id: string, body: { availability?: Availability; is_active?: boolean }) =>
  call<unknown>('PATCH', `agents/${id}`, { body });
