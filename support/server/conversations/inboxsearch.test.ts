import { sample } from '@aether/database/testing.sample';
import { requireUnderWay } from '@aether/database/testing.scope';
import { readSearchedPhone } from '@aether/platform';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { startTestSupport, type TestSupport, widgetKey } from '../testing.ts';
import { conversationsFile } from './conversations.csv.ts';

/*
 * A search of the inbox looks through the first stretch of the list, and asks indexes if that does not fill the page. The file of the same
 * conversations reads row by row, and is what it is held against.
 */

let app: TestSupport;
const names = [
  ...[
    'Ana Lindqvist',
    'Ana-Maria Roșu',
    'Zoë O’Brian-山田',
    'Jean-Pierre',
    'Жанна Д',
    '田中 太郎',
    '김민수',
    'Sinéad',
    'sinead',
    'Ann_e',
    '100%',
  ],
  ...[
    'Muller',
    'Müller',
    'Strasse',
    'Straße',
    'Anna',
    'ANA',
    'o',
    'Ångström',
    'Ana Ana',
    'Bo\\b',
    'D’Angelo',
    'dangelo',
  ],
];
const addresses = [
  'ana@post.example',
  'lind@qvist.example',
  'zoe+山田@post.example',
  'muller@strasse.example',
  'b_o@post.example',
];
const conversations = 600;

beforeAll(async () => {
  app = await startTestSupport();
  const superuser = await app.database.connect('postgres');
  await superuser.query(
    `insert into platform.customers (id, email, email_key, name, phone, phone_key, created_by_app)
     select md5('c' || n)::uuid, 'c' || n || '@known.example', 'c' || n || '@known.example',
       ($1::text[])[1 + n * 7 % cardinality($1::text[])],
       '+49 170 5551' || lpad(n::text, 3, '0'), '+491705551' || lpad(n::text, 3, '0'), 'support'
     from generate_series(1, 60) n`,
    [names],
  );
  // Every fifth one goes on as another one.
  await superuser.query(`set session_replication_role = replica;
    update platform.customers set merged_into = md5('c' || (substr(email, 2, position('@' in email) - 2)::integer + 1))::uuid
    where email ~ '^c[0-9]*5@known'`);
  await superuser.query(
    `insert into support.sessions (id, widget_id, customer_id, visitor_name, visitor_email, token_hash, status, resolved, ended_at,
       started_at, asked_at, last_message_at, waiting_since)
     select md5('s' || n)::uuid, w.id, case when n % 3 = 0 then md5('c' || 1 + n % 60)::uuid end,
       case when n % 7 > 0 then ($1::text[])[1 + abs(hashint4(n)) % cardinality($1::text[])]
         || case when n % 50 = 0 then ' Rare' || n else '' end end,
       case when n % 4 = 0 then ($2::text[])[1 + n / 4 % cardinality($2::text[])] end, sha256(n::text::bytea),
       case when n % 2 = 0 then 'ended' else 'active' end, case when n % 2 = 0 then true end,
       case when n % 2 = 0 then now() - make_interval(mins => n / 3) end, now() - make_interval(days => 3),
       now() - make_interval(days => 3), now() - make_interval(mins => n / 5),
       case when n % 9 = 0 then now() - make_interval(mins => n / 5) end
     from generate_series(1, $3::integer) n join support.widgets w on w.key = '${widgetKey}'`,
    [names, addresses, conversations],
  );
});

/** Parts of what can be found, in any spelling, and some words that nobody has. */
const words = fc
  .oneof(
    fc.constantFrom(
      ...names,
      ...addresses,
      'Rare50',
      'rare',
      'known.example',
      'c12@known.example',
      '+49 170 5551007',
      '0170 5551',
      'zzyzx',
    ),
    fc
      .tuple(fc.constantFrom(...names, ...addresses), fc.nat(8), fc.nat(6))
      .map(([of, from, length]) => of.slice(from, from + length + 1)),
  )
  .map((word) => word.trim())
  .filter((word) => word !== '');
const searches = fc.array(words, { minLength: 1, maxLength: 2 }).map((chosen) => chosen.join(' '));

test('a search finds the conversations that reading row by row finds, each once, page by page, in the order of its view', async () => {
  const call = app.callAs('admin');
  const reader = { agentId: null, readsAll: true };
  const seen = { some: 0, none: 0 };
  await fc.assert(
    fc.asyncProperty(
      searches,
      fc.constantFrom('ended' as const, 'all' as const, 'unassigned' as const),
      fc.constantFrom('waiting', 'due'),
      fc.constantFrom(1, 3, 100),
      async (search, view, order, limit) => {
        requireUnderWay();
        const query = `view=${view}&search=${encodeURIComponent(search)}`;
        const phone = readSearchedPhone(search, app.support.readPhone(search));
        const expected: string[] = [];
        for await (const page of conversationsFile(app.support, reader, { view, search, phone }).pages())
          expected.push(...page.map(({ id }) => id));
        const found: string[] = [];
        // A page of one alone would take hundreds.
        const pageSize = expected.length > 40 ? Math.max(limit, 30) : limit;
        for (let cursor: string | null = ''; cursor !== null; ) {
          const { status, body } = await call(
            'GET',
            `/api/inbox?${query}&order=${order}&limit=${pageSize}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
          );
          expect([status, body.detail]).toEqual([200, undefined]);
          found.push(...body.sessions.map(({ id }: { id: string }) => id));
          cursor = body.next_cursor;
        }
        expect([search, new Set(found).size]).toEqual([search, found.length]);
        expect([search, [...found].sort()]).toEqual([search, [...expected].sort()]);
        if (found.length < 100) {
          const { body } = await call('GET', `/api/inbox?${query}&order=${order}&limit=100`);
          expect([search, body.sessions.map(({ id }: { id: string }) => id)]).toEqual([search, found]);
        }
        if (found.length === 0) seen.none++;
        else seen.some++;
      },
    ),
    { numRuns: sample(300, 40) },
  );
  expect(Math.min(seen.some, seen.none)).toBeGreaterThan(0);
});
