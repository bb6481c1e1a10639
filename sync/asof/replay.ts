import type { CustomerFile, FileChange, FileEvent, Row } from './customerfile.ts';

/*
 * A customer as of a past moment. Nothing keeps a copy of every state, but each event has the old values of what it changed. So the
 * replay begins with the rows as they are and goes backwards: it takes away what was created since, gives back what was deleted, and puts
 * the old values in their places. Before the log begins, crm.changes knows the old values of the fields that a timeline shows.
 *
 * Two things have no events of their own. A change of the primary address or number is an event of the customer; the replay derives from
 * it which addresses and numbers there were. And a row that was there before the log began has no "created": its own time tells.
 */

/** The moment up to which everything counts: a time, or the position of an event. */
export type Cut = { at: string } | { position: number };

/** How much is known of a moment. partly: only the fields that the history keeps. */
export type Knowledge = 'whole' | 'partly' | 'nothing';

export type Change = {
  eventId: number;
  position: number | null;
  at: string;
  type: string;
  audience: string;
  app: string;
  actor: string | null;
  trace: string | null;
  version: number | null;
  fields: { name: string; old: unknown; new: unknown }[];
};

export type Moment = {
  /** there: the customer existed. Otherwise there is nothing to show, and this is why. */
  state: 'there' | 'not yet' | 'erased' | 'unknown';
  /** The customer that the asked id meant at that moment: itself, or the survivor of a merge. */
  subjectId: string;
  mergedInto: string | null;
  at: string;
  knowledge: Knowledge;
  /** From when on everything is known, and from when on the fields of the history are. */
  wholeSince: string | null;
  partlySince: string | null;
  version: number | null;
  customer: Row | null;
  addresses: Row[];
  phones: Row[];
  deals: Row[];
  values: Row[];
  sessions: Row[];
  /** What has changed since, newest first. */
  since: Change[];
};

/** The fields of a customer that crm.changes keeps. */
export const historyFields = [
  'name',
  'email',
  'phone',
  'company_id',
  'account_tier',
  'account_manager_id',
  'preferred_language',
  'timezone',
] as const;

const entities = ['customer', 'address', 'phone', 'deal', 'custom_value', 'session'] as const;
type Entity = (typeof entities)[number];
type Rows = Map<string, { entity: Entity; row: Row }>;

/** Replays a customer's file backwards to a moment. Pure. */
export function rewind(file: CustomerFile, cut: Cut): Moment {
  const asked = file.asked?.id ?? '';
  const cutAt = 'at' in cut ? cut.at : timeOf(file, cut.position);
  const nothing = { subjectId: asked, at: cutAt, ...empty };
  if (!file.asked || !file.ids) return { ...nothing, state: file.asked ? 'erased' : 'unknown' };

  const rows = rowsNow(file);
  const undone: FileEvent[] = [];
  for (const event of file.events) {
    if (!isAfter(event, cut)) continue;
    undone.push(event);
    undo(rows, event);
  }
  // The survivor at that moment: merges are flat, and every later survivor is in the file too.
  const then = rows.get(`customer:${asked}`)?.row;
  const subjectId = (then?.merged_into as string | null) ?? asked;
  const reach = reachOf(file, subjectId);
  const undoneChanges = undoHistory(rows, subjectId, file, cutAt, reach);
  const customer = rows.get(`customer:${subjectId}`)?.row ?? null;
  const isThere = customer !== null && moment(customer.created_at) <= moment(cutAt);
  const knowledge = knowledgeAt(cutAt, reach);
  const ofSubject = undone.filter((event) => isAbout(event, subjectId)).map(toChange);
  const since = [...ofSubject, ...undoneChanges.map(historyToChange)];
  const base = { ...nothing, ...reach, subjectId, mergedInto: file.asked.merged_into, knowledge, since };
  if (!isThere) return { ...base, state: customer && knowledge === 'nothing' ? 'unknown' : 'not yet' };
  if (knowledge === 'nothing') return { ...base, state: 'unknown' };
  const owned = (entity: Entity) =>
    [...rows.values()]
      .filter((each) => each.entity === entity && each.row.customer_id === subjectId && wasThere(each.row, cutAt))
      .map(({ row }) => row);
  const whole = knowledge === 'whole';
  return {
    ...base,
    state: 'there',
    version: whole ? versionAt(file, customer, subjectId, undone) : null,
    customer: whole ? customer : Object.fromEntries(partlyKnown.map((field) => [field, customer[field]])),
    addresses: addressesAt(owned('address'), file, subjectId, customer, cutAt),
    phones: whole ? phonesAt(owned('phone'), customer) : [],
    deals: whole ? owned('deal') : [],
    values: whole ? owned('custom_value') : [],
    sessions: whole ? owned('session') : [],
  };
}

const empty = {
  mergedInto: null,
  knowledge: 'nothing',
  wholeSince: null,
  partlySince: null,
  version: null,
  customer: null,
  addresses: [],
  phones: [],
  deals: [],
  values: [],
  sessions: [],
  since: [],
} satisfies Partial<Moment>;
const partlyKnown = ['id', 'created_at', 'created_by_app', ...historyFields];

function rowsNow(file: CustomerFile): Rows {
  const lists: Record<Entity, Row[]> = {
    customer: file.customers,
    address: file.addresses,
    phone: file.phones,
    deal: file.deals,
    custom_value: file.values,
    session: file.sessions,
  };
  const rows: Rows = new Map();
  for (const entity of entities)
    for (const row of lists[entity]) rows.set(`${entity}:${row.id}`, { entity, row: { ...row } });
  return rows;
}

function isAfter(event: FileEvent, cut: Cut): boolean {
  if ('position' in cut) return event.position === null || event.position > cut.position;
  return moment(event.occurred_at) > moment(cut.at);
}

/** Takes back one event. The newest are taken back first. */
function undo(rows: Rows, event: FileEvent): void {
  const [entity, change] = event.type.split('.') as [Entity, string];
  const key = `${entity}:${event.row_id}`;
  if (change === 'created') {
    // A number that was written over since is there again, but under no id of its own: see undoPhone.
    const again = entity === 'phone' ? findPhone(rows, event.data.customer_id, numberOf(event.data)) : undefined;
    rows.delete(again?.[0] ?? key);
    return;
  }
  if (change === 'deleted') {
    rows.set(key, { entity, row: { ...event.previous } });
    return;
  }
  const row = rows.get(key)?.row;
  if (!row) return;
  if (entity === 'customer' && ['phone', 'phone_key', 'phone_extension'].some((field) => field in event.previous))
    undoPhone(rows, row, event);
  Object.assign(row, event.previous);
}

/**
 * The primary number changed from one to another. If the former one is still there, the two exchanged their places; otherwise the new
 * one was written over it.
 */
function undoPhone(rows: Rows, customer: Row, event: FileEvent): void {
  const after = numberOf(customer);
  const before = numberOf({ ...customer, ...event.previous });
  const find = (number: Row) => findPhone(rows, customer.id, number);
  const former = before.phone_key === null ? undefined : find(before);
  if (former) former[1].row.phone = before.phone;
  else {
    const replaced = after.phone_key === null ? undefined : find(after);
    if (replaced) rows.delete(replaced[0]);
    if (before.phone_key !== null) {
      const id = `event ${event.id}`;
      rows.set(`phone:${id}`, { entity: 'phone', row: { id, customer_id: customer.id, ...before } });
    }
  }
}

/** The row of this number: a customer has each number once. */
const findPhone = (rows: Rows, customerId: unknown, number: Row) =>
  [...rows].find(
    ([, { entity, row }]) =>
      entity === 'phone' &&
      row.customer_id === customerId &&
      row.phone_key === number.phone_key &&
      (row.phone_extension ?? null) === number.phone_extension,
  );

const numberOf = (row: Row) => ({
  phone: row.phone ?? null,
  phone_key: row.phone_key ?? null,
  phone_extension: row.phone_extension ?? null,
});

type Reach = { wholeSince: string | null; partlySince: string | null };

/** A merge and an unmerge have one event each, which does not tell which rows moved. So a replay does not go back behind them. */
const isOfMerge = ({ type }: FileEvent) => type === 'customer.merged' || type === 'customer.unmerged';

/** How far back the customer is known: as far as the versions of its events follow each other without a gap. */
function reachOf(file: CustomerFile, subjectId: string): Reach {
  const row = file.customers.find(({ id }) => id === subjectId);
  if (!row) return { wholeSince: null, partlySince: null };
  const own = file.events.filter(({ type, row_id }) => row_id === subjectId && type.startsWith('customer.'));
  let expected = row.version as number;
  let oldest: FileEvent | undefined;
  for (const event of own) {
    if (event.version !== expected) break;
    oldest = event;
    if (isOfMerge(event)) return { wholeSince: event.occurred_at, partlySince: null };
    expected -= 1;
  }
  const created = row.created_at as string;
  if (oldest?.type === 'customer.created') return { wholeSince: created, partlySince: created };
  const hasGap = own.some((event) => (event.version as number) <= expected);
  const oldestInFile = file.events.at(-1)?.occurred_at;
  const logBegins = file.log_begins ? later(file.log_begins.at, created) : file.now;
  // Events that the versions count are missing: the state before the last one that is there is not known.
  if (hasGap || (!oldest && own.length > 0)) return { wholeSince: oldest?.occurred_at ?? file.now, partlySince: null };
  const wholeSince = file.is_cut && oldestInFile ? later(oldestInFile, logBegins) : logBegins;
  // The history does not tell which of several merged customers a change belongs to.
  if (file.is_cut || file.customers.length > 1) return { wholeSince, partlySince: null };
  const first = file.changes.at(-1);
  const partlySince = first?.change === 'created' ? created : (first?.occurred_at ?? null);
  return { wholeSince, partlySince };
}

function knowledgeAt(at: string, { wholeSince, partlySince }: Reach): Knowledge {
  if (wholeSince !== null && moment(at) >= moment(wholeSince)) return 'whole';
  return partlySince !== null && moment(at) >= moment(partlySince) ? 'partly' : 'nothing';
}

/** Takes back what the history has from before the log. @returns those changes */
function undoHistory(rows: Rows, subjectId: string, file: CustomerFile, at: string, reach: Reach): FileChange[] {
  const row = rows.get(`customer:${subjectId}`)?.row;
  if (!row || reach.partlySince === null) return [];
  const taken = file.changes.filter(({ occurred_at }) => moment(occurred_at) > moment(at));
  for (const { change, previous } of taken)
    if (change !== 'created') for (const field of historyFields) if (field in previous) row[field] = previous[field];
  return taken;
}

/** Whether a row without an event of its creation was there. */
const wasThere = (row: Row, at: string) =>
  moment((row.created_at ?? row.started_at ?? '1900-01-01T00:00:00Z') as string) <= moment(at);

/** The number of a version is one less for each version that was taken back. */
function versionAt(file: CustomerFile, customer: Row, subjectId: string, undone: FileEvent[]): number {
  const own = undone.filter(({ type, row_id }) => row_id === subjectId && type.startsWith('customer.'));
  const earliest = own.at(-1)?.version;
  const now = file.customers.find(({ id }) => id === subjectId);
  return earliest ? earliest - 1 : ((now ?? customer).version as number);
}

function addressesAt(there: Row[], file: CustomerFile, subjectId: string, customer: Row, at: string): Row[] {
  // For those that went before the log begins. Of any other the events know more: it may have gone, come back, and gone again.
  const told = new Set(file.events.filter(({ type }) => type.startsWith('address.')).map(({ row_id }) => row_id));
  const removed = file.removed_addresses.filter(
    (row) =>
      row.customer_id === subjectId &&
      wasThere(row, at) &&
      moment(row.removed_at as string) > moment(at) &&
      !told.has(row.id as string),
  );
  const known = [...there, ...removed].map(({ id, email, created_at, verified_at, added_by_app, added_by }) => ({
    id,
    email,
    created_at,
    added_by_app,
    added_by,
    verified_at: verified_at && moment(verified_at as string) <= moment(at) ? verified_at : null,
    is_primary: email === customer.email,
  }));
  if (!known.some((row) => row.is_primary))
    known.push({
      id: null,
      email: customer.email,
      created_at: null,
      added_by_app: null,
      added_by: null,
      verified_at: null,
      is_primary: true,
    });
  return known.sort((a, b) => Number(b.is_primary) - Number(a.is_primary) || compare(a.email, b.email));
}

function phonesAt(there: Row[], customer: Row): Row[] {
  return there
    .map(({ id, phone, phone_key, phone_extension }) => ({
      id,
      phone,
      phone_key,
      phone_extension: phone_extension ?? null,
      is_primary: phone_key === customer.phone_key && (phone_extension ?? null) === (customer.phone_extension ?? null),
    }))
    .sort((a, b) => Number(b.is_primary) - Number(a.is_primary) || compare(a.phone_key, b.phone_key));
}

const isAbout = ({ row_id, type, data, previous }: FileEvent, subjectId: string) =>
  (type.startsWith('customer.') && row_id === subjectId) ||
  data.customer_id === subjectId ||
  previous.customer_id === subjectId;

/** Fields that name a row and do not change, and those that nobody reads. */
const unshown = new Set(['id', 'customer_id', 'field_id', 'field_label', 'created_by_login', 'added_by_login']);

function toChange(event: FileEvent): Change {
  const isNew = event.type.endsWith('.created');
  const names = Object.keys(isNew ? event.data : event.previous).filter((name) => !unshown.has(name));
  return {
    eventId: event.id,
    position: event.position,
    at: event.occurred_at,
    type: event.type,
    audience: event.audience,
    app: event.app,
    actor: event.actor,
    trace: event.trace,
    version: event.version,
    fields: names
      .map((name) => ({ name, old: event.previous[name] ?? null, new: event.data[name] ?? null }))
      .filter((field) => field.old !== null || field.new !== null),
  };
}

function historyToChange({ event_id, change, app, actor, occurred_at, data, previous }: FileChange): Change {
  return {
    eventId: event_id,
    position: null,
    at: occurred_at,
    type: change === 'created' ? 'customer.created' : 'customer.updated',
    // The history is Foundation's; what is not a field of the customer is its own.
    audience: Object.keys(data).every((field) => (historyFields as readonly string[]).includes(field))
      ? 'platform'
      : 'crm',
    app,
    actor,
    trace: null,
    version: null,
    fields: Object.keys(data).map((name) => ({ name, old: previous[name] ?? null, new: data[name] ?? null })),
  };
}

/** The time of the newest event up to a position. */
function timeOf(file: CustomerFile, position: number): string {
  const found = file.events.find((event) => event.position !== null && event.position <= position);
  return found?.occurred_at ?? file.log_begins?.at ?? file.now;
}

const later = (one: string, other: string) => (moment(one) > moment(other) ? one : other);
const compare = (one: unknown, other: unknown) => (String(one) < String(other) ? -1 : 1);

/** A time as PostgreSQL writes it, in microseconds: a Date keeps only milliseconds. */
export function moment(time: unknown): number {
  const text = String(time);
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? '';
  return Date.parse(text.replace(/\.\d+/, '')) * 1_000 + Number(fraction.padEnd(6, '0').slice(0, 6));
}
