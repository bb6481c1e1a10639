import { randomBytes } from 'node:crypto';
import { atEnd } from '@aether/database/testing';
import { type App, createLog, startServer } from '@aether/http';
import { type AzureEndpoint, startAzureEndpoint } from '@aether/http/testing.azure';
import type { PlatformDb } from '@aether/platform';
import { beforeAll, expect, test } from 'vitest';
import { startTestPlatform, type TestPlatform, until } from '../testing.ts';

let platform: TestPlatform;
let azure: AzureEndpoint;
let send: (path: string, traceparent?: string) => Promise<Response>;
let close: () => Promise<void>;
let handled = 0;

/** A Foundation with two routes and a subscription, which sends its traces to an endpoint of this machine. */
beforeAll(async () => {
  platform = await startTestPlatform();
  azure = await startAzureEndpoint();
  atEnd(async () => azure.close());
  const log = createLog('test');
  log.level = 'silent';
  const server = await startServer(
    {
      app: 'foundation',
      title: 'T',
      version: '1',
      description: 'T',
      portDefault: 0,
      rights: { scopes: {}, ofEvents: {} } as never,
      addSignIn: () => async () => undefined,
      addRoutes(app: App, db: PlatformDb) {
        app.post('/api/customers/:name/:email', async (c) => {
          const { email, name } = c.req.param();
          await db.createCustomer({ email, name });
          return c.json({});
        });
        app.post('/api/broken', async () => {
          await db.transaction({}, (tx) => tx.query('select from ada_lovelace'));
          return new Response();
        });
      },
      subscribe(db) {
        db.events.subscribe(
          'customer.created',
          async ({ data }) => {
            handled++;
            if (data.name === 'Broken') throw new Error(`no mail server for ${data.email}`);
          },
          { name: 'foundation.greeter', pollMs: 20, retryFirstMs: 60_000, onError: () => {} },
        );
      },
    },
    {
      port: 0,
      log,
      variables: {
        PLATFORM_DB_URL: platform.database.url('foundation_app'),
        APPLICATIONINSIGHTS_CONNECTION_STRING: `InstrumentationKey=0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0;IngestionEndpoint=${azure.url}`,
      },
    },
  );
  let isClosed = false;
  close = async () => {
    if (!isClosed) await server.close();
    isClosed = true;
  };
  atEnd(close);
  send = (path, traceparent) =>
    fetch(`${server.url}${path}`, {
      method: 'POST',
      body: '{}',
      headers: { 'Content-Type': 'application/json', ...(traceparent && { traceparent }) },
    });
});

test('a request, its transaction and the handler of its event are spans of the trace that the event carries, without a statement or a name', async () => {
  const caller = `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`;
  const unwanted = `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-00`;
  expect((await send('/api/customers/Ada%20Lovelace/ada@example.com?search=%2B4930123456', caller)).status).toBe(200);
  await send('/api/customers/Grace/grace@example.com', unwanted);
  await send('/api/customers/Broken/broken@example.com');
  expect((await send('/api/broken')).status).toBe(500);
  await until(() => handled === 3);
  const { rows } = await platform.sync.query<{ trace: string; name: string }>(
    `select trace, data ->> 'name' as name from sync.events where type = 'customer.created'`,
  );
  const traceOf = (name: string) => rows.find((row) => row.name === name)?.trace as string;
  await close(); // sends what waits

  const spans = azure.received
    .filter(({ data }) => ['RequestData', 'RemoteDependencyData'].includes(data.baseType))
    .map(({ tags, data: { baseType, baseData } }) => ({ tags, baseType, ...baseData }));
  const ofTrace = (traceparent: string) =>
    spans.filter(({ tags }) => tags['ai.operation.id'] === traceparent.slice(3, 35));
  const trace = traceOf('Ada Lovelace');
  expect(trace.slice(3, 35)).toBe(caller.slice(3, 35));
  const [request, transaction, handler, ...others] = ofTrace(trace).sort(
    (one, other) => order.indexOf(one.name as string) - order.indexOf(other.name as string),
  );
  expect(others).toEqual([]);
  const own = trace.slice(36, 52); // the event names the request's span
  expect(request).toMatchObject({
    baseType: 'RequestData',
    name: 'POST /api/customers/:name/:email',
    id: own,
    success: true,
    responseCode: '200',
    tags: { 'ai.operation.parentId': caller.slice(36, 52), 'ai.cloud.role': 'aether-foundation' },
  });
  expect(transaction).toMatchObject({
    baseType: 'RemoteDependencyData',
    name: 'transaction',
    type: 'postgresql',
    target: 'postgresql',
    success: true,
    tags: { 'ai.operation.parentId': own },
  });
  expect(transaction?.data).toBeUndefined();
  expect(handler).toMatchObject({
    baseType: 'RequestData',
    name: 'foundation.greeter',
    success: true,
    properties: { 'aether.app': 'foundation', 'aether.subscription': 'foundation.greeter' },
    tags: { 'ai.operation.parentId': own },
  });
  // The caller of the second request wanted no trace; what failed says so by a code.
  expect(ofTrace(unwanted)).toEqual([]);
  expect(ofTrace(traceOf('Broken')).find(({ name }) => name === 'foundation.greeter')).toMatchObject({
    success: false,
    properties: { 'aether.error.type': 'Error' },
  });
  const failed = spans.find(({ name }) => name === 'POST /api/broken');
  expect(failed).toMatchObject({ success: false, responseCode: '500' });
  expect(spans.filter(({ tags }) => tags['ai.operation.id'] === failed?.tags['ai.operation.id'])).toContainEqual(
    expect.objectContaining({ name: 'transaction', success: false }),
  );
  expect(azure.bodies.join()).not.toMatch(/lovelace|\bada\b|grace|example\.com|30123456|select|insert|mail server/i);
});

const order = ['POST /api/customers/:name/:email', 'transaction', 'foundation.greeter'];
