import { refuseFields } from '@aether/http';
import type { Queryable, User } from '@aether/platform';

/** The agent who this user is; undefined when nobody acts. @throws Problem when the user is no agent */
export async function findAgent(on: Queryable, user: User | undefined): Promise<{ id: string } | undefined> {
  if (!user) return undefined;
  const [agent] = await on.query<{ id: string }>('select id from support.agents where user_id = $1', [user.id]);
  if (!agent) throw refuseFields([{ field: 'X-Aether-Actor', in: 'header', message: 'must be a support agent' }]);
  return agent;
}
