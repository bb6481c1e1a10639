import { Problem } from '@aether/http';
import type { Queryable, User } from '@aether/platform';

/** The agent who this user is; undefined when nobody acts. @throws Problem when the user is no agent */
export async function findAgent(on: Queryable, user: User | undefined): Promise<{ id: string } | undefined> {
  if (!user) return undefined;
  const [agent] = await on.query<{ id: string }>('select id from support.agents where user_id = $1', [user.id]);
  if (!agent) {
    throw new Problem({
      status: 403,
      code: 'agent-only',
      detail: 'Only a support agent may do this. Ask an administrator to make you one.',
    });
  }
  return agent;
}
