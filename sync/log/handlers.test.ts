import {
  becauseOf,
  type Customer,
  InvalidField,
  type PlatformDb,
  readCause,
  TransactionAborted,
} from '@aether/platform';
import { beforeAll, describe, expect, test } from 'vitest';
import { pause, resume } from '../operations/subscriptions.ts';
import { startTestPlatform, type TestPlatform, until } from '../testing.ts';

let platform: TestPlatform;
let unique = 0;
beforeAll(async () => {
  platform = await startTestPlatform();
});

const newCustomer = (): Promise<Customer> =>
  platform.foundation.createCustomer({ email: `handled${++unique}@example.com`, name: 'New' });
const rename = ({ id }: Customer, name: string) => platform.foundation.updateCustomer(id, { name });
const position = async (name: string) =>
  Number(
    (await platform.sync.query('select position from sync.subscriptions where name = $1', [name])).rows[0]?.position,
  );
const isKnown = (name: string) =>
  until(
    async () => (await platform.sync.query('select from sync.subscriptions where name = $1', [name])).rowCount === 1,
  );

describe('a handler', () => {
  test('writes through its transaction with the trace of each event, also after a savepoint was rolled back', async () => {
    const trace = (digit: string) => `00-${digit.repeat(32)}-${digit.repeat(16)}-01`;
    const customers = [(await newCustomer()).id, (await newCustomer()).id, (await newCustomer()).id];
    const traces = [trace('a'), undefined, trace('c')];
    const name = 'support.traced-writes';
    const subscription = platform.support.events.subscribe(
      'customer.updated',
      async ({ key, actor }, { tx }) => {
        if (actor !== 'maya') return; // its own change
        await tx
          .savepoint(async () => {
            await tx.query(`update platform.customers set timezone = 'UTC' where id = $1`, [key]);
            throw new Error('undone');
          })
          .catch(() => {});
        await tx.query(`update platform.customers set timezone = 'Europe/Oslo' where id = $1`, [key]);
      },
      { name },
    );
    await subscription.ready;
    for (const [n, id] of customers.entries())
      await platform.foundation.transaction({ actor: 'maya', trace: traces[n] }, (tx) =>
        tx.query(`update platform.customers set name = 'Traced' where id = $1`, [id]),
      );
    const written = () =>
      platform.support.query<{ key: string; trace: string | null }>(
        `select key, trace from sync.events where data ->> 'timezone' = 'Europe/Oslo' and key = any ($1)`,
        [customers],
      );
    await until(async () => (await written()).length === 3);
    const found = new Map((await written()).map((row) => [row.key, row.trace]));
    expect(customers.map((id) => found.get(id))).toEqual([trace('a'), null, trace('c')]);
    await subscription.remove();
  });

  test('of a batch writes with the trace of its newest event, or of the event that it names', async () => {
    const trace = (digit: string) => `00-${digit.repeat(32)}-${digit.repeat(16)}-01`;
    const [one, two] = [(await newCustomer()).id, (await newCustomer()).id];
    const name = 'support.traced-batch';
    const subscription = platform.support.events.subscribeBatch(
      { name, types: ['customer.updated'] },
      async (events, { tx, txOf }) => {
        const [first, newest] = events.filter(({ actor }) => actor === 'maya');
        if (!first || !newest) return;
        const write = (on: typeof tx, zone: string) =>
          on.query('update platform.customers set timezone = $2 where id = $1', [first.key, zone]);
        await write(tx, 'Europe/Oslo');
        await write(txOf(first), 'Europe/Rome');
        await write(tx, 'Europe/Paris');
        txOf(first).endWith(
          { name: 'test-zone', text: `update platform.customers set timezone = 'Europe/Madrid' where id = $1` },
          [first.key],
        );
      },
    );
    await subscription.ready;
    await pause(platform.sync, name, 'both');
    for (const [id, of] of [
      [one, trace('a')],
      [two, trace('b')],
    ] as const)
      await platform.foundation.transaction({ actor: 'maya', trace: of }, (tx) =>
        tx.query(`update platform.customers set name = 'Traced' where id = $1`, [id]),
      );
    await until(
      async () =>
        (
          await platform.support.query('select from sync.events where key = any ($1) and actor = $2', [
            [one, two],
            'maya',
          ])
        ).length === 2,
    );
    await resume(platform.sync, name);
    const written = () =>
      platform.support.query<{ zone: string; trace: string | null }>(
        `select data ->> 'timezone' as zone, trace from sync.events where key = $1 and data ? 'timezone' and type = 'customer.updated'
         order by position`,
        [one],
      );
    await until(async () => (await written()).length === 4);
    expect(await written()).toEqual([
      { zone: 'Europe/Oslo', trace: trace('b') },
      { zone: 'Europe/Rome', trace: trace('a') },
      { zone: 'Europe/Paris', trace: trace('b') },
      { zone: 'Europe/Madrid', trace: trace('a') },
    ]);
    await subscription.remove();
  });

  test('acts without an actor, whichever request subscribed, and continues the trace of its event', async () => {
    const trace = (digit: string) => `00-${digit.repeat(32)}-${digit.repeat(16)}-01`;
    const customer = await newCustomer();
    const seen: unknown[] = [];
    const name = 'support.traced';
    const subscription = becauseOf({ actor: 'maya', trace: trace('a') }, () =>
      platform.support.events.subscribe(
        'customer.updated',
        async (event, { tx }) => {
          if (event.key !== customer.id) return;
          const [inTx] = await tx.query('select platform.current_actor() as actor');
          seen.push({ inTx, cause: readCause() });
        },
        { name },
      ),
    );
    await isKnown(name);
    await becauseOf({ trace: trace('b') }, () => rename(customer, 'Traced'));
    await until(() => seen.length === 1);
    expect(seen).toEqual([{ inTx: { actor: null }, cause: { trace: trace('b') } }]);
    await subscription.stop();
  });

  test('that fails slowly again and again does not delay other keys', async () => {
    const poisoned = await Promise.all(Array.from({ length: 10 }, newCustomer));
    const healthy = await newCustomer();
    const keys = new Set(poisoned.map(({ id }) => id));
    const seen: string[] = [];
    let failures = 0;
    const name = 'support.slow-poison';
    const subscription = platform.support.events.subscribe(
      'customer.updated',
      async (event) => {
        if (!keys.has(event.key)) return void seen.push(event.data.name);
        failures++;
        await new Promise((resolve) => setTimeout(resolve, 60));
        throw new Error('poisoned');
      },
      { name, retryFirstMs: 1, retryMaxMs: 1, attemptsMax: 100_000 },
    );
    await isKnown(name);
    for (const customer of poisoned) await rename(customer, 'Poison');
    await until(() => failures > 15);
    const before = failures;
    await rename(healthy, 'Healthy');
    await until(() => seen.includes('Healthy'));
    // Parked events get one turn each time, and the log has its own.
    expect(failures - before).toBeLessThan(40);
    await subscription.stop();
  });

  test('that never settles fails when its time is over, its event is parked, and the other events continue', async () => {
    const [stuck, fine] = [await newCustomer(), await newCustomer()];
    const seen: string[] = [];
    const errors: unknown[] = [];
    const name = 'support.hanging';
    const subscription = platform.support.events.subscribe(
      'customer.updated',
      async (event) => {
        if (event.key === stuck.id) await new Promise(() => {});
        seen.push(event.key);
      },
      { name, handlerTimeoutMs: 50, retryFirstMs: 60_000, onError: (error) => errors.push(error) },
    );
    await isKnown(name);
    await rename(stuck, 'Stuck');
    await rename(fine, 'Fine');
    await until(() => seen.includes(fine.id));
    expect(errors).toContainEqual(expect.objectContaining({ name: 'HandlerTimeout' }));
    const parked = await platform.sync.query('select key from sync.parked where subscription = $1', [name]);
    expect(parked.rows).toEqual([{ key: stuck.id }]);
    await subscription.stop();
  });
});

describe('a second process', () => {
  test('joins while the first is busy, and takes over when it stops', async () => {
    const customer = await newCustomer();
    const name = 'support.joined';
    const [entered, leave] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const first = platform.support.events.subscribe(
      'customer.updated',
      async () => {
        entered.resolve();
        await leave.promise;
      },
      { name },
    );
    await isKnown(name);
    await rename(customer, 'Long');
    await entered.promise;
    const errors: unknown[] = [];
    const seen: string[] = [];
    const other: PlatformDb = await platform.connect('support');
    const second = other.events.subscribe('customer.updated', async (event) => void seen.push(event.data.name), {
      name,
      onError: (error) => errors.push(error),
    });
    await other.query('select 1');
    leave.resolve();
    await first.stop();
    await rename(customer, 'Taken over');
    await until(() => seen.includes('Taken over'));
    expect(errors).toEqual([]);
    await second.stop();
  });

  test('that asks for more types does not lose events that the older one would skip', async () => {
    const name = 'support.wider';
    const seen: string[] = [];
    const older = platform.support.events.subscribeBatch({ name, types: ['customer.deleted'] }, async () => {});
    await isKnown(name);
    const at = await position(name);
    const other = await platform.connect('support');
    const newer = other.events.subscribeBatch(
      { name, types: ['customer.deleted', 'customer.created'] },
      async (events) => void seen.push(...events.map((event) => event.key)),
    );
    await until(
      async () =>
        (await platform.sync.query('select types from sync.subscriptions where name = $1', [name])).rows[0]?.types
          .length === 2,
    );
    const made = await Promise.all(Array.from({ length: 30 }, newCustomer));
    await until(() => seen.length >= 30);
    expect(new Set(seen)).toEqual(new Set(made.map(({ id }) => id)));
    await until(async () => (await position(name)) > at); // it moves when the skipped events are committed
    await Promise.all([older.stop(), newer.stop()]);
  });
});

test('two handlers in one process need different names', async () => {
  const first = platform.support.events.subscribe('customer.deleted', async () => {});
  const again = () => platform.support.events.subscribe('customer.deleted', async () => {});
  expect(again).toThrow(InvalidField);
  const other = platform.support.events.subscribe('customer.deleted', async () => {}, { name: 'support.other' });
  await Promise.all([first.stop(), other.stop()]);
  await again().stop();
});

test('a transaction in which a failed statement was caught is not reported as kept', async () => {
  const told: string[] = [];
  const work = platform.support.transaction({}, async (tx) => {
    tx.afterCommit(() => told.push('committed'));
    await platform.support.findOrCreateCustomer({ email: 'undone@example.com', name: 'Undone' }, { tx });
    await tx.query('select 1 / 0').catch(() => {});
  });
  await expect(work).rejects.toBeInstanceOf(TransactionAborted);
  expect(told).toEqual([]);
  expect(await platform.support.getCustomerByEmail('undone@example.com')).toBeNull();
});

test('an app’s event draws its id after its transaction has a number, so that the sequencer cannot step over it', async () => {
  await platform.superuser.query(`
    create function public.watched_id() returns bigint language plpgsql security definer as $$
    begin
      if pg_current_xact_id_if_assigned() is null then raise exception 'an id before a transaction id'; end if;
      return nextval('sync.outbox_id');
    end $$;
    alter table sync.outbox alter id set default public.watched_id()`);
  await platform.support.transaction({}, (tx) => tx.query(`select sync.publish('support.watched', 'key', '{}')`));
  await rename(await newCustomer(), 'Captured as well');
  await platform.superuser.query(`alter table sync.outbox alter id set default nextval('sync.outbox_id')`);
});
