import type { Connection } from './connection.ts';
import { InvalidField } from './errors.ts';
import { type DataOf, type EventRows, reviveTimes, type SharedEntity, timesOf } from './eventrows.ts';
import { parseJson } from './pool.ts';
import type { Transaction } from './transaction.ts';

/** What every captured change carries: the columns that identify the row, and the columns that changed (all of them for a created row). */
export type RowChange = Record<string, unknown>;

/** What the events of a customer carry besides its columns, by the names that subscribers know. */
export type CustomerEventNames = {
  customerId: string;
  /** As `app` of the event. */
  updatedBy: string;
  timestamp: Date;
};

/** What an event of a customer carries: the columns that changed, and what names the customer. */
export type CustomerEventData = DataOf<'customer', 'updated'> & CustomerEventNames;

/**
 * What customer.merged and customer.unmerged carry besides the customer that goes on, which is also the event's key: the columns of it that
 * have changed, and this.
 */
export type MergeEventData = CustomerEventData & {
  /** The id of the merge. */
  merge: string;
  survivor: string;
  loser: string;
  /** The rows that moved, by table. */
  moved: Record<string, number>;
  /** The survivor's version before: more than one may be left out between the two. */
  previous_version: number;
  loser_version: number;
  /** Of an unmerge: the loser as it is from now on, with times as texts. */
  record?: RowChange;
};

/** What deal.closed carries, for an app that was granted it (`aether app events`). It stays of an erased customer: the books keep closings. */
export type DealClosedData = {
  /** The deal’s number. */
  id: number;
  customer_id: string;
  outcome: 'won' | 'lost';
  /** The version of the deal that closing it made. */
  version: number;
  /** The tier that the closing gave the customer; null if it left the tier as it was. */
  tier: string | null;
  previous_tier: string | null;
} & DealAmount;

/** What deal.reopened carries: the closing does not count any more. Who gave the customer which tier since, customer.updated says. */
export type DealReopenedData = Pick<DealClosedData, 'id' | 'customer_id' | 'outcome' | 'version'> & DealAmount;

/** Only for an app that was granted amounts too. */
type DealAmount = { amount?: number; currency?: string };

type Captured<Entity extends string, Data> = {
  [Name in `${Entity}.created` | `${Entity}.updated` | `${Entity}.deleted`]: Data;
};
type Shared<Entity extends SharedEntity> = {
  [Name in `${Entity}.created` | `${Entity}.updated` | `${Entity}.deleted`]: Name extends `${infer Of}.${infer Verb}`
    ? DataOf<Of & SharedEntity, Verb>
    : never;
};

/**
 * The types of events and what each carries. An app adds its own by declaration merging:
 * `declare module '@aether/platform' { interface EventTypes { 'support.greeting_sent': { widget: string } } }`
 */
export interface EventTypes
  extends Shared<'address' | 'phone' | 'company' | 'tier' | 'user'>,
    Captured<
      | 'deal'
      | 'deal_contact'
      | 'custom_value'
      | 'tag'
      | 'customer_tag'
      | 'contact'
      | 'activity'
      | 'session'
      | 'message'
      | 'entry'
      | 'call',
      RowChange
    > {
  'deal.closed': DealClosedData;
  'deal.reopened': DealReopenedData;
  'customer.created': DataOf<'customer', 'created'> & CustomerEventNames;
  'customer.updated': CustomerEventData;
  'customer.deleted': DataOf<'customer', 'deleted'> & CustomerEventNames;
  'customer.merged': MergeEventData;
  'customer.unmerged': MergeEventData;
  /** The person was erased: whoever keeps something of them removes it. One event for each id that the person had. */
  'customer.erased': DataOf<'customer', 'deleted'> & CustomerEventNames;
}

export type EventType = keyof EventTypes & string;

/** The old values of what an event of this type tells: columns of its row, where these are known. */
export type PreviousOf<Type extends string> = Type extends `${infer Entity}.${string}`
  ? Entity extends keyof EventRows
    ? Partial<EventRows[Entity]>
    : RowChange
  : RowChange;

/** A numbered fact about a committed change. Of several types it is one of them: where `type` is known, so is what it carries. */
export type AppEvent<Type extends EventType = EventType> = { [Each in Type]: EventOf<Each> }[Type];

type EventOf<Type extends EventType> = {
  /** Dense. An event that commits after another one was numbered has a later position; changes of one row keep their order. */
  position: number;
  /** Stays the same wherever the event is copied to. */
  id: number;
  type: Type;
  /** The row, or the row that it never leaves (a message's session). It never changes. Events of one key are handled in order. */
  key: string;
  /** The customer known when the event was written; it may have been merged since. */
  customer: string | null;
  rowId: string;
  /** The version of the row after the change; null for rows without a version. */
  version: number | null;
  /** The name of the app that made the change; or `operator`, `sync`, `privacy`. */
  app: string;
  /** The user for whom the app acted, as the app stated it. */
  actor: string | null;
  occurredAt: Date;
  data: EventTypes[Type];
  /** Of an update: the old values of the columns that changed. Of a deletion: all columns. */
  previous: PreviousOf<Type>;
  trace: string | null;
  /** It was handled before, and is handled again because an operator asked for it. */
  isReplay: boolean;
};

/** A row of sync.events. */
export type EventRow = {
  position: number;
  id: number;
  type: string;
  key: string;
  customer: string | null;
  row_id: string;
  version: number | null;
  app: string;
  actor: string | null;
  data: RowChange;
  previous: RowChange;
  trace: string | null;
  /** Milliseconds since 1970, read as a number: parsing a time's text takes longer than all the other columns together. */
  occurred_ms: number;
  /** The characters of its parts of JSON, where a page was read as text. */
  characters?: number;
};

export const eventColumns =
  "e.position, e.id, e.type, e.key, e.customer, e.row_id, e.version, e.app, e.actor, e.data, e.previous, e.trace, date_part('epoch', e.occurred_at) * 1000 as occurred_ms";

/** The columns of an event as values in this order, for statements that read many: the parts of JSON as text. */
const valueColumns = `e.position, e.id, e.type, e.key, e.customer, e.row_id, e.version, e.app, e.actor, e.data::text, e.previous::text, e.trace,
  floor(date_part('epoch', e.occurred_at) * 1000)::bigint, e.bytes`;

export type EventValues = [
  position: number,
  id: number,
  type: string,
  key: string,
  customer: string | null,
  rowId: string,
  version: number | null,
  app: string,
  actor: string | null,
  data: string,
  previous: string,
  trace: string | null,
  occurredMs: number,
  /** What the page holds up to this event. */
  bytes: number,
];

/** A page ends with the event that fills it, so that a process holds few events if they are large. */
export const pageBytesMax = 4_000_000;

/** What a part of an event takes: as it is stored, unless it is compressed, because a repetitive text may be a hundredth of itself then. */
const sizeOf = (part: string) =>
  `case when pg_column_compression(${part}) is null then pg_column_size(${part}) else octet_length(${part}::text) end`;

/**
 * The first of some events, until they fill a page: always one; each with its `size` and `bytes`, what the page holds up to it. A count is known to grow,
 * so PostgreSQL stops at the first event that does not fit. By the sum alone it would measure all that follow too: of a thousand that are compressed that
 * takes seconds.
 *
 * @param events a query of rows of sync.events, in their order
 */
export const fillPage = (events: string): string => `
  select * from (
    select *,
      count(*) filter (where s.bytes - s.size >= ${pageBytesMax}) over (order by position rows unbounded preceding) as beyond
    from (
      select *, sum(size) over (order by position rows unbounded preceding) as bytes
      from (select *, ${sizeOf('data')} + ${sizeOf('previous')} as size from (${events}) as given) as sized) s) f
  where f.beyond = 0`;

/** The same, with the columns of events as values. */
export const pageOf = (events: string): string => `select ${valueColumns} from (${fillPage(events)}) e`;

/** Whether the page ended because it was full: then the query has more events. */
export const isFilled = (page: EventValues[]): boolean => bytesOf(page) >= pageBytesMax;
export const bytesOf = (page: EventValues[]): number => page.at(-1)?.[13] ?? 0;

/*
 * Rows and events are made by constructors. The engine notices of an object literal that what it makes lives for long, as a batch does, and then
 * puts all that it makes beside the young objects, from where every event kept what it refers to alive until the next large collection: this
 * took two fifths of a process that drains a backlog.
 */

class ReadRow implements EventRow {
  declare position: number;
  declare id: number;
  declare type: string;
  declare key: string;
  declare customer: string | null;
  declare row_id: string;
  declare version: number | null;
  declare app: string;
  declare actor: string | null;
  declare data: RowChange;
  declare previous: RowChange;
  declare trace: string | null;
  declare occurred_ms: number;
  declare characters: number;

  constructor([position, id, type, key, customer, rowId, version, app, actor, data, previous, trace, ms]: EventValues) {
    this.position = position;
    this.id = id;
    this.type = type;
    this.key = key;
    this.customer = customer;
    this.row_id = rowId;
    this.version = version;
    this.app = app;
    this.actor = actor;
    this.data = parseJson(data) as RowChange;
    this.previous = parseJson(previous) as RowChange;
    this.trace = trace;
    this.occurred_ms = ms;
    this.characters = data.length + previous.length;
  }
}

export const rowOf = (values: EventValues): EventRow => new ReadRow(values);

/** Its prototype is that of a literal: handlers compare events with literals, and give them to what takes only plain objects. */
const ReadEvent = function (this: Record<string, unknown>, row: EventRow, isReplay: boolean): void {
  this.position = row.position;
  this.id = row.id;
  this.type = row.type;
  this.key = row.key;
  this.customer = row.customer;
  this.rowId = row.row_id;
  this.version = row.version;
  this.app = row.app;
  this.actor = row.actor;
  this.occurredAt = new Date(row.occurred_ms);
  this.data = row.data;
  this.previous = row.previous;
  this.trace = row.trace;
  this.isReplay = isReplay;
} as unknown as new (
  row: EventRow,
  isReplay: boolean,
) => Omit<EventOf<EventType>, 'data' | 'previous'> & Record<'data' | 'previous', RowChange>;
ReadEvent.prototype = Object.prototype;

export function toEvent(row: EventRow, isReplay = false): AppEvent {
  const event = new ReadEvent(row, isReplay);
  const { type, data, previous } = event;
  const times = timesOf(type);
  reviveTimes(times, data);
  reviveTimes(times, previous);
  if (type.startsWith('customer.')) {
    data.customerId = event.key;
    data.updatedBy = event.app;
    data.timestamp = event.occurredAt;
  }
  return event as unknown as AppEvent;
}

/**
 * Checks what an event carries, before it is published: a zod schema, or one of any library that keeps to https://standardschema.dev.
 */
export type PayloadSchema = {
  '~standard': {
    validate(value: unknown): Checked | Promise<Checked>;
  };
};
type Checked = {
  issues?:
    | readonly { message: string; path?: readonly (PropertyKey | { key: PropertyKey })[] | undefined }[]
    | undefined;
};

/** For each type of event that an app publishes, the schema of its data. */
export type PayloadSchemas = { [Type in EventType]?: PayloadSchema };

export type PublishOptions = { key?: string; customer?: string; to?: 'everybody' | 'own' };

const payloadBytesMax = 65_536;

/**
 * Publishes an app's own event in the app's own transaction: it exists if and only if the transaction commits.
 *
 * @param type begins with the app's name, `support.greeting_sent`. The database itself publishes changes of rows.
 * @param schemas if given, lists every type that exists.
 * @param options.key what the event is about: events of one key are handled in order. By default the type.
 * @param options.customer the customer whom it is about: an event that fails for a customer holds back the customer's later events,
 * and erasing the customer finds it.
 * @param options.to which apps may see it: all of them, or the publishing app alone.
 * @throws InvalidField when the type is not the app's own, the payload does not match its schema, or it is not a JSON object of at most
 * 64 KB.
 */
export async function publish<Type extends EventType>(
  connection: Connection,
  schemas: PayloadSchemas | undefined,
  type: Type,
  data: EventTypes[Type],
  { tx, key = type, customer, to = 'everybody' }: PublishOptions & { tx: Transaction },
): Promise<void> {
  if (!type.startsWith(`${connection.app}.`))
    throw new InvalidField([
      { field: 'type', message: `must begin with ${connection.app}. because it is this app's event` },
    ]);
  if (schemas) await checkPayload(schemas, type, data);
  const json = JSON.stringify(data);
  if (!json?.startsWith('{') || Buffer.byteLength(json) > payloadBytesMax)
    throw new InvalidField([{ field: 'data', message: 'must be an object of at most 64 KB as JSON' }]);
  await tx.query('select sync.publish($1, $2, $3, $4, $5)', [
    type,
    key,
    json,
    to === 'everybody' ? 'platform' : to,
    customer ?? null,
  ]);
}

async function checkPayload(schemas: PayloadSchemas, type: EventType, data: unknown): Promise<void> {
  const schema = schemas[type];
  if (!schema)
    throw new InvalidField([{ field: 'type', message: `must be one of ${Object.keys(schemas).join(', ') || 'none'}` }]);
  const { issues } = await schema['~standard'].validate(data);
  if (!issues) return;
  throw new InvalidField(
    issues.map(({ message, path = [] }) => ({
      field: ['data', ...path.map((step) => String(typeof step === 'object' ? step.key : step))].join('.'),
      message,
    })),
  );
}
