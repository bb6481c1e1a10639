import { atEnd, createTestDatabase } from '@aether/database/testing';
import { connectPlatform, type Direction, type ListPlace, type PlatformDb, type Queryable } from '@aether/platform';
import { between, foldJoined, foldWords, formsOf, wordsOf } from '@aether/platform/folding';
import { anyText } from '@aether/platform/testing.text';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { type CustomerOrder, countCustomers, findCustomers } from './customersearch.ts';

type Person = { id: string; name: string; email_key: string; company: string | null };

let db: PlatformDb;
let asked: string[] = [];
/** The same database; it remembers what was asked. */
const on = {
  query: (text: string, values: unknown[]) => {
    asked.push(text);
    return db.query(text, values);
  },
} as Queryable;

const odd = [
  'Tamara',
  'Zed Mara',
  'MARA-LOU',
  'Márá',
  'Mara’s',
  'mara\uffff\uffffx',
  'Mar A',
  'Ma Ra',
  'ＭＡＲＡ',
  '\u212aim',
  'İda',
];

beforeAll(async () => {
  const database = await createTestDatabase();
  db = await connectPlatform({ app: 'foundation', variables: { PLATFORM_DB_URL: database.url('foundation_app') } });
  atEnd(() => db.close());
  const company = await db.createCompany({ name: 'Mara Foods' });
  // More than are read from either end of a list before the search asks an index.
  await db.query(`insert into platform.customers (name, email)
    select w.word || ' ' || n, w.word || n || '@ends.example' from generate_series(1, 1001) n, (values ('aaa'), ('zzz')) w (word)`);
  await db.query(
    `insert into platform.customers (name, email, account_tier)
     select 'Mara ' || n % 7, 'mara.' || n || '@shop.example', case n % 2 when 0 then 'premium' end from generate_series(1, 30) n
     union all select 'Ida ' || n, case n % 3 when 0 then 'mara' else 'ida' end || n || '@desk.example', null from generate_series(1, 20) n
     union all select o.name, 'odd' || o.n || '@desk.example', null from unnest($1::text[]) with ordinality o (name, n)`,
    [odd],
  );
  await db.query(
    `insert into platform.customers (name, email) values ('Shopper0123 Lee', 'lee@desk.example'), ('Lee Shopper0123', 'shop@desk.example'),
     ('Lee Er0123', 'shopper0123@desk.example'), ('Per0123', 'stopper0123@desk.example')`,
  );
  await db.createCustomer({ name: 'Ben', email: 'ben@foods.example', company_id: company.id });
});

/** All customers that match, in order, by reading everybody. */
async function listSlowly(search: string, sort: CustomerOrder, direction: Direction): Promise<string[]> {
  const by = sort === 'email' ? 'c.email_key' : 'c.name';
  const everybody = await db.query<Person>(
    `select c.id, c.name, c.email_key, o.name as company from platform.customers c left join platform.companies o on o.id = c.company_id
     order by ${by} ${direction}, c.id ${direction}`,
  );
  const has = (text: string, word: string) => text.includes([...word].length < 3 ? ` ${word}` : word);
  const isFound = ({ name, email_key, company }: Person, word: string) =>
    [word, ...formsOf(word)].some((form) =>
      [
        `${name.toLowerCase()}${between}${email_key}`,
        ...[name, company ?? ''].map((text) => [...new Set([foldWords(text), foldJoined(text)])].join(between)),
      ].some((text) => has(` ${text}`, form)),
    );
  return everybody.filter((person) => wordsOf(search).every((word) => isFound(person, word))).map(({ id }) => id);
}

/** All pages of the list. */
async function listPages(search: string, sort: CustomerOrder, direction: Direction, limit: number): Promise<string[]> {
  const ids: string[] = [];
  for (let after: ListPlace | undefined; ; ) {
    const { rows } = await findCustomers<Person>(on, { filters: { search }, sort, direction, after, limit });
    ids.push(...rows.map(({ id }) => id));
    if (rows.length < limit) return ids;
    after = rows.at(-1)?.place;
  }
}

describe('a search in the order of names or addresses', () => {
  test.each([
    ['mara', 'name'],
    ['mara', 'email'],
    ['ma', 'name'],
    ['m', 'name'],
    ['i', 'email'],
    ['ida', 'name'],
    ['mara shop', 'name'],
    ['ida mara', 'email'],
    ['kim', 'name'],
    ['márá', 'name'],
    ['mara.1', 'email'],
    ['nobody', 'name'],
    ['shopper0123', 'name'],
    ['per0123', 'email'],
  ] as const)('finds %s by %s, page by page and both ways, as reading everybody does', async (search, sort) => {
    asked = [];
    for (const direction of ['asc', 'desc'] as const)
      expect(await listPages(search, sort, direction, 11)).toEqual(await listSlowly(search, sort, direction));
    // Of two words, either may be the rarer one.
    if (!search.includes(' '))
      expect(asked.some((text) => text.includes('with begins'))).toBe(/^[a-z0-9]+$/.test(search));
  });

  test('shows customers who only have the word elsewhere at their place among those who begin with it', async () => {
    asked = [];
    const { rows } = await findCustomers<Person>(on, {
      filters: { search: 'mara' },
      sort: 'name',
      direction: 'asc',
      limit: 20,
    });
    expect(asked.at(-1)).toContain('with begins');
    expect(rows.map(({ name }) => name)).toEqual(expect.arrayContaining(['Ben', 'Ida 3', 'Mara 0']));
  });

  test('keeps its filters', async () => {
    const { rows } = await findCustomers<Person & { account_tier: string }>(on, {
      filters: { search: 'mara', tier: 'premium' },
      sort: 'name',
      direction: 'asc',
      limit: 12,
    });
    expect(new Set(rows.map(({ account_tier }) => account_tier))).toEqual(new Set(['premium']));
    expect(rows).toHaveLength(12);
  });
});

test.each(['mara', 'ma', 'm', 'tamara', 'ida', 'nobody'])(
  'the customers with %s are counted up to a limit',
  async (search) => {
    const all = (await listSlowly(search, 'name', 'asc')).length;
    expect(await countCustomers(on, { search }, 1_000)).toBe(all);
    if (all > 12) expect(await countCustomers(on, { search }, 12)).toBe(13);
  },
);

test('any part of a name or an address finds what reading everybody finds, in the same order', async () => {
  const syllable = fc.constantFrom('mo', 'om', 'm', 'o', 'mö', '0', '0m', 'Mom', 'ø');
  const word = fc.array(syllable, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(''));
  const joint = fc.constantFrom(' ', '-', '’', '. ');
  const name = fc.tuple(word, joint, word, joint, word).map((parts) => parts.join(''));
  const local = fc.stringMatching(/^(mo?|om|0|_m)[mo0]{0,3}([.+_-][mo0]{1,4})?$/);
  const people = fc.sample(fc.tuple(name, local, fc.boolean()), { numRuns: 150, seed: 7 });
  await db.query(
    `insert into platform.customers (name, email) select p.name, p.local || '@' || p.n || '.mo.example'
     from rows from (unnest($1::text[]), unnest($2::text[])) with ordinality p (name, local, n)`,
    [
      // Some have the same beginning in both.
      people.map(([name, local, isSame]) => (isSame ? `${local.replace(/[^a-z0-9].*/, '')}${name}` : name)),
      people.map(([, local]) => local),
    ],
  );
  const texts = await db.query<{ text: string }>(
    `select lower(name collate "C") || ' ' || email_key as text from platform.customers where email_key like '%.mo.example' order by id`,
  );
  const part = fc
    .tuple(fc.constantFrom(...texts.map(({ text }) => text)), fc.nat(12), fc.integer({ min: 1, max: 6 }))
    .map(([text, from, length]) => [...text].slice(from, from + length).join(''))
    .filter((search) => search.trim() !== '');
  const asks = fc.tuple(part, fc.constantFrom('name', 'email'), fc.constantFrom('asc', 'desc'));
  for (const [search, sort, direction] of fc.sample(asks, { numRuns: 80, seed: 7 })) {
    const all = await listSlowly(search, sort, direction);
    expect([search, sort, direction, await listPages(search, sort, direction, 13)]).toEqual([
      search,
      sort,
      direction,
      all,
    ]);
    expect([search, await countCustomers(on, { search }, 5_000)]).toEqual([search, all.length]);
  }
});

test('a name is between its beginning and the end of its beginning, whatever its letters', async () => {
  const anyName = fc.oneof(
    anyText({ minLength: 1, maxLength: 6 }),
    fc.tuple(fc.stringMatching(/^[A-Za-z0-9]{1,18}$/), anyText({ maxLength: 3 })).map((parts) => parts.join('')),
    fc.constantFrom(...odd),
  );
  const names = fc.sample(anyName, 200).map((name) => name.replaceAll('\0', '').toWellFormed());
  const wrong = await db.query(
    `select n.name, p.prefix from unnest($1::text[]) n (name), platform.name_beginning(n.name) b,
       lateral (select left(b, l) as prefix from generate_series(1, length(b)) l) p
     where not (n.name collate platform.people >= p.prefix and n.name collate platform.people < p.prefix || u&'\\FFFF')
        or not platform.customer_beginnings(n.name, '-@y.example') @@ ('n0' || p.prefix || ':*')::tsquery`,
    [names],
  );
  expect(wrong).toEqual([]);
  const [found] = await db.query(
    `select array_agg(platform.name_beginning(name)) as begun from unnest(array['Ann-Lee', 'ÅSE', $1]) name`,
    ['a'.repeat(20)],
  );
  expect(found).toEqual({ begun: ['ann', null, 'a'.repeat(16)] });
});
