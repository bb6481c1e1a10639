import { until } from '@aether/sync/testing';
import pg from 'pg';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Effects, makeEvent, makeMessage, openEffects } from '../testing.ts';
import { type BusEvent, toBusEvent } from '../wire.ts';
import { type BusHandler, createHandling, type Handling, type HandlingOptions } from './handling.ts';
import { type Inbox, openInbox } from './inbox.ts';

/** What a consumer does with the events of a session, without a broker. */

let effects: Effects;
beforeAll(async () => {
  effects = await openEffects();
});

type Consumer = { name: string; inbox: Inbox; handling: Handling; failed: unknown[]; list(): Promise<string[]> };

let names = 0;
/** A consumer of its own. @param handler writes an effect if it is left out */
async function open(
  handler?: BusHandler,
  { handlerTimeoutMs = 10_000, ...more }: Partial<HandlingOptions> = {},
): Promise<Consumer> {
  const name = `handling-${names++}`;
  const inbox = openInbox(effects.pool, { subscription: name, handlerTimeoutMs, sessionWaitMs: 200 });
  await inbox.prepare();
  const failed: unknown[] = [];
  const handling = createHandling({
    inbox,
    handler: handler ?? effects.record(name),
    policy: { attemptsMax: 12, firstMs: 1, maxMs: 1 },
    handlerTimeoutMs,
    onFailed: (_, { error }) => failed.push(error),
    ...more,
  });
  return { name, inbox, handling, failed, list: () => effects.list(name) };
}

/** As it comes from the bus. */
function received(event: Parameters<typeof makeEvent>[0]): BusEvent {
  const { body, contentType, applicationProperties, sessionId } = makeMessage(makeEvent(event));
  return toBusEvent({ body, contentType, applicationProperties, sessionId } as Parameters<typeof toBusEvent>[0]);
}
const some = (count: number, customer = crypto.randomUUID()) =>
  Array.from({ length: count }, (_, n) => received({ customer, version: n + 1 }));
const versions = (list: string[]) => list.map((effect) => Number(effect.split(':')[1]));
const never = () => false;

test('an event that is in one batch twice has its effect once, and so has one that came before', async () => {
  const { handling, list } = await open();
  const [first, second, third] = some(3) as [BusEvent, BusEvent, BusEvent];
  expect(await handling.handle([first, second, first])).toBe(2);
  expect(await handling.handle([second, third, third])).toBe(1);
  expect(versions(await list())).toEqual([1, 2, 3]);
});

test('an event that is in a failing batch twice is parked once', async () => {
  const { handling, inbox } = await open(() => Promise.reject(new Error('no')));
  const [first, second] = some(2) as [BusEvent, BusEvent];
  expect(await handling.handle([first, first, second, second])).toBe(2);
  expect((await inbox.listParked()).map(({ state }) => state)).toEqual(['retrying', 'waiting']);
});

test('a handler that catches the error of its own statement has failed: its event is parked, not lost', async () => {
  const { handling, inbox, failed, list } = await open(async (event, context) => {
    await effects.record('swallowed')(event, context);
    await context.tx.query('select 1 / 0').catch(() => {});
  });
  const [event] = some(1) as [BusEvent];
  expect(await handling.handle([event])).toBe(1);
  expect(String(failed[0])).toMatch(/EffectsAborted.*its error was caught.*use a savepoint/);
  expect(await inbox.listParked()).toHaveLength(1);
  expect(await list()).toEqual([]);
});

test('a handler that uses a savepoint may go on after a failed statement', async () => {
  const consumer = await open(async (event, context) => {
    await context.tx.query('savepoint mine');
    await context.tx.query('select 1 / 0').catch(() => context.tx.query('rollback to savepoint mine'));
    await effects.record(consumer.name)(event, context);
  });
  const [event] = some(1) as [BusEvent];
  expect(await consumer.handling.handle([event])).toBe(1);
  expect(versions(await consumer.list())).toEqual([1]);
});

test.each(['commit', 'rollback'])('a handler that sends %s is refused by name', async (command) => {
  const { handling } = await open((_, { tx }) => tx.query(command));
  const [event] = some(1) as [BusEvent];
  await expect(handling.handle([event])).rejects.toThrow(/must not send commit or rollback/);
});

test('a query that a handler sends after it has returned is refused, instead of joining the transaction of another session', async () => {
  let late: (() => Promise<unknown>) | undefined;
  const { handling } = await open(async (_, { tx }) => {
    late = async () => tx.query('select 1');
  });
  const [event] = some(1) as [BusEvent];
  await handling.handle([event]);
  await expect(late?.()).rejects.toThrow(/transaction is over: await every query/);
});

test('an event with values that jsonb refuses is parked and tried again as it came', async () => {
  let isBroken = true;
  const seen: unknown[] = [];
  const { handling, inbox } = await open(async (event) => {
    seen.push(event.data.note);
    if (isBroken) throw new Error('not today');
  });
  const note = 'a\0b\ud800';
  const event = received({ customer: crypto.randomUUID(), version: 1, data: { note } });
  await handling.handle([event]);
  expect(await inbox.listParked()).toMatchObject([{ id: event.id, type: event.type, state: 'retrying' }]);
  isBroken = false;
  await until(() => handling.workParked(never));
  expect(seen).toEqual([note, note, note]);
  expect(await inbox.listParked()).toEqual([]);
});

test('a paused consumer keeps nothing of a batch, in whichever process, until it is resumed', async () => {
  const { handling, inbox, list } = await open();
  const [event] = some(1) as [BusEvent];
  await inbox.pause('a new ledger');
  await expect(handling.handle([event])).rejects.toThrow('The consumer is paused.');
  expect(await list()).toEqual([]);
  await inbox.resume();
  expect(await handling.handle([event])).toBe(1);
});

test('a paused consumer tries nothing that is parked', async () => {
  let isBroken = true;
  const { handling, inbox, list, name } = await open((event, context) =>
    isBroken ? Promise.reject(new Error('no')) : effects.record(name)(event, context),
  );
  const [event] = some(1) as [BusEvent];
  await handling.handle([event]);
  isBroken = false;
  await inbox.pause('a new ledger');
  await until(() => handling.workParked(never)); // it is due
  expect(await list()).toEqual([]);
  await inbox.resume();
  await until(async () => (await handling.workParked(never)) && (await list()).length === 1);
});

describe('a handler that does not come back', () => {
  test('is given up, its statement is ended by the server, and its session is free for the next try', async () => {
    const { handling, inbox } = await open((_, { tx }) => tx.query('select pg_sleep(60)'), { handlerTimeoutMs: 150 });
    const [event] = some(1) as [BusEvent];
    await expect(handling.handle([event])).rejects.toThrow(/did not finish within 150 ms/);
    // Without a limit at the server this would wait for the whole minute.
    await until(() => handling.handle([event]).then(Boolean, () => false));
    await until(async () => (await handling.workParked(never)) && (await inbox.listParked())[0]?.attempts === 1);
    expect(await inbox.listParked()).toMatchObject([
      { state: 'retrying', error: expect.stringContaining('HandlerTimeout') },
    ]);
  });

  test('keeps the parked events of other customers waiting no longer than its own limit', async () => {
    const [hangs, works] = [crypto.randomUUID(), crypto.randomUUID()];
    let isBroken = true;
    const never = new Promise(() => {});
    const { handling, list, name } = await open(
      async (event, context) => {
        if (isBroken) throw new Error('no');
        if (event.customer === hangs) await never;
        await effects.record(name)(event, context);
      },
      { handlerTimeoutMs: 400 },
    );
    for (const customer of [hangs, works]) await handling.handle(some(2, customer));
    isBroken = false;
    const startedAt = performance.now();
    await until(async () => {
      await handling.workParked(() => false);
      return (await list()).length === 2;
    });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(versions(await list())).toEqual([1, 2]);
  });
});

test('events of a customer whom another transaction has wait in the database, and others of the batch pass', async () => {
  const { handling, inbox, list } = await open();
  const [kept] = some(1) as [BusEvent];
  const [other] = some(1) as [BusEvent];
  const { promise, resolve } = Promise.withResolvers<void>();
  const isHeld = Promise.withResolvers<void>();
  const holding = inbox.inSession(kept.session, () => {
    isHeld.resolve();
    return promise;
  });
  onTestFinished(() => resolve());
  await isHeld.promise;
  expect(await handling.handle([kept, other])).toBe(2);
  expect(await list()).toEqual([`${other.session}:1`]);
  expect(await inbox.listParked()).toMatchObject([{ id: kept.id, state: 'retrying', attempts: 0 }]);
  resolve();
  await holding;
  expect(await handling.workParked(never)).toBe(true);
  expect(await list()).toEqual([`${other.session}:1`, `${kept.session}:1`]);
  expect(await inbox.listParked()).toEqual([]);
});

test('an event that came while its customer was busy waits behind the parked ones of that customer', async () => {
  let isBroken = true;
  const { handling, inbox, list, name } = await open((event, context) =>
    isBroken ? Promise.reject(new Error('no')) : effects.record(name)(event, context),
  );
  const [first, second] = some(2) as [BusEvent, BusEvent];
  await handling.handle([first]);
  await effects.pool.query(`update aether_inbox.parked set state = 'dead', attempt_at = null where subscription = $1`, [
    name,
  ]);
  await inbox.inSession(first.session, () => handling.handle([second]));
  await handling.workParked(never);
  expect((await inbox.listParked()).map(({ state }) => state)).toEqual(['dead', 'waiting']);
  isBroken = false;
  await inbox.retry(first.session);
  await until(async () => (await handling.workParked(never)) && (await list()).length === 2);
  expect(versions(await list())).toEqual([1, 2]);
});

describe('an older version of a row after a newer one', () => {
  const replayed = (event: BusEvent) => ({ ...event, deliveryId: `${event.id} replay`, isReplay: true });

  test('does not reach the handler when it is replayed, in a later batch or in the same, and counts as handled', async () => {
    const seen: string[] = [];
    const { handling, inbox, list } = await open(undefined, {
      onEffect: (event, state) => seen.push(`${event.version} ${state}`),
    });
    const [first, second, third] = some(3) as [BusEvent, BusEvent, BusEvent];
    const again = replayed(first);
    await handling.handle([first, third, replayed(second)]);
    expect(await handling.handle([again])).toBe(1);
    expect(await handling.handle([again])).toBe(0);
    expect(versions(await list())).toEqual([1, 3]);
    expect(seen).toEqual(['1 handled', '3 handled', '2 outdated', '1 outdated']);
    expect(await inbox.listParked()).toEqual([]);
  });

  describe('that is parked', () => {
    /** The handler refuses an event until it is mended. */
    async function openBroken(refused: BusEvent) {
      const seen: unknown[] = [];
      let isBroken = true;
      const consumer = await open(
        async (event, { isOutdated }) => {
          if (isBroken && event.id === refused.id) throw new Error('no');
          seen.push([event.version, isOutdated]);
        },
        { onEffect: ({ version }, state) => state === 'outdated' && seen.push([version, state]) },
      );
      const { inbox, handling } = consumer;
      return {
        ...consumer,
        seen,
        async mend() {
          isBroken = false;
          await until(async () => {
            await handling.workParked(never);
            return (await inbox.listParked()).length === 0;
          });
        },
      };
    }
    // Its customer became known between the two, so that each has a session of its own.
    const inTwoSessions = (): [BusEvent, BusEvent] => {
      const rowId = crypto.randomUUID();
      const [first, second] = [1, 2].map((version) => received({ customer: crypto.randomUUID(), rowId, version }));
      return [first as BusEvent, second as BusEvent];
    };

    test('is handed over and marked when it is tried again', async () => {
      const [first, second] = inTwoSessions();
      const { handling, seen, mend } = await openBroken(first);
      await handling.handle([first]);
      await handling.handle([second]);
      await mend();
      expect(seen).toEqual([
        [2, false],
        [1, true],
      ]);
    });

    test('does not reach the handler when it is tried again, if it was replayed', async () => {
      const [first, second] = inTwoSessions();
      const { handling, seen, mend } = await openBroken(first);
      await handling.handle([replayed(first)]);
      await handling.handle([second]);
      await mend();
      expect(seen).toEqual([
        [2, false],
        [1, 'outdated'],
      ]);
    });

    test('waits behind a newer one that has failed, and is outdated only when that one is handled', async () => {
      const [first, second] = some(2) as [BusEvent, BusEvent];
      const again = replayed(first);
      const { handling, inbox, seen, mend } = await openBroken(second);
      await handling.handle([second, again]);
      expect((await inbox.listParked()).map(({ id }) => id)).toEqual([second.id, first.id]);
      await mend();
      expect(seen).toEqual([
        [2, false],
        [1, 'outdated'],
      ]);
    });

    test('is handed over when a person gives up the newer one, which was never handled', async () => {
      const [first, second] = some(2) as [BusEvent, BusEvent];
      const { handling, inbox, seen, mend } = await openBroken(second);
      await handling.handle([second]);
      await handling.handle([replayed(first)]);
      expect(await inbox.skip(second.session, second.id)).toBe(true);
      await mend();
      expect(seen).toEqual([[1, false]]);
    });

    test('is outdated if the newer one is being handled while it comes, in a lane that changes hands', async () => {
      const [first, second] = some(2) as [BusEvent, BusEvent];
      const { handling, inbox, seen, mend } = await openBroken(received({ customer: crypto.randomUUID(), version: 1 }));
      const { promise, resolve } = Promise.withResolvers<void>();
      const begun = Promise.withResolvers<void>();
      const former = inbox.inBatch([second], () => {
        begun.resolve();
        return promise;
      });
      await begun.promise;
      const next = handling.handle([second, replayed(first)]);
      await until(async () => {
        const { rows } = await effects.pool.query(
          `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%take_next_batch%'`,
        );
        return rows.length > 0;
      });
      resolve();
      await Promise.all([former, next]);
      await mend();
      expect(seen).toEqual([[1, 'outdated']]);
    });
  });

  test('is handed over and marked when it comes for the first time, or to a consumer that compares versions itself', async () => {
    const marked: unknown[] = [];
    const handler: BusHandler = async ({ version }, { isOutdated }) => void marked.push([version, isOutdated]);
    const [first, second] = some(2) as [BusEvent, BusEvent];
    const { handling } = await open(handler);
    await handling.handle([second, first]);
    expect(marked.splice(0)).toEqual([
      [2, false],
      [1, true],
    ]);
    const comparing = await open(handler, { outdated: 'hand over' });
    await comparing.handling.handle([second]);
    await comparing.handling.handle([replayed(first)]);
    expect(marked).toEqual([
      [2, false],
      [1, true],
    ]);
  });

  test('is handed over and marked when it is a dead letter that is sent again, because nobody has handled it', async () => {
    const marked: unknown[] = [];
    const { handling } = await open(async ({ type, version }, { isOutdated }) => {
      marked.push([type, version, isOutdated]);
    });
    const customer = crypto.randomUUID();
    const letter = received({ customer, version: 2, type: 'customer.merged' });
    const later = received({ customer, version: 3 });
    await handling.handle([later]);
    await handling.handle([{ ...letter, isReplay: true }]);
    expect(await handling.handle([{ ...letter, isReplay: true }])).toBe(0);
    expect(marked).toEqual([
      ['customer.updated', 3, false],
      ['customer.merged', 2, true],
    ]);
  });

  test('that is sent again is handled if its row was deleted and made again, if it is another row, or if another publisher counts', async () => {
    const { handling, list } = await open();
    const [first, second, third] = some(3) as [BusEvent, BusEvent, BusEvent];
    await handling.handle([first, second, third]);
    const again = { ...first, isReplay: true };
    const bornAgain = { ...again, id: 'born', deliveryId: 'born', position: (third.position ?? 0) + 1 };
    const otherRow = { ...again, id: 'row', deliveryId: 'row', rowId: crypto.randomUUID() };
    const foreign = { ...again, id: 'foreign', deliveryId: 'foreign', source: '/elsewhere' };
    await handling.handle([bornAgain, otherRow, foreign]);
    expect(versions(await list())).toEqual([1, 2, 3, 1, 1, 1]);
  });
});

test('a batch is kept when it is on the disk; if it was lost in a crash that is said, and what follows it in its lane is not handled before it', async () => {
  const { name, handling, inbox, list } = await open();
  const [first, second] = some(2) as [BusEvent, BusEvent];
  await handling.handle([first]);
  await inbox.keep(first.deliveryId);
  expect(await handling.handle([second], first.deliveryId)).toBe(1);
  // As a crash leaves it that takes back the last moment: neither the effect nor the mark is there.
  await effects.pool.query(
    `with marks as (delete from aether_inbox.handled where subscription = $1 and id = $2)
     delete from public.effects where subscription = $1 and version = 2`,
    [name, second.deliveryId],
  );
  const [third] = some(1, second.customer as ReturnType<typeof crypto.randomUUID>) as [BusEvent];
  const other = { ...third, version: 3, id: `${third.id}-3`, deliveryId: `${third.id}-3` };
  await expect(handling.handle([other], second.deliveryId)).rejects.toThrow('has lost its last moment');
  await expect(inbox.keep(second.deliveryId)).rejects.toThrow('has lost its last moment');
  expect(versions(await list())).toEqual([1]);
  // The bus sends both again, in their order.
  expect(await handling.handle([second, other])).toBe(2);
  expect(versions(await list())).toEqual([1, 2, 3]);
});

test('the inbox of an earlier version learns of versions and of lanes, and keeps what it knows', async () => {
  const schema = 'inbox_before';
  const inbox = openInbox(effects.pool, { subscription: 'before', handlerTimeoutMs: 1_000, schema });
  await inbox.prepare();
  await effects.pool.query(
    `drop table ${schema}.processes; drop function ${schema}.take_next_batch; drop index ${schema}.handled_at;
     create index handled_at on ${schema}.handled (subscription, handled_at);
     alter table ${schema}.handled drop column item, drop column version, drop column place;
     insert into ${schema}.handled (subscription, id) values ('before', '1')`,
  );
  await inbox.prepare();
  const [event] = some(1) as [BusEvent];
  const { fresh } = await inbox.inBatch([event, { ...event, deliveryId: '1' }], async (_, taken) => taken);
  expect([...fresh]).toEqual([event.deliveryId]);
});

test('the inbox of an earlier version takes a batch as this version does', async () => {
  const schema = 'inbox_with_lanes';
  const inbox = openInbox(effects.pool, { subscription: 'before', handlerTimeoutMs: 1_000, schema });
  await inbox.prepare();
  const source = async () =>
    (await effects.pool.query('select prosrc from pg_proc where oid = to_regproc($1)', [`${schema}.take_next_batch`]))
      .rows;
  const present = await source();
  await effects.pool.query(
    `create or replace function ${schema}.take_next_batch(
       of_subscription text, ids text[], sessions text[], items text[], versions bigint[], places bigint[], after text,
       out is_paused boolean, out is_lost boolean, out busy text[], out fresh text[], out outdated text[], out parked text[])
     language plpgsql as $$ begin raise 'of an earlier version'; end $$`,
  );
  await inbox.prepare();
  expect(await source()).toEqual(present);
});

test('a new inbox that fills reads for a batch what the batch is about, not all that it knows', async () => {
  const pool = new pg.Pool({ ...effects.pool.options, max: 1 }); // one connection, which keeps its plans
  const inbox = openInbox(pool, { subscription: 'full', handlerTimeoutMs: 10_000, schema: 'inbox_full' });
  await inbox.prepare();
  const readFor = (events: BusEvent[]) =>
    inbox.inBatch(events, async (tx) => {
      const { rows } = await tx.query(
        `select (seq_tup_read + idx_tup_fetch)::integer as rows from pg_stat_xact_user_tables
         where schemaname = 'inbox_full' and relname = 'handled'`,
      );
      return rows[0].rows as number;
    });
  const customers = Array.from({ length: 50 }, () => crypto.randomUUID());
  for (let version = 1; version <= 20; version++)
    await readFor(customers.map((customer) => received({ customer, version })));
  expect(await readFor(customers.map((customer) => received({ customer, version: 21 })))).toBeLessThanOrEqual(50);
  await pool.end();
});

test('the inbox forgets all deliveries that are old enough, however many, and none that is not or is another subscription’s', async () => {
  const { name, inbox } = await open();
  await effects.pool.query(
    `insert into aether_inbox.handled (subscription, id, handled_at)
     select $1, 'old' || n, now() - interval '22 days' from generate_series(1, 45000) n
     union all select $1, 'new', now() union all select $1 || '-other', 'theirs', now() - interval '22 days'`,
    [name],
  );
  await inbox.trim(21);
  const { rows } = await effects.pool.query(
    `select id from aether_inbox.handled where subscription in ($1, $1 || '-other') order by id`,
    [name],
  );
  expect(rows).toEqual([{ id: 'new' }, { id: 'theirs' }]);
});
