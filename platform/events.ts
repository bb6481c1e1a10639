import type { Connection, Transaction } from './connection.ts';
import type { App } from './environment.ts';
import { InvalidField } from './errors.ts';

/** What any captured change carries: the columns that name the row, and those that changed (of a created row: all). */
export type RowChange = Record<string, unknown>;

/** An event of a customer, by the names that subscribers know. */
export type CustomerEventData = RowChange & {
  customerId: string;
  email: string;
  name: string;
  updatedBy: App | 'operator';
  timestamp: Date;
};

type Captured<Entity extends string, Data> = {
  [Name in `${Entity}.created` | `${Entity}.updated` | `${Entity}.deleted`]: Data;
};

/**
 * The types of events and what each carries. An app adds its own by declaration merging:
 * `declare module '@aether/platform' { interface EventTypes { 'support.greeting_sent': { widget: string } } }`
 */
export interface EventTypes
  extends Captured<'customer', CustomerEventData>,
    Captured<'company' | 'user' | 'deal' | 'contact' | 'activity' | 'session' | 'message' | 'call', RowChange> {}

export type EventType = keyof EventTypes & string;

/** A numbered fact about a committed change. */
export type AppEvent<Type extends EventType = EventType> = {
  /** Dense, in the order of commits. */
  position: number;
  /** Stays the same wherever the event is carried. */
  id: number;
  type: Type;
  /** The customer, else the row: events of one key are handled in order. */
  key: string;
  rowId: string;
  /** Of the row after the change; null for rows that count none. */
  version: number | null;
  app: App | 'operator' | 'sync' | 'privacy';
  /** The user for whom the app acted, as the app said. */
  actor: string | null;
  occurredAt: Date;
  data: EventTypes[Type];
  /** Of an update: the old values of the columns that changed. */
  previous: RowChange;
  trace: string | null;
  /** It was handled before, and is handled again because somebody asked for it. */
  isReplay: boolean;
};

/** A row of sync.events. */
export type EventRow = {
  position: number;
  id: number;
  type: string;
  key: string;
  row_id: string;
  version: number | null;
  app: AppEvent['app'];
  actor: string | null;
  data: RowChange;
  previous: RowChange;
  trace: string | null;
  occurred_at: Date;
};

export const eventColumns =
  'e.position, e.id, e.type, e.key, e.row_id, e.version, e.app, e.actor, e.data, e.previous, e.trace, e.occurred_at';

export function toEvent(row: EventRow, isReplay = false): AppEvent {
  const { position, id, type, key, version, app, actor, data, previous, trace } = row;
  const names = { customerId: key, updatedBy: app, timestamp: row.occurred_at };
  return {
    position,
    id,
    type: type as EventType,
    key,
    rowId: row.row_id,
    version,
    app,
    actor,
    occurredAt: row.occurred_at,
    data: (type.startsWith('customer.') ? { ...data, ...names } : data) as EventTypes[EventType],
    previous,
    trace,
    isReplay,
  };
}

const payloadBytesMax = 65_536;

/**
 * Publishes an app's own event in the app's own transaction: it exists if and only if the transaction commits.
 *
 * @param type begins with the app's name, `support.greeting_sent`. What happens to a row is published by the database itself.
 * @param options.key what it is about: events of one key are handled in order. By default the type.
 * @param options.to who may see it: everybody, or the app itself.
 * @throws InvalidField when the type is not the app's own, or the payload is no JSON object of at most 64 KB.
 */
export async function publish<Type extends EventType>(
  connection: Connection,
  type: Type,
  data: EventTypes[Type],
  { tx, key = type, to = 'everybody' }: { tx: Transaction; key?: string; to?: 'everybody' | 'own' },
): Promise<void> {
  if (!type.startsWith(`${connection.app}.`))
    throw new InvalidField([
      { field: 'type', message: `must begin with ${connection.app}. because it is this app's event` },
    ]);
  const json = JSON.stringify(data);
  if (!json?.startsWith('{') || Buffer.byteLength(json) > payloadBytesMax)
    throw new InvalidField([{ field: 'data', message: 'must be an object of at most 64 KB as JSON' }]);
  const own = connection.app === 'foundation' ? 'crm' : 'support';
  await tx.query('select sync.publish($1, $2, $3, $4)', [type, key, json, to === 'everybody' ? 'platform' : own]);
}
