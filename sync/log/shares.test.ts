import { randomUUID } from 'node:crypto';
import { ofEachTest, requireUnderWay } from '@aether/database/testing.scope';
import {
  type AppEvent,
  type Customer,
  type EventType,
  InvalidField,
  type PlatformDb,
  type Subscription,
} from '@aether/platform';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { redrive } from '../operations/parked.ts';
import { previewReplay, replay } from '../operations/replaying.ts';
import { listSubscriptions, pause, resume } from '../operations/subscriptions.ts';
import { startTestPlatform, type TestPlatform, until } from '../testing.ts';

/*
 * Shares of a subscription. Two processes are two connections here, `one` and `two`. Events are published with keys and customers that
 * belong to a known share. A handler stops at an event that is in `closed` until the test opens it, which forces the interleaving.
 */
let platform: TestPlatform;
let processes: Record<'one' | 'two', PlatformDb>;
let unique = 0;
/** What a test has of its own. */
const own = ofEachTest(() => ({
  name: `support.shares${++unique}`,
  running: [] as Subscription[],
  closed: new Map<string, PromiseWithResolvers<void>>(),
  poison: new Set<string>(),
  begun: [] as string[],
}));
beforeAll(async () => {
  platform = await startTestPlatform();
  processes = { one: platform.support, two: await platform.connect('support') };
  await platform.superuser.query(`
    create table support.handled (n bigint generated always as identity, name text, process text, label text, again boolean);
    grant select, insert on support.handled to support_role`);
});
afterEach(async () => {
  const { closed, running } = own();
  for (const { resolve } of closed.values()) resolve();
  await Promise.all(running.map((subscription) => subscription.stop()));
});

const type = 'support.step' as EventType;

type Options = { shares?: number; batchMax?: number; holds?: 'customer' | 'row'; onError?: (error: unknown) => void };
/** From now on: what a former test has tied together would else tie the shares of this one, for as long as a step of it is stopped here. */
async function run(process: 'one' | 'two', options: Options = {}): Promise<Subscription> {
  const { name, running, closed, poison, begun } = own();
  const subscription = processes[process].events.subscribeBatch(
    { shares: 2, pollMs: 50, attemptsMax: 1, onError: () => {}, ...options, name, types: [type] },
    async (events: AppEvent[], { tx }) => {
      for (const event of events) {
        const { label } = event.data as unknown as { label: string };
        if (!label.startsWith(`${name} `)) continue; // of another test
        begun.push(`${process} ${label}`);
        await closed.get(label)?.promise;
        if (poison.has(label)) throw new Error('poison');
        await tx.query('insert into support.handled (name, process, label, again) values ($1, $2, $3, $4)', [
          name,
          process,
          label,
          event.isReplay,
        ]);
      }
    },
  );
  running.push(subscription);
  await subscription.ready;
  return subscription;
}

const readers = (count: number) =>
  until(async () => {
    const { rows } = await platform.sync.query(
      'select count(*)::integer as n from sync.readers where subscription = $1 and leased_until > now()',
      [own().name],
    );
    return rows[0]?.n === count;
  });
/** Settles when a process has made so many steps more. */
async function steps(process: 'one' | 'two', count: number): Promise<void> {
  const turns = () => processes[process].events.progress()[own().name]?.turns ?? 0;
  const before = turns();
  await until(() => turns() >= before + count);
}
/** Settles when each process works its own shares: a step that began before the other process came has all of them, and may read what is published later. */
async function runBoth(options: Options = {}): Promise<[Subscription, Subscription]> {
  const both = await Promise.all([run('one', options), run('two', options)]);
  await readers(2);
  await Promise.all([steps('one', 1), steps('two', 1)]);
  return both;
}

const labelled = (label: string) => `${own().name} ${label}`;
const close = (label: string) => own().closed.set(labelled(label), Promise.withResolvers<void>());
const open = (label: string) => {
  const { closed } = own();
  closed.get(labelled(label))?.resolve();
  closed.delete(labelled(label));
};
const publish = (label: string, key: string, customer: string | null = null) =>
  platform.support.query('select sync.publish($1, $2, $3, $4, $5)', [
    type,
    key,
    { label: labelled(label) },
    'platform',
    customer,
  ]);
const shareOf = async (key: string, shares = 2): Promise<number> =>
  (await platform.sync.query(`select sync.share_of($1, null, 'customer', $2) as share`, [key, shares])).rows[0].share;
async function keyOf(share: number, shares = 2): Promise<string> {
  for (;;) {
    requireUnderWay();
    const key = randomUUID();
    if ((await shareOf(key, shares)) === share) return key;
  }
}
async function customerOf(share: number): Promise<Customer> {
  for (;;) {
    requireUnderWay();
    const customer = await platform.foundation.createCustomer({ email: `s${++unique}@example.com`, name: 'Shared' });
    if ((await shareOf(customer.id)) === share) return customer;
  }
}

const rows = async (): Promise<{ process: string; label: string; again: boolean }[]> =>
  (
    await platform.superuser.query('select process, label, again from support.handled where name = $1 order by n', [
      own().name,
    ])
  ).rows;
const handled = async () => (await rows()).map(({ label }) => label.slice(own().name.length + 1));
const handles = (count: number) => until(async () => (await rows()).length >= count);
const positions = async (): Promise<number[]> =>
  (
    await platform.sync.query('select position::integer from sync.shares where subscription = $1 order by share', [
      own().name,
    ])
  ).rows.map(({ position }) => position);

/** Publishes so many events of a few keys, and returns their labels by key. */
async function publishMany(count: number, prefix: string): Promise<string[]> {
  const labels: string[] = [];
  const keys = Array.from({ length: 12 }, (_, n) => `${own().name} key ${n}`);
  for (let n = 0; n < count; n++) {
    const key = n % keys.length;
    await publish(`${prefix}${key}.${n}`, keys[key] as string);
    labels.push(`${prefix}${key}.${n}`);
  }
  return labels;
}

/** Each label once, and those of a key in their order. */
function expectOnceInOrder(found: string[], labels: string[]): void {
  expect(found.toSorted()).toEqual(labels.toSorted());
  const byKey = (list: string[]) => Map.groupBy(list, (label) => label.split('.')[0]);
  for (const [key, ofKey] of byKey(labels)) expect(byKey(found).get(key)).toEqual(ofKey);
}

describe('two processes on one subscription with shares', () => {
  test('each handle customers of their own, every event once and in order', async () => {
    const { name } = own();
    await runBoth({ shares: 4 });
    const labels = await publishMany(60, 'k');
    await handles(60);
    await platform.settled(name);
    expectOnceInOrder(await handled(), labels);
    const byLabel = Map.groupBy(await rows(), ({ label }) => label.slice(name.length).split('.')[0]);
    expect([...byLabel.values()].every((ofKey) => new Set(ofKey.map(({ process }) => process)).size === 1)).toBe(true);
    expect(new Set((await rows()).map(({ process }) => process))).toEqual(new Set(['one', 'two']));
  });

  test('hand a share over between two steps, never in the middle of one', async () => {
    const [zero, first] = [await keyOf(0), await keyOf(1)];
    close('a0');
    await run('one');
    await publish('a0', zero);
    await publish('a1', first);
    const { begun } = own();
    await until(() => begun.includes(`one ${labelled('a0')}`)); // it holds both shares
    await run('two');
    await readers(2);
    await publish('b0', zero);
    await publish('b1', first);
    await steps('two', 3);
    expect(await handled()).toEqual([]);
    open('a0');
    await handles(4);
    expectOnceInOrder(
      (await handled()).map((label) => `${label[1]}.${label}`),
      ['0.a0', '1.a1', '0.b0', '1.b1'],
    );
    expect((await rows()).find(({ label }) => label === labelled('b1'))?.process).toBe('two');
  });

  test('go on alone where a process that was cut off has left its share', async () => {
    const { begun } = own();
    const key = await keyOf(0);
    const alone = await run('one');
    await publish('done', key);
    await handles(1);
    close('undone');
    await publish('undone', key);
    await until(() => begun.includes(`one ${labelled('undone')}`));
    await platform.superuser.query(
      `select pg_terminate_backend(l.pid) from pg_locks l join pg_database d on d.oid = l.database
       where d.datname = current_database() and l.relation = 'sync.shares'::regclass and l.mode = 'RowShareLock'`,
    );
    open('undone');
    await alone.stop();
    await run('two');
    await handles(2);
    expect(await handled()).toEqual(['done', 'undone']);
    expect((await rows())[1]?.process).toBe('two');
  });

  test('leave the shares of a silent reader alone until its lease ends', async () => {
    const { name } = own();
    await run('one');
    await readers(1);
    const join = (forMs: number) =>
      platform.support.query('select sync.join_readers($1, $2, $3)', [name, 'silent', forMs]);
    await join(60_000);
    await steps('one', 1); // the one that began before has both shares
    await publish('its', await keyOf(1));
    await publish('mine', await keyOf(0));
    await handles(1);
    await steps('one', 3);
    expect(await handled()).toEqual(['mine']);
    await join(1);
    await handles(2);
    expect(await handled()).toEqual(['mine', 'its']);
  });
});

describe('the order holds between shares', () => {
  test('when a row gets a customer of another share', async () => {
    const { begun } = own();
    const key = await keyOf(0);
    const customer = await customerOf(1);
    await runBoth();
    close('before');
    await publish('before', key);
    await publish('linked', key, customer.id);
    await until(() => begun.some((label) => label.endsWith('before')));
    const other = begun[0]?.startsWith('one') ? 'two' : 'one';
    await steps(other, 3);
    expect(begun).toHaveLength(1);
    open('before');
    await handles(2);
    expect(await handled()).toEqual(['before', 'linked']);
    expect(new Set((await rows()).map(({ process }) => process)).size).toBe(2);
  });

  test('when a customer is merged into one of another share, and not between customers that are apart', async () => {
    const { begun } = own();
    const [merged, into, apart] = [await customerOf(0), await customerOf(1), await customerOf(1)];
    await runBoth();
    close('of the merged one');
    await publish('of the merged one', 'a', merged.id);
    await publish('apart', 'b', apart.id);
    await platform.superuser.query('update platform.customers set merged_into = $2 where id = $1', [
      merged.id,
      into.id,
    ]);
    await publish('of the other one', 'c', into.id);
    await handles(1);
    await steps(begun.find((label) => label.endsWith('apart'))?.startsWith('one') ? 'one' : 'two', 3);
    expect(await handled()).toEqual(['apart']);
    open('of the merged one');
    await handles(3);
    expect(await handled()).toEqual(['apart', 'of the merged one', 'of the other one']);
  });

  test('when customers are merged whose events were read before that, as in a backlog', async () => {
    const { begun } = own();
    const [merged, into] = [await customerOf(0), await customerOf(1)];
    const key = await keyOf(1);
    await runBoth({ batchMax: 2 });
    for (const label of ['of the merged one', '1', '5']) close(label);
    await publish('of the merged one', 'a', merged.id);
    await publish('1', key);
    await until(() => begun.length >= 2); // one event in each process
    for (let n = 2; n <= 8; n++) await publish(String(n), key);
    await publish('of the other one', 'c', into.id);
    await until(async () => (await platform.superuser.query('select sync.outbox_age() is null as done')).rows[0].done);
    open('1');
    await until(() => begun.some((label) => label.endsWith(labelled('5'))));
    const found = await handled();
    await platform.sync.query('select platform.merge_customers($1, array[$2]::uuid[])', [into.id, merged.id]);
    open('5');
    await handles(found.length + 4);
    await steps(begun.find((label) => label.endsWith(labelled('5')))?.startsWith('one') ? 'one' : 'two', 3);
    expect(await handled()).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
    open('of the merged one');
    await handles(10);
    expect((await handled()).slice(8)).toEqual(['of the merged one', 'of the other one']);
  });

  test('behind an event that failed, also for events of another share', async () => {
    const { name, poison } = own();
    const key = await keyOf(0);
    const customer = await customerOf(1);
    await runBoth();
    poison.add(labelled('fails'));
    await publish('fails', key);
    await publish('behind', key, customer.id);
    await publish('passes', await keyOf(1));
    await handles(1);
    const states = async () =>
      (
        await platform.sync.query('select state from sync.parked where subscription = $1 order by position', [name])
      ).rows.map(({ state }) => state);
    await until(async () => (await states()).length === 2);
    expect([await handled(), await states()]).toEqual([['passes'], ['dead', 'waiting']]);
    poison.clear();
    await redrive(platform.sync, { subscription: name });
    await handles(3);
    expect(await handled()).toEqual(['passes', 'fails', 'behind']);
    expect(await states()).toEqual([]);
  });
});

describe('the number of shares', () => {
  test('changes without an event lost, doubled or out of order, up, down and to one', async () => {
    const { name, begun } = own();
    const published: string[] = [];
    const [one, two] = await runBoth();
    const at = { one, two };
    for (const shares of [5, 2, 1]) {
      // One share stays behind, so that the shares are at different positions when the number changes.
      const [stuck, key] = [`stuck${shares}.0`, await keyOf(0)];
      close(stuck);
      await publish(stuck, key);
      published.push(stuck, ...(await publishMany(15, `${shares}k`)));
      await until(() => begun.some((label) => label.endsWith(stuck)));
      const stopped = begun.find((label) => label.endsWith(stuck))?.startsWith('one') ? 'one' : 'two';
      const other = stopped === 'one' ? 'two' : 'one';
      await at[other].stop();
      const changing = run(other, { shares });
      open(stuck);
      at[other] = await changing;
      await at[stopped].stop();
      at[stopped] = await run(stopped, { shares });
      published.push(...(await publishMany(15, `${shares}m`)));
      await handles(published.length);
      await until(async () => {
        const [known] = await listSubscriptions(platform.sync, name);
        return known?.shares === shares && known.share_positions.length === (shares > 1 ? shares : 0);
      });
    }
    expectOnceInOrder(await handled(), published);
  });

  test.each([0, 65, 1.5, Number.NaN])('cannot be %s', (shares) => {
    const subscribe = () =>
      platform.support.events.subscribeBatch({ name: 'support.refused', shares, types: [type] }, async () => {});
    expect(subscribe).toThrow(InvalidField);
    expect(subscribe).toThrow('whole number from 1 to 64');
  });

  test('is that of the process that registered last: another one says so and gets nothing', async () => {
    const errors: Record<string, string[]> = { one: [], two: [] };
    const onError = (process: string) => (error: unknown) => void errors[process]?.push((error as Error).name);
    await run('one', { shares: 2, onError: onError('one') });
    await run('two', { shares: 3, onError: onError('two') });
    await until(() => errors.one?.length === 1);
    await publish('one', 'key');
    await handles(1);
    expect((await rows())[0]?.process).toBe('two');
    expect(errors).toEqual({ one: ['SubscriptionDisplaced'], two: ['SubscriptionChanged'] });
  });
});

describe('an operator', () => {
  test('sees every share; the subscription is as far as the last of them', async () => {
    const { name } = own();
    await runBoth();
    close('stuck');
    await publish('stuck', await keyOf(0));
    await publish('passes', await keyOf(1));
    await handles(1);
    await until(async () => new Set(await positions()).size === 2);
    const [known] = await listSubscriptions(platform.sync, name);
    expect(known).toMatchObject({ shares: 2, readers: 2, position: Math.min(...(await positions())) });
    expect(known?.share_positions.map(({ position }) => position)).toEqual(await positions());
    expect(known?.lag_events).toBe(2);
    const { rows: health } = await platform.superuser.query(
      `select measures ->> 'shares' as shares from sync.check_subscriptions() where slug = $1`,
      [`subscription:${name}`],
    );
    expect(health).toEqual([{ shares: '2' }]);
    open('stuck');
    await platform.settled(name);
    expect(new Set(await positions()).size).toBe(1);
  });

  test('pauses all shares, and lets them handle everything again, or one customer, each event once', async () => {
    const { name } = own();
    await run('one', { shares: 3 });
    const labels = await publishMany(12, 'k');
    const customer = await customerOf(1);
    await publish('c0.0', 'c', customer.id);
    await handles(13);
    await platform.settled(name);
    await pause(platform.sync, name, 'a test');
    await publish('late0.0', 'late');
    await steps('one', 2);
    expect(await handled()).not.toContain('late0.0');
    const from = (
      await platform.sync.query(
        `select min(position)::integer as position from sync.events where data ->> 'label' like $1`,
        [`${name} %`],
      )
    ).rows[0].position;
    expect(await previewReplay(platform.sync, { subscription: name, fromPosition: from })).toMatchObject({
      events: 13,
    });
    expect(await replay(platform.sync, { subscription: name, fromPosition: from })).toMatchObject({ events: 13 });
    await resume(platform.sync, name);
    await run('two', { shares: 3 });
    await handles(27);
    await platform.settled(name);
    const all = await rows();
    expectOnceInOrder(
      all.filter(({ again }) => again).map(({ label }) => label.slice(name.length + 1)),
      [...labels, 'c0.0'],
    );
    expect(all.filter(({ again }) => !again)).toHaveLength(14);
    await pause(platform.sync, name, 'a test');
    expect(await replay(platform.sync, { subscription: name, customer: customer.id })).toMatchObject({ events: 1 });
    await resume(platform.sync, name);
    await handles(28);
    expect((await rows()).at(-1)).toMatchObject({ label: labelled('c0.0'), again: true });
  });
});

test('what ties shares together is looked for in a long backlog by the plans of a short one, within a second or so', async () => {
  const { name } = own();
  const one = await run('one');
  await publish('before', await keyOf(0));
  await handles(1);
  await one.stop();
  const { superuser } = platform;
  const blocked = async () =>
    (
      await superuser.query(
        `select sync.first_blocked($1, '{0}', min(position), sync.head()) as at from sync.shares where subscription = $1`,
        [name],
      )
    ).rows[0].at;
  for (const share of [0, 1]) await publish('short', await keyOf(share));
  await until(async () => (await superuser.query('select sync.outbox_age() is null as done')).rows[0].done);
  for (let n = 0; n < 8; n++) expect(await blocked()).toBeNull();
  const customers = [(await customerOf(0)).id, (await customerOf(1)).id];
  await platform.support.query(
    `select sync.publish($1, gen_random_uuid()::text, '{"label": "long"}', 'platform', ($2::uuid[])[n % 2 + 1])
     from generate_series(1, 12000) n`,
    [type, customers],
  );
  await until(async () => (await superuser.query('select sync.outbox_age() is null as done')).rows[0].done);
  await superuser.query(`set statement_timeout = '5s'`);
  try {
    expect(await blocked()).toBeNull();
  } finally {
    await superuser.query('reset statement_timeout');
  }
});

test('an app can take, move and change only shares of its own subscriptions', async () => {
  const { name } = own();
  await run('one');
  await publish('mine', await keyOf(0));
  await handles(1);
  const before = await positions();
  const app = platform.foundation;
  await app.query('select sync.join_readers($1, $2, 1000)', [name, 'intruder']);
  const [taken] = await app.query<{ name: string | null }>('select name from sync.take_shares($1, $2, 2, $3)', [
    name,
    [type],
    'intruder',
  ]);
  await app.query('select sync.move_shares($1, $2, 999999, $3)', [name, [0, 1], 'intruder']);
  await app.query('select sync.change_subscription($1, null, $2, 7)', [name, 'row']);
  expect(taken?.name).toBeNull();
  expect(await positions()).toEqual(before);
  expect((await listSubscriptions(platform.sync, name))[0]).toMatchObject({ shares: 2, readers: 1, holds: 'customer' });
  await expect(app.query('select sync.lock_subscription($1)', [name])).rejects.toThrow();
  await expect(app.query(`update sync.shares set position = 0 where subscription = $1`, [name])).rejects.toThrow();
});
