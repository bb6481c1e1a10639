import type { Connection } from '@aether/platform/log';
import type { ConsumerReport, Effect } from '../reports.ts';

/*
 * What the worker that relays keeps of the consumers in the platform's database (sync.consumers and its neighbours), so that the console shows
 * it and orders something without knowing the bus.
 */

/** A dead letter as it is shown: no text of the message. */
export type Letter = {
  number: string;
  id: string;
  type: string | null;
  session: string | null;
  reason: string | null;
  at: string | null;
};

export type Order = {
  id: number;
  consumer: string;
  act: 'resubmit' | 'retry' | 'skip' | 'pause' | 'resume';
  scope: { session?: string; event?: string; numbers?: string[] };
  reason: string | null;
};

export type Ledger = {
  /** Either part may be missing: the broker says which letters are dead, and the consumer's processes report the rest. */
  keepConsumer(
    name: string,
    found: { letters: Letter[] } | { report: Pick<ConsumerReport, 'parked_events' | 'paused'> },
  ): Promise<void>;
  keepEffects(consumer: string, effects: Effect[]): Promise<void>;
  /** Orders that wait; they count as sent. Those that nobody has answered within two minutes are over. */
  takeOrders(): Promise<Order[]>;
  /** Only an order to this consumer: a report of one cannot answer for another. */
  settle(order: number, consumer: string, state: 'done' | 'failed', outcome: object): Promise<void>;
  /** Forgets effects after a week, and consumers that the broker has not had for a week. */
  forget(): Promise<void>;
};

/** A transaction forgets no more than that: the next one goes on, until nothing is left. */
const forgottenAtOnce = 10_000;
const giveUpAfter = `interval '2 minutes'`;

export function openLedger(connection: Connection): Ledger {
  return {
    async keepConsumer(name, found) {
      if ('letters' in found)
        await connection.query(
          `insert into sync.consumers as c (name, letters) values ($1, $2)
           on conflict (name) do update set letters = excluded.letters, seen_at = clock_timestamp()`,
          [name, JSON.stringify(found.letters)],
        );
      else
        await connection.query(
          `insert into sync.consumers as c (name, parked, is_paused, reported_at) values ($1, $2, $3, clock_timestamp())
           on conflict (name) do update
           set parked = excluded.parked, is_paused = excluded.is_paused, reported_at = excluded.reported_at, seen_at = clock_timestamp()`,
          [name, JSON.stringify(found.report.parked_events), found.report.paused],
        );
    },
    async keepEffects(consumer, effects) {
      if (effects.length === 0) return;
      await connection.query(
        `insert into sync.consumer_effects as k (event, consumer, state, attempt, lag_ms, at)
         select r.event, $1, r.state, r.attempt, r.lag_ms, r.at
         from jsonb_to_recordset($2::jsonb) r (event bigint, state text, attempt integer, lag_ms float8, at timestamptz)
         on conflict (event, consumer) do update
         set state = excluded.state, attempt = excluded.attempt, lag_ms = excluded.lag_ms, at = excluded.at
         where excluded.at >= k.at and (excluded.state <> 'outdated' or k.state <> 'handled')`,
        [consumer, JSON.stringify(effects)],
      );
    },
    async takeOrders() {
      await connection.query(
        `update sync.consumer_orders set state = 'unanswered', ended_at = clock_timestamp()
         where state in ('waiting', 'sent') and coalesce(sent_at, ordered_at) < clock_timestamp() - ${giveUpAfter}`,
      );
      const taken = await connection.query<Order>(
        `update sync.consumer_orders set state = 'sent', sent_at = clock_timestamp()
         where state = 'waiting' returning id, consumer, act, scope, reason`,
      );
      // As they were ordered: a pause and then a resume are not a resume and then a pause.
      return taken.sort((one, other) => one.id - other.id);
    },
    async settle(order, consumer, state, outcome) {
      await connection.query(
        `update sync.consumer_orders set state = $2, outcome = $3, ended_at = clock_timestamp()
         where id = $1 and consumer = $4 and state in ('sent', 'unanswered')`,
        [order, state, JSON.stringify(outcome), consumer],
      );
    },
    async forget() {
      for (let forgotten = forgottenAtOnce; forgotten === forgottenAtOnce; ) {
        const rows = await connection.query(
          `delete from sync.consumer_effects where (event, consumer) in (
             select event, consumer from sync.consumer_effects where at < now() - interval '7 days' order by at limit ${forgottenAtOnce})
           returning event`,
        );
        forgotten = rows.length;
      }
      await connection.query(`delete from sync.consumers where seen_at < now() - interval '7 days'`);
    },
  };
}
