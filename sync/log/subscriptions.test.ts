import { setTimeout as wait } from 'node:timers/promises';
import { isUnderWay } from '@aether/database/testing.scope';
import { type AppEvent, type Customer, InvalidField, type Subscription, TargetUnavailable } from '@aether/platform';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startTestPlatform, type TestPlatform, until } from '../testing.ts';

let platform: TestPlatform;
let subscriptions: Subscription[] = [];
let unique = 0;
const newName = () => `support.test${++unique}`;
beforeAll(async () => {
  platform = await startTestPlatform();
  // A projection that a handler writes: which versions of which key it has handled, in which order.
  await platform.superuser.query(`
    create table support.handled (n bigint generated always as identity, name text, key text, version bigint, position bigint);
    grant select, insert on support.handled to support_role`);
});
afterEach(async () => {
  await Promise.all(subscriptions.map((subscription) => subscription.stop()));
  subscriptions = [];
});

function started(subscription: Subscription): Subscription {
  subscriptions.push(subscription);
  return subscription;
}

const newCustomer = (): Promise<Customer> =>
  platform.foundation.createCustomer({ email: `c${++unique}@example.com`, name: 'Version 1' });
const change = (customer: Customer) => platform.foundation.updateCustomer(customer.id, { name: `Changed ${++unique}` });
const note =
  (name: string) =>
  (event: AppEvent, { tx }: { tx: { query(text: string, values: unknown[]): Promise<unknown> } }) =>
    tx.query('insert into support.handled (name, key, version, position) values ($1, $2, $3, $4)', [
      name,
      event.key,
      event.version,
      event.position,
    ]);
const handled = async (name: string, key?: string): Promise<number[]> =>
  (
    await platform.superuser.query(
      'select version::integer from support.handled where name = $1 and ($2::text is null or key = $2) order by n',
      [name, key ?? null],
    )
  ).rows.map((row) => row.version);
const parked = async (name: string) =>
  (
    await platform.sync.query(
      'select position::integer, key, state, attempts, error from sync.parked where subscription = $1 order by position',
      [name],
    )
  ).rows;
const registered = (name: string) =>
  until(
    async () => (await platform.sync.query('select from sync.subscriptions where name = $1', [name])).rowCount === 1,
  );

async function subscribe(
  name: string,
  handle: Parameters<typeof platform.support.events.subscribe<'customer.updated'>>[1],
  options = {},
) {
  const subscription = started(
    platform.support.events.subscribe('customer.updated', handle, { name, retryFirstMs: 20, ...options }),
  );
  await registered(name);
  return subscription;
}

describe('a subscriber', () => {
  test('gets what the source document promises: the version and the changed values', async () => {
    const customer = await newCustomer();
    const { promise, resolve } = Promise.withResolvers<AppEvent<'customer.updated'>>();
    await subscribe(newName(), async (event) => resolve(event));
    await platform.foundation.updateCustomer(customer.id, { account_tier: 'premium' }, { actor: 'maya' });
    const event = await promise;
    expect(event).toMatchObject({
      type: 'customer.updated',
      key: customer.id,
      version: 2,
      app: 'foundation',
      actor: 'maya',
      isReplay: false,
      data: {
        customerId: customer.id,
        email: customer.email,
        name: customer.name,
        updatedBy: 'foundation',
        account_tier: 'premium',
      },
      previous: { account_tier: null },
    });
    expect(event.data.timestamp).toBeInstanceOf(Date);
    expect(Object.keys(event.data).sort()).toEqual([
      'account_tier',
      'customerId',
      'email',
      'name',
      'timestamp',
      'updatedBy',
    ]);
  });

  test('sees each change once and in order, also changes by raw SQL, an upsert, MERGE and COPY', async () => {
    const name = newName();
    await subscribe(name, note(name));
    const customer = await newCustomer();
    await change(customer);
    const { query } = platform.foundation;
    await query(`update platform.customers set name = 'One' where id = $1`, [customer.id]);
    await query(
      `insert into platform.customers as c (email, email_key, name) values ('x@example.com', 'x@example.com', 'X')`,
    );
    await query(
      `merge into platform.customers c using (select $1::uuid as id) s on c.id = s.id when matched then update set name = 'Two'`,
      [customer.id],
    );
    await query('update platform.customers set name = name where id = $1', [customer.id]); // changes nothing
    await platform.superuser.query(
      `copy platform.customers (email, email_key, name, created_by_app) from program 'printf "y@example.com\\ty@example.com\\tY\\tsupport\\n"'`,
    );
    await platform.settled(name);
    expect(await handled(name, customer.id)).toEqual([2, 3, 4]);
    const { rows } = await platform.sync.query(
      `select data ->> 'email' as email, app from sync.events where type = 'customer.created' order by position desc limit 2`,
    );
    expect(rows).toEqual([
      { email: 'y@example.com', app: 'operator' },
      { email: 'x@example.com', app: 'foundation' },
    ]);
  });

  test('gets no event for a change that was rolled back or that changes nothing', async () => {
    const name = newName();
    const customer = await newCustomer();
    await subscribe(name, note(name));
    await expect(
      platform.foundation.transaction({}, async (tx) => {
        await platform.foundation.updateCustomer(customer.id, { name: 'Never' }, { tx });
        throw new Error('changed my mind');
      }),
    ).rejects.toThrow('changed my mind');
    await platform.foundation.updateCustomer(customer.id, { name: customer.name });
    await change(await newCustomer());
    await platform.settled(name);
    expect(await handled(name, customer.id)).toEqual([]);
  });

  test('that fails for one key delays no other key, and continues in order when it no longer fails', async () => {
    const name = newName();
    const [poisoned, other] = [await newCustomer(), await newCustomer()];
    let isBroken = true;
    await subscribe(name, async (event, context) => {
      if (event.key === poisoned.id && isBroken) throw new Error('poison');
      await note(name)(event, context);
    });
    for (let n = 0; n < 5; n++) {
      await change(poisoned);
      await change(other);
    }
    await platform.settled(name);
    expect(await handled(name, other.id)).toEqual([2, 3, 4, 5, 6]);
    expect(await handled(name, poisoned.id)).toEqual([]);
    expect((await parked(name)).map((row) => row.state)).toEqual([
      'retrying',
      'waiting',
      'waiting',
      'waiting',
      'waiting',
    ]);
    isBroken = false;
    await until(async () => (await parked(name)).length === 0);
    expect(await handled(name, poisoned.id)).toEqual([2, 3, 4, 5, 6]);
  });

  test('fails for good after its last attempt, and the key waits for an operator', async () => {
    const name = newName();
    const customer = await newCustomer();
    let attempts = 0;
    await subscribe(
      name,
      async () => {
        attempts++;
        throw new Error('always');
      },
      { attemptsMax: 3, retryFirstMs: 5 },
    );
    await change(customer);
    await change(customer);
    await until(async () => {
      const [dead, waiting] = await parked(name);
      return dead?.state === 'dead' && waiting !== undefined;
    });
    expect(await parked(name)).toMatchObject([
      { state: 'dead', attempts: 3, error: 'Error: always' },
      { state: 'waiting', attempts: 0 },
    ]);
    expect(attempts).toBeGreaterThanOrEqual(3);
  });

  test('whose effect failed half-way leaves no part of it', async () => {
    const name = newName();
    const customer = await newCustomer();
    let tries = 0;
    await subscribe(name, async (event, context) => {
      await note(name)(event, context);
      if (++tries < 4) throw new Error('after the write');
    });
    await change(customer);
    await until(async () => (await handled(name)).length > 0 && (await parked(name)).length === 0);
    expect(await handled(name)).toEqual([2]);
  });

  test('whose target is out of reach waits, and uses up no attempts', async () => {
    const name = newName();
    let isDown = true;
    let asked = 0;
    await subscribe(name, async (event, context) => {
      asked++;
      if (isDown) throw new TargetUnavailable('mail server', { retryAfterMs: 10 });
      await note(name)(event, context);
    });
    const customer = await newCustomer();
    await change(customer);
    await change(customer);
    await until(() => asked > 5);
    expect(await parked(name)).toEqual([]);
    isDown = false;
    await platform.settled(name);
    expect(await handled(name, customer.id)).toEqual([2, 3]);
  });

  test('that takes the whole connection down loses only the event that does it', async () => {
    const name = newName();
    const [poisoned, other] = [await newCustomer(), await newCustomer()];
    await subscribe(name, async (event, context) => {
      if (event.key === poisoned.id) await context.tx.query('select pg_terminate_backend(pg_backend_pid())');
      await note(name)(event, context);
    });
    await change(other);
    await change(poisoned);
    await change(other);
    await platform.settled(name);
    expect(await handled(name, other.id)).toEqual([2, 3]);
    expect(await parked(name)).toMatchObject([{ key: poisoned.id, state: 'retrying' }]);
  });

  test('sleeps while there are events of other types, and wakes at one of its own', async () => {
    const name = newName();
    const customer = await newCustomer();
    const subscription = await subscribe(name, note(name), { pollMs: 60_000 });
    const head = async () => Number((await platform.sync.query('select sync.head() as head')).rows[0].head);
    await change(customer);
    await until(async () => (await handled(name)).length === 1);
    const { turns } = subscription.progress();
    for (let n = 0; n < 20; n++) {
      const before = await head();
      await newCustomer();
      await until(async () => (await head()) > before);
    }
    await change(customer);
    await until(async () => (await handled(name)).length === 2);
    expect(subscription.progress().turns - turns).toBeLessThan(10);
  });

  test('that lets events gather gets those of a while together', async () => {
    const customer = await newCustomer();
    const batches: number[][] = [];
    const subscription = started(
      platform.support.events.subscribeBatch(
        { name: newName(), types: ['customer.updated'], gatherMs: 2_000 },
        async (events) => {
          batches.push(events.filter(({ key }) => key === customer.id).map(({ version }) => version as number));
        },
      ),
    );
    await subscription.ready;
    await until(() => subscription.progress().turns > 0); // the first step waits for nothing
    for (const _ of [1, 2, 3]) await change(customer);
    await until(() => batches.length > 0);
    expect(batches).toEqual([[2, 3, 4]]);
  });

  test('whose large batch fails takes each of its events once, a hundred in a transaction at most', async () => {
    const transactions: string[] = [];
    const isMine = ({ data }: AppEvent) => String((data as { name?: string }).name).startsWith('Of many');
    const subscription = started(
      platform.support.events.subscribeBatch(
        { name: newName(), types: ['customer.created'], batchMax: 400, gatherMs: 100, onError: () => {} },
        async (events, { tx }) => {
          const mine = events.filter(isMine);
          if (mine.length > 1) throw new Error('not together');
          if (mine.length === 1) {
            const [row] = await tx.query<{ xact: string }>('select pg_current_xact_id()::text as xact');
            transactions.push(row?.xact as string);
          }
        },
      ),
    );
    await subscription.ready;
    await platform.superuser.query(
      `insert into platform.customers (email, name, created_by_app)
       select 'of' || n || '@many.example', 'Of many ' || n, 'foundation' from generate_series(1, 150) n`,
    );
    await until(() => transactions.length >= 150);
    const sizes = [...Map.groupBy(transactions, (each) => each).values()].map(({ length }) => length);
    expect(transactions.length).toBe(150);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(100);
  });

  test('that is to rest leaves the database to others after each step, and misses nothing', async () => {
    const customer = await newCustomer();
    const steps: { version: number | null; from: number; to: number }[] = [];
    const subscription = started(
      platform.support.events.subscribeBatch(
        { name: newName(), types: ['customer.updated'], batchMax: 1, restFactor: 2 },
        async ([event], { tx }) => {
          if (event?.key !== customer.id) return;
          const from = performance.now();
          await tx.query('select pg_sleep(0.2)');
          steps.push({ version: event.version, from, to: performance.now() });
        },
      ),
    );
    await subscription.ready;
    for (const _ of [1, 2, 3]) await change(customer);
    await until(() => steps.length === 3);
    expect(steps.map(({ version }) => version)).toEqual([2, 3, 4]);
    const rests = steps.slice(1).map(({ from }, at) => from - (steps[at]?.to ?? 0));
    expect(Math.min(...rests)).toBeGreaterThanOrEqual(400);
  });

  test('that is to rest for long goes on after five seconds, so that nobody takes it for one that has stalled', async () => {
    const customer = await newCustomer();
    const handledAt: number[] = [];
    const subscription = started(
      platform.support.events.subscribeBatch(
        { name: newName(), types: ['customer.updated'], batchMax: 1, restFactor: 1_000_000 },
        async ([event]) => {
          if (event?.key === customer.id) handledAt.push(performance.now());
        },
      ),
    );
    await subscription.ready;
    for (const _ of [1, 2]) await change(customer);
    await until(() => handledAt.length === 2);
    const [first = 0, second = 0] = handledAt;
    expect(second - first).toBeGreaterThanOrEqual(5_000);
    expect(second - first).toBeLessThan(30_000); // by its factor it would rest for a quarter of an hour
  });

  test('that waits for what comes first makes no step before that, and then gets every event', async () => {
    const name = newName();
    const customer = await newCustomer();
    const { promise: first, resolve: end } = Promise.withResolvers<void>();
    const subscription = await subscribe(name, note(name), { waitFor: () => first });
    for (const _ of [1, 2, 3]) await change(customer);
    await until(async () => (await platform.sync.query('select sync.outbox_age() is null as done')).rows[0].done);
    expect(subscription.progress().turns).toBe(0);
    end();
    await platform.settled(name);
    expect(await handled(name, customer.id)).toEqual([2, 3, 4]);
  });

  test.each([
    ['batchMax', 0, 'a whole number from 1'],
    ['batchMax', 1.5, 'a whole number from 1'],
    ['attemptsMax', Number.NaN, 'a whole number from 1'],
    ['pollMs', -1, 'a number of milliseconds from 0'],
    ['gatherMs', Number.POSITIVE_INFINITY, 'a number of milliseconds from 0'],
    ['handlerTimeoutMs', Number.NaN, 'a number of milliseconds from 0'],
    ['restFactor', -2, 'a number from 0'],
  ])('with %s of %s is refused: it must be %s', (option, value, what) => {
    const options = { name: newName(), types: ['customer.updated' as const], [option]: value };
    const subscribe = () => platform.support.events.subscribeBatch(options, async () => {});
    expect(subscribe).toThrow(InvalidField);
    expect(subscribe).toThrow(`${option}: must be ${what}: it is ${value}.`);
  });

  test('in two processes handles each event once, and continues in the other when one is gone', async () => {
    const name = newName();
    const customer = await newCustomer();
    const elsewhere = await platform.connect('support');
    const one = await subscribe(name, note(name));
    started(elsewhere.events.subscribe('customer.updated', note(name), { name, pollMs: 50 }));
    for (let n = 0; n < 20; n++) await change(customer);
    await one.stop();
    for (let n = 0; n < 20; n++) await change(customer);
    await platform.settled(name);
    expect(await handled(name, customer.id)).toEqual(Array.from({ length: 40 }, (_, n) => n + 2));
  });

  test('that was away gets every missed event in order', async () => {
    const name = newName();
    const customer = await newCustomer();
    const first = await subscribe(name, note(name));
    await change(customer);
    await platform.settled(name);
    await first.stop();
    for (let n = 0; n < 150; n++) await change(customer);
    await subscribe(name, note(name));
    await platform.settled(name);
    expect(await handled(name, customer.id)).toEqual(Array.from({ length: 151 }, (_, n) => n + 2));
  });
});

describe('a new subscription', () => {
  test('from the beginning sees the oldest first', async () => {
    const name = newName();
    const customer = await newCustomer();
    await change(customer);
    await subscribe(name, note(name), { from: 'beginning' });
    await platform.settled(name);
    expect(await handled(name, customer.id)).toEqual([2]);
  });

  test('from a snapshot of the table, under load, ends up equal to the table', async () => {
    const name = newName();
    await platform.superuser.query(`
      create table support.mirror (id uuid primary key, version bigint, name text); grant select, insert,
        update on support.mirror to support_role`);
    const customers = await Promise.all(Array.from({ length: 10 }, newCustomer));
    let isOver = false;
    const writing = Promise.all(
      customers.map(async (customer) => {
        while (isUnderWay() && !isOver) await change(customer);
      }),
    );
    await wait(50);
    started(
      platform.support.events.subscribeBatch(
        {
          name,
          types: ['customer.created', 'customer.updated'],
          from: {
            load: (tx) => tx.query('insert into support.mirror select id, version, name from platform.customers'),
          },
        },
        async (events, { tx }) => {
          for (const event of events)
            await tx.query(
              `insert into support.mirror values ($1, $2, $3)
                on conflict (id) do update set version = excluded.version, name = excluded.name
               where support.mirror.version < excluded.version`,
              [event.key, event.version, event.data.name],
            );
        },
      ),
    );
    await registered(name);
    await wait(300);
    isOver = true;
    await writing;
    await platform.settled(name);
    const { rows } = await platform.superuser.query(
      `select count(*)::integer as differing from platform.customers c full join support.mirror m using (id)
        where (c.version, c.name) is distinct from (m.version, m.name)`,
    );
    expect(rows[0].differing).toBe(0);
  });
});
