import { type App, createStaffRoute, line, object, problems, z } from '@aether/http';
import {
  collectValues,
  matchAddress,
  matchCustomer,
  matchName,
  matchPhone,
  type PlatformDb,
  type Queryable,
  readSearchedPhone,
  type SearchedPhone,
  wordsOf,
} from '@aether/platform';
import { findListReader, mayList, type Reader } from './conversations/readers.ts';

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
    const { q } = c.req.valid('query');
    const customers = await findCustomers(db.reads, q, readSearchedPhone(q, db.readPhone(q)));
    const ids = customers.map(({ id }) => id);
    const reader = await findListReader(db, c.get('caller'));
    const sessions = reader ? await findSessions(db.reads, reader, q, ids) : [];
    return c.json({ customers: customers.slice(0, foundMax), sessions }, 200);
  });
}

type Found = { id: string; name: string; email: string };

/**
 * A customer with a frequent word is among the latest, which an index lists by their creation. Only rare words go to the index of words,
 * which knows nothing of frequency.
 */
const latestMax = 3_000;

/** Every word is in the name or the address, or the search is an address or a telephone number of the customer. */
async function findCustomers(on: Queryable, search: string, phone: SearchedPhone | undefined): Promise<Found[]> {
  const matchBy = (by: 'index' | 'rows') => {
    const { values, parameter } = collectValues();
    const everyWord = wordsOf(search).map((word) => matchCustomer(word, parameter, by === 'index' ? {} : undefined));
    const conditions = [everyWord.length > 0 ? `(${everyWord.join(' and ')})` : 'true'];
    const address = matchAddress(search, parameter);
    if (address) conditions.push(address);
    if (phone) conditions.push(matchPhone(phone, parameter, by));
    return { matches: `(${conditions.join(' or ')})`, values };
  };
  const near = matchBy('rows');
  const goesOn = 'c.merged_into is null and c.erased_at is null';
  const latest = await on.query<Found>(
    `select c.id, c.name, c.email
     from (select * from platform.customers c where ${goesOn} order by c.created_at desc, c.id desc limit ${latestMax}) c
     where ${near.matches} order by c.created_at desc, c.id desc limit ${candidatesMax}`,
    near.values,
  );
  if (latest.length >= foundMax) return latest;
  const { matches, values } = matchBy('index');
  // PostgreSQL does not know how few have the words: without "offset 0" it reads all customers in the order of the list.
  return on.query<Found>(
    `select c.id, c.name, c.email from (select * from platform.customers c where ${goesOn} and ${matches} offset 0) c
     order by c.created_at desc, c.id desc limit ${candidatesMax}`,
    values,
  );
}

type FoundSession = { id: string; visitor_name: string | null; status: 'active' | 'ended'; started_at: string };

/** The given customers' conversations, and open ones of visitors who gave such a name; only those that the reader may read. */
function findSessions(on: Queryable, reader: Reader, search: string, customerIds: string[]): Promise<FoundSession[]> {
  const { values, parameter } = collectValues();
  const isReadable = `s.asked_at is not null and ${mayList(reader, parameter(reader.agentId, 'uuid'), parameter)}`;
  const everyWord = wordsOf(search).map((word) =>
    matchName(`coalesce(s.visitor_name, '')`, word, parameter, {
      also: `lower(coalesce(s.visitor_email, '') collate pg_c_utf8)`,
    }),
  );
  // Both by their indexes: with "or", or without "materialized", PostgreSQL reads all conversations, the newest first, until enough fit.
  return on.query<FoundSession>(
    `with theirs as materialized (
       select s.* from support.sessions s where s.customer_id = any (${parameter(customerIds, 'uuid[]')}) and ${isReadable}),
     open as materialized (select s.* from support.sessions s where s.status = 'active' and ${isReadable})
     select s.id, s.visitor_name, s.status, s.started_at from theirs s
     union
     select s.id, s.visitor_name, s.status, s.started_at from open s where ${['true', ...everyWord].join(' and ')}
     order by started_at desc limit ${foundMax}`,
    values,
  );
}
