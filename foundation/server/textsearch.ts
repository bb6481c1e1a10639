import {
  type App,
  answerTexts,
  createStaffRoute,
  cursorsOf,
  problems,
  TextSearchSchema,
  textQuery,
  z,
} from '@aether/http';
import type { Parameter, PlatformDb, Queryable } from '@aether/platform';
import type { TextSource } from '@aether/platform/texts';
import { typedByPeople } from './activities/activities.ts';

const kinds = ['note', 'call', 'email', 'meeting', 'task', 'support', 'other', 'deal'] as const;
type Kind = (typeof kinds)[number];

const named = z.object({ id: z.string(), name: z.string() });

const search = createStaffRoute({
  method: 'get',
  path: '/api/search/text',
  operationId: 'searchTexts',
  right: 'person',
  summary: 'Activities and deals with the given words',
  description:
    'What the timelines of customers and companies say, with what Support tells of its conversations and calls, and the names of deals. The conversations themselves are Support’s.',
  request: { query: textQuery(kinds) },
  responses: {
    200: {
      description: 'One page.',
      content: {
        'application/json': {
          schema: TextSearchSchema('FoundText', {
            kind: z.enum(kinds).openapi({
              description:
                'Of an activity, or a deal’s name. support: what Support says; other: what an app writes otherwise.',
            }),
            type: z.string().nullable().openapi({ description: 'The type of the activity; null for a deal.' }),
            app: z.string().nullable().openapi({ description: 'The app that wrote the activity; null for a deal.' }),
            author: named.nullable().openapi({ description: 'The person who wrote it, or who owns the deal.' }),
            customer: named.nullable().openapi({ description: 'Null for what was written on a company itself.' }),
            company: named.nullable().openapi({ description: 'The company on which it was written.' }),
            deal: z.object({ id: z.int(), name: z.string() }).nullable(),
          }),
        },
      },
    },
    ...problems(422),
  },
});

export function addTextSearchRoutes(app: App, db: PlatformDb) {
  const cursors = cursorsOf(db);
  return app.openapi(search, async (c) => {
    const asked = c.req.valid('query');
    const answer = await answerTexts(db.reads, cursors, asked, sourcesFor(asked.kind), (table, ids) =>
      table === 'deal' ? describeDeals(db.reads, ids) : describeActivities(db.reads, ids),
    );
    return c.json(answer, 200);
  });
}

/** Everybody in Foundation reads every timeline and every deal. */
function sourcesFor(kind: Kind | undefined): TextSource[] {
  const sources: TextSource[] = [];
  if (kind !== 'deal')
    sources.push({
      kind: 'activity',
      from: 'crm.activities a',
      ...{ id: 'a.id', at: 'a.occurred_at' },
      body: `a.description || coalesce(E'\\n' || (a.metadata ->> 'summary'), '')`,
      where: (parameter) => (kind ? [matchKind(kind, parameter)] : []),
      earliest: 'select occurred_at from crm.activities order by occurred_at limit 1',
      latest: 'select occurred_at from crm.activities order by occurred_at desc limit 1',
    });
  if (kind === undefined || kind === 'deal')
    sources.push({
      kind: 'deal',
      from: 'crm.deals d',
      ...{ id: 'd.id', at: 'd.created_at', body: 'd.name' },
      where: () => [],
      earliest: 'select created_at from crm.deals order by id limit 1',
    });
  return sources;
}

const isOfSupport = "a.type like 'support\\_%'";

function matchKind(kind: Kind, parameter: Parameter): string {
  if (kind === 'support') return isOfSupport;
  if (kind === 'other') return `not ${isOfSupport} and a.type <> all (${parameter([...typedByPeople], 'text[]')})`;
  return `a.type = ${parameter(kind, 'text')}`;
}

function kindOf(type: string): Kind {
  if (type.startsWith('support_')) return 'support';
  return typedByPeople.find((each) => each === type) ?? 'other';
}

type Named = { id: string; name: string };
type Shown = {
  kind: Kind;
  type: string | null;
  app: string | null;
  author: Named | null;
  customer: Named | null;
  company: Named | null;
  deal: { id: number; name: string } | null;
};

/** The customer who goes on, if the record's own one was merged. */
const customerOf = (owner: string) =>
  `left join platform.customers o on o.id = ${owner} left join platform.customers c on c.id = coalesce(o.merged_into, o.id)`;
const personColumn = `case when u.id is not null then jsonb_build_object('id', u.id, 'name', u.name) end as author`;
const customerColumn = `case when c.id is not null then jsonb_build_object('id', c.id, 'name', c.name) end as customer`;
const dealColumn = `case when d.id is not null then jsonb_build_object('id', d.id, 'name', d.name) end as deal`;

async function describeActivities(on: Queryable, ids: string[]): Promise<Map<string, Shown>> {
  const rows = await on.query<Omit<Shown, 'kind'> & { id: string; type: string }>(
    `select a.id, a.type, a.created_by_app as app, ${personColumn}, ${customerColumn}, ${dealColumn},
       case when f.id is not null then jsonb_build_object('id', f.id, 'name', f.name) end as company
     from crm.activities a ${customerOf('a.customer_id')} left join platform.companies f on f.id = a.company_id
       left join crm.deals d on d.id = a.deal_id left join platform.users u on u.id = a.created_by
     where a.id = any ($1::uuid[])`,
    [ids],
  );
  return new Map(rows.map(({ id, ...row }) => [id, { kind: kindOf(row.type), ...row }]));
}

async function describeDeals(on: Queryable, ids: string[]): Promise<Map<string, Shown>> {
  const rows = await on.query<Pick<Shown, 'author' | 'customer' | 'deal'> & { id: string }>(
    `select d.id::text as id, ${personColumn}, ${customerColumn}, ${dealColumn}
     from crm.deals d ${customerOf('d.customer_id')} left join platform.users u on u.id = d.owner_id
     where d.id = any ($1::bigint[])`,
    [ids],
  );
  return new Map(rows.map(({ id, ...row }) => [id, { kind: 'deal', type: null, app: null, company: null, ...row }]));
}
