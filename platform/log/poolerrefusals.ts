/*
 * PgBouncer's refusals. All of them have one code, which says nothing (08P01, a violation of the protocol), so that their words tell them
 * apart. What the server answers to the pooler comes behind `server login failed:`, in the server's own words.
 */

const refusals = {
  login: /authentication failed|no such user/,
  database: /no such database|database "[^"]*" does not exist/,
  server: /server login has been failing|cannot connect to server/,
  full: /no more connections allowed|query_wait_timeout/,
};

/** What a pooler refuses: the login, the database, whatever needs a server that it gets no connection to, or one more connection; undefined if it is something else, or no pooler. */
export function readPoolerRefusal(error: unknown): keyof typeof refusals | undefined {
  const { code, message = '' } = (error ?? {}) as { code?: string; message?: string };
  if (code !== '08P01') return undefined;
  return (Object.keys(refusals) as (keyof typeof refusals)[]).find((kind) => refusals[kind].test(message));
}
