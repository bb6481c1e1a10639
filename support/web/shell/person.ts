import { meQuery } from '@aether/ui/signin.ts';
import { useSuspenseQuery } from '@tanstack/react-query';
import { ownAgentQuery } from '../api/agents.ts';

/** Who is signed in, and as which agent. The root route has loaded both before any page is shown. */
export function useMe() {
  const { data: user } = useSuspenseQuery(meQuery);
  const { data: own } = useSuspenseQuery(ownAgentQuery);
  return { ...user, agent: own.agent, isAdmin: own.is_admin };
}
