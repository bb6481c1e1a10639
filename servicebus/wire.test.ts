import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { readCommand, toCommandMessage } from './commands.ts';
import { describeBusFailure } from './failures.ts';
import { readReport, toReportMessage } from './reports.ts';
import { readServiceBusSettings, type ServiceBusSettings } from './settings.ts';
import { makeMessage } from './testing.ts';
import { rulesOf } from './topology.ts';
import { laneOf, lanesDefault, type OutgoingEvent, toBusEvent, toMessage, UnreadableMessage } from './wire.ts';
import { within } from './within.ts';

const event: OutgoingEvent = {
  id: 9_007_199_254_740_991,
  position: 42,
  type: 'customer.updated',
  key: '0198c0de-0000-7000-8000-000000000001',
  customer: '0198c0de-0000-7000-8000-000000000001',
  rowId: '0198c0de-0000-7000-8000-000000000001',
  version: 7,
  app: 'foundation',
  actor: 'maya',
  audience: 'platform',
  occurredAt: new Date('2026-05-01T10:00:00.123Z'),
  data: { id: '0198c0de-0000-7000-8000-000000000001', name: 'Ada “Ünïcode” 🦀', account_tier: 'premium' },
  previous: { name: 'Ada', account_tier: null },
  trace: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
};

describe('an event on the wire', () => {
  test('is read as it was written, whole ids included', () => {
    const { audience: _audience, id, ...rest } = event;
    expect(toBusEvent(makeMessage(event) as never)).toEqual({
      ...rest,
      id: String(id),
      source: '/aether/foundation',
      session: event.customer,
      isReplay: false,
      deliveryId: String(id),
    });
  });

  test('has the attributes of CloudEvents 1.0 as properties of text, and plain copies for filters', () => {
    const { applicationProperties, contentType, messageId, sessionId, subject } = makeMessage(event);
    expect({ contentType, messageId, sessionId, subject }).toEqual({
      contentType: 'application/json',
      messageId: '9007199254740991',
      sessionId: 'lane-26-of-32',
      subject: 'customer.updated',
    });
    expect(applicationProperties).toEqual({
      'cloudEvents:specversion': '1.0',
      'cloudEvents:id': '9007199254740991',
      'cloudEvents:source': '/aether/foundation',
      'cloudEvents:type': 'customer.updated',
      'cloudEvents:subject': event.key,
      'cloudEvents:time': '2026-05-01T10:00:00.123Z',
      'cloudEvents:dataschema': 'urn:aether:event:1',
      'cloudEvents:sequence': '42',
      'cloudEvents:partitionkey': event.customer,
      'cloudEvents:traceparent': event.trace,
      'cloudEvents:aetherversion': '7',
      type: 'customer.updated',
      app: 'foundation',
      audience: 'platform',
      recipient: '*',
    });
  });

  test('without a customer is in the session of its row; a replay has an id and a recipient of its own', () => {
    const message = makeMessage(
      { ...event, customer: null, key: 'company-1' },
      { recipient: 'billing', run: 'replay-1' },
    );
    expect(message).toMatchObject({
      sessionId: laneOf('company-1', lanesDefault),
      messageId: '9007199254740991.replay-1',
      applicationProperties: { recipient: 'billing', replay: 'replay-1' },
    });
    expect(toBusEvent(message as never)).toMatchObject({
      session: 'company-1',
      isReplay: true,
      deliveryId: '9007199254740991 replay-1',
    });
  });

  test('is in the lane that anybody can compute from its customer, always the same, and alone in it without lanes', () => {
    const { sessionId } = toMessage(event, 64);
    expect(sessionId).toBe(laneOf(event.customer as string, 64));
    expect(laneOf('ada', 32)).toBe('lane-13-of-32');
    expect(toMessage(event, 0).sessionId).toBe(event.customer);
    expect(toMessage({ ...event, key: 'another row' }, 64).sessionId).toBe(sessionId);
  });

  test('spreads many customers evenly over the lanes', () => {
    const counts = new Map<string, number>();
    for (let n = 0; n < 3_200; n++) {
      const lane = laneOf(`customer ${n}`, 32);
      counts.set(lane, (counts.get(lane) ?? 0) + 1);
    }
    expect(counts.size).toBe(32);
    expect(Math.max(...counts.values())).toBeLessThan(160);
  });

  test('of another publisher is in order with its session, whatever it says of a partition', () => {
    const properties = {
      'cloudEvents:specversion': '1.0',
      'cloudEvents:id': '1',
      'cloudEvents:source': '/shop',
      'cloudEvents:type': 'order.made',
      'cloudEvents:partitionkey': 'p1',
    };
    expect(toBusEvent({ applicationProperties: properties, sessionId: 's1' } as never).session).toBe('s1');
    expect(toBusEvent({ applicationProperties: properties } as never).session).toBe('p1');
  });

  // The examples of the specification's AMQP binding, with its other separator in the first.
  test.each([
    [
      'binary mode',
      {
        contentType: 'application/json; charset=utf-8',
        applicationProperties: {
          cloudEvents_specversion: '1.0',
          cloudEvents_type: 'com.example.someevent',
          cloudEvents_time: '2018-04-05T03:56:24Z',
          cloudEvents_id: '1234-1234-1234',
          cloudEvents_source: '/mycontext/subcontext',
          cloudEvents_datacontenttype: 'application/json; charset=utf-8',
        },
        body: Buffer.from('{"much": "wow"}'),
      },
    ],
    [
      'structured mode',
      {
        contentType: 'application/cloudevents+json; charset=utf-8',
        applicationProperties: {},
        body: Buffer.from(
          JSON.stringify({
            specversion: '1.0',
            type: 'com.example.someevent',
            time: '2018-04-05T03:56:24Z',
            id: '1234-1234-1234',
            source: '/mycontext/subcontext',
            datacontenttype: 'application/json; charset=utf-8',
            data: { much: 'wow' },
          }),
        ),
      },
    ],
  ])('of another publisher in %s is read, and its id counts with its source', (_, message) => {
    expect(toBusEvent({ ...message, sessionId: 's1' })).toMatchObject({
      id: '1234-1234-1234',
      source: '/mycontext/subcontext',
      type: 'com.example.someevent',
      session: 's1',
      data: { much: 'wow' },
      position: null,
      occurredAt: new Date('2018-04-05T03:56:24Z'),
      deliveryId: '/mycontext/subcontext 1234-1234-1234',
    });
  });

  const message = makeMessage(event);
  test.each([
    ['no CloudEvent', { ...message, applicationProperties: {} }, /is no CloudEvent/],
    [
      'an unknown version',
      { ...message, applicationProperties: { ...message.applicationProperties, 'cloudEvents:specversion': '2.0' } },
      /2\.0 is unknown/,
    ],
    [
      'a missing id',
      { ...message, applicationProperties: { ...message.applicationProperties, 'cloudEvents:id': '' } },
      /attribute id is missing/,
    ],
    [
      'a broken time',
      { ...message, applicationProperties: { ...message.applicationProperties, 'cloudEvents:time': 'noon' } },
      /is no time/,
    ],
    ['half a JSON', { ...message, body: Buffer.from('{"data"') }, /not JSON in UTF-8/],
    ['bytes that are no UTF-8', { ...message, body: Buffer.from([0x22, 0xff, 0x22]) }, /not JSON in UTF-8/],
    ['an array', { ...message, body: Buffer.from('[1]') }, /not JSON in UTF-8|no JSON object/],
    [
      'an id that no database stores',
      { ...message, applicationProperties: { ...message.applicationProperties, 'cloudEvents:id': 'a\0b' } },
      /attribute id has a character that no database stores/,
    ],
    [
      'a session that no database stores',
      {
        ...message,
        applicationProperties: { ...message.applicationProperties, 'cloudEvents:partitionkey': 'a\ud800' },
      },
      /partitionkey has a character/,
    ],
    [
      'an id that is too long for an index',
      { ...message, applicationProperties: { ...message.applicationProperties, 'cloudEvents:id': 'ä'.repeat(501) } },
      /longer than 1000 bytes/,
    ],
    ['XML', { ...message, contentType: 'application/xml' }, /content type is application\/xml/],
  ])('with %s is refused by name', (_, broken, reason) => {
    expect(() => toBusEvent(broken as never)).toThrow(UnreadableMessage);
    expect(() => toBusEvent(broken as never)).toThrow(reason);
  });
});

describe('an order to a consumer', () => {
  const order = { order: 7, act: 'retry', session: 'a', event: undefined, reason: 'a test' } as const;

  test('is read as it was written', () => {
    expect(readCommand(toCommandMessage('billing', order))).toEqual(order);
  });

  test.each([
    ['too long a session, so that it is not one to all sessions', { session: 'a'.repeat(501) }],
    ['a session that is no text', { session: 7 }],
    ['an event that no database stores', { event: 'a\0b' }],
    ['an act that there is not', { act: 'remove' }],
    ['no number', { order: 'seven' }],
  ])('with %s is none', (_, broken) => {
    expect(readCommand({ body: Buffer.from(JSON.stringify({ ...order, ...broken })) })).toBeUndefined();
  });
});

test('a report under a name that no consumer can have is none, so that it does not keep the others from being written down', () => {
  const report = {
    ...{ subscription: 'billing', process: 'p', handled: 1, parked: 0, dead: 0, paused: false, ends: false },
    ...{ effects: [], parked_events: [], answers: [] },
  };
  const read = (subscription: string) => readReport(toReportMessage({ ...report, subscription }) as never);
  expect(read('billing')).toMatchObject(report);
  expect(read('billing of harbour')).toBeUndefined();
});

test('what the SDK’s errors carry of keys and tokens is in no error and no sentence of ours', async () => {
  const sdk = Object.assign(
    new Error('put-token with SharedAccessSignature sr=x&sig=abc%3D&se=1 of SharedAccessKey=abc= failed'),
    { name: 'RestError', code: 'UnauthorizedError', statusCode: 401, request: { headers: { authorization: 'abc' } } },
  );
  const failure = await within(Promise.reject(new AggregateError([sdk]))).catch((error: unknown) => error);
  expect(failure).toMatchObject({ kind: 'unauthorized', code: 'UnauthorizedError' });
  const settings = readServiceBusSettings({ SERVICEBUS_CONNECTION_STRING: keyed }) as ServiceBusSettings;
  expect(inspect([failure, describeBusFailure(failure, settings), describeBusFailure(sdk, settings)])).not.toContain(
    'abc',
  );
});

const keyed = 'Endpoint=sb://harbour.servicebus.windows.net/;SharedAccessKeyName=relay;SharedAccessKey=abc=';

describe('settings', () => {
  test('are absent where nothing is set, and read with a key or with Entra', () => {
    expect(readServiceBusSettings({ PATH: '/bin' })).toBeUndefined();
    expect(readServiceBusSettings({ SERVICEBUS_CONNECTION_STRING: keyed })).toMatchObject({
      namespace: 'harbour.servicebus.windows.net',
      topic: 'aether-events',
      transport: 'amqp',
      audiences: ['platform'],
    });
    expect(
      readServiceBusSettings({
        SERVICEBUS_NAMESPACE: 'harbour.servicebus.windows.net',
        SERVICEBUS_TRANSPORT: 'websockets',
        SERVICEBUS_AUDIENCES: 'platform, billing',
      }),
    ).toMatchObject({
      connectionString: undefined,
      credential: 'managed-identity',
      audiences: ['platform', 'billing'],
    });
  });

  test.each([
    [{ SERVICEBUS_TOPIC: 'events' }, /SERVICEBUS_TOPIC is set, but neither/],
    [{ SERVICEBUS_CONNECTION_STRING: keyed, SERVICEBUS_NAMESPACE: 'harbour.servicebus.windows.net' }, /both set/],
    [{ SERVICEBUS_CONNECTION_STRING: 'postgresql://x' }, /not one of Service Bus/],
    [{ SERVICEBUS_CONNECTION_STRING: `${keyed};EntityPath=events` }, /name the topic in SERVICEBUS_TOPIC/],
    [{ SERVICEBUS_NAMESPACE: 'sb://harbour.servicebus.windows.net/' }, /without sb:\/\//],
    [{ SERVICEBUS_CONNECTION_STRING: keyed, SERVICEBUS_TOPIC: 'a/b' }, /SERVICEBUS_TOPIC must be/],
    [{ SERVICEBUS_CONNECTION_STRING: keyed, SERVICEBUS_TRANSPORT: 'http' }, /amqp or websockets/],
    [{ SERVICEBUS_CONNECTION_STRING: keyed, SERVICEBUS_AUDIENCES: 'Platform' }, /SERVICEBUS_AUDIENCES/],
    [{ SERVICEBUS_CONNECTION_STRING: keyed, SERVICEBUS_CLIENT_ID: 'x' }, /a connection string does not use/],
    [
      { SERVICEBUS_NAMESPACE: 'harbour.servicebus.windows.net', SERVICEBUS_CLIENT_ID: 'x' },
      /client id of a user-assigned/,
    ],
    [
      { SERVICEBUS_NAMESPACE: 'harbour.servicebus.windows.net', SERVICEBUS_CREDENTIAL: 'cli' },
      /managed-identity or default/,
    ],
    [{ SERVICEBUS_CONNECTION_STRING: keyed, SERVICEBUS_ADMIN_URL: 'here' }, /SERVICEBUS_ADMIN_URL must be/],
  ])('%j is refused and names what is wrong', (variables, reason) => {
    expect(() => readServiceBusSettings(variables)).toThrow(reason);
  });
});

test('names of rules fit the service and differ, also for long types', () => {
  const types = [
    'conversation.transferred_to_team_of_region.north',
    'conversation.transferred_to_team_of_region.south',
  ];
  const names = rulesOf({ name: 'billing', audiences: ['platform'], types }).map(({ name }) => name);
  expect(new Set(names).size).toBe(3);
  for (const name of names) expect(name.length).toBeLessThanOrEqual(50);
});
