import { atEnd } from '@aether/database/testing';
import { isUnderWay } from '@aether/database/testing.scope';
import {
  type AppEvent,
  type Customer,
  type EventType,
  FellBehind,
  type Place,
  type PlatformDb,
} from '@aether/platform';
import pg from 'pg';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { readEvents } from '../operations/searching.ts';
import { startTestPlatform, type TestPlatform, until } from '../testing.ts';
import { startSequencer } from '../worker/sequencer.ts';

let platform: TestPlatform;
let support: PlatformDb;
let closing = new AbortController();
let unique = 0;
beforeAll(async () => {
  platform = await startTestPlatform();
  support = platform.support;
});
afterEach(() => {
  closing.abort();
  closing = new AbortController();
});

const newCustomer = (): Promise<Customer> =>
  platform.foundation.createCustomer({ email: `f${++unique}@example.com`, name: 'Version 1' });
const change = (customer: Customer) => platform.foundation.updateCustomer(customer.id, { name: `Changed ${++unique}` });
const isNumbered = () =>
  until(async () => (await platform.sync.query('select sync.outbox_age() is null as empty')).rows[0].empty);

/** Follows until the test is over, and records the events. */
function follow({ db = support, ...options }: { db?: PlatformDb; after?: number | Place; types?: EventType[] } = {}) {
  const events: AppEvent[] = [];
  const following = db.events.follow({ ...options, signal: closing.signal });
  const done = (async () => {
    for await (const event of following) events.push(event);
  })();
  done.catch(() => {});
  return {
    events,
    done,
    positions: () => events.map((event) => event.position),
    /** Settles when the follower has its place and the feed is live. The feed may be live before, for an earlier follower. */
    isLive: () => until(() => following.place() !== undefined && db.events.isLive()),
  };
}

/** The positions of the log that Support sees. */
async function logged(after: number): Promise<number[]> {
  const events = await readEvents(platform.sync, { after, limit: 100_000 });
  return events.filter((event) => event.audience !== 'crm').map((event) => event.position);
}

describe('a follower', () => {
  test('that begins now, in the middle of writes, misses nothing from its first event on', async () => {
    const customers = await Promise.all(Array.from({ length: 4 }, newCustomer));
    let isOver = false;
    const writing = Promise.all(
      customers.map(async (customer) => {
        while (isUnderWay() && !isOver) await change(customer);
      }),
    );
    const followers: ReturnType<typeof follow>[] = [];
    for (let n = 0; n < 10; n++) {
      const follower = follow();
      followers.push(follower);
      await until(() => follower.events.length > 5 * n);
    }
    isOver = true;
    await writing;
    await isNumbered();
    const head = await support.events.head();
    for (const { events, positions } of followers) {
      await until(() => events.at(-1)?.position === head);
      expect(positions()).toEqual(await logged((events[0] as AppEvent).position - 1));
    }
  });

  test('that begins after a position, in the middle of writes, gets every later event of its types and no others', async () => {
    const customer = await newCustomer();
    let isOver = false;
    const writing = (async () => {
      while (isUnderWay() && !isOver) await change(customer);
    })();
    const all = follow({ after: 0 });
    const some = follow({ after: 0, types: ['customer.created'] });
    const late = follow({ after: 20 });
    await until(() => all.events.length > 200);
    isOver = true;
    await writing;
    await isNumbered();
    const head = await support.events.head();
    await until(() => all.events.at(-1)?.position === head && late.events.at(-1)?.position === head);
    expect(all.positions()).toEqual(await logged(0));
    expect(late.positions()).toEqual(await logged(20));
    const created = all.events.filter((event) => event.type === 'customer.created');
    await until(() => some.events.length === created.length);
    expect(some.events).toEqual(created);
  });

  test('sees changes in quick succession at once, the second one too', async () => {
    const customer = await newCustomer();
    await isNumbered();
    const { events, isLive } = follow();
    await isLive();
    // The feed also looks every 500 ms. Here that look never comes: a feed that missed the second sign would wait for ever.
    const setTimer = globalThis.setTimeout;
    const timers = vi.spyOn(globalThis, 'setTimeout');
    timers.mockImplementation(((run: () => void, ms?: number) => setTimer(run, ms === 500 ? 3_600_000 : ms)) as never);
    try {
      for (let round = 1; round <= 40; round++) {
        await change(customer);
        await change(customer);
        await until(() => events.length === 2 * round);
      }
      expect(timers.mock.calls.some(([, ms]) => ms === 500)).toBe(true);
    } finally {
      timers.mockRestore();
    }
  });

  test.each([
    ['many', 6_000, ''],
    ['large', 400, 'again '.repeat(10_000)],
  ])(
    'that reads %s events too slowly learns where to continue, and misses nothing that way',
    async (_, count, text) => {
      const after = await support.events.head();
      const seen: number[] = [];
      const publish = (events: number) =>
        support.query(
          `select sync.publish('support.tick', 'slow', jsonb_build_object('text', $2::text)) from generate_series(1, $1)`,
          [events, text],
        );
      const entered = Promise.withResolvers<void>();
      const leave = Promise.withResolvers<void>();
      const slow = (async () => {
        for await (const event of support.events.follow({ after, signal: closing.signal })) {
          seen.push(event.position);
          if (seen.length === 1) {
            entered.resolve();
            await leave.promise;
          }
        }
      })();
      const quick = follow();
      await quick.isLive();
      await publish(1);
      await entered.promise;
      await publish(count);
      await until(() => quick.events.length > count);
      leave.resolve();
      const error = await slow.then(
        () => undefined,
        (failure) => failure,
      );
      expect(error).toBeInstanceOf(FellBehind);
      expect(seen.length).toBeLessThan(count + 1);
      expect(error.position).toBe(seen.at(-1));
      const rest = follow({ after: error.position });
      await until(() => seen.length + rest.events.length === count + 1);
      expect([...seen, ...rest.positions()]).toEqual(await logged(after));
    },
  );

  test('ends when it is aborted, even while no event comes', async () => {
    await isNumbered();
    const { done, events, isLive } = follow();
    await isLive();
    closing.abort();
    await done;
    expect(events).toEqual([]);
    expect(support.events.feedState()).toBe('idle');
  });
});

describe('a feed whose notifications are cut', () => {
  test('misses no event', async () => {
    const customer = await newCustomer();
    const after = await support.events.head();
    const { events, positions } = follow({ after });
    for (let cuts = 0; cuts < 6; cuts += await cutSigns()) await change(customer);
    await change(customer);
    await isNumbered();
    const head = await support.events.head();
    await until(() => events.at(-1)?.position === head);
    expect(positions()).toEqual(await logged(after));
  });

  test('is live again only after notifications return and it has read the events in between', async () => {
    const customer = await newCustomer();
    await isNumbered();
    const { events, isLive } = follow();
    await isLive();
    await allowConnections(false);
    try {
      await cutSigns();
      await until(() => support.events.feedState() === 'cut');
      expect(support.events.isLive()).toBe(false);
      await change(customer);
      await isNumbered();
    } finally {
      await allowConnections(true);
    }
    await isLive();
    expect(events.map((event) => event.key)).toEqual([customer.id]);
  });

  test('lets a new follower begin with the present, not where other followers have read to', async () => {
    const customer = await newCustomer();
    await isNumbered();
    const others = follow();
    await others.isLive();
    await allowConnections(false);
    try {
      await cutSigns();
      await until(() => support.events.feedState() === 'cut');
      await change(customer);
      await isNumbered();
      const { events } = follow();
      await until(() => others.events.length === 1);
      await change(customer);
      await until(() => events.length > 0);
      expect(events).toEqual(others.events.slice(1));
    } finally {
      await allowConnections(true);
    }
  });

  async function allowConnections(isAllowed: boolean): Promise<void> {
    const url = Object.assign(new URL(platform.database.url('postgres')), { pathname: '/postgres' }).href;
    const elsewhere = new pg.Client(url);
    await elsewhere.connect();
    await elsewhere.query(`alter database ${platform.database.name} allow_connections ${isAllowed}`);
    await elsewhere.end();
  }

  const cutSigns = async (): Promise<number> =>
    (
      await platform.superuser.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
          where application_name = 'aether-listener' and datname = current_database()`,
      )
    ).rowCount ?? 0;
});

describe('while no sequencer numbers events', () => {
  test('a feed is late, and live again when a sequencer starts', async () => {
    const customer = await newCustomer();
    await isNumbered();
    const { events, isLive } = follow();
    await isLive();
    await platform.sequencer.stop();
    await change(customer);
    await until(() => support.events.feedState() === 'late');
    expect(support.events.isLive()).toBe(false);
    const sequencer = startSequencer({ url: platform.database.url('sync_app') });
    atEnd(() => sequencer.stop());
    await isLive();
    expect(events).toHaveLength(1);
  });

  test('the query for how long events wait stays cheap while a dump keeps deleted rows', async () => {
    const dump = await platform.database.connect('postgres');
    await dump.query('begin isolation level repeatable read; select count(*) from sync.outbox');
    const floor = async () =>
      Number((await platform.sync.query('select floor_id from sync.sequencer')).rows[0].floor_id);
    const last = async () =>
      Number((await platform.sync.query('select last_value from sync.outbox_id')).rows[0].last_value);
    // The floor waits for every transaction of the server, also those of other tests: each round ends when those that it saw have ended.
    const isVouchedFor = async () => {
      const [{ xid }] = (await platform.superuser.query('select pg_current_xact_id()::text as xid')).rows;
      const ended = 'select pg_snapshot_xmin(pg_current_snapshot()) > $1::xid8 as ended';
      await until(async () => (await platform.superuser.query(ended, [xid])).rows[0].ended);
    };
    const before = await floor();
    await until(async () => {
      await support.query(`select sync.publish('support.tick', 'dump', '{}') from generate_series(1, 200)`);
      await isNumbered();
      await isVouchedFor();
      return (await floor()) > before + 5_000;
    });
    expect((await last()) - (await floor())).toBeLessThan(12_000);
    await dump.query('rollback');
  });
});

test.each([{ after: 0 }, { after: { position: 0, id: 0 } }])(
  'a follower that begins at the beginning gets every event that retention has left: %j',
  async ({ after }) => {
    await newCustomer();
    await newCustomer();
    await isNumbered();
    // The gap is longer than a page.
    await platform.superuser.query(
      `delete from sync.events where position < (select max(position) - 1 from sync.events);
       update sync.events set position = position + 5000`,
    );
    const follower = follow({ after });
    const left = await logged(0);
    await until(() => follower.events.length === left.length);
    expect(follower.positions()).toEqual(left);
  },
);
