import type { PlatformDb, User } from '@aether/platform';
import type { RoleMax } from './person.ts';
import { hashToken, makeToken } from './tokens.ts';

export type EndReason = 'signed-out' | 'everywhere' | 'by-admin' | 'token-reused' | 'left';

/** An open sign-in, found by the token of a request. */
export type SignIn = { id: string; csrfToken: string; roleMax: RoleMax; user: User };

/** Which of a sign-in's tokens came, and the age of its tokens. */
type TokenState = {
  place: 'present' | 'next' | 'previous';
  secondsSinceRotation: number;
  /** null: the browser has not got a next token. */
  secondsSinceNext: number | null;
};

/** A token in use is replaced after this time. */
export const rotateAfterSeconds = 15 * 60;
/**
 * How long requests under way may come with the previous token; also how long the browser may take to use a new one.
 */
export const graceSeconds = 60;
/** The precision of `last_seen_at`: with a write for each request, every read would be a write. */
const seenEverySeconds = 60;

/**
 * Decides what to do about a token. The browser gets the next token while the present one stays valid, until the next
 * one comes back. So parallel requests and lost answers sign nobody out. A replaced token that comes back after the
 * grace is either a stolen copy, or the owner's token while a thief has the new one. Nobody can tell which, so the
 * sign-in ends.
 */
export function decide({
  place,
  secondsSinceRotation,
  secondsSinceNext,
}: TokenState): 'accept' | 'offer-next' | 'take-next' | 'end' {
  if (place === 'next') return 'take-next';
  if (place === 'previous') return secondsSinceRotation <= graceSeconds ? 'accept' : 'end';
  const isDue = secondsSinceRotation > rotateAfterSeconds;
  return isDue && (secondsSinceNext === null || secondsSinceNext > graceSeconds) ? 'offer-next' : 'accept';
}

const find = {
  name: 'sign-in-by-token',
  isShort: true,
  // One of three unique indexes has the token. That is about as fast as one index, and there is no further table to
  // keep up to date.
  text: `
    select s.id, s.csrf_token, s.role_max,
      case $1::bytea when s.token_hash then 'present' when s.next_token_hash then 'next' else 'previous' end as place,
      extract(epoch from now() - s.rotated_at)::float8 as since_rotation, extract(epoch from now() - s.next_token_at)::float8 as since_next,
      s.last_seen_at < now() - make_interval(secs => $2) as is_unseen,
      u.id as user_id, u.email, u.name, u.role, u.foundation_user_id, u.support_user_id, u.directory_tenant_id, u.directory_object_id,
      u.created_at, u.last_signed_in, u.left_at
    from platform.sign_ins s join platform.users u on u.id = s.user_id
    where (s.token_hash = $1 or s.next_token_hash = $1 or s.previous_token_hash = $1)
      and s.ended_at is null and s.expires_at > now() and s.last_seen_at > now() - s.idle_max and u.left_at is null`,
};

/** For a token that opens nothing: whether its sign-in timed out, and was not ended otherwise. */
const findTimedOut = `
  select from platform.sign_ins where (token_hash = $1 or next_token_hash = $1 or previous_token_hash = $1) and ended_at is null`;

type Row = Omit<User, 'id'> & {
  id: string;
  user_id: string;
  csrf_token: string;
  role_max: RoleMax;
  place: TokenState['place'];
  since_rotation: number;
  since_next: number | null;
  is_unseen: boolean;
};

/**
 * The open sign-in of this token: one indexed query, and one write a minute.
 *
 * @returns the sign-in, with the `nextToken` that the browser must get, if any; or why there is no sign-in: `reused` if
 *   it was ended just now because two parties had its token, `timed-out` if its time is over, `unknown` in all other
 *   cases, also if it was ended.
 */
export async function openSignIn(
  db: PlatformDb,
  token: string,
): Promise<{ signIn: SignIn; nextToken?: string } | { refused: 'reused' | 'timed-out' | 'unknown' }> {
  const hash = hashToken(token);
  const [row] = await db.run<Row>(find, [hash, seenEverySeconds]);
  if (!row)
    return { refused: (await db.query(findTimedOut, [hash], { isShort: true })).length > 0 ? 'timed-out' : 'unknown' };
  const { id, user_id, csrf_token, role_max, place, since_rotation, since_next, is_unseen, ...user } = row;
  const signIn = { id, csrfToken: csrf_token, roleMax: role_max, user: { ...user, id: user_id } };
  const step = decide({ place, secondsSinceRotation: since_rotation, secondsSinceNext: since_next });
  if (step === 'end') {
    await endSignIn(db, id, 'token-reused');
    return { refused: 'reused' };
  }
  if (step === 'offer-next') {
    const nextToken = makeToken();
    // Only one of several parallel requests offers the next token.
    const offered = await db.query(
      `update platform.sign_ins set next_token_hash = $2, next_token_at = now(), last_seen_at = now()
       where id = $1 and token_hash = $3 and (next_token_at is null or next_token_at < now() - make_interval(secs => $4)) returning id`,
      [id, hashToken(nextToken), hash, graceSeconds],
    );
    return offered.length > 0 ? { signIn, nextToken } : { signIn };
  }
  if (step === 'take-next') {
    await db.query(
      `update platform.sign_ins set previous_token_hash = token_hash, token_hash = next_token_hash, next_token_hash = null,
        next_token_at = null,
         rotated_at = now(), last_seen_at = now() where id = $1 and next_token_hash = $2`,
      [id, hash],
    );
  } else if (is_unseen) {
    await db.query('update platform.sign_ins set last_seen_at = now() where id = $1', [id], { isShort: true });
  }
  return { signIn };
}

export type NewSignIn = {
  user: User;
  roleMax: RoleMax;
  /** The User-Agent header of the browser. */
  agent: string | undefined;
  idleMinutes: number;
  maxHours: number;
};

/** Opens a new sign-in for this browser. @returns the token, which is stored nowhere else. */
export async function addSignIn(
  db: PlatformDb,
  { user, roleMax, agent, idleMinutes, maxHours }: NewSignIn,
): Promise<string> {
  const token = makeToken();
  await db.query(
    `insert into platform.sign_ins (user_id, token_hash, csrf_token, role_max, agent, idle_max, expires_at)
     values ($1, $2, $3, $4, $5, make_interval(mins => $6), now() + make_interval(hours => $7))`,
    [user.id, hashToken(token), makeToken(), roleMax, describeAgent(agent), idleMinutes, maxHours],
  );
  return token;
}

function describeAgent(agent: string | undefined): string | null {
  const line = agent
    ?.replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 200)
    .trim();
  return line || null;
}

/** Ends a sign-in of this app. A sign-in that has already ended does not change. */
export async function endSignIn(db: PlatformDb, id: string, reason: EndReason): Promise<void> {
  await db.query('update platform.sign_ins set ended_at = now(), end_reason = $2 where id = $1 and ended_at is null', [
    id,
    reason,
  ]);
}

/** Ends all sign-ins of a user in every app, or the one of this app that is named. @returns how many. */
export async function endSignIns(
  db: PlatformDb,
  userId: string,
  reason: EndReason,
  only: string | null = null,
): Promise<number> {
  const [row] = await db.query<{ ended: number }>('select platform.end_sign_ins($1, $2, $3) as ended', [
    userId,
    only,
    reason,
  ]);
  return row?.ended ?? 0;
}

/** Whether a sign-in of this app is still open. Streams poll this. */
export async function isOpen(db: PlatformDb, id: string): Promise<boolean> {
  const rows = await db.run(
    {
      name: 'sign-in-is-open',
      text: `select from platform.sign_ins
             where id = $1 and ended_at is null and expires_at > now() and last_seen_at > now() - idle_max
               and exists (select from platform.users u where u.id = user_id and u.left_at is null)`,
    },
    [id],
  );
  return rows.length > 0;
}

export type OpenSignIn = {
  id: string;
  app: string;
  agent: string | null;
  created_at: Date;
  last_seen_at: Date;
  expires_at: Date;
};

/** A user's open sign-ins in this app, the one used last first; at most 200. Row level security hides those of the other app. */
export async function listSignIns(db: PlatformDb, userId: string): Promise<OpenSignIn[]> {
  return db.query<OpenSignIn>(
    `select id, app, agent, created_at, last_seen_at, expires_at
     from platform.sign_ins
     where user_id = $1 and ended_at is null and expires_at > now() and last_seen_at > now() - idle_max
     order by last_seen_at desc, id
     limit 200`,
    [userId],
  );
}
