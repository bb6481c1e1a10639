import type { AppEvent, PlatformDb, Queryable, Subscription } from '@aether/platform';

/** Columns of a customer whose changes a person wants to see. */
const customerFields = [
  'name',
  'email',
  'phone',
  'company_id',
  'account_tier',
  'account_manager_id',
  'preferred_language',
  'timezone',
] as const;
const dealFields = [
  'name',
  'amount',
  'currency',
  'stage_id',
  'status',
  'owner_id',
  'company_id',
  'expected_close_on',
] as const;

type RecordedEvent = AppEvent<'customer.created' | 'customer.updated' | 'deal.created' | 'deal.updated'>;
export type Change = 'created' | 'edited' | 'moved' | 'won' | 'lost' | 'reopened';

/** Writes down what happens to customers and deals: see crm.changes. A repetition changes nothing. */
export function recordHistory(db: PlatformDb, onError: (error: unknown) => void): Subscription {
  return db.events.subscribeBatch(
    {
      name: 'foundation.history',
      types: ['customer.created', 'customer.updated', 'deal.created', 'deal.updated'],
      from: 'beginning',
      onError,
    },
    async (events, { tx }) => {
      const rows = events.map(toRow).filter((row) => row !== undefined);
      if (rows.length === 0) return;
      await tx.query(
        `insert into crm.changes (event_id, customer_id, deal_id, change, app, actor, occurred_at, data, previous)
         select event_id, customer_id, deal_id, change, app, actor, occurred_at, data, previous from jsonb_to_recordset($1::jsonb)
           as r (event_id bigint, customer_id uuid, deal_id bigint, change text, app text, actor text, occurred_at timestamptz, data jsonb, previous jsonb)
         on conflict (event_id) do nothing`,
        [JSON.stringify(rows)],
      );
    },
  );
}

function toRow(event: RecordedEvent) {
  const isDeal = event.type.startsWith('deal.');
  const [data, previous] = [event.data as Record<string, unknown>, event.previous];
  const isCreated = event.type.endsWith('.created');
  const fields = (isDeal ? dealFields : customerFields).filter((field) =>
    isCreated ? data[field] !== null && data[field] !== undefined : field in previous,
  );
  if (fields.length === 0) return undefined; // bookkeeping
  const pick = (from: Record<string, unknown>) =>
    Object.fromEntries(fields.map((field) => [field, from[field] ?? null]));
  return {
    event_id: event.id,
    customer_id: event.key,
    deal_id: isDeal ? Number(event.rowId) : null,
    change: isCreated ? 'created' : nameChange(data, previous),
    app: event.app,
    actor: event.actor,
    occurred_at: event.occurredAt,
    data: { ...pick(data), ...(isDeal && { name: data.name }) },
    previous: isCreated ? {} : pick(previous),
  };
}

/** What a change of a deal comes to, in a word. */
function nameChange(data: Record<string, unknown>, previous: Record<string, unknown>): Change {
  if ('status' in previous) return data.status === 'open' ? 'reopened' : (data.status as 'won' | 'lost');
  return 'stage_id' in previous ? 'moved' : 'edited';
}

export type Provenance = { app: string; actor: { id: string; name: string } | null; at: Date; old: unknown };

/** Changes that are looked through for a field's last one. */
const lookBackMax = 2_000;

/** Of each field of a customer: who changed it last, in which app, when, and what stood there before. */
export async function readProvenance(on: Queryable, customerId: string): Promise<Record<string, Provenance>> {
  const rows = await on.query<{
    field: string;
    app: string;
    actor: string | null;
    actor_name: string | null;
    at: Date;
    old: unknown;
  }>(
    `select distinct on (f.field) f.field, h.app, h.actor, u.name as actor_name, h.occurred_at as at, h.previous -> f.field as old
     from (select * from crm.changes where customer_id = $1 and deal_id is null order by occurred_at desc, id desc limit ${lookBackMax}) h
     cross join lateral jsonb_object_keys(h.data) as f (field) left join platform.users u on u.id = h.actor
     where f.field = any ($2) order by f.field, h.occurred_at desc, h.id desc`,
    [customerId, [...customerFields]],
  );
  return Object.fromEntries(
    rows.map(({ field, app, actor, actor_name, at, old }) => [
      field,
      { app, actor: actor && actor_name ? { id: actor, name: actor_name } : null, at, old: old ?? null },
    ]),
  );
}
