import { Problem } from '@aether/http';
import type { Queryable, User } from '@aether/platform';

/** The active agent who this user is. */
export async function findAgent(on: Queryable, user: User | undefined): Promise<{ id: string } | undefined> {
  if (!user) return undefined;
  const [agent] = await on.query<{ id: string }>('select id from support.agents where user_id = $1 and is_active', [
    user.id,
  ]);
  return agent;
}

/** As `findAgent`, for what only an agent may do. @throws Problem */
export async function requireAgent(on: Queryable, user: User | undefined): Promise<{ id: string }> {
  const agent = await findAgent(on, user);
  if (agent) return agent;
  throw new Problem({
    status: 403,
    code: 'agent-only',
    detail: 'Only a support agent may do this. Ask an administrator to make you one.',
  });
}
