import { randomUUID } from 'node:crypto';
import rhea, { type Typed } from 'rhea';
import type { Reader, Writer } from 'rhea/typings/types.js';

/*
 * The parts of AMQP that the stand-in reads and writes itself. A broker must not touch the bare message, so its sections are kept as the
 * bytes that came; only header and annotations are written anew.
 */

const { message } = rhea;
/** The declarations of rhea leave these two out. */
const types = rhea.types as typeof rhea.types & { Reader: typeof Reader; Writer: typeof Writer };

/** The condition of a refusal, as the real service names it. */
export type Condition = { condition: string; description: string };

/** What the stand-in uses of a link of `rhea`. Its own state of the link is in `bus`. */
export type Link = {
  name: string;
  credit: number;
  source?: { address?: string; filter?: Record<string, unknown> };
  target?: { address?: string };
  connection: BrokerConnection;
  session: {
    outgoing: { next_delivery_id: number; next_pending_delivery: number; available(): number };
    incoming: { on_transfer: (frame: { payload: Buffer }, receiver: Link) => unknown };
    find_sender(is: (link: Link) => boolean): Link | undefined;
    each_sender(act: (link: Link) => void): void;
  };
  local: { attach: Record<string, unknown> };
  remote: { attach: Record<string, unknown> };
  issue_flow: boolean;
  close(error?: Condition): void;
  send(content: unknown, tag?: Buffer, format?: number): Delivery;
  set_source(fields: Record<string, unknown>): void;
  set_target(fields: Record<string, unknown>): void;
  on(event: string, listener: () => void): void;
  _get_drain?: () => boolean;
  _process?: () => void;
  _draining?: boolean;
  delivery_count: number;
};
export type BrokerConnection = {
  socket: { destroy(): void; once(event: string, listener: () => void): void };
  heartbeat_in?: NodeJS.Timeout;
  heartbeat_out?: NodeJS.Timeout;
  each_sender(act: (link: Link) => void): void;
  _register(): void;
};
export type Delivery = {
  tag: Buffer;
  settled: boolean;
  remote_settled: boolean;
  remote_state: {
    error?: { info?: Record<string, unknown> };
    undeliverable_here?: boolean;
    message_annotations?: Record<string, unknown>;
  };
  update(settled: boolean, state: unknown): void;
  accept(): void;
  reject(error: Condition): void;
};

export const refuse = (condition: string, description: string): Condition => ({ condition, description });

const long = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
};
export const wrapLong = (value: number) => types.wrap_long(long(BigInt(value)));
export const readLong = (value: unknown): number =>
  Buffer.isBuffer(value) ? Number(value.readBigInt64BE()) : Number(value);
/** A time as .NET counts it: ticks of 100 ns since the year 1. */
export const wrapTicks = (ms: number) => types.wrap_long(long(621_355_968_000_000_000n + BigInt(ms) * 10_000n));

/** A lock token is a delivery tag in the byte order of .NET; this is its RFC 4122 order, and back. */
export const swapGuid = (b: Buffer): Buffer => {
  const at = (index: number) => b[index] ?? 0;
  return Buffer.from([at(3), at(2), at(1), at(0), at(5), at(4), at(7), at(6), ...b.subarray(8)]);
};
export const newTag = (): Buffer => rhea.string_to_uuid(randomUUID()) as unknown as Buffer;

/** A message as it was sent. */
export type Sent = {
  annotations: Record<string, unknown>;
  properties?: Buffer | undefined;
  application?: Buffer | undefined;
  rest: Buffer[];
  app: Record<string, unknown>;
  messageId?: string | undefined;
  sessionId?: string | undefined;
  ttl?: number | undefined;
  /** The system properties that a rule may compare, by their AMQP names. */
  system: Record<string, unknown>;
};

/** Splits an encoded message into its sections. Delivery annotations are between two hops, and are dropped. */
export function parseMessage(bytes: Buffer): Sent {
  const sent: Sent = { annotations: {}, rest: [], app: {}, system: {} };
  const reader = new types.Reader(bytes);
  while (reader.remaining()) {
    const start = reader.position;
    const section = reader.read();
    const raw = bytes.subarray(start, reader.position);
    const code = Number(section.descriptor.value);
    if (code === 0x70 || code === 0x71) continue;
    if (code === 0x72) sent.annotations = types.unwrap_map_simple(section);
    else if (code === 0x73) sent.properties = raw;
    else if (code === 0x74) sent.application = raw;
    else sent.rest.push(raw);
  }
  const decoded = message.decode(bytes);
  sent.app = decoded.application_properties ?? {};
  sent.messageId = decoded.message_id === undefined ? undefined : String(decoded.message_id);
  sent.sessionId = decoded.group_id;
  sent.ttl = decoded.ttl;
  sent.system = decoded as unknown as Record<string, unknown>;
  return sent;
}

/** The encoded messages of a batch: each is a data section of its own. */
export function splitBatch(bytes: Buffer): Buffer[] {
  const { body } = message.decode(bytes) as unknown as { body: { multiple?: boolean; content: Buffer | Buffer[] } };
  return (body.multiple ? (body.content as Buffer[]) : [body.content as Buffer]).map((each) => Buffer.from(each));
}

type Delivered = {
  sequence: number;
  enqueuedAt: number;
  deliveryCount: number;
  /** What dead-lettering or an abandon added to the application properties. */
  added?: Record<string, unknown> | undefined;
  deadLetterSource?: string | undefined;
};

/** @param lockedUntil milliseconds since 1970; undefined for a message that is only looked at */
export function encodeMessage(sent: Sent, delivered: Delivered, lockedUntil?: number): Buffer {
  const annotations: Record<string, unknown> = {
    ...sent.annotations,
    'x-opt-enqueued-time': types.wrap_timestamp(delivered.enqueuedAt),
    'x-opt-sequence-number': wrapLong(delivered.sequence),
    'x-opt-message-state': types.wrap_int(0),
  };
  if (lockedUntil) annotations['x-opt-locked-until'] = types.wrap_timestamp(lockedUntil);
  if (delivered.deadLetterSource) annotations['x-opt-deadletter-source'] = delivered.deadLetterSource;
  const { header } = message as unknown as { header(fields: object): { described(): Typed } };
  const head = encode([
    header({ durable: true, ttl: sent.ttl, delivery_count: delivered.deliveryCount }).described(),
    section(0x72, types.wrap_symbolic_map(annotations)),
  ]);
  const application = delivered.added
    ? encode([section(0x74, types.wrap_map({ ...sent.app, ...delivered.added }))])
    : sent.application;
  return Buffer.concat(
    [head, sent.properties, application, ...sent.rest].filter((each): each is Buffer => each !== undefined),
  );
}

const section = (code: number, value: unknown) => types.described_nc(types.wrap_ulong(code), value);

function encode(sections: Typed[]): Buffer {
  const writer = new types.Writer();
  for (const each of sections) writer.write(each);
  return writer.toBuffer();
}
