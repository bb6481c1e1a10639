import type { AppEvent, EventType } from '@aether/platform';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestPlatform, type TestPlatform, until } from '../testing.ts';

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startTestPlatform();
});

/** Publishes events with one key, and returns the position before them. */
async function publish(type: string, payloads: string): Promise<number> {
  const [before] = await platform.support.query<{ head: number }>('select sync.head() as head');
  await platform.support.query(`select sync.publish($1, 'one', p) from (${payloads}) as given (p)`, [type]);
  await until(async () => (await platform.sync.query('select sync.outbox_age() is null as done')).rows[0].done);
  return before?.head as number;
}

/** Handles all events of a type from the beginning in batches. @returns the batches, when there were so many events */
async function drain(
  type: string,
  batchMax: number,
  count: number,
  work: (events: AppEvent[]) => Promise<void> = async () => {},
): Promise<AppEvent[][]> {
  const batches: AppEvent[][] = [];
  const subscription = platform.support.events.subscribeBatch(
    { name: `${type}-reader`, types: [type as EventType], batchMax, from: 'beginning' },
    async (events) => {
      batches.push(events);
      await work(events);
    },
  );
  await until(() => batches.flat().length >= count);
  await subscription.remove();
  return batches;
}

const numbersOf = (events: AppEvent[]) => events.map(({ data }) => (data as unknown as { n: number }).n);

/** Waits until a connection that is in no transaction has read a batch. */
const isReadAhead = () =>
  until(async () => {
    const { rowCount } = await platform.superuser.query(
      `select from pg_stat_activity
       where datname = current_database() and state = 'idle' and query like 'copy (%'`,
    );
    return rowCount === 1;
  });

describe('of a backlog', () => {
  test('the next batch is read while the handler works, and read again if a crash gave its positions to other events', async () => {
    const before = await publish('support.step', `select jsonb_build_object('n', n) from generate_series(1, 8) n`);
    let isCrashed = false;
    const batches = await drain('support.step', 2, 8, async () => {
      if (isCrashed) return;
      isCrashed = true;
      await isReadAhead();
      await platform.superuser.query(
        `update sync.events set id = id + 1000000, data = jsonb_build_object('n', (data ->> 'n')::integer * 10)
         where position between $1 + 3 and $1 + 6`,
        [before],
      );
    });
    expect(batches.map(numbersOf)).toEqual([
      [1, 2],
      [30, 40],
      [50, 60],
      [7, 8],
    ]);
  });

  test.each([
    ['comes while the handler works', false],
    ['ends the step', true],
  ])('each event comes once if a crash that %s gave two of its events each the other position', async (_, endsStep) => {
    const type = endsStep ? 'support.undone' : 'support.turned';
    const before = await publish(type, `select jsonb_build_object('n', n) from generate_series(1, 12) n`);
    let isCrashed = false;
    const handled: number[] = [];
    const failed = endsStep ? 2 : 0;
    await drain(type, 2, 12 + failed, async (events) => {
      const isLate = endsStep && numbersOf(events)[0] !== 3;
      if (!isCrashed && !isLate) {
        isCrashed = true;
        if (!endsStep) await isReadAhead(); // else this batch was read so
        // The fourth and the fifth, so that the next batches end where those ended that were read ahead.
        await platform.superuser.query(
          `update sync.events e set id = o.id, data = o.data from sync.events o
           where e.position in ($1 + 4, $1 + 5) and o.position = 2 * $1 + 9 - e.position`,
          [before],
        );
        if (endsStep) throw new Error('the database crashed');
      }
      handled.push(...numbersOf(events));
    });
    expect(handled).toEqual([1, 2, 3, 5, 4, 6, 7, 8, 9, 10, 11, 12]);
  });

  test('events that are read ahead are the same as those that are not, to the last character and digit', async () => {
    const payload = JSON.stringify({
      text: 'tab\t line\n back\\slash "quoted" \\N \\t ü 漢字 🙂',
      empty: '',
      none: null,
      exact: 1,
    });
    await publish(
      'support.exact',
      `select ($$${payload}$$::jsonb || jsonb_build_object('n', n, 'exact', 12345678901234567890.5)) from generate_series(1, 250) n`,
    );
    const [ahead, alone] = [await drain('support.exact', 20, 250), await drain('support.exact', 250, 250)];
    expect(ahead.flat()).toEqual(alone.flat());
    expect(JSON.stringify(ahead.flat().at(-1)?.data)).toContain('"exact":12345678901234567890.5');
    expect(ahead.flat().at(-1)?.data).toMatchObject({ n: 250, text: JSON.parse(payload).text, empty: '', none: null });
  });

  test.each([
    ['large', `(select string_agg(md5(n || '-' || m), '') from generate_series(1, 1900) m)`],
    ['repetitive', `repeat('again ', 10000)`], // stored in a hundredth of that
  ])(
    '%s events come in smaller batches, so that a process holds few of them, and none is missed',
    async (kind, text) => {
      const type = `support.${kind}`;
      const before = await publish(
        type,
        `select jsonb_build_object('n', n, 'text', ${text}) from generate_series(1, 100) n`,
      );
      const all = Array.from({ length: 100 }, (_, index) => index + 1);
      const batches = await drain(type, 100, 100);
      expect(numbersOf(batches.flat())).toEqual(all);
      expect(Math.max(...batches.map((batch) => batch.length))).toBeLessThan(80);
      const followed: AppEvent[] = [];
      for await (const event of platform.support.events.follow({ types: [type as EventType], after: before })) {
        followed.push(event);
        if (followed.length === 100) break;
      }
      expect(numbersOf(followed)).toEqual(all);
    },
  );
});
