import { type FailureCause, retryDelayMs } from '@aether/platform/log';
import pg from 'pg';
import type { BusEvent } from '../wire.ts';

/*
 * The inbox: what a consumer keeps in its own database. It knows which deliveries it has handled, so that a repetition has no second effect,
 * and it keeps the events of customers of whom one has failed. What it writes commits together with the handler's effect.
 */

/** Runs statements in the transaction of a handler. */
export type InboxTransaction = Pick<pg.ClientBase, 'query'>;

export type Inbox = {
  /** Creates the tables if they are missing. Any number of processes may call it. */
  prepare(): Promise<void>;
  /**
   * Runs work in a transaction that has the session: two processes never handle one session at once, also if its lock was lost.
   *
   * @param options waits: for a transaction that has the session already, and not only briefly; by default it does
   * @throws SessionBusy when another transaction keeps the session, EffectsAborted when PostgreSQL undid what the handler wrote
   */
  inSession<T>(session: string, work: (tx: InboxTransaction) => Promise<T>, options?: { waits?: boolean }): Promise<T>;
  /** Marks deliveries as handled. @returns those that were not, and whether an event of the session is parked. @throws ConsumerPaused */
  take(tx: InboxTransaction, session: string, ids: string[]): Promise<{ fresh: Set<string>; hasParked: boolean }>;
  park(tx: InboxTransaction, event: BusEvent, failure?: { cause: FailureCause; policy: RetryPolicy }): Promise<void>;
  /** The first parked event of a session if it is due, and the consumer is not paused. */
  takeDue(tx: InboxTransaction, session: string): Promise<ParkedEvent | undefined>;
  /** It is handled: the next one of its session is due. */
  unpark(tx: InboxTransaction, event: ParkedEvent): Promise<void>;
  failAgain(
    tx: InboxTransaction,
    event: ParkedEvent,
    cause: FailureCause,
    policy: RetryPolicy,
  ): Promise<{ isDead: boolean }>;
  findDueSessions(limit: number): Promise<string[]>;
  /** Counts, and whether the subscription is paused. */
  look(): Promise<InboxState>;
  pause(reason: string): Promise<void>;
  resume(): Promise<void>;
  /** In the order in which they are worked on; those that have failed before those that wait behind them, if asked. */
  listParked(limit?: number, failedFirst?: boolean): Promise<ParkedSummary[]>;
  /** Tries dead events again. @returns how many */
  retry(session?: string): Promise<number>;
  /**
   * Gives up the first parked event of a session, so that the next one is tried.
   *
   * @param event only if it is the one with this id
   * @returns whether there was one
   */
  skip(session: string, event?: string): Promise<boolean>;
  /** Forgets deliveries that were handled so long ago that no message of theirs can come again. */
  trim(keepDays: number): Promise<void>;
};

export type RetryPolicy = { attemptsMax: number; firstMs: number; maxMs: number };
export type ParkedEvent = { number: string; session: string; attempts: number; event: BusEvent };
export type ParkedSummary = {
  id: string;
  type: string;
  session: string;
  state: 'waiting' | 'retrying' | 'dead';
  attempts: number;
  error: string | null;
  parked_at: Date;
};
export type InboxState = { isPaused: boolean; pauseReason: string | null; parked: number; dead: number };

const setupLock = 4_915_211;
/** A transaction forgets no more deliveries than that: the next one goes on, until nothing is left. */
const trimmedAtOnce = 20_000;
/** The server ends a statement somewhat later than the handler is given up, and a transaction whose process is out of reach. */
const graceMs = 1_000;
/** Long enough for a batch of new events to end, so that a session that always has some does not keep its parked ones waiting. */
const briefWaitMs = 20;

export function openInbox(
  pool: pg.Pool,
  {
    subscription,
    handlerTimeoutMs,
    schema = 'aether_inbox',
    sessionWaitMs = 5_000,
  }: {
    subscription: string;
    handlerTimeoutMs: number;
    schema?: string;
    /** How long a session waits for a transaction that has it: its lock on the bus was lost, and the handler is still at work. */
    sessionWaitMs?: number;
  },
): Inbox {
  if (!/^[a-z][a-z0-9_]{0,62}$/.test(schema))
    throw new Error(`The schema of an inbox is a lower-case name: it is ${schema}.`);

  const limits = `set local statement_timeout = ${handlerTimeoutMs + graceMs}; set local idle_in_transaction_session_timeout = ${handlerTimeoutMs + graceMs}`;

  /** @param beginning what is sent with `begin`, in the same round trip */
  async function transaction<T>(work: (tx: InboxTransaction) => Promise<T>, beginning = ''): Promise<T> {
    const client = await pool.connect();
    let isLost = true;
    let isOver = false;
    // The query under way reports it; without a listener it would end the process.
    const onError = () => {};
    client.on('error', onError);
    const tx = {
      query(...args: unknown[]) {
        // The connection may be at work for another session by then.
        if (isOver) throw new Error('This transaction is over: await every query before the handler returns.');
        if (client.getTransactionStatus() === 'I') throw new TransactionEnded();
        return Reflect.apply(client.query, client, args);
      },
    } as InboxTransaction;
    try {
      try {
        await client.query(`begin; ${limits}; ${beginning}`);
        const result = await work(tx);
        if (client.getTransactionStatus() === 'I') throw new TransactionEnded();
        const { command } = await client.query('commit');
        isLost = false;
        // PostgreSQL answers with a rollback when a statement had failed, even if the handler caught the error.
        if (command !== 'COMMIT') throw new EffectsAborted();
        return result;
      } catch (error) {
        // A handler that is still at work must not get its connection back into the pool: see HandlerTimeout. A server that does not
        // answer would not answer this either.
        if (isLost && !(error instanceof HandlerTimeout) && !isUnanswered(error)) {
          await client.query('rollback');
          isLost = false;
        }
        throw error;
      }
    } finally {
      isOver = true;
      client.off('error', onError);
      client.release(isLost);
    }
  }

  /** Takes the session. What keeps it is another try at it, such as a handler that does not come back: it has a limit, and so has the wait. */
  const inSession: Inbox['inSession'] = async (session, work, { waits = true } = {}) => {
    const waitMs = waits ? sessionWaitMs : briefWaitMs;
    const name = pg.escapeLiteral(`${subscription} ${session}`);
    let hasSession = false;
    try {
      return await transaction((tx) => {
        hasSession = true;
        return work(tx);
      }, `set local lock_timeout = ${waitMs}; select pg_advisory_xact_lock(hashtextextended(${name}, 0)); set local lock_timeout to default`);
    } catch (error) {
      if (!hasSession && isLockTimeout(error)) throw new SessionBusy(waitMs);
      throw error;
    }
  };

  return {
    async prepare() {
      await transaction(async (tx) => {
        await tx.query('select pg_advisory_xact_lock($1)', [setupLock]);
        const { rows } = await tx.query('select to_regclass($1) is not null as is_there', [`${schema}.subscriptions`]);
        if (!rows[0].is_there) await tx.query(tablesOf(schema));
        await tx.query(`insert into ${schema}.subscriptions (name) values ($1) on conflict do nothing`, [subscription]);
      });
    },
    inSession,
    async take(tx, session, ids) {
      const { rows } = await tx.query<{ ids: string[]; has_parked: boolean; is_paused: boolean }>(
        `with fresh as (
           insert into ${schema}.handled (subscription, id) select $1, g.id from unnest($2::text[]) with ordinality g (id, n) order by g.n
           on conflict do nothing returning id)
         select array(select f.id from fresh f) as ids, s.is_paused,
           exists (select from ${schema}.parked p where p.subscription = $1 and p.session = $3) as has_parked
         from ${schema}.subscriptions s where s.name = $1`,
        [subscription, ids, session],
      );
      if (rows[0]?.is_paused) throw new ConsumerPaused();
      return { fresh: new Set(rows[0]?.ids), hasParked: rows[0]?.has_parked ?? false };
    },
    async park(tx, event, failure) {
      const isDead = failure !== undefined && failure.policy.attemptsMax <= 1;
      await tx.query(
        `insert into ${schema}.parked (subscription, session, delivery, state, attempts, attempt_at, error, event_id, event_type, event)
         values ($1, $2, $3, $4, $5, clock_timestamp() + make_interval(secs => $6::float8 / 1000), $7, $8, $9, $10)`,
        [
          subscription,
          event.session,
          event.deliveryId,
          failure === undefined ? 'waiting' : isDead ? 'dead' : 'retrying',
          failure === undefined ? 0 : 1,
          failure === undefined || isDead ? null : retryDelayMs(1, failure.policy.firstMs, failure.policy.maxMs),
          failure?.cause.text ?? null,
          event.id,
          event.type,
          JSON.stringify(event),
        ],
      );
    },
    async takeDue(tx, session) {
      const { rows } = await tx.query<{
        number: string;
        state: string;
        is_due: boolean;
        attempts: number;
        event: string;
      }>(
        `select p.number::text, p.state, p.attempt_at <= clock_timestamp() and not s.is_paused as is_due, p.attempts, p.event
         from ${schema}.parked p join ${schema}.subscriptions s on s.name = p.subscription
         where p.subscription = $1 and p.session = $2 order by p.number limit 1`,
        [subscription, session],
      );
      const [first] = rows;
      if (first?.state !== 'retrying' || !first.is_due) return undefined;
      const { number, attempts } = first;
      const event = JSON.parse(first.event) as BusEvent;
      return { number, session, attempts, event: { ...event, occurredAt: new Date(event.occurredAt) } };
    },
    async unpark(tx, { number, session }) {
      await tx.query(`delete from ${schema}.parked where number = $1`, [number]);
      await makeFirstDue(tx, session);
    },
    async failAgain(tx, { number, attempts }, cause, { attemptsMax, firstMs, maxMs }) {
      const made = attempts + 1;
      const isDead = made >= attemptsMax;
      await tx.query(
        `update ${schema}.parked set state = $2, attempts = $3, error = $4,
           attempt_at = clock_timestamp() + make_interval(secs => $5::float8 / 1000) where number = $1`,
        [number, isDead ? 'dead' : 'retrying', made, cause.text, isDead ? null : retryDelayMs(made, firstMs, maxMs)],
      );
      return { isDead };
    },
    async findDueSessions(limit) {
      const { rows } = await pool.query<{ session: string }>(
        `select session from ${schema}.parked
         where subscription = $1 and state = 'retrying' and attempt_at <= clock_timestamp() order by attempt_at limit $2`,
        [subscription, limit],
      );
      return rows.map(({ session }) => session);
    },
    async look() {
      const { rows } = await pool.query<InboxState>(
        `select s.is_paused as "isPaused", s.pause_reason as "pauseReason",
           (select count(*) from (select from ${schema}.parked p where p.subscription = s.name limit 10001) c)::integer as parked,
           (select count(*) from (
              select from ${schema}.parked p where p.subscription = s.name and p.state = 'dead' limit 10001) c)::integer as dead
         from ${schema}.subscriptions s where s.name = $1`,
        [subscription],
      );
      return rows[0] ?? { isPaused: false, pauseReason: null, parked: 0, dead: 0 };
    },
    async pause(reason) {
      await pool.query(`update ${schema}.subscriptions set is_paused = true, pause_reason = $2 where name = $1`, [
        subscription,
        reason,
      ]);
    },
    async resume() {
      await pool.query(`update ${schema}.subscriptions set is_paused = false, pause_reason = null where name = $1`, [
        subscription,
      ]);
    },
    async listParked(limit = 100, failedFirst = false) {
      const { rows } = await pool.query<ParkedSummary>(
        `select event_id as id, event_type as type, session, state, attempts, error, parked_at from ${schema}.parked
         where subscription = $1 order by $3::boolean and state = 'waiting', number limit $2`,
        [subscription, limit, failedFirst],
      );
      return rows;
    },
    async retry(session) {
      const { rowCount } = await pool.query(
        `update ${schema}.parked set state = 'retrying', attempts = 0, attempt_at = clock_timestamp()
         where subscription = $1 and state = 'dead' and ($2::text is null or session = $2)`,
        [subscription, session ?? null],
      );
      return rowCount ?? 0;
    },
    skip: (session, event) =>
      inSession(session, async (tx) => {
        const { rowCount } = await tx.query(
          `delete from ${schema}.parked where number = (
             select min(p.number) from ${schema}.parked p where p.subscription = $1 and p.session = $2)
           and ($3::text is null or event_id = $3)`,
          [subscription, session, event ?? null],
        );
        if (rowCount === 0) return false;
        await makeFirstDue(tx, session);
        return (rowCount ?? 0) > 0;
      }),
    async trim(keepDays) {
      for (let trimmed = trimmedAtOnce; trimmed === trimmedAtOnce; ) {
        const { rowCount } = await pool.query(
          `delete from ${schema}.handled where ctid = any (array(
             select h.ctid from ${schema}.handled h
             where h.subscription = $1 and h.handled_at < now() - make_interval(days => $2) limit ${trimmedAtOnce}))`,
          [subscription, keepDays],
        );
        trimmed = rowCount ?? 0;
      }
    },
  };

  /** Of a session whose first event is gone: the next one waits no longer. */
  async function makeFirstDue(tx: InboxTransaction, session: string): Promise<void> {
    await tx.query(
      `update ${schema}.parked set state = 'retrying', attempt_at = clock_timestamp()
       where number = (select min(p.number) from ${schema}.parked p where p.subscription = $1 and p.session = $2) and state = 'waiting'`,
      [subscription, session],
    );
  }
}

/** Somebody has paused the consumer: nothing of the batch is kept, and the bus keeps the messages. */
export class ConsumerPaused extends Error {
  constructor() {
    super('The consumer is paused.');
    this.name = 'ConsumerPaused';
  }
}

/** Another transaction has the session: nothing is wrong with the database, and the messages come again. */
export class SessionBusy extends Error {
  constructor(waitedMs: number) {
    super(`Another transaction has kept the session for ${waitedMs} ms.`);
    this.name = 'SessionBusy';
  }
}

/** A statement of the handler failed, and its error was caught: PostgreSQL has undone the transaction. */
export class EffectsAborted extends Error {
  constructor() {
    super(
      'A statement of the handler failed and its error was caught, so PostgreSQL undid all of it. Let the error through, or use a savepoint.',
    );
    this.name = 'EffectsAborted';
  }
}

/** The handler has ended the transaction, which is the inbox's: what it wrote may be kept without the mark of its delivery. */
export class TransactionEnded extends Error {
  constructor() {
    super('The handler has ended the transaction of the inbox: it must not send commit or rollback.');
    this.name = 'TransactionEnded';
  }
}

/** As the driver says it, which gives the error no code. */
const isUnanswered = (error: unknown): boolean => error instanceof Error && error.message === 'Query read timeout';
const isLockTimeout = (error: unknown): boolean => (error as { code?: unknown } | undefined)?.code === '55P03';

/** The handler waits for something that does not come. Its transaction is gone, because it may still use it. */
export class HandlerTimeout extends Error {
  constructor(afterMs: number) {
    super(`The handler did not finish within ${afterMs} ms. Its transaction was rolled back.`);
    this.name = 'HandlerTimeout';
  }
}

const tablesOf = (schema: string): string => `
  create schema if not exists ${schema};
  create table ${schema}.subscriptions (
    name text primary key,
    is_paused boolean not null default false,
    pause_reason text
  );
  create table ${schema}.handled (
    subscription text not null,
    id text collate "C" not null,
    handled_at timestamptz not null default now(),
    primary key (subscription, id)
  );
  create index handled_at on ${schema}.handled (subscription, handled_at);
  create table ${schema}.parked (
    number bigint generated always as identity primary key,
    subscription text not null,
    session text collate "C" not null,
    delivery text collate "C" not null,
    state text not null check (state in ('waiting', 'retrying', 'dead')),
    attempts integer not null default 0,
    attempt_at timestamptz,
    error text,
    event_id text not null,
    event_type text not null,
    -- JSON as text: values of other publishers may have what jsonb refuses, such as \\u0000.
    event text not null,
    parked_at timestamptz not null default clock_timestamp(),
    check ((state = 'retrying') = (attempt_at is not null)),
    unique (subscription, delivery)
  );
  create index parked_session on ${schema}.parked (subscription, session, number);
  create index parked_due on ${schema}.parked (subscription, attempt_at) where state = 'retrying';`;
