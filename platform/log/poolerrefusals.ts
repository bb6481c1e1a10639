/*
 * PgBouncer's refusals. All of them have one code, which says nothing (08P01, a violation of the protocol), so that their words tell them
 * apart. What the server answers to the pooler comes in the server's own words, mostly behind `server login failed:`, so that the order counts.
 */

const refusals = {
  login: /authentication failed|no such user/,
  database: /no such database|database "[^"]*" does not exist/,
  full: /no more connections allowed|query_wait_timeout|too many connections|remaining connection slots/,
  server: /server login|cannot connect to server/,
};

/** What a pooler refuses: the login, the database, whatever needs a server that it gets no connection to, or one more connection; undefined if it is something else, or no pooler. */
export function readPoolerRefusal(error: unknown): keyof typeof refusals | undefined {
  const { code, message = '' } = (error ?? {}) as { code?: string; message?: string };
  if (code !== '08P01') return undefined;
  return (Object.keys(refusals) as (keyof typeof refusals)[]).find((kind) => refusals[kind].test(message));
}
