import {
  type App,
  addNoticeRoutes as addInbox,
  createStaffRoute,
  mentionable,
  object,
  problems,
  uuid,
} from '@aether/http';
import { type DescribeNotices, findMentionable, type NoticeWords, type PlatformDb } from '@aether/platform';
import { listReaderIds } from './conversations/conversation.ts';
import { findReader, mayRead, type Reader, requireReaderOf } from './conversations/readers.ts';

const mentionableAgents = createStaffRoute({
  method: 'get',
  path: '/api/sessions/{id}/mentionable',
  operationId: 'findMentionableAgents',
  right: 'person',
  summary: 'Who can be mentioned in a note of a conversation: the agents who may read it',
  request: { params: object({ id: uuid() }), query: mentionable.query },
  responses: { ...mentionable.responses, ...problems(404, 422) },
});

/** The inbox of a person, and whom an agent can mention. */
export function addNoticeRoutes(app: App, db: PlatformDb) {
  return addInbox(app, db, async (caller, tx) => describeTo(await findReader(tx, caller))).openapi(
    mentionableAgents,
    async (c) => {
      const { id } = c.req.valid('param');
      await requireReaderOf(db, c.get('caller'), id);
      const among = await listReaderIds(db, id);
      return c.json({ people: await findMentionable(db, { ...c.req.valid('query'), among }) }, 200);
    },
  );
}

/**
 * What Support says of the records of notices: of a conversation what its readers may read, at this moment. Of records of the CRM only whose they
 * are, and the name of a company. Who is no agent sees no customers here.
 */
const describeTo =
  (reader: Reader | undefined): DescribeNotices =>
  (on, ids) =>
    reader === undefined
      ? Promise.resolve([])
      : on.query<NoticeWords>(
          `select n.id, s.id is not null as is_readable, coalesce(s.visitor_name, o.name) as name, left(e.body, 400) as text,
             case when c.id is not null and c.erased_at is null and (n.record <> 'session' or s.id is not null)
               then jsonb_build_object('id', c.id, 'name', c.name) end as customer
           from platform.notices n
             left join support.sessions s on s.id = case when n.record = 'session' then n.record_id::uuid end and ${mayRead('$2', '$3')}
             left join platform.companies o on o.id = case when n.record = 'company' then n.record_id::uuid end
             left join support.session_entries e on e.id = n.entry_id and e.session_id = s.id
             left join platform.customers c on c.id = n.customer_id
           where n.id = any ($1)`,
          [ids, reader.agentId, reader.readsAll],
        );
