import { randomUUID } from 'node:crypto';
import { atEnd, createTestDatabase } from '@aether/database/testing';
import { sample } from '@aether/database/testing.sample';
import fc from 'fast-check';
import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { between, foldJoined, foldWords, formsOf, hasUnspaced, unspacedSource, wordsOf } from './folding.ts';
import { collectValues } from './keyset.ts';
import { connectPlatform, type PlatformDb } from './platform.ts';
import { matchCustomer } from './searching.ts';
import { anyText } from './testing.text.ts';

/*
 * What a search finds by the indexes of words, held against reading everybody, in the database and here: in a random crowd, as both apps, and again
 * after everything that may happen to a customer.
 */

type Person = { id: string; name: string; email_key: string };

/** `SEARCH_SEED=… npm test -- platform/searching` tries the same again. */
const seed = Number(process.env.SEARCH_SEED) || Math.trunc(Math.random() * 2 ** 31);
const crowd = 300;
const searches = sample(240);
const withinMs = 20_000;

const letters = ['a', 'A', 'ab', 'ba', 'B', '0', '1', '01', 'b2'];
const strange = [
  ...['ß', 'ẞ', 'İ', 'ı', 'Å', 'e\u0301', 'ﬁ', 'ǆ', '\u212a', 'Σ', 'ς', 'ＭＡ', '😀', '👩\u200d👧', '№', '¨', '\u00ad'],
  ...['田中', '太', 'ガ', 'ｶﾞ', '김', 'مُحمد', 'שָׁ'],
];
const marks = ["'", '’', '-', '–', '.', '_', '%', '\\', '&', '"', '\uffff', '・', '/', '*'];
const unit = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...letters) },
  { weight: 2, arbitrary: fc.constantFrom(...strange) },
  { weight: 2, arbitrary: fc.constantFrom(...marks) },
);
const wordOf = (minLength: number, maxLength: number) =>
  fc.array(unit, { minLength, maxLength }).map((units) => units.join(''));
const word = fc.oneof(
  { weight: 8, arbitrary: wordOf(1, 5) },
  { weight: 1, arbitrary: wordOf(20, 60) },
  { weight: 1, arbitrary: anyText({ minLength: 1, maxLength: 4 }) },
);
const name = fc
  .array(fc.tuple(word, fc.constantFrom(' ', ' ', '  ', '\u3000', '\u00a0')), { minLength: 1, maxLength: 4 })
  .map((words) => words.flat().join('').replaceAll('\0', '').trim());
const mailbox = fc.stringMatching(/^[abAB01éß]{1,8}([._'+-][ab012]{1,18})?$/);

let apps: PlatformDb[];
let steward: PlatformDb;
let superuser: pg.Client;
let privacy: pg.Client;

beforeAll(async () => {
  const database = await createTestDatabase();
  superuser = await database.connect('postgres');
  privacy = await database.connect('privacy_app');
  await privacy.query(`select set_config('aether.actor', 'tom', false)`);
  await superuser.query(
    `insert into platform.users (id, email, name, role) values ('tom', 'tom@example.com', 'Tom', 'steward')`,
  );
  const [console, ...others] = await Promise.all(
    (['console', 'foundation', 'support'] as const).map((app) =>
      connectPlatform({ app, variables: { PLATFORM_DB_URL: database.url(`${app}_app`) } }),
    ),
  );
  steward = console as PlatformDb;
  apps = others;
  atEnd(() => Promise.all([steward, ...apps].map((each) => each.close())));
  // Each app has its half of them.
  const { rows } = await superuser.query<{ name: string; email: string; key: string }>(
    `select g.name, g.email, g.key from rows from (unnest($1::text[]), unnest($2::text[]), unnest($3::text[])) g (name, email, key)
     where platform.is_line(g.name, 200)`,
    [
      fc.sample(name, { numRuns: crowd, seed }),
      ...[(email: string) => email, (email: string) => email.toLowerCase()].map((write) =>
        fc.sample(mailbox, { numRuns: crowd, seed }).map((local, n) => write(`${local}@${n}.ab.example`)),
      ),
    ],
  );
  expect(rows.length).toBeGreaterThan(crowd / 2);
  for (const [half, app] of apps.entries())
    await app.query(
      'insert into platform.customers (name, email, email_key) select * from json_to_recordset($1) as r (name text, email text, key text)',
      [JSON.stringify(rows.filter((_, n) => n % 2 === half))],
    );
});

/** As PostgreSQL lower-cases for the search: each character becomes one. */
const lowered = (text: string) =>
  [...text]
    .map((each) => (each === 'İ' ? 'i' : [...each.toLowerCase()].length === 1 ? each.toLowerCase() : each))
    .join('');
const beforeUnspaced = new RegExp(` *(${unspacedSource})`, 'gu');

/** @returns says whether a word is in somebody's name or address, without the database. */
function reader({ name, email_key }: Person): (word: string) => boolean {
  const plain = ` ${lowered(name)}${between}${email_key}`;
  const folded = ` ${[...new Set([foldWords(name), foldJoined(name)])].join(between).replace(beforeUnspaced, ' $1')}`;
  const has = (text: string, form: string) =>
    text.includes([...form].length < 3 && !form.startsWith(' ') ? ` ${form}` : form);
  return (word) => {
    const forms = /[\p{L}\p{N}]/u.test(word) || hasUnspaced(word) ? formsOf(word) : [];
    return (
      (!hasUnspaced(word) && [word, ...forms].some((form) => has(plain, form))) ||
      forms.some((form) => has(folded, form))
    );
  };
}

/** The ids of those found, in order. `by` the indexes of words: no other way is left to PostgreSQL. */
function find(app: PlatformDb, words: string[], by: 'index' | 'rows'): Promise<{ ids: string[]; plan: string }> {
  const { values, parameter } = collectValues();
  const where = words.map((each) => matchCustomer(each, parameter, by === 'index' ? {} : undefined)).join(' and ');
  const text = `select c.id from platform.customers c where ${where} order by c.id`;
  return app.transaction({}, async (tx) => {
    if (by === 'index')
      await tx.query(`select set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'off', true)`);
    const plan = by === 'index' ? JSON.stringify(await tx.query(`explain ${text}`, values)) : '';
    return { ids: (await tx.query<{ id: string }>(text, values)).map(({ id }) => id), plan };
  });
}

async function compare(from: number, tries: number): Promise<void> {
  const { rows: everybody } = await superuser.query<Person>(
    'select id, name, email_key from platform.customers order by id',
  );
  const readers = everybody.map(reader);
  const part = fc
    .tuple(
      fc.nat(),
      fc.constantFrom('name', 'address', 'both'),
      fc.nat(12),
      fc.integer({ min: 1, max: 9 }),
      fc.boolean(),
    )
    .map(([at, of, start, length, isUpper]) => {
      const person = everybody[at % everybody.length] as Person;
      const text =
        of === 'both' ? `${person.name} ${person.email_key}` : of === 'name' ? person.name : person.email_key;
      const characters = [...text];
      const cut = characters.slice(start % characters.length, (start % characters.length) + length).join('');
      return isUpper ? cut.toUpperCase() : cut;
    });
  const address = fc
    .tuple(fc.nat(), fc.nat(3))
    .map(([at, start]) => (everybody[at % everybody.length] as Person).email_key.slice(start));
  // The end of a name and the beginning of what is searched behind it.
  const joint = fc
    .tuple(fc.nat(), fc.boolean(), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }))
    .map(([at, isAddress, before, after]) => {
      const person = everybody[at % everybody.length] as Person;
      const next = [...(isAddress ? person.email_key : person.name)].slice(0, after);
      return `${[...person.name].slice(-before).join('')}-${next.join('')}`;
    });
  const asks = fc.sample(
    fc.oneof(
      { weight: 5, arbitrary: part },
      { weight: 1, arbitrary: name },
      { weight: 1, arbitrary: address },
      { weight: 1, arbitrary: joint },
    ),
    { numRuns: tries, seed: seed + from },
  );
  const endsAt = performance.now() + withinMs;
  for (const search of asks) {
    const words = wordsOf(search);
    if (words.length === 0) continue;
    if (performance.now() > endsAt) return;
    const found = everybody.filter((_, at) => words.every((each) => readers[at]?.(each))).map(({ id }) => id);
    for (const app of apps) {
      const byIndex = await find(app, words, 'index');
      expect(byIndex.plan).toMatch(/customers_(words|folded)/);
      expect(byIndex.plan).not.toContain('Seq Scan on customers');
      expect({ seed, words, app: app.app, ids: byIndex.ids }).toEqual({ seed, words, app: app.app, ids: found });
    }
    const { ids } = await find(apps[0] as PlatformDb, words, 'rows');
    expect({ seed, words, ids }).toEqual({ seed, words, ids: found });
  }
}

/** Whether a customer of that name and address is found by a word, by the indexes and row by row. */
async function isFound(name: string, local: string, word: string): Promise<{ byIndex: boolean; byRows: boolean }> {
  const [app] = apps as [PlatformDb];
  const [row] = await app.query<{ id: string }>(
    'insert into platform.customers (name, email, email_key) values ($1, $2, $2) returning id',
    [name, `${local}@${randomUUID()}.example`],
  );
  const [byIndex, byRows] = await Promise.all(
    (['index', 'rows'] as const).map(async (by) =>
      (await find(app, wordsOf(word), by)).ids.includes(row?.id as string),
    ),
  );
  return { byIndex: byIndex as boolean, byRows: byRows as boolean };
}

test.each([
  // Folded it ends with an "a", and begins with a "b".
  ['ba・ｶﾞıB\u3000A/ B\u00ad01  aÅ', 'one', 'å-b'],
  ['Jean-Pia', 'two', 'pia-jean'],
  ['Jean-Pia', 'two', 'a-j'],
  ['田-Pia', 'three', 'pia-田'],
  ['田-Pia', 'three', 'a・田'],
  ['Anna Smith', 'jo', 'smith-jo'],
  ['Ann Smíth', 'four', 'h-f'],
])('%s <%s@…> is not found by %s: half of it ends one searched text, half begins the next', async (name, local, word) =>
  expect(await isFound(name, local, word)).toEqual({ byIndex: false, byRows: false }),
);

test.each([
  ['ba・ｶﾞıB\u3000A/ B\u00ad01  aÅ', 'one', 'ba-ガ'],
  ['ba・ｶﾞıB\u3000A/ B\u00ad01  aÅ', 'one', 'aå'],
  ['Jean-Pia', 'two', 'jean-pia'],
  ['Jean-Pia', 'two', 'JEANPIA'],
  ['Jean-Pia', 'two', 'n-p'],
  ['Jean-Pia', 'two', 'je'],
  ['Jean Pia', 'five', 'jean-p'],
  ['Q-Ｘ Ｙ', 'six', 'x-y-'],
  ['Ｘ Ｙ', 'seven', 'x-y-'],
  ['田・田 X Ý', 'eight', 'x-y-'],
  ['田-Pia', 'three', '田pia'],
  ['田-Pia', 'three', '-p'],
  ['Anna Smith', 'jo', 'smith-'],
  ['Anna Smith', 'jo', '-jo'],
])('%s <%s@…> is found by %s', async (name, local, word) =>
  expect(await isFound(name, local, word)).toEqual({ byIndex: true, byRows: true }),
);

/** For what the index of words is asked, to find a word. */
function patternsFor(word: string): unknown[] {
  const { values, parameter } = collectValues();
  const sql = matchCustomer(word, parameter, {});
  const asked = sql.matchAll(/customer_words\(c\.name, c\.email_key\) collate "C" like \(select \$(\d+)/g);
  return [...asked].map(([, n]) => values[Number(n) - 1]);
}

test.each([
  // The longest run of digits before the @, with up to two letters before it.
  ['anna.12345@acme.org', '%12345%'],
  ['anna12345@acme.org', '%na12345%'],
  ['anna1.x98765.y123456@acme.org', '%y123456%'],
  ['a123.b45678@acme.org', '%b45678%'],
  // Thousands share a year, and hundreds three digits: the whole address is rarer.
  ['anna.2019@acme.org', '%anna.2019@acme.org%'],
  ['anna.123@acme.org', '%anna.123@acme.org%'],
  // A whole provider shares the digits of its domain.
  ['anna@12345678.org', '%anna@12345678.org%'],
  ['anna.12@12345678.org', '%anna.12@12345678.org%'],
  // A year with a letter before it has five characters.
  ['anna.j2019@acme.org', '%j2019%'],
])('for the address %s the index is asked for %s', (address, pattern) => {
  expect(patternsFor(address)[0]).toBe(pattern);
});

test('the rare part with which an address begins is asked for as the index has it as well: with a 0', () => {
  expect(patternsFor('12345.anna@acme.org')).toEqual(['%12345%', '%02345%']);
});

test('by the indexes of words both apps find whom reading everybody finds, and nobody else', () =>
  compare(0, searches));

test('and so they do after changes of names and addresses, merges, one that is taken back, and an erasure', async () => {
  const { rows } = await superuser.query<{ id: string }>('select id from platform.customers order by id');
  const ids = rows.map(({ id }) => id);
  const names = fc.sample(name, { numRuns: 40, seed: seed + 1 });
  await superuser.query(
    `update platform.customers c set name = n.name, email = 'new' || n.at || '@b.example', email_key = 'new' || n.at || '@b.example'
     from unnest($1::text[], $2::uuid[]) with ordinality n (name, id, at) where c.id = n.id and platform.is_line(n.name, 200)`,
    [names, ids.slice(0, 40)],
  );
  const write = { actor: 'tom' };
  const merges: string[] = [];
  for (let at = 40; at < 52; at += 3) {
    const [survivor, ...losers] = ids.slice(at, at + 3) as [string, string, string];
    const merged = await steward.mergeCustomers(survivor, losers, write);
    merges.push(...merged.merges.map(({ merge }) => merge));
  }
  for (const merge of merges.slice(0, 4)) await steward.unmergeCustomers(merge, write);
  for (const id of [ids[60], ids[61], ids[40]])
    await privacy.query(`select platform.erase_customer($1, 'They asked')`, [id]);
  const { rows: gone } = await superuser.query(
    'select from platform.customers where merged_into is not null or erased_at is not null',
  );
  expect(gone.length).toBeGreaterThanOrEqual(6);
  await compare(2, searches);
});
