import { type App, type Queryable, ReferenceNotFound, type Transaction } from '@aether/platform';

/** An entry of a customer's timeline, of either app. */
export type Activity = {
  id: string;
  type: string;
  description: string;
  metadata: Record<string, unknown>;
  occurred_at: Date;
  due_at: Date | null;
  done_at: Date | null;
  app: App;
  created_by: { id: string; name: string } | null;
  deal_id: number | null;
};

/** Where a page ends: the time to the microsecond, which Date has not, and the id. */
export type TimelinePlace = { at: string; id: string };

export type NewActivity = {
  customer_id: string;
  type: string;
  description: string;
  metadata?: Record<string, unknown>;
  occurred_at?: string;
  due_at?: string;
  deal_id?: number;
  idempotency_key?: string;
};

type ActivityRow = Omit<Activity, 'created_by'> & { created_by: string | null; created_by_name: string | null };

const beforeEverything: TimelinePlace = { at: 'infinity', id: 'ffffffff-ffff-ffff-ffff-ffffffffffff' };

const activityColumns = `a.id, a.type, a.description, a.metadata, a.occurred_at, a.due_at, a.done_at, a.created_by_app as app, a.deal_id,
  a.created_by, u.name as created_by_name`;

/** A customer's activities, newest first, from behind `after`; of the given types and app only. */
export async function readTimeline(
  on: Queryable,
  customerId: string,
  {
    types,
    app,
    after = beforeEverything,
    limit,
  }: { types?: string[]; app?: App; after?: TimelinePlace; limit: number },
): Promise<(Activity & { place: TimelinePlace })[]> {
  const rows = await on.query<ActivityRow & { at: string }>(
    `select ${activityColumns}, to_char(a.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
     from crm.activities a left join platform.users u on u.id = a.created_by
     where a.customer_id = $1 and (a.occurred_at, a.id) < ($2, $3)
       and ($4::text[] is null or a.type = any ($4)) and ($5::text is null or a.created_by_app = $5)
     order by a.occurred_at desc, a.id desc limit $6`,
    [customerId, after.at, after.id, types ?? null, app ?? null, limit],
  );
  return rows.map((row) => ({ ...toActivity(row), place: { at: row.at, id: row.id } }));
}

/**
 * Adds to the timeline as Foundation. With an idempotency key a repetition adds nothing and returns what stands there.
 *
 * @throws ReferenceNotFound when the deal is not one of this customer's.
 */
export async function addActivity(tx: Transaction, activity: NewActivity): Promise<Activity> {
  const { customer_id, type, description, metadata = {}, occurred_at, due_at, deal_id, idempotency_key } = activity;
  if (deal_id !== undefined) {
    const deals = await tx.query('select from crm.deals where id = $1 and customer_id = $2', [deal_id, customer_id]);
    if (deals.length === 0) throw new ReferenceNotFound('deal_id');
  }
  const added = await tx.query<{ id: string }>(
    `insert into crm.activities (customer_id, type, description, metadata, occurred_at, due_at, deal_id, idempotency_key)
     values ($1, $2, $3, $4, coalesce($5, now()), $6, $7, $8)
     on conflict (created_by_app, idempotency_key) do nothing returning id`,
    [customer_id, type, description, metadata, occurred_at, due_at, deal_id, idempotency_key],
  );
  const [row] = await tx.query<ActivityRow>(
    `select ${activityColumns} from crm.activities a left join platform.users u on u.id = a.created_by
     where ${added[0] ? 'a.id = $1' : `a.created_by_app = 'foundation' and a.idempotency_key = $1`}`,
    [added[0]?.id ?? idempotency_key],
  );
  return toActivity(row as ActivityRow);
}

function toActivity({ created_by, created_by_name, ...row }: ActivityRow): Activity {
  const { id, type, description, metadata, occurred_at, due_at, done_at, app, deal_id } = row;
  return {
    id,
    type,
    description,
    metadata,
    occurred_at,
    due_at,
    done_at,
    app,
    deal_id,
    created_by: created_by && created_by_name ? { id: created_by, name: created_by_name } : null,
  };
}
