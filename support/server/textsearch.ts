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
import { mayList, type Reader, requireListReader } from './conversations/readers.ts';

const kinds = ['message', 'note', 'call'] as const;
type Kind = (typeof kinds)[number];

const named = z.object({ id: z.string(), name: z.string() });

const search = createStaffRoute({
  method: 'get',
  path: '/api/search/text',
  operationId: 'searchTexts',
  right: 'person',
  summary: 'Messages, notes and notes of calls with the given words',
  description:
    'Only of conversations that the agent may read. Notes are those of agents in a conversation, with what they say when they transfer or end it.',
  request: { query: textQuery(kinds) },
  responses: {
    200: {
      description: 'One page.',
      content: {
        'application/json': {
          schema: TextSearchSchema('FoundText', {
            kind: z.enum(kinds),
            author: z.enum(['visitor', 'agent', 'bot']),
            author_name: z.string().nullable().openapi({ description: 'As the visitor typed it, or the agent’s.' }),
            session: z
              .object({
                id: z.string(),
                status: z.enum(['active', 'ended']),
                identity: z.enum(['claimed', 'verified']),
                visitor_name: z.string().nullable(),
              })
              .nullable()
              .openapi({ description: 'The conversation with the text; null for a call.' }),
            number: z.int().nullable().openapi({ description: 'The message’s number in its conversation.' }),
            customer: named.nullable().openapi({ description: 'With a claimed identity nobody has proven it.' }),
          }),
        },
      },
    },
    ...problems(422),
  },
});

export function addTextSearchRoutes(app: App, db: PlatformDb) {
  const searchTexts = openTextSearch(db);
  return app.openapi(search, async (c) => {
    const reader = await requireListReader(db, c.get('caller'));
    const answer = await searchTexts(reader, c.req.valid('query'));
    return c.json(answer, 200);
  });
}

/** @returns what reads one page of the texts that a reader may read. It throws a Problem for a query without words. */
export function openTextSearch(db: PlatformDb) {
  const cursors = cursorsOf(db);
  return (reader: Reader, asked: z.output<ReturnType<typeof textQuery<typeof kinds>>>) => {
    const sources = sourcesFor(reader);
    const chosen = asked.kind ? [asked.kind] : kinds;
    return answerTexts(
      db.reads,
      cursors,
      asked,
      chosen.map((kind) => sources[kind]),
      (kind, ids) => describe(db.reads, kind as Kind, ids),
    );
  };
}

/** The texts that a reader may read. A conversation that was only opened is shown to nobody; a call is open to every agent. */
function sourcesFor(reader: Reader): Record<Kind, TextSource> {
  // Looked up for each text that is found: PostgreSQL cannot know how few they are, and would read all sessions into a hash.
  const isReadable = (of: string, parameter: Parameter) =>
    `exists (select from support.sessions s where s.id = ${of} and s.asked_at is not null
       and ${mayList(reader, parameter(reader.agentId, 'uuid'), parameter)} offset 0)`;
  return {
    message: {
      kind: 'message',
      from: 'support.messages m',
      ...{ id: 'm.id', at: 'm.created_at', body: 'm.body' },
      where: (parameter) => [isReadable('m.session_id', parameter)],
      // The ids begin with their time.
      earliest: 'select created_at from support.messages order by id limit 1',
    },
    note: {
      kind: 'note',
      from: 'support.session_entries e',
      ...{ id: 'e.id', at: 'e.created_at', body: 'e.body' },
      where: (parameter) => ["e.body is not null and e.kind <> 'snoozed'", isReadable('e.session_id', parameter)],
      earliest: 'select created_at from support.session_entries order by id limit 1',
    },
    call: {
      kind: 'call',
      from: 'support.calls k',
      ...{ id: 'k.id', at: 'k.started_at', body: 'k.notes' },
      where: () => ['k.notes is not null'],
      earliest: 'select started_at from support.calls order by started_at, id limit 1',
      latest: 'select started_at from support.calls order by started_at desc, id desc limit 1',
    },
  };
}

type Shown = {
  kind: Kind;
  author: 'visitor' | 'agent' | 'bot';
  author_name: string | null;
  session: {
    id: string;
    status: 'active' | 'ended';
    identity: 'claimed' | 'verified';
    visitor_name: string | null;
  } | null;
  number: number | null;
  customer: { id: string; name: string } | null;
};

const agentTables = 'left join support.agents a on a.id = t.agent_id left join platform.users u on u.id = a.user_id';
const sessionColumns = `jsonb_build_object('id', s.id, 'status', s.status, 'identity', s.identity, 'visitor_name', s.visitor_name)
  as session`;
/** The customer who goes on, if the text's own one was merged. */
const customerColumn = `case when c.id is not null then jsonb_build_object('id', c.id, 'name', c.name) end as customer`;
const customerTables = (owner: string) =>
  `left join platform.customers o on o.id = ${owner} left join platform.customers c on c.id = coalesce(o.merged_into, o.id)`;

const records: Record<Kind, string> = {
  message: `select t.id, t.author, case t.author when 'visitor' then s.visitor_name when 'agent' then u.name end as author_name,
      t.number, ${sessionColumns}, ${customerColumn}
    from support.messages t join support.sessions s on s.id = t.session_id ${agentTables} ${customerTables('s.customer_id')}`,
  note: `select t.id, 'agent' as author, u.name as author_name, null as number, ${sessionColumns}, ${customerColumn}
    from support.session_entries t join support.sessions s on s.id = t.session_id ${agentTables} ${customerTables('s.customer_id')}`,
  call: `select t.id, 'agent' as author, u.name as author_name, null as number, null as session, ${customerColumn}
    from support.calls t ${agentTables} ${customerTables('t.customer_id')}`,
};

async function describe(on: Queryable, kind: Kind, ids: string[]): Promise<Map<string, Shown>> {
  const rows = await on.query<Omit<Shown, 'kind'> & { id: string }>(`${records[kind]} where t.id = any ($1::uuid[])`, [
    ids,
  ]);
  return new Map(rows.map(({ id, ...row }) => [id, { kind, ...row }]));
}
