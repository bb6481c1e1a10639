import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo, Server as NetServer, Socket } from 'node:net';
import rhea from 'rhea';
import { createAdmin } from './admin.ts';
import {
  type BrokerConnection,
  type Condition,
  type Delivery,
  type Link,
  parseMessage,
  refuse,
  splitBatch,
  wrapTicks,
} from './amqp.ts';
import { type Entry, noJournal, openJournal } from './journal.ts';
import { type Answer, manage } from './management.ts';
import { messageLockLost, Queue, receivingOf, remember, type Session, sessionLockLost, storedOf } from './queue.ts';
import { Topic } from './topic.ts';

/*
 * A stand-in for Azure Service Bus: for tests, for benches, and for trying the product on one machine. It speaks AMQP 1.0 with the unmodified
 * SDK and answers the management interface over HTTP. It has topics, subscriptions, sessions, correlation filters, duplicate detection, locks,
 * dead letters and batches. README.md of this folder lists how it differs from the real service.
 */

const { types, message: messages } = rhea;
const keyName = 'RootManageSharedAccessKey';
const key = 'stand-in';
const claimsLink = '$cbs';
const managementEnd = '/$management';
const deadLetterEnd = '/$deadletterqueue';
const sessionFilter = 'com.microsoft:session-filter';
const batchFormat = 0x80013700;

/**
 * A failure that a test asks for, at a step of the next client that comes to it: the line is cut before the broker acts, or after it has acted and
 * before the answer; or the broker refuses. `claim` is the token of a link, `attach` the link of a sender, `accept` that of a session,
 * `deliver` the sending of messages to a receiver.
 */
export type Fault =
  | { on: 'claim' | 'attach' | 'send' | 'accept' | 'deliver' | 'settle' | 'renew'; cut: 'before' | 'after' }
  | { on: 'send' | 'accept' | 'settle'; refuse: Condition };

/** How the real service refuses: over the limit of a tier, over the quota of a topic, busy inside. */
export const refusals = {
  throttled: refuse(
    'com.microsoft:server-busy',
    'The request was terminated because the namespace is being throttled. Please wait 10 seconds and try again.',
  ),
  quotaExceeded: refuse(
    'amqp:resource-limit-exceeded',
    'The maximum entity size has been reached or exceeded for Topic.',
  ),
  internal: refuse('amqp:internal-error', 'The service was unable to process the request; please retry the operation.'),
};

export type StandIn = {
  connectionString: string;
  /** The management interface, for SERVICEBUS_ADMIN_URL. */
  adminUrl: string;
  topic(name: string): Topic | undefined;
  queue(topic: string, subscription: string): Queue | undefined;
  failNext(fault: Fault, times?: number): void;
  /** How many of those have not happened yet. */
  pendingFaults(): number;
  /** Cuts every line at once. */
  cutLines(): void;
  /** Stops taking lines for so long, and cuts those that are open: what a restart of the service looks like. Messages stay. */
  restart(downMs?: number): Promise<void>;
  close(): Promise<void>;
};

export type StandInOptions = {
  /** By default any free one. */
  port?: number;
  adminPort?: number;
  messageBytesMax?: number;
  /** A file in which the messages outlive the process. By default they are in memory alone. */
  journal?: string | undefined;
};

type Context = {
  connection: BrokerConnection;
  sender: Link;
  receiver: Link;
  delivery: Delivery;
  session: Link['session'];
  message: Record<string, unknown> & {
    application_properties?: Record<string, unknown>;
    body?: unknown;
    message_id?: unknown;
    reply_to?: unknown;
    format?: number;
  };
};

type Container = {
  on(event: string, handle: (context: Context & { format?: number }) => void): void;
  listen(options: object): NetServer;
  sasl_server_mechanisms: Record<string, unknown> & {
    enable_anonymous(): void;
  };
};

const notFound = (address: string) =>
  refuse('amqp:not-found', `The messaging entity 'sb://localhost/${address}' could not be found.`);

/** Starts the stand-in on this machine. */
export async function startStandIn({
  port: wantedPort = 0,
  adminPort = 0,
  messageBytesMax = 262_144,
  journal: journalPath,
}: StandInOptions = {}): Promise<StandIn> {
  const journal = journalPath === undefined ? noJournal : openJournal(journalPath);
  const topics = new Map<string, Topic>();
  const faults: Fault[] = [];
  const sockets = new Set<Socket>();
  /** Frames of the message under way of each link: rhea hands over only the decoded message. */
  const frames = new WeakMap<Link, Buffer[]>();
  const claims = new WeakSet<BrokerConnection>();
  let sequence = 0;
  const nextSequence = () => ++sequence;

  function takeFault(on: Fault['on']): { cut?: 'before' | 'after'; refuse?: Condition } {
    const at = faults.findIndex((fault) => fault.on === on);
    return at < 0 ? {} : (faults.splice(at, 1)[0] as Fault);
  }

  /** Does something at a step, unless a failure was asked for there. */
  function act(on: Fault['on'], { connection }: { connection: BrokerConnection }, work: () => void): void {
    const { cut } = takeFault(on);
    if (cut !== 'before') work();
    if (cut) connection.socket.destroy();
  }

  function resolve(address: string): Topic | Queue | undefined {
    const lower = address.toLowerCase();
    const isDead = lower.endsWith(deadLetterEnd);
    const path = isDead ? lower.slice(0, -deadLetterEnd.length) : lower;
    const [, topic = '', subscription = ''] = /^(.*)\/subscriptions\/([^/]+)$/.exec(path) ?? [];
    if (!topic) return topics.get(path);
    const queue = topics.get(topic)?.subscriptions.get(subscription)?.queue;
    return isDead ? queue?.deadLetters : queue;
  }

  /** The peer wants to receive. */
  function onReceiverAsked({ sender }: Context): unknown {
    const address = sender.source?.address ?? '';
    sender.set_target({ address: sender.target?.address });
    // rhea answers a drain only while there is credit left.
    sender._get_drain = () => {
      if (!sender._draining) return false;
      sender.delivery_count += sender.credit;
      sender.credit = 0;
      sender._draining = false;
      return true;
    };
    sender.on('sender_draining', () => {
      sender.issue_flow = true;
    });
    if (address === claimsLink || address.toLowerCase().endsWith(managementEnd)) {
      sender.set_source({ address });
      return;
    }
    if (!claims.has(sender.connection))
      return sender.close(refuse('amqp:unauthorized-access', "Unauthorized access. 'Listen' claim(s) are required."));
    const queue = resolve(address);
    if (!(queue instanceof Queue)) return sender.close(notFound(address));
    const { attach } = sender.remote;
    Object.assign(sender.local.attach, {
      snd_settle_mode: attach.snd_settle_mode,
      rcv_settle_mode: attach.rcv_settle_mode,
    });
    remember(sender, { queue, removesAtOnce: attach.snd_settle_mode === 1 });
    const filter = sender.source?.filter ?? {};
    const wantsSession = sessionFilter in filter;
    if (wantsSession !== queue.requiresSession)
      return sender.close(
        refuse(
          'amqp:not-allowed',
          wantsSession
            ? 'A sessionful message receiver cannot be created on an entity that does not require sessions.'
            : 'It is not possible for an entity that requires sessions to create a non-sessionful message receiver.',
        ),
      );
    if (wantsSession) {
      const { cut, refuse: refusal } = takeFault('accept');
      if (refusal) return sender.close(refusal);
      if (cut !== 'before') grantSession(sender, queue, address, filter[sessionFilter]);
      return cut && sender.connection.socket.destroy();
    }
    sender.set_source({ address });
    queue.links.add(sender);
  }

  function grantSession(sender: Link, queue: Queue, address: string, wanted: unknown): unknown {
    const grant = (session: Session) => {
      queue.acquire(sender, session);
      sender.set_source({ address, filter: { [sessionFilter]: session.id } });
      sender.local.attach.properties = { 'com.microsoft:locked-until-utc': wrapTicks(session.until) };
    };
    if (wanted != null) {
      const session = queue.session(String(wanted));
      if (!session.link) return grant(session);
      return sender.close(
        refuse('com.microsoft:session-cannot-be-locked', `The requested session '${wanted}' cannot be accepted.`),
      );
    }
    const free = queue.nextSession();
    if (free) return grant(free);
    // Our answer to the attach is kept back until there is a session, or until the peer's time is up.
    sender._process = () => {};
    const goOn = () => {
      clearTimeout(timer);
      queue.waiting = queue.waiting.filter((each) => each !== waiting);
      delete sender._process;
      const receiving = receivingOf(sender);
      if (receiving) receiving.waiting = undefined;
      sender.connection._register();
    };
    const waiting = {
      grant(session: Session) {
        goOn();
        grant(session);
      },
      cancel: goOn,
    };
    const properties = sender.remote.attach.properties as Record<string, unknown> | undefined;
    const timer = setTimeout(
      () => {
        goOn();
        sender.close(refuse('com.microsoft:timeout', 'The operation did not complete within the allotted time.'));
      },
      Number(properties?.['com.microsoft:timeout'] ?? 60_000),
    ).unref();
    const receiving = receivingOf(sender);
    if (receiving) receiving.waiting = waiting;
    queue.waiting.push(waiting);
  }

  function onLinkGone(link: Link): void {
    const receiving = receivingOf(link);
    if (!receiving || receiving.isGone) return;
    receiving.isGone = true;
    receiving.waiting?.cancel();
    receiving.queue.links.delete(link);
    if (receiving.session?.link === link) receiving.queue.release(receiving.session, false);
  }

  /** The peer wants to send. */
  function onSenderAsked({ receiver }: Context): unknown {
    const address = receiver.target?.address ?? '';
    receiver.set_source({ address: receiver.source?.address });
    if (address !== claimsLink && !address.toLowerCase().endsWith(managementEnd)) {
      if (!claims.has(receiver.connection))
        return receiver.close(refuse('amqp:unauthorized-access', "Unauthorized access. 'Send' claim(s) are required."));
      if (!(resolve(address) instanceof Topic)) return receiver.close(notFound(address));
      receiver.local.attach.max_message_size = messageBytesMax;
      if (takeFault('attach').cut) return receiver.connection.socket.destroy();
    }
    receiver.set_target({ address });
  }

  function onMessage(context: Context & { format?: number }): unknown {
    const { receiver, delivery, message } = context;
    const address = receiver.target?.address ?? '';
    const bytes = Buffer.concat(frames.get(receiver) ?? []);
    frames.delete(receiver);
    const target = resolve(address);
    if (target instanceof Topic) return onSend(context, target, bytes);
    delivery.accept();
    const asked = message.application_properties ?? {};
    if (address === claimsLink) return act('claim', receiver, () => onToken(context, asked));
    if (String(asked.operation).includes('renew'))
      return act('renew', receiver, () => onManaged(context, address, asked));
    onManaged(context, address, asked);
  }

  function onManaged(context: Context, address: string, asked: Record<string, unknown>): void {
    const { message } = context;
    const queue = resolve(address.slice(0, -managementEnd.length));
    const body = (message.body ?? {}) as Record<string, unknown>;
    const {
      code = 200,
      error,
      body: answer,
    }: Answer = queue instanceof Queue
      ? manage(queue, asked.operation, body, asked['associated-link-name'])
      : { code: 404, error: notFound(address) };
    reply(
      context,
      {
        statusCode: types.wrap_int(code),
        statusDescription: error?.description ?? 'OK',
        ...(error && { errorCondition: types.wrap_symbol(error.condition) }),
        'com.microsoft:tracking-id': asked['com.microsoft:tracking-id'],
      },
      answer,
    );
  }

  function reply({ receiver, message }: Context, properties: object, body: unknown = null): void {
    const { reply_to: to, message_id: id } = message;
    const link = receiver.session.find_sender((each) => each.name === to || each.target?.address === to);
    if (link) link.send({ correlation_id: id, application_properties: properties, body }).settled = true;
  }

  function onToken(context: Context, { type, operation }: Record<string, unknown>): void {
    let refusal = operation === 'put-token' ? undefined : 'not a token';
    if (type === 'servicebus.windows.net:sastoken') {
      const fields = new URLSearchParams(String(context.message.body).replace(/^SharedAccessSignature /, ''));
      const signed = `${encodeURIComponent(fields.get('sr') ?? '')}\n${fields.get('se')}`;
      if (
        fields.get('skn') !== keyName ||
        fields.get('sig') !== createHmac('sha256', key).update(signed).digest('base64')
      )
        refusal = 'InvalidSignature: The token has an invalid signature.';
      else if (Number(fields.get('se')) * 1000 < Date.now()) refusal = 'ExpiredToken: The token is expired.';
    }
    if (!refusal) claims.add(context.connection);
    reply(context, {
      'status-code': types.wrap_int(refusal ? 401 : 202),
      'status-description': refusal ?? 'Accepted',
    });
  }

  function onSend(
    { delivery, message, connection, format }: Context & { format?: number },
    topic: Topic,
    bytes: Buffer,
  ): unknown {
    const { cut, refuse: refusal } = takeFault('send');
    if (refusal) return delivery.reject(refusal);
    if (cut === 'before') return connection.socket.destroy();
    if (bytes.length > messageBytesMax)
      return delivery.reject(
        refuse(
          'amqp:link:message-size-exceeded',
          `The received message (size ${bytes.length}) exceeds the limit (${messageBytesMax} bytes).`,
        ),
      );
    const sent = (format ?? message.format) === batchFormat ? splitBatch(bytes) : [bytes];
    const at = Date.now();
    journal.write({ topic: topic.name, at, messages: journalPath ? sent.map((each) => each.toString('base64')) : [] });
    for (const each of sent) topic.publish(parseMessage(each), nextSequence, at);
    if (cut === 'after') return connection.socket.destroy();
    delivery.accept();
  }

  function onOutcome(
    { sender, delivery, connection }: Context,
    outcome: 'accepted' | 'rejected' | 'modified' | 'released',
  ): unknown {
    const receiving = receivingOf(sender);
    if (!receiving || delivery.settled) return;
    const { queue, session } = receiving;
    const { cut, refuse: refusal } = takeFault('settle');
    if (cut === 'before') return connection.socket.destroy();
    const { rejected, accepted } = messages as unknown as Record<
      'rejected' | 'accepted',
      (fields?: object) => { described(): unknown }
    >;
    const answer = (state: unknown): unknown => {
      if (cut) return connection.socket.destroy();
      delivery.update(true, state);
      delivery.remote_settled = true;
    };
    if (refusal) return answer(rejected({ error: refusal }).described());
    const stored = storedOf(delivery);
    if (!stored?.lock || stored.lock.link !== sender || stored.lock.token !== delivery.tag.toString('hex')) {
      const error = session && session.link !== sender ? sessionLockLost(session.id) : messageLockLost();
      return answer(rejected({ error }).described());
    }
    const { error, message_annotations: added } = delivery.remote_state;
    if (outcome === 'accepted') queue.complete(stored);
    else if (outcome === 'rejected') {
      const { DeadLetterReason: reason, DeadLetterErrorDescription: description, ...more } = error?.info ?? {};
      queue.deadLetter(stored, reason, description, more);
    } else queue.abandon(stored, added);
    answer(accepted().described());
  }

  const container = rhea.create_container({ id: 'stand-in' }) as unknown as Container;
  container.sasl_server_mechanisms.enable_anonymous();
  container.sasl_server_mechanisms.MSSBCBS = container.sasl_server_mechanisms.ANONYMOUS;
  container.on('session_open', ({ session: { incoming } }) => {
    const original = incoming.on_transfer;
    incoming.on_transfer = (frame, receiver) => {
      const parts = frames.get(receiver);
      if (parts) parts.push(frame.payload);
      else frames.set(receiver, [frame.payload]);
      return original.call(incoming, frame, receiver);
    };
  });
  container.on('sender_open', onReceiverAsked);
  container.on('receiver_open', onSenderAsked);
  container.on('message', onMessage);
  for (const outcome of ['accepted', 'rejected', 'modified', 'released'] as const)
    container.on(outcome, (context) => onOutcome(context, outcome));
  container.on('sender_flow', ({ sender }) => {
    const receiving = receivingOf(sender);
    if (receiving) act('deliver', sender, () => receiving.queue.pump(sender));
  });
  container.on('sender_close', ({ sender }) => onLinkGone(sender));
  container.on('session_close', ({ session }) => session.each_sender(onLinkGone));
  container.on('disconnected', ({ connection }) => connection.each_sender(onLinkGone));
  container.on('connection_open', ({ connection }) =>
    // rhea hears of an end and of an error only, not of a line that is cut here.
    connection.socket.once('close', () => {
      connection.each_sender(onLinkGone);
      clearTimeout(connection.heartbeat_in);
      clearTimeout(connection.heartbeat_out);
    }),
  );
  const unheard = ['error', 'connection_error', 'session_error', 'sender_error', 'receiver_error', 'protocol_error'];
  for (const event of unheard) container.on(event, () => {});

  async function listen(port: number): Promise<NetServer> {
    const server = container.listen({
      port,
      host: '127.0.0.1',
      max_frame_size: 65_536,
      idle_time_out: 240_000,
      treat_modified_as_released: false,
      autosettle: false,
      receiver_options: { autoaccept: false, credit_window: 1_000 },
    });
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('close', () => sockets.delete(socket));
    });
    await once(server, 'listening');
    return server;
  }

  async function stopListening(server: NetServer | Server): Promise<void> {
    const closed = new Promise<void>((settle) => server.close(() => settle()));
    for (const socket of sockets) socket.destroy();
    await closed;
  }

  /** Makes again what the journal knows. */
  function restore(entries: Entry[]): void {
    const left = new Map<string, Map<number, Record<string, unknown> | undefined>>();
    for (const entry of entries) {
      if ('put' in entry) management.put(entry.put, entry.body);
      else if ('remove' in entry) management.remove(entry.remove);
      else if ('topic' in entry)
        for (const message of entry.messages)
          topics
            .get(entry.topic.toLowerCase())
            ?.publish(parseMessage(Buffer.from(message, 'base64')), nextSequence, entry.at);
      else {
        const of = left.get(entry.queue) ?? new Map();
        left.set(
          entry.queue,
          of.set('gone' in entry ? entry.gone : entry.dead, 'dead' in entry ? entry.added : undefined),
        );
      }
    }
    // Those of a subscription before its dead letters, whose name is longer.
    for (const path of [...left.keys()].sort((one, other) => one.length - other.length)) {
      const queue = resolve(path);
      if (queue instanceof Queue) queue.restore(left.get(path) as never);
    }
  }

  const management = createAdmin(topics, {
    onPut: (put, body) => journal.write({ put, body }),
    onRemove: (remove) => journal.write({ remove }),
    onLeft: (queue, { sequence }, added) =>
      journal.write(added ? { queue, dead: sequence, added } : { queue, gone: sequence }),
  });
  const { server: admin } = management;
  restore(journal.entries);
  let server = await listen(wantedPort);
  const { port } = server.address() as AddressInfo;
  admin.listen(adminPort, '127.0.0.1');
  await once(admin, 'listening');
  return {
    connectionString: `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=${keyName};SharedAccessKey=${key};UseDevelopmentEmulator=true`,
    adminUrl: `http://127.0.0.1:${(admin.address() as AddressInfo).port}`,
    topic: (name) => topics.get(name.toLowerCase()),
    queue: (topic, subscription) =>
      topics.get(topic.toLowerCase())?.subscriptions.get(subscription.toLowerCase())?.queue,
    failNext(fault, times = 1) {
      for (let n = 0; n < times; n++) faults.push(fault);
    },
    pendingFaults: () => faults.length,
    cutLines() {
      for (const socket of sockets) socket.destroy();
    },
    async restart(downMs = 0) {
      await stopListening(server);
      await new Promise((settle) => setTimeout(settle, downMs));
      server = await listen(port);
    },
    async close() {
      admin.closeAllConnections();
      await Promise.all([stopListening(server), new Promise<void>((settle) => admin.close(() => settle()))]);
    },
  };
}
