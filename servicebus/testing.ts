import { randomBytes } from 'node:crypto';
import { atEnd, createTestDatabase, type TestDatabase } from '@aether/database/testing';
import type { ServiceBusMessage } from '@azure/service-bus';
import pg from 'pg';
import { openAdmin, openClient } from './client.ts';
import { type Consumer, type ConsumerOptions, consumeEvents } from './consumer/consumer.ts';
import type { ConsumerHappening } from './consumer/happenings.ts';
import { openSender } from './relay/sending.ts';
import { readServiceBusSettings, type ServiceBusSettings } from './settings.ts';
import { type StandIn, startStandIn } from './standin/broker.ts';
import { ensureTopology } from './topology.ts';
import { type Copy, lanesDefault, type OutgoingEvent, toMessage } from './wire.ts';

/** The broker that a test file uses: the namespace of SERVICEBUS_CONNECTION_STRING, or a stand-in of its own. */
export type TestBus = {
  settings: ServiceBusSettings;
  /** Undefined on a real namespace: failures cannot be asked for there. */
  standIn: StandIn | undefined;
  /** A new subscription for one test, which gets only what is sent through it. */
  subscribe(options?: {
    audiences?: string[];
    types?: string[];
    lockMs?: number;
    lanes?: number;
  }): Promise<TestSubscription>;
};

export type TestSubscription = {
  name: string;
  audience: string;
  send(events: OutgoingEvent[]): Promise<void>;
  /** A message that no consumer can read. */
  sendUnreadable(id: string): Promise<void>;
};

/** Makes a topic, which is removed after the file. */
export async function openTestBus(): Promise<TestBus> {
  const topic = `test-${randomBytes(5).toString('hex')}`;
  const real = process.env.SERVICEBUS_CONNECTION_STRING;
  const standIn = real ? undefined : await startStandIn();
  const settings = readServiceBusSettings(
    standIn
      ? {
          SERVICEBUS_CONNECTION_STRING: standIn.connectionString,
          SERVICEBUS_ADMIN_URL: standIn.adminUrl,
          SERVICEBUS_TOPIC: topic,
        }
      : { SERVICEBUS_CONNECTION_STRING: real, SERVICEBUS_TOPIC: topic },
  ) as ServiceBusSettings;
  await ensureTopology(settings, []);
  const sender = openSender(() => openClient(settings, { timeoutInMs: 2_000 }), topic, 3_000);
  atEnd(async () => {
    await sender.close();
    await openAdmin(settings).deleteTopic(topic);
    await standIn?.close();
  });
  return {
    settings,
    standIn,
    async subscribe({ audiences = [], types, lockMs, lanes = lanesDefault } = {}) {
      const name = `app-${randomBytes(4).toString('hex')}`;
      const audience = name.replace('-', '_');
      await ensureTopology(settings, [{ name, audiences: [audience, ...audiences], types }]);
      const queue = standIn?.queue(topic, name);
      if (queue && lockMs !== undefined) queue.lockMs = lockMs;
      return {
        name,
        audience,
        async send(events) {
          const { error } = await sender.send(events.map((event) => toMessage({ ...event, audience }, lanes)));
          if (error) throw error;
        },
        async sendUnreadable(id) {
          const { error } = await sender.send([
            {
              messageId: id,
              sessionId: id,
              subject: 'customer.updated',
              contentType: 'text/plain',
              body: Buffer.from('secret words'),
              applicationProperties: { recipient: name },
            },
          ]);
          if (error) throw error;
        },
      };
    },
  };
}

let ids = Date.now();

/** An event as the relay sends it; its version says its place among those of its customer. */
export function makeEvent({
  customer,
  version,
  ...rest
}: Partial<OutgoingEvent> & { customer: string; version: number }): OutgoingEvent {
  ids++;
  return {
    id: ids,
    position: ids,
    type: 'customer.updated',
    key: customer,
    customer,
    rowId: customer,
    version,
    app: 'foundation',
    actor: null,
    audience: 'platform',
    occurredAt: new Date(),
    data: { id: customer, name: `Version ${version}` },
    previous: {},
    trace: null,
    ...rest,
  };
}

/** The message of an event, in the lanes of a topic about which nobody has decided. */
export const makeMessage = (event: OutgoingEvent, copy?: Copy): ServiceBusMessage =>
  toMessage(event, lanesDefault, copy);

/** The own database of a consumer, with one row for each effect, in the order of the effects. */
export type Effects = {
  url: string;
  pool: pg.Pool;
  database: TestDatabase;
  /** A handler: one row an event. */
  record(subscription: string): ConsumerOptions['handler'];
  /** `<customer>:<version>` in the order in which they were written. */
  list(subscription: string): Promise<string[]>;
  /** How many there are: a list of thousands, asked for again and again, costs more than what is waited for. */
  count(subscription: string): Promise<number>;
};

export async function openEffects(): Promise<Effects> {
  const database = await createTestDatabase();
  // The owner of a database of its own, as a consumer is.
  const url = database.url('postgres');
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  pool.on('error', () => {});
  atEnd(() => pool.end());
  await pool.query(
    `create table public.effects (
       n bigint generated always as identity, subscription text, customer text, version bigint, is_replay boolean)`,
  );
  return {
    url,
    pool,
    database,
    record:
      (subscription) =>
      (event, { tx }) =>
        tx.query('insert into public.effects (subscription, customer, version, is_replay) values ($1, $2, $3, $4)', [
          subscription,
          event.customer,
          event.version,
          event.isReplay,
        ]),
    async list(subscription) {
      const { rows } = await pool.query<{ effect: string }>(
        `select customer || ':' || version as effect from public.effects where subscription = $1 order by n`,
        [subscription],
      );
      return rows.map(({ effect }) => effect);
    },
    async count(subscription) {
      const { rows } = await pool.query<{ count: number }>(
        'select count(*)::integer as count from public.effects where subscription = $1',
        [subscription],
      );
      return rows[0]?.count ?? 0;
    },
  };
}

/** Starts a consumer that is stopped after the file at the latest. */
export async function startConsumer(
  bus: TestBus,
  effects: Pick<Effects, 'url'>,
  options: Omit<ConsumerOptions, 'inbox' | 'settings'>,
): Promise<Consumer & { happenings: ConsumerHappening[] }> {
  const happenings: ConsumerHappening[] = [];
  const consumer = consumeEvents({
    settings: bus.settings,
    inbox: { url: effects.url },
    handlersMax: 4,
    retryFirstMs: 20,
    retryMaxMs: 100,
    acceptMs: 1_000,
    reports: false,
    onHappening: (happening) => happenings.push(happening),
    ...options,
  });
  atEnd(() => consumer.stop());
  await consumer.ready;
  return { ...consumer, happenings };
}
