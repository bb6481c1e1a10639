import { atEnd } from '@aether/database/testing';
import { z } from '@aether/http';
import {
  type AppEvent,
  type Company,
  type CompanyColumns,
  type Customer,
  type CustomerColumns,
  connectPlatform,
  type EventTypes,
  InvalidField,
  type PreviousOf,
  type User,
  type UserColumns,
} from '@aether/platform';
import { timeColumns } from '@aether/platform/log';
import type pg from 'pg';
import { beforeAll, describe, expect, expectTypeOf, test } from 'vitest';
import { readEvents } from '../operations/searching.ts';
import { startTestPlatform, type TestPlatform, until } from '../testing.ts';

declare module '@aether/platform' {
  interface EventTypes {
    'support.greeting_sent': { widget: string };
    'foundation.report_made': { pages: number };
  }
  interface EventRows {
    report: { pages: number };
  }
}

let platform: TestPlatform;
let support: pg.Client;
beforeAll(async () => {
  platform = await startTestPlatform();
  support = await platform.database.connect('support_app');
});

const published = async (key: string) => {
  await until(async () => (await platform.sync.query('select sync.outbox_age() is null as empty')).rows[0].empty);
  return readEvents(platform.sync, { key, limit: 100 });
};

test('an event of an app carries exactly its typed data to every handler', async () => {
  const { promise, resolve } = Promise.withResolvers<AppEvent<'support.greeting_sent'>>();
  const handled = platform.foundation.events.subscribe('support.greeting_sent', async (event) => resolve(event), {
    name: 'foundation.greetings',
    from: 'beginning',
  });
  const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  await platform.support.transaction({ actor: 'maya', trace }, (tx) =>
    platform.support.events.publish('support.greeting_sent', { widget: 'shop' }, tx, { key: 'widget:shop' }),
  );
  const event = await promise;
  await handled.stop();
  expectTypeOf(event.data).toEqualTypeOf<EventTypes['support.greeting_sent']>();
  expect(event).toMatchObject({
    type: 'support.greeting_sent',
    key: 'widget:shop',
    version: null,
    app: 'support',
    actor: 'maya',
    trace,
    data: { widget: 'shop' },
    previous: {},
  });
});

test('events of several types are narrowed by their type, also in batches, and their columns have the types and values of what platformDb reads', async () => {
  expectTypeOf<CustomerColumns>().toEqualTypeOf<Omit<Customer, 'version' | 'updated_at'>>();
  expectTypeOf<CompanyColumns>().toEqualTypeOf<Omit<Company, 'version' | 'updated_at'>>();
  expectTypeOf<PreviousOf<'report.updated'>>().toEqualTypeOf<Partial<{ pages: number }>>();
  expectTypeOf<UserColumns>().toEqualTypeOf<Omit<User, 'directory_tenant_id' | 'directory_object_id'>>();
  const seen: { created?: Partial<Customer>; tiers?: unknown; merged?: string; address?: Date | null } = {};
  const handled = platform.foundation.events.subscribeBatch(
    {
      name: 'foundation.narrowed',
      types: ['customer.created', 'customer.updated', 'customer.merged', 'address.updated', 'deal.updated'],
    },
    async (events) => {
      for (const event of events) {
        if (event.type === 'customer.created') {
          expectTypeOf(event.data.created_at).toEqualTypeOf<Date>();
          seen.created = event.data;
        } else if (event.type === 'customer.updated') {
          expectTypeOf(event.data.email).toEqualTypeOf<string>();
          expectTypeOf(event.data.crm_id).toEqualTypeOf<number | null | undefined>();
          expectTypeOf(event.previous.erased_at).toEqualTypeOf<Date | null | undefined>();
          seen.tiers = [event.previous.account_tier, event.data.account_tier];
        } else if (event.type === 'customer.merged') seen.merged = event.data.loser;
        else if (event.type === 'address.updated') seen.address = event.data.verified_at ?? null;
        else expectTypeOf(event).toEqualTypeOf<AppEvent<'deal.updated'>>();
      }
    },
  );
  await handled.ready;
  const { id } = await platform.foundation.createCustomer({ name: 'Typed', email: 'typed@example.com' });
  await platform.foundation.updateCustomer(id, { account_tier: 'premium' });
  await until(() => seen.tiers !== undefined);
  await handled.stop();
  const customer = (await platform.foundation.getCustomerById(id)) as Customer;
  const { version: _, updated_at: __, account_tier: ___, ...known } = customer;
  expect(seen.created).toMatchObject(known);
  expect(seen.created?.created_at).toBeInstanceOf(Date);
  expect(seen.tiers).toEqual([null, 'premium']);
});

test('the times of events are those of the columns that are captured', async () => {
  const { rows } = await platform.superuser.query<{ entity: string; columns: string[] }>(
    `select t.entity, array_agg(a.attname::text order by a.attnum) as columns
     from (values ('customer', 'customers'), ('company', 'companies'), ('user', 'users'), ('tier', 'tiers'),
       ('address', 'customer_emails'), ('phone', 'customer_phones')) t (entity, relation)
     join pg_attribute a on a.attrelid = ('platform.' || t.relation)::regclass
     where a.atttypid = 'timestamptz'::regtype and a.attname <> 'updated_at' group by 1`,
  );
  expect(Object.fromEntries(rows.map(({ entity, columns }) => [entity, columns]))).toEqual(timeColumns);
});

test('an event is not published if its transaction or its savepoint is rolled back', async () => {
  const { events } = platform.support;
  await expect(
    platform.support.transaction({}, async (tx) => {
      await events.publish('support.greeting_sent', { widget: 'never' }, tx, { key: 'rolled-back' });
      throw new Error('changed my mind');
    }),
  ).rejects.toThrow('changed my mind');
  await platform.support.transaction({}, async (tx) => {
    const publish = (widget: string) => events.publish('support.greeting_sent', { widget }, tx, { key: 'rolled-back' });
    await publish('first');
    await tx
      .savepoint(async () => {
        await publish('taken back');
        throw new Error('not this');
      })
      .catch(() => {});
    await publish('second');
  });
  expect((await published('rolled-back')).map((event) => event.data)).toEqual([
    { widget: 'first' },
    { widget: 'second' },
  ]);
});

test('an event published to the app itself is invisible to the other app', async () => {
  await platform.support.transaction({}, async (tx) => {
    await platform.support.events.publish('support.greeting_sent', { widget: 'own' }, tx, { key: 'own', to: 'own' });
    await platform.support.events.publish('support.greeting_sent', { widget: 'all' }, tx, { key: 'own' });
  });
  expect((await published('own')).map((event) => event.audience)).toEqual(['support', 'platform']);
  const seen = (app: 'foundation' | 'support') =>
    platform[app].query<{ widget: string }>(
      `select data ->> 'widget' as widget from sync.events where key = 'own' order by position`,
    );
  expect(await seen('foundation')).toEqual([{ widget: 'all' }]);
  expect(await seen('support')).toEqual([{ widget: 'own' }, { widget: 'all' }]);
});

describe('publishing is refused, and the transaction can continue, for', () => {
  const text = (bytes: number) => 'x'.repeat(bytes - Buffer.byteLength('{"widget":""}'));
  const publish = (type: string, data: unknown) =>
    platform.support.transaction({}, (tx) =>
      platform.support.events.publish(type as 'support.greeting_sent', data as { widget: string }, tx, {
        key: 'limit',
      }),
    );

  test.each([
    ['the event of another app', 'foundation.report_made', { pages: 1 }, 'type'],
    ['the event of a row', 'customer.updated', { name: 'Forged' }, 'type'],
    ['a list', 'support.greeting_sent', [1], 'data'],
    ['nothing', 'support.greeting_sent', undefined, 'data'],
    ['more than 64 KB', 'support.greeting_sent', { widget: text(65_537) }, 'data'],
  ])('%s', async (_, type, data, field) => {
    const refusal = await publish(type, data).catch((error) => error);
    expect(refusal).toBeInstanceOf(InvalidField);
    expect(refusal.fields).toMatchObject([{ field }]);
    await publish('support.greeting_sent', { widget: 'neighbour' });
  });

  test('an object over 64 KB, however many blanks PostgreSQL adds to it', async () => {
    const numbers = { n: Array.from({ length: 32_764 }, () => 1) };
    expect(JSON.stringify(numbers)).toHaveLength(65_536 - 1);
    await publish('support.greeting_sent', numbers);
    await publish('support.greeting_sent', { widget: text(65_536) });
    const events = await published('limit');
    expect(events.at(-2)?.data).toEqual(numbers);
    expect(String(events.at(-1)?.data.widget)).toHaveLength(text(65_536).length);
  });

  test('data that does not match the app’s schema, with each wrong field named', async () => {
    const strict = await connectPlatform({
      app: 'support',
      variables: { PLATFORM_DB_URL: platform.database.url('support_app') },
      payloads: { 'support.greeting_sent': z.object({ widget: z.string().max(20) }) },
    });
    atEnd(() => strict.close());
    const tell = (type: string, data: unknown) =>
      strict.transaction({}, (tx) =>
        strict.events.publish(type as 'support.greeting_sent', data as { widget: string }, tx, { key: 'strict' }),
      );
    const refused = (type: string, data: unknown) => tell(type, data).catch((error) => error.fields);
    expect(await refused('support.greeting_sent', { widget: 7 })).toMatchObject([{ field: 'data.widget' }]);
    expect(await refused('support.greeting_sent', {})).toMatchObject([{ field: 'data.widget' }]);
    expect(await refused('support.greeting_lost', { widget: 'shop' })).toEqual([
      { field: 'type', message: 'must be one of support.greeting_sent' },
    ]);
    await tell('support.greeting_sent', { widget: 'shop' });
    expect((await published('strict')).map((event) => event.data)).toEqual([{ widget: 'shop' }]);
  });
});

describe('publishing in SQL', () => {
  const refusal = async (...values: unknown[]) =>
    support.query('select sync.publish($1, $2, $3, $4)', values).then(
      () => 'published',
      (error) => `${error.code} ${error.message}`,
    );
  const object = '{}';
  const [type, key] = ['support.greeting_sent', 'sql'];

  test.each([
    [
      'a type without the prefix',
      ['greeting', key, object, 'platform'],
      '42501 an app publishes events that begin with its own name',
    ],
    [
      'a type with a line more',
      [`${type}\nx`, key, object, 'platform'],
      '42501 an app publishes events that begin with its own name',
    ],
    [
      'a type of 81 letters',
      [`support.${'a'.repeat(81)}`, key, object, 'platform'],
      '42501 an app publishes events that begin with its own name',
    ],
    ['no type', [null, key, object, 'platform'], '42501 an app publishes events that begin with its own name'],
    ['another audience', [type, key, object, 'crm'], '42501 an app publishes to everybody or to itself'],
    ['no audience', [type, key, object, null], '42501 an app publishes to everybody or to itself'],
    ['no key', [type, null, object, 'platform'], '23514 an event has a key and a JSON object of at most 64 KB'],
    ['an empty key', [type, '', object, 'platform'], '23514 an event has a key and a JSON object of at most 64 KB'],
    [
      'a key of 256 bytes',
      [type, 'k'.repeat(256), object, 'platform'],
      '23514 an event has a key and a JSON object of at most 64 KB',
    ],
    ['no payload', [type, key, null, 'platform'], '23514 an event has a key and a JSON object of at most 64 KB'],
    [
      'a number as payload',
      [type, key, '1', 'platform'],
      '23514 an event has a key and a JSON object of at most 64 KB',
    ],
    [
      'a large payload',
      [type, key, JSON.stringify({ x: 'x'.repeat(131_072) }), 'platform'],
      '23514 an event has a key and a JSON object of at most 64 KB',
    ],
  ])('with %s is refused', async (_, values, ends) => {
    expect(await refusal(...values)).toBe(ends);
    expect(await refusal(type, 'k'.repeat(255), object, 'support')).toBe('published');
  });

  test('neither the worker nor an operator can publish', async () => {
    const attempt = (client: pg.Client) =>
      client.query(`select sync.publish('sync.x', 'k', '{}')`).catch((error) => error.code);
    expect(await attempt(platform.sync)).toBe('42501');
    expect(await attempt(platform.superuser)).toBe('42501');
  });
});
