import { type App, addMovesOf, movesOf } from '@aether/http';
import { NotFound, type PlatformDb, type Queryable, type User } from '@aether/platform';
import { NotYours } from './activities.ts';

const ofActivity = movesOf('/api/activities/{id}', {
  what: 'an activity',
  who: 'An activity that a person wrote in Foundation: its author, data stewards and administrators move it. Support moves its own. What belongs to a deal stays with the deal.',
});

/** Activities that belong to another customer. */
export function addActivityMoveRoutes(app: App, db: PlatformDb) {
  return addMovesOf(app, db, ofActivity, {
    kind: 'activity',
    requireMover: (c, id) => requireMover(db, id, c.get('actor')),
  });
}

/** The author of an activity moves it, and those who look after everybody's data. @throws NotFound, NotYours */
async function requireMover(on: Queryable, id: string, actor: User | undefined): Promise<void> {
  const [known] = await on.query<{ created_by: string | null }>(
    `select created_by from crm.activities where id = $1 and created_by_app = 'foundation' and customer_id is not null`,
    [id],
  );
  if (!known) throw new NotFound('activity that a person wrote');
  if ((actor?.role === 'user' || actor?.role === 'reader') && known.created_by !== actor.id)
    throw new NotYours('Only who wrote this, a data steward or an administrator may move it.');
}
