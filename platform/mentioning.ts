import { InvalidField } from './log/errors.ts';
import type { Queryable } from './log/query.ts';
import { mentionsIn, type Named } from './mentions.ts';

/** More people than this are not mentioned in one text. */
export const mentionsMax = 50;

/** The users with these ids, by name. */
export async function nameUsers(on: Queryable, ids: string[]): Promise<Named[]> {
  if (ids.length === 0) return [];
  return on.query<Named>('select id, name from platform.users where id = any ($1) order by name, id', [ids]);
}

/** The column, in SQL, with the people whom a text mentions. Most texts mention nobody, and cost a look for the sign. */
export const mentionsOf = (words: string): string =>
  `case when ${words} like '%<@%' then (
     select coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'name', m.name) order by m.name, m.id), '[]')
     from platform.users m where m.id = any (platform.mentions_in(${words}))) else '[]' end as mentions`;

/** Adds to each row the people whom its text mentions. Most texts mention nobody: then nothing is asked. */
export async function withMentions<Row extends object>(
  on: Queryable,
  rows: Row[],
  wordsOf: (row: Row) => string | null,
): Promise<(Row & { mentions: Named[] })[]> {
  const mentioned = rows.map((row) => mentionsIn(wordsOf(row) ?? ''));
  const people = await nameUsers(on, [...new Set(mentioned.flat())]);
  return rows.map((row, n) => ({ ...row, mentions: people.filter(({ id }) => mentioned[n]?.includes(id)) }));
}

type Mentioning = {
  /** The field that holds the text, as a refusal names it. */
  field: string;
  /** The text as it was: who is mentioned in it already is not looked at again. */
  former?: string | undefined;
  /** Of these users those who may read the record; by default all of them. */
  findReaders?: (ids: string[]) => Promise<string[]>;
};

/** Refuses a text that mentions somebody who does not exist, who has left, who may not read it, or too many. @throws InvalidField */
export async function requireMentions(
  on: Queryable,
  words: string,
  { field, former = '', findReaders = async (ids) => ids }: Mentioning,
): Promise<void> {
  const mentioned = mentionsIn(words);
  if (mentioned.length > mentionsMax)
    throw new InvalidField([
      { field, message: `mentions ${mentioned.length} people: mention at most ${mentionsMax} in one text` },
    ]);
  const known = mentionsIn(former);
  const added = mentioned.filter((id) => !known.includes(id));
  if (added.length === 0) return;
  const people = await on.query<Named & { has_left: boolean }>(
    'select id, name, left_at is not null as has_left from platform.users where id = any ($1) order by name, id',
    [added],
  );
  const unknown = added.find((id) => !people.some((person) => person.id === id));
  if (unknown !== undefined)
    throw new InvalidField([{ field, message: `mentions somebody who does not exist: ${unknown.slice(0, 60)}` }]);
  const leaver = people.find(({ has_left }) => has_left);
  if (leaver) throw new InvalidField([{ field, message: `mentions ${leaver.name}, who has left: leave the name out` }]);
  const readers = await findReaders(added);
  const stranger = people.find(({ id }) => !readers.includes(id));
  if (stranger)
    throw new InvalidField([
      { field, message: `mentions ${stranger.name}, who may not read this: leave the name out` },
    ]);
}

/** Who can be mentioned, by a part of a name. @param among only these; undefined: everybody */
export async function findMentionable(
  on: Queryable,
  { search, among, limit }: { search: string; among?: string[] | undefined; limit: number },
): Promise<(Named & { email: string })[]> {
  return on.query<Named & { email: string }>(
    `select u.id, u.name, u.email from platform.users u
     where u.id !~ '[<>[:space:]]' and u.left_at is null and ($2::text[] is null or u.id = any ($2))
       and ($1 = '' or strpos(' ' || platform.fold(u.name), ' ' || platform.fold($1)) > 0)
     order by u.name, u.id limit $3`,
    [search, among ?? null, limit],
  );
}
