import { DefaultAzureCredential, ManagedIdentityCredential } from '@azure/identity';
import { ServiceBusAdministrationClient, ServiceBusClient } from '@azure/service-bus';
import type { ServiceBusSettings } from './settings.ts';

/** A call of the service without an answer by then has failed. Service Bus itself waits as long for a session with a message. */
export const callTimeoutMs = 10_000;
const adminTimeoutMs = 10_000;

/**
 * Opens a client without a line: the first call opens it. The SDK tries nothing again by itself, because exhausted retries hide the
 * reason in an AggregateError, and because the order of what is sent is the caller's business.
 */
export function openClient(settings: ServiceBusSettings, { timeoutInMs = callTimeoutMs } = {}): ServiceBusClient {
  const options = {
    retryOptions: { maxRetries: 0, timeoutInMs },
    ...(settings.transport === 'websockets' && { webSocketOptions: { webSocket: WebSocket } }),
  };
  const client = settings.connectionString
    ? new ServiceBusClient(settings.connectionString, options)
    : new ServiceBusClient(settings.namespace, credentialOf(settings), options);
  careForLines(client);
  return client;
}

/** The line of a client, of which the SDK says nothing. */
type Connection = {
  options: { tcp_no_delay?: boolean };
  on(event: 'disconnected', act: () => void): void;
  createReceiver(options: unknown): Promise<Link>;
  createAwaitableSender(options: unknown): Promise<Link>;
};
type Link = { close(options?: unknown): Promise<void> };
type InnerClient = { _connectionContext: { connection: Connection; refreshConnection(): void } };
const dropped = new WeakMap<ServiceBusClient, Set<() => void>>();

/**
 * Cares for the lines of a client, this one and those that it opens when one has dropped. TCP sends each frame at once, without Nagle's wait for
 * the answer to the frame before: to accept a session takes several small ones in a row, and the wait is 40 ms. A line that drops is told to the
 * calls under way, which the SDK lets wait for their whole limit. And a link that cannot be closed ends nothing: the SDK closes some without waiting
 * for it (7.9.5: one that comes when its caller has given up), and a broker that does not answer for a minute would end the process.
 */
function careForLines(client: ServiceBusClient): void {
  const { _connectionContext: context } = client as unknown as InnerClient;
  const acts = new Set<() => void>();
  dropped.set(client, acts);
  const care = () => {
    context.connection.options.tcp_no_delay = true;
    context.connection.on('disconnected', () => {
      for (const act of [...acts]) act();
    });
    for (const make of ['createReceiver', 'createAwaitableSender'] as const) {
      const create = context.connection[make].bind(context.connection);
      context.connection[make] = async (options) => mayFailToClose(await create(options));
    }
  };
  const refresh = context.refreshConnection.bind(context);
  context.refreshConnection = () => {
    refresh();
    care();
  };
  care();
}

/** Whoever waits for the end of this link hears of a failure; nobody has to. */
function mayFailToClose<Made extends Link>(link: Made): Made {
  const close = link.close.bind(link);
  link.close = (options) => {
    const closing = close(options);
    closing.catch(() => {});
    return closing;
  };
  return link;
}

/** Calls `act` when the line of the client drops. @returns ends it */
export function onLineDropped(client: ServiceBusClient, act: () => void): () => void {
  dropped.get(client)?.add(act);
  return () => dropped.get(client)?.delete(act);
}

/** The management interface: topics, subscriptions, rules, counts. It needs the right to manage. */
export function openAdmin(settings: ServiceBusSettings): ServiceBusAdministrationClient {
  const { adminUrl } = settings;
  const options = { retryOptions: { maxRetries: 2, retryDelayInMs: 200, maxRetryDelayInMs: 2_000 } };
  const admin = settings.connectionString
    ? new ServiceBusAdministrationClient(settings.connectionString, options)
    : new ServiceBusAdministrationClient(settings.namespace, credentialOf(settings), options);
  admin.pipeline.addPolicy({
    name: 'limit and address',
    async sendRequest(request, next) {
      request.timeout = adminTimeoutMs;
      if (adminUrl) {
        const { pathname, search } = new URL(request.url);
        request.url = `${adminUrl}${pathname}${search}`;
        request.allowInsecureConnection = adminUrl.startsWith('http:');
      }
      return next(request);
    },
  });
  return admin;
}

/** A managed identity, unless the settings ask for whatever the machine has: on a developer's machine that is the Azure CLI. */
function credentialOf({ credential, clientId }: ServiceBusSettings) {
  if (credential === 'default') return new DefaultAzureCredential({ managedIdentityClientId: clientId });
  return clientId ? new ManagedIdentityCredential({ clientId }) : new ManagedIdentityCredential();
}
