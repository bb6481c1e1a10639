import { type AppEvent, isNoAddress, type PlatformDb, type Queryable, type Subscription } from '@aether/platform';

/** The columns of a customer whose changes a person wants to see. */
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
  'customer_id',
  'name',
  'amount',
  'currency',
  'stage_id',
  'status',
  'owner_id',
  'company_id',
  'expected_close_on',
] as const;
const companyFields = ['name', 'domain', 'owner_id'] as const;

const types = [
  'customer.created',
  'customer.updated',
  'address.created',
  'address.updated',
  'address.deleted',
  'phone.created',
  'phone.updated',
  'phone.deleted',
  'deal.created',
  'deal.updated',
  'deal_contact.created',
  'deal_contact.updated',
  'deal_contact.deleted',
  'company.updated',
  'custom_value.created',
  'custom_value.updated',
  'custom_value.deleted',
  'customer_tag.created',
  'customer_tag.deleted',
] as const;
type RecordedEvent = AppEvent<(typeof types)[number]>;
type Values = Record<string, unknown>;
export const dealChanges = [
  ...(['created', 'edited', 'moved', 'won', 'lost', 'reopened'] as const),
  ...(['contact_added', 'contact_changed', 'contact_removed'] as const),
] as const;
export type Change = (typeof dealChanges)[number];

/**
 * Records the changes of customers, deals and companies in crm.changes. A repetition changes nothing. The changes of a customer that was merged
 * since belong to the survivor, those of a deal to whoever is its primary contact. An erased customer gets no history.
 */
export function recordHistory(db: PlatformDb, onError: (error: unknown) => void): Subscription {
  return db.events.subscribeBatch(
    { name: 'foundation.history', types: [...types], from: 'beginning', onError },
    async (events, { tx }) => {
      const rows = events.map(toRow).filter((row) => row !== undefined);
      if (rows.length === 0) return;
      const deals = [...new Set(rows.map((row) => row.deal_id).filter((id) => id !== null))];
      // Somebody who gives a deal another primary contact hands over the history that is there: this reads whose it is after that.
      if (deals.length > 0)
        await tx.query('select from crm.deals where id = any ($1) order by id for key share', [deals]);
      // A value that was given when its record was made is part of the creation: both have the time of that transaction.
      await tx.query(
        `insert into crm.changes
           (event_id, customer_id, company_id, deal_id, change, app, actor, occurred_at, data, previous, names)
         select r.event_id, c.id, o.id, r.deal_id,
           case when r.given_at = coalesce(o.created_at, d.created_at, was.created_at) then 'created' else r.change end,
           r.app, r.actor, r.occurred_at, r.data, r.previous, r.names || coalesce(s.names, '{}')
         from jsonb_to_recordset($1::jsonb) as r (event_id bigint, customer_id uuid, company_id uuid, deal_id bigint, change text, app text,
             actor text, occurred_at timestamptz, data jsonb, previous jsonb, names jsonb, given_at timestamptz)
         left join crm.deals d on d.id = r.deal_id
         left join platform.companies o on o.id = r.company_id
         left join platform.customers was
           on was.id = case when r.change like 'contact\\_%' then r.customer_id else coalesce(d.customer_id, r.customer_id) end
         left join platform.customers c on c.id = coalesce(was.merged_into, was.id) and c.erased_at is null
         left join lateral (
           select jsonb_object_agg('stage_id.' || n.id, n.name) as names
           from (select id, name from crm.pipeline_stages union all select id, name from crm.former_stages) n
           where n.id in ((r.data ->> 'stage_id')::bigint, (r.previous ->> 'stage_id')::bigint)) s on true
         where c.id is not null or o.id is not null
         on conflict (event_id) do nothing`,
        [JSON.stringify(rows)],
      );
    },
  );
}

function toRow(event: RecordedEvent) {
  if (event.type.startsWith('customer_tag.')) return toTagRow(event);
  if (event.type.startsWith('custom_value.')) return toValueRow(event);
  if (event.type.startsWith('phone.')) return toPhoneRow(event);
  if (event.type.startsWith('deal_contact.')) return toContactRow(event);
  return event.type.startsWith('address.') ? toAddressRow(event) : toFieldsRow(event);
}

function toFieldsRow(event: RecordedEvent) {
  const isDeal = event.type.startsWith('deal.');
  const isCompany = event.type.startsWith('company.');
  const [data, previous] = [event.data as Values, event.previous as Values];
  const isCreated = event.type.endsWith('.created');
  const recorded: readonly string[] = isDeal ? dealFields : isCompany ? companyFields : customerFields;
  const fields = recorded.filter((field) =>
    isCreated ? data[field] !== null && data[field] !== undefined : field in previous,
  );
  if (fields.length === 0) return undefined; // only internal columns changed
  const pick = (from: Values) => Object.fromEntries(fields.map((field) => [field, from[field] ?? null]));
  return {
    ...headOf(event),
    company_id: isCompany ? event.key : null,
    deal_id: isDeal ? Number(event.rowId) : null,
    change: isCreated ? 'created' : nameChange(data, previous),
    data: { ...pick(data), ...(isDeal && { name: data.name, version: event.version }) },
    previous: isCreated ? {} : pick(previous),
    names: {},
  };
}

/** Records a value of a custom field as a field `custom.<key>`. */
function toValueRow(event: RecordedEvent) {
  const [data, previous] = [event.data as Values, event.previous as Values];
  const named = event.type === 'custom_value.deleted' ? previous : data;
  const { field_key, field_label, company_id, deal_id } = named;
  if (!('value' in data) && !('value' in previous)) return undefined; // only the label changed
  const field = `custom.${field_key}`;
  return {
    ...headOf(event),
    company_id: company_id ?? null,
    deal_id: deal_id ?? null,
    change: 'edited',
    data: { [field]: data.value ?? null },
    previous: { [field]: previous.value ?? null },
    names: { [field]: field_label },
    given_at: data.created_at,
  };
}

/** Records an address that was added, removed or verified as a field `address`. */
function toAddressRow(event: RecordedEvent) {
  const [data, previous] = [event.data as Values, event.previous as Values];
  const isGone = event.type === 'address.deleted';
  if (event.type === 'address.updated' && !('verified_at' in previous)) return undefined; // shown with the customer's fields
  const { email, customer_id } = isGone ? previous : data;
  if (isNoAddress(String(email))) return undefined; // the customer had no address; this text only marks that
  const describe = (verifiedAt: unknown) => (verifiedAt ? `${email}, verified` : email);
  return {
    ...headOf(event),
    customer_id,
    deal_id: null,
    change: 'edited',
    data: { address: isGone ? null : describe(data.verified_at) },
    previous: { address: event.type === 'address.created' ? null : describe(previous.verified_at) },
    names: {},
  };
}

/** Records a telephone number that was added or removed as a field `phone_number`. */
function toPhoneRow(event: RecordedEvent) {
  const [data, previous] = [event.data as Values, event.previous as Values];
  if (event.type === 'phone.updated') return undefined; // shown with the customer's fields
  const isGone = event.type === 'phone.deleted';
  return {
    ...headOf(event),
    customer_id: isGone ? previous.customer_id : data.customer_id,
    deal_id: null,
    change: 'edited',
    data: { phone_number: isGone ? null : data.phone },
    previous: { phone_number: isGone ? previous.phone : null },
    names: {},
  };
}

/** Records in the history of a customer that they became a contact of a deal, have another part in it, or left it. */
function toContactRow(event: RecordedEvent) {
  const [data, previous] = [event.data as Values, event.previous as Values];
  const isGone = event.type === 'deal_contact.deleted';
  const { deal_id } = isGone ? previous : data;
  const isNew = event.type === 'deal_contact.created' && !data.was_primary;
  if (event.type === 'deal_contact.updated' && !('role' in previous)) return undefined; // only a merge moved it
  if (data.was_primary && !data.role) return undefined; // the primary contact stays in the deal
  return {
    ...headOf(event),
    deal_id,
    change: isGone ? 'contact_removed' : isNew ? 'contact_added' : 'contact_changed',
    data: { role: isGone ? null : (data.role ?? null) },
    previous: { role: previous.role ?? null },
    names: {},
  };
}

/** Records a tag that was given or taken away as a field `tag`. */
function toTagRow(event: RecordedEvent) {
  const [data, previous] = [event.data as Values, event.previous as Values];
  const isGone = event.type === 'customer_tag.deleted';
  return {
    ...headOf(event),
    customer_id: isGone ? previous.customer_id : data.customer_id,
    deal_id: null,
    change: 'edited',
    data: { tag: isGone ? null : data.tag_name },
    previous: { tag: isGone ? previous.tag_name : null },
    names: {},
  };
}

const headOf = ({ id, customer, app, actor, occurredAt }: RecordedEvent) => ({
  event_id: id,
  customer_id: customer,
  app,
  actor,
  occurred_at: occurredAt,
});

/** A change of a deal in one word. */
function nameChange(data: Values, previous: Values): Change {
  if ('status' in previous) return data.status === 'open' ? 'reopened' : (data.status as 'won' | 'lost');
  return 'stage_id' in previous ? 'moved' : 'edited';
}

export type Provenance = { app: string; actor: { id: string; name: string } | null; at: Date; old: unknown };

/** The newest changes in which the last change of each field is searched. */
const lookBackMax = 2_000;

/** The last change of each field of a customer, also of `custom.<key>`: the person, the app, the time, and the value before. */
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
     where f.field = any ($2) or f.field like 'custom.%' order by f.field, h.occurred_at desc, h.id desc`,
    [customerId, [...customerFields]],
  );
  return Object.fromEntries(
    rows.map(({ field, app, actor, actor_name, at, old }) => [
      field,
      { app, actor: actor && actor_name ? { id: actor, name: actor_name } : null, at, old: old ?? null },
    ]),
  );
}
