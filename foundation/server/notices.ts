import {
  type App,
  addNoticeRoutes as addInbox,
  createStaffRoute,
  type Hearing,
  hearsNotice,
  mentionable,
} from '@aether/http';
import { type DescribeNotices, findMentionable, type NoticeWords, type PlatformDb } from '@aether/platform';

const mentionablePeople = createStaffRoute({
  method: 'get',
  path: '/api/users/mentionable',
  operationId: 'findMentionableUsers',
  right: 'person',
  summary: 'Who can be mentioned in a note about a customer: everybody of staff',
  request: { query: mentionable.query },
  responses: mentionable.responses,
});

/** The inbox of a person, and whom they can mention. */
export function addNoticeRoutes(app: App, db: PlatformDb) {
  return addInbox(app, db, async () => describeNotices).openapi(mentionablePeople, async (c) =>
    c.json({ people: await findMentionable(db, c.req.valid('query')) }, 200),
  );
}

/** Who a notice of the stream is for. Everything else is for all of staff. */
export const openHearing =
  () =>
  (caller: Parameters<typeof hearsNotice>[0]): Hearing => ({
    hears: async () => true,
    hearsSignal: async (signal) => hearsNotice(caller, signal) ?? false,
  });

/**
 * What Foundation says of the records of notices: its own, which all of staff may read. Of a conversation only whose it is: what was written in
 * it is in Support.
 */
const describeNotices: DescribeNotices = (on, ids) =>
  on.query<NoticeWords>(
    `select n.id, n.record <> 'session' as is_readable, coalesce(d.name, o.name) as name, left(a.description, 400) as text,
       case when c.id is not null and c.erased_at is null then jsonb_build_object('id', c.id, 'name', c.name) end as customer
     from platform.notices n
       left join crm.deals d on d.id = case when n.record = 'deal' then n.record_id::bigint end
       left join platform.companies o on o.id = case when n.record = 'company' then n.record_id::uuid end
       left join crm.activities a on a.id = case n.record when 'activity' then n.record_id::uuid when 'company' then n.entry_id end
       left join platform.customers c on c.id = n.customer_id
     where n.id = any ($1)`,
    [ids],
  );
