import { meQuery } from '@aether/ui/signin.ts';
import { useSuspenseQuery } from '@tanstack/react-query';
import { ownAgentQuery } from '../api/agents.ts';

/** The signed-in person and their agent row. The root route has loaded both before any page is shown. */
export function useMe() {
  const { data: user } = useSuspenseQuery(meQuery);
  const { data: own } = useSuspenseQuery(ownAgentQuery);
  return {
    ...user,
    agent: own.agent,
    isAdmin: own.is_admin,
    isReader: user.role === 'reader',
    isSteward: user.role === 'admin' || user.role === 'steward',
  };
}
