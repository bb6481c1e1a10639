import { type App, createStaffRoute, line, object, problems, z } from '@aether/http';
import type { PlatformDb, Queryable } from '@aether/platform';
import { findReader, mayRead, type Reader } from './conversations/readers.ts';

const foundMax = 6;
/** The conversations in which to search. */
const candidatesMax = 24;

const search = createStaffRoute({
  method: 'get',
  path: '/api/search',
  right: 'person',
  summary: 'A few customers, and for agents a few of the conversations that they may read, while the caller types',
  request: { query: object({ q: line({ charactersMax: 100 }) }) },
  responses: {
    200: {
      description: 'The newest first.',
      content: {
        'application/json': {
          schema: z.object({
            sessions: z.array(
              z.object({
                id: z.string(),
                visitor_name: z.string().nullable(),
                status: z.enum(['active', 'ended']),
                started_at: z.string(),
              }),
            ),
            customers: z.array(z.object({ id: z.string(), name: z.string(), email: z.string() })),
          }),
        },
      },
    },
    ...problems(422),
  },
});

export function addSearchRoutes(app: App, db: PlatformDb) {
  return app.openapi(search, async (c) => {
    const words = c.req.valid('query').q.toLowerCase().split(/\s+/).filter(Boolean);
    const customers = await findCustomers(db, words, db.readPhone(c.req.valid('query').q)?.key ?? null);
    const ids = customers.map(({ id }) => id);
    const reader = await findReader(db, c.get('caller'));
    const sessions = reader ? await findSessions(db, reader, words, ids) : [];
    return c.json({ customers: customers.slice(0, foundMax), sessions }, 200);
  });
}

type Found = { id: string; name: string; email: string };

/** As the trigram index normalises it: see customers_search. */
const searched = "(' ' || lower(c.name collate pg_c_utf8) || ' ' || c.email_key)";
/** A customer with a frequent word is among the latest. Only rare words go to the index, which knows nothing of frequency. */
const latestMax = 3_000;

/** Every word is in the name or the address (one of one or two letters at the beginning of a word), or it is the telephone number. */
async function findCustomers(on: Queryable, words: string[], phoneKey: string | null): Promise<Found[]> {
  const patterns = words.map((word) => {
    const escaped = word.replace(/[\\%_]/g, '\\$&');
    return [...word].length < 3 ? `% ${escaped}%` : `%${escaped}%`;
  });
  const everyWord = words
    .map((word, index) => {
      const pattern = `$${index + 1}`;
      // PostgreSQL writes the last Σ of a word as σ, JavaScript as ς.
      const other = word.includes('ς') ? ` or ${searched} like replace(${pattern}, 'ς', 'σ')` : '';
      return `(${searched} like ${pattern}${other})`;
    })
    .join(' and ');
  const matches = `(${everyWord} or c.phone_key = $${words.length + 1})`;
  const goesOn = 'c.merged_into is null and c.erased_at is null';
  const latest = await on.query<Found>(
    `select c.id, c.name, c.email
     from (select * from platform.customers c where ${goesOn} order by c.updated_at desc, c.id desc limit ${latestMax}) c
     where ${matches} order by c.updated_at desc, c.id desc limit ${candidatesMax}`,
    [...patterns, phoneKey],
  );
  if (latest.length >= foundMax) return latest;
  return on.query<Found>(
    `select c.id, c.name, c.email from platform.customers c
     where ${goesOn} and ${matches} order by c.updated_at desc, c.id desc limit ${candidatesMax}`,
    [...patterns, phoneKey],
  );
}

type FoundSession = { id: string; visitor_name: string | null; status: 'active' | 'ended'; started_at: string };

/** The given customers' conversations, and open ones of visitors who gave such a name; only those that the reader may read. */
function findSessions(
  on: Queryable,
  { agentId, readsAll }: Reader,
  words: string[],
  customerIds: string[],
): Promise<FoundSession[]> {
  return on.query<FoundSession>(
    `select s.id, s.visitor_name, s.status, s.started_at from support.sessions s
     where s.asked_at is not null and ${mayRead('$3', '$4')}
       and (s.customer_id = any ($1) or s.status = 'active')
       and (s.customer_id = any ($1) or not exists (
         select from unnest($2::text[]) w
           where strpos(replace(lower(concat_ws(' ', s.visitor_name, s.visitor_email)), 'ς', 'σ'), replace(w, 'ς', 'σ')) = 0))
     order by s.started_at desc limit ${foundMax}`,
    [customerIds, words, agentId, readsAll],
  );
}
