import { hash } from 'node:crypto';
import type { ServiceBusMessage, ServiceBusReceivedMessage } from '@azure/service-bus';

/*
 * The form of an event on the bus: CloudEvents 1.0 over AMQP, binary mode. The attributes are application properties with the prefix
 * `cloudEvents:`, the content type is that of the data, and the body is the data. Structured mode, where the body holds the attributes too, is
 * read as well, so that other publishers may write it; nothing here writes it.
 *
 * Ids and positions are text: the SDK turns a bigint into an empty map, and chooses the AMQP type of a number by its value.
 *
 * The session of the broker is a lane: a fixed number of them share all customers, each customer in one lane, so that its events stay in order and a
 * consumer keeps its lanes open. With a session for each customer nearly every event would cost an accept. What keeps an order is named by
 * `cloudEvents:partitionkey`, and is the `session` of the event here.
 */

/** An event as it is put on the bus. */
export type OutgoingEvent = {
  id: number;
  /** Its place in the log. It may be given again after a crash of the database: only `id` is an identity. */
  position: number;
  type: string;
  key: string;
  customer: string | null;
  rowId: string;
  version: number | null;
  app: string;
  actor: string | null;
  audience: string;
  occurredAt: Date;
  data: Record<string, unknown>;
  previous: Record<string, unknown>;
  trace: string | null;
};

/** An event as a consumer gets it. */
export type BusEvent = {
  /** Of the event, in all its copies. */
  id: string;
  /** `/aether/<app>` for events of the platform. */
  source: string;
  type: string;
  /** The name of the app that made the change. */
  app: string;
  /** Events of one session are handled in order: the customer, or the row if no customer was known. Many of them share a lane of the bus. */
  session: string;
  key: string;
  customer: string | null;
  rowId: string;
  version: number | null;
  /** Its place in the log; null for events of other publishers. */
  position: number | null;
  actor: string | null;
  occurredAt: Date;
  data: Record<string, unknown>;
  previous: Record<string, unknown>;
  trace: string | null;
  /** It was sent again because somebody asked for it: the handler may have handled it, or later ones, before. Compare versions. */
  isReplay: boolean;
  /** Names this handling among all of this subscription: a repetition of the message has the same one, a replay has one of its own. */
  deliveryId: string;
};

/** The message is none that this version can read. It becomes a dead letter. */
export class UnreadableMessage extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'UnreadableMessage';
  }
}

/** Which copy of an event this is: the one for everybody, or one that was sent to a single subscription. */
export type Copy = { recipient: string; run: string };

const everybody = '*';
const prefix = 'cloudEvents:';
const schema = 'urn:aether:event:1';
/** An inbox has an index of them. */
const deliveryBytesMax = 1_000;
const jsonType = 'application/json';
const structuredType = 'application/cloudevents+json';

/** How many lanes a topic has if nobody has decided otherwise. */
export const lanesDefault = 32;
/** A consumer may hold so many. Each costs it two operations a minute. */
export const lanesMax = 128;

/** The session of an event: its customer as it was known at the write, through merges; else its row. */
const sessionOf = ({ customer, key }: { customer: string | null; key: string }): string =>
  (customer ?? key).slice(0, 128);

/**
 * The lane of a session: the first four bytes of its SHA-256, modulo the number of lanes, which is in the name, so that lanes of two numbers never
 * meet. Pure.
 *
 * @param lanes 0: each session is a lane of its own
 */
export const laneOf = (session: string, lanes: number): string =>
  lanes === 0 ? session : `lane-${hash('sha256', session, 'buffer').readUInt32BE(0) % lanes}-of-${lanes}`;

/**
 * @param lanes how many the topic has: see `laneOf`
 * @param copy for a replay to one subscription: its message has an id of its own, because the broker drops an id that it has seen
 */
export function toMessage(event: OutgoingEvent, lanes: number, copy?: Copy): ServiceBusMessage {
  const session = sessionOf(event);
  const { key, customer, rowId, version, actor, data, previous } = event;
  return {
    messageId: copy ? `${event.id}.${copy.run}` : String(event.id),
    sessionId: laneOf(session, lanes),
    subject: event.type,
    contentType: jsonType,
    body: Buffer.from(JSON.stringify({ key, customer, rowId, version, actor, data, previous })),
    applicationProperties: {
      [`${prefix}specversion`]: '1.0',
      [`${prefix}id`]: String(event.id),
      [`${prefix}source`]: `/aether/${event.app}`,
      [`${prefix}type`]: event.type,
      [`${prefix}subject`]: key,
      [`${prefix}time`]: event.occurredAt.toISOString(),
      [`${prefix}dataschema`]: schema,
      [`${prefix}sequence`]: String(event.position),
      [`${prefix}partitionkey`]: session,
      ...(event.trace && { [`${prefix}traceparent`]: event.trace }),
      ...(version !== null && { [`${prefix}aetherversion`]: String(version) }),
      // Plain copies for filters: a name with a colon needs brackets there.
      type: event.type,
      app: event.app,
      audience: event.audience,
      recipient: copy?.recipient ?? everybody,
      ...(copy && { replay: copy.run }),
    },
  };
}

/** On a dead letter that was sent again: what came after it may have been handled before it. */
export const resubmittedProperty = 'resubmitted';

/** What messages for everybody have as their recipient: see the rules of a subscription. */
export const recipientOfAll = everybody;

/**
 * Reads a message of either mode.
 *
 * @throws UnreadableMessage
 */
export function toBusEvent(
  message: Pick<ServiceBusReceivedMessage, 'body' | 'contentType' | 'applicationProperties' | 'sessionId'>,
): BusEvent {
  const properties = message.applicationProperties ?? {};
  const isStructured = /^application\/cloudevents\+json\b/i.test(message.contentType ?? '');
  const content = readJson(message.body, isStructured ? structuredType : (message.contentType ?? ''));
  const attributes = isStructured ? content : binaryAttributes(properties);
  const data = isStructured ? structuredData(content) : content;
  const attribute = (name: string): string | undefined => {
    const value = attributes[name];
    if (value === undefined || value === null) return undefined;
    return storable(`The CloudEvents attribute ${name}`, value instanceof Date ? value.toISOString() : String(value));
  };
  const need = (name: string): string => {
    const value = attribute(name);
    if (!value) throw new UnreadableMessage(`The CloudEvents attribute ${name} is missing.`);
    return value;
  };
  const specversion = need('specversion');
  if (specversion !== '1.0') throw new UnreadableMessage(`CloudEvents ${specversion} is unknown: 1.0 is read.`);
  const occurredAt = new Date(attribute('time') ?? 0);
  if (Number.isNaN(occurredAt.getTime())) throw new UnreadableMessage('The CloudEvents attribute time is no time.');
  const source = need('source');
  const isOurs = attribute('dataschema') === schema;
  // Of another publisher the session of the message is what it keeps in order.
  const session = storable(
    'The session',
    (isOurs && attribute('partitionkey')) || message.sessionId || attribute('partitionkey') || need('id'),
  );
  const id = need('id');
  const run = typeof properties.replay === 'string' ? ` ${storable('The name of a replay', properties.replay)}` : '';
  // Ids of the platform are unique among its apps; those of others only with their source.
  const deliveryId = `${source.startsWith('/aether/') ? '' : `${source} `}${id}${run}`;
  if (Buffer.byteLength(deliveryId) > deliveryBytesMax)
    throw new UnreadableMessage(`Source and id together are longer than ${deliveryBytesMax} bytes.`);
  const inner = isOurs ? data : { data };
  const text = (value: unknown) => (typeof value === 'string' ? value : null);
  return {
    id,
    source,
    type: need('type'),
    app: typeof properties.app === 'string' ? properties.app : (source.split('/').at(-1) ?? source),
    session,
    key: text(inner.key) ?? attribute('subject') ?? session,
    customer: text(inner.customer),
    rowId: text(inner.rowId) ?? attribute('subject') ?? session,
    version: readNumber(inner.version ?? attribute('aetherversion')),
    position: readNumber(attribute('sequence')),
    actor: text(inner.actor),
    occurredAt,
    data: asObject(inner.data),
    previous: asObject(inner.previous),
    trace: attribute('traceparent') ?? null,
    isReplay: run !== '' || properties[resubmittedProperty] !== undefined,
    deliveryId,
  };
}

/**
 * Whether an event of the platform is a copy that a replay has sent. A dead letter that was sent again is none: it is the event itself, which
 * nobody has handled.
 */
export const isCopy = ({ id, deliveryId }: Pick<BusEvent, 'id' | 'deliveryId'>): boolean => deliveryId !== id;

/** PostgreSQL stores neither: an inbox that cannot write an id down would wait for ever. */
function storable(what: string, text: string): string {
  if (text.includes('\0') || !text.isWellFormed())
    throw new UnreadableMessage(
      `${what} has a character that no database stores: U+0000, or half of a pair of surrogates.`,
    );
  return text;
}

/** Both separators are allowed: `_` is for clients of JMS. */
function binaryAttributes(properties: Record<string, unknown>): Record<string, unknown> {
  const attributes: Record<string, unknown> = {};
  for (const name in properties)
    if (name.length > 12 && name.startsWith('cloudEvents') && (name[11] === ':' || name[11] === '_'))
      attributes[name.slice(12)] = properties[name];
  if (attributes.specversion === undefined)
    throw new UnreadableMessage(
      'The message is no CloudEvent: it has neither cloudEvents: properties nor the content type application/cloudevents+json.',
    );
  return attributes;
}

function structuredData(content: Record<string, unknown>): Record<string, unknown> {
  if (typeof content.data_base64 !== 'string') return asObject(content.data);
  return readJson(Buffer.from(content.data_base64, 'base64'), jsonType);
}

function readJson(body: unknown, contentType: string): Record<string, unknown> {
  if (body === undefined || body === null) return {};
  if (!/[/+]json\b/i.test(contentType))
    throw new UnreadableMessage(`The content type is ${contentType || 'missing'}: JSON is read.`);
  if (typeof body === 'object' && !(body instanceof Uint8Array)) return asObject(body);
  try {
    return asObject(
      JSON.parse(
        typeof body === 'string' ? body : new TextDecoder('utf-8', { fatal: true }).decode(body as Uint8Array),
      ),
    );
  } catch {
    throw new UnreadableMessage('The body is not JSON in UTF-8.');
  }
}

function asObject(value: unknown): Record<string, unknown> {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw new UnreadableMessage('The data is no JSON object.');
  return value as Record<string, unknown>;
}

function readNumber(value: unknown): number | null {
  if (value === undefined || value === null || value === '') return null;
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new UnreadableMessage('A version or a sequence is no whole number.');
  return number;
}
