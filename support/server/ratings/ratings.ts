import { PlatformError, type Transaction } from '@aether/platform';

/** What a visitor says of a conversation that is over: 1 is the worst, 5 the best. */
export type Rating = { score: number; comment: string | null; created_at: Date };

/** The conversation goes on: it is rated when it is over. */
export class SessionStillOpen extends PlatformError {
  constructor() {
    super('session-open', 409, 'This conversation goes on. It can be rated when it has ended.');
  }
}

/** It was rated before, and not the same way: what somebody has said stays. */
export class AlreadyRated extends PlatformError {
  constructor() {
    super('already-rated', 409, 'This conversation was rated before. Nothing was changed.');
  }
}

const columns = 'score::integer, comment, created_at';

/**
 * Keeps what the visitor says. A repetition of the same changes nothing. The CRM gets the score with the conversation, by a trigger.
 *
 * @param tx holds the session.
 * @throws SessionStillOpen, AlreadyRated
 */
export async function rateSession(
  tx: Transaction,
  held: { id: string; status: 'active' | 'ended' },
  { score, comment = null }: { score: number; comment?: string | null | undefined },
): Promise<Rating> {
  const [before] = await tx.query<Rating>(`select ${columns} from support.ratings where session_id = $1`, [held.id]);
  if (before) {
    if (before.score !== score || before.comment !== comment) throw new AlreadyRated();
    return before;
  }
  if (held.status !== 'ended') throw new SessionStillOpen();
  const [made] = await tx.query<Rating>(
    `insert into support.ratings (session_id, score, comment) values ($1, $2, $3) returning ${columns}`,
    [held.id, score, comment],
  );
  return made as Rating;
}
