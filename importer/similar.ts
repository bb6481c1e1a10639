import type { Queryable } from '@aether/platform/log';
import { type BlockKey, blockKeysOf, comparePersons } from './matching/detection.ts';
import type { Matchable } from './matching/keys.ts';
import { type KeptModel, type MatchModel, standardModel, unpackModel } from './matching/model.ts';
import type { Reason } from './matching/reasons.ts';

/*
 * Customers that may be the same person as a given one, found by the keys that the worker keeps: see 0032_detection.sql. The worker looks for
 * the pairs of the queue with it, and both apps for whom somebody is about to write down a second time.
 */

/** Less likely pairs are not worth a question: of those below, nine of ten are two people. */
export const likelyMin = 0.25;
/** With so many others a person is compared at most; those first with whom it shares the keys that say the most. */
const comparedMax = 300;

/** Where it is asked: a connection of an app or of the worker. */
export type Asked = Pick<Queryable, 'query'>;
/** A customer as matching compares it. */
export type Known = { id: string; name: string; email: string; person: Matchable };
/** A customer that may be a given person. */
export type Similar = { id: string; name: string; email: string; score: number; reasons: Reason[] };

/** Somebody who is looked for. `id` is the customer's, if there is one already. */
export type Sought = { id?: string; person: Matchable };

export type Found = { similar: Similar[]; keys: number[]; cutOff: string[] };

/** Reads the model when it has changed, and remembers it. */
export type ModelReader = (on: Asked) => Promise<MatchModel>;

export function createModelReader(): ModelReader {
  let known: { version: number; model: MatchModel } | undefined;
  return async (on) => {
    const [row] = await on.query<{
      version: number | string;
      customers: number | string;
      model: KeptModel['model'] | null;
      words: Buffer;
    }>('select * from sync.read_match_model($1)', [known?.version ?? -1]);
    if (row?.model)
      known = { version: Number(row.version), model: unpackModel({ model: row.model, words: row.words }) };
    return known?.model ?? standardModel(Number(row?.customers ?? 0));
  };
}

/**
 * Looks for customers that may be these persons, the likeliest first. The persons are compared with each other as well, as far as they are
 * customers. `beside` names further customers with whom one is compared whatever their keys are.
 */
export async function findSimilar(
  on: Asked,
  model: MatchModel,
  sought: readonly Sought[],
  beside: ReadonlyMap<string, readonly string[]> = new Map(),
): Promise<Found[]> {
  const keys = blockKeysOf(sought.map(({ person }) => person));
  const holders = await findHolders(on, keys.flat());
  addSought(holders, sought, keys);
  const found = sought.map(({ id }, at) => {
    const others = new Set(id === undefined ? [] : beside.get(id));
    const cutOff = new Set<string>();
    for (const { key, block } of keys[at] as BlockKey[]) {
      if (!holders.has(key)) continue;
      const ids = holders.get(key);
      if (ids === undefined) cutOff.add(block);
      else for (const other of ids) if (others.size < comparedMax) others.add(other);
    }
    if (id !== undefined) others.delete(id);
    return { others: [...others], cutOff: [...cutOff] };
  });
  const known = await readKnown(on, [...new Set(found.flatMap(({ others }) => others))]);
  // Most share their keys with nobody, and are not compared.
  const compared = sought.filter((_, at) => (found[at]?.others.length ?? 0) > 0);
  const persons = [...compared, ...known.values()];
  const rowOf = new Map(persons.map((each, row) => [each, row]));
  const compare = comparePersons(
    model,
    persons.map(({ person }) => person),
  );
  return found.map(({ others, cutOff }, at) => ({
    keys: (keys[at] as BlockKey[]).map(({ key }) => key),
    cutOff,
    similar: others
      .flatMap((id) => {
        const other = known.get(id);
        if (!other) return [];
        const { score, reasons } = compare(rowOf.get(sought[at] as Sought) as number, rowOf.get(other) as number);
        return score < likelyMin ? [] : [{ id, name: other.name, email: other.email, score, reasons }];
      })
      .sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1)),
  }));
}

/** Who has each key; undefined where too many have it. Nobody has one that is not in it. */
async function findHolders(on: Asked, keys: readonly BlockKey[]): Promise<Map<number, Set<string> | undefined>> {
  const mosts = new Map(keys.map(({ key, rowsMax }) => [key, rowsMax]));
  if (mosts.size === 0) return new Map();
  const rows = await on.query<{ key: number | string; customers: string[] | null }>(
    // Most keys are those of nobody: what is not answered is not parsed.
    `select * from sync.find_by_match_keys($1, $2) where customers is distinct from '{}'`,
    [[...mosts.keys()], [...mosts.values()]],
  );
  return new Map(rows.map(({ key, customers }) => [Number(key), customers === null ? undefined : new Set(customers)]));
}

/** The customers among those who are looked for have their present keys, which may not be kept yet: then too many may have one. */
function addSought(
  holders: Map<number, Set<string> | undefined>,
  sought: readonly Sought[],
  keys: readonly BlockKey[][],
): void {
  for (const [at, { id }] of sought.entries()) {
    if (id === undefined) continue;
    for (const { key, rowsMax } of keys[at] as BlockKey[]) {
      if (!holders.has(key)) holders.set(key, new Set());
      const ids = holders.get(key)?.add(id);
      if (ids && ids.size > rowsMax) holders.set(key, undefined);
    }
  }
}

/** Live customers as matching compares them, by their ids. */
export async function readKnown(on: Asked, ids: readonly string[]): Promise<Map<string, Known>> {
  if (ids.length === 0) return new Map();
  const rows = await on.query<{
    id: string;
    name: string;
    email: string;
    emails: string[];
    phones: string[];
    company: string | null;
    company_domain: string | null;
  }>('select * from sync.list_match_persons($1)', [ids]);
  return new Map(
    rows.map(({ id, name, email, ...row }) => [
      id,
      {
        id,
        name,
        email,
        person: personOf({ name, ...row, company: row.company && { name: row.company, domain: row.company_domain } }),
      },
    ]),
  );
}

/** What is known of somebody, as matching compares it: keys of addresses and numbers as @aether/platform makes them. */
export function personOf({
  name,
  emails,
  phones,
  company,
}: {
  name: string | null;
  emails: readonly string[];
  phones: readonly string[];
  company: { name: string | null; domain: string | null } | '' | null;
}): Matchable {
  return {
    name,
    firstName: null,
    lastName: null,
    emails: emails.map((key) => ({ address: key, key })),
    phones: phones.map((key) => ({ written: key, key, extension: null, isShared: false })),
    company: company ? { externalId: null, ...company } : null,
    city: null,
    birthDate: null,
    externalId: null,
  };
}
