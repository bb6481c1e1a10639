import { setTimeout as sleep } from 'node:timers/promises';
import { type FailureCause, retryDelayMs } from '@aether/platform/log';
import pg from 'pg';
import type { BusEvent } from '../wire.ts';
import type { Peer } from './sharing.ts';

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
   * Runs work in a transaction that has the sessions of these events, and has marked them as handled. A session that another transaction has is
   * not waited for, because others share its lane: it is `busy`.
   *
   * It is committed without waiting for the disk: see `keep`.
   *
   * @param after a delivery that was handled before these events and may not be on the disk yet
   * @throws ConsumerPaused, EffectsLost, and EffectsAborted when PostgreSQL undid what the handler wrote
   */
  inBatch<T>(events: BusEvent[], work: (tx: InboxTransaction, taken: Taken) => Promise<T>, after?: string): Promise<T>;
  /**
   * Settles when this delivery, and what was committed before it, is on the disk. Those of several lanes wait together.
   *
   * @throws EffectsLost when the database has crashed before that, and the errors of the database
   */
  keep(delivery: string): Promise<void>;
  /**
   * Runs work in a transaction that has the session: two processes never handle one session at once, also if its lane was lost.
   *
   * @param options waits: for a transaction that has the session already, and not only briefly; by default it does
   * @throws SessionBusy when another transaction keeps the session, EffectsAborted when PostgreSQL undid what the handler wrote
   */
  inSession<T>(session: string, work: (tx: InboxTransaction) => Promise<T>, options?: { waits?: boolean }): Promise<T>;
  /**
   * Keeps an event in the consumer's database.
   *
   * @param why waiting: it is behind another one of its session. due: its session is busy, so that whoever works on parked events says whether it
   *   is the first. Else it has failed.
   */
  park(
    tx: InboxTransaction,
    event: BusEvent,
    why: 'waiting' | 'due' | { cause: FailureCause; policy: RetryPolicy },
  ): Promise<void>;
  /** The first parked event of a session if it is due, and the consumer is not paused. */
  takeDue(tx: InboxTransaction, session: string): Promise<ParkedEvent | undefined>;
  /** It is handled: the next one of its session is due. */
  unpark(tx: InboxTransaction, event: ParkedEvent): Promise<void>;
  /** Counts one more failed attempt of a parked event. @returns whether it was the last one */
  failAgain(
    tx: InboxTransaction,
    event: ParkedEvent,
    cause: FailureCause,
    policy: RetryPolicy,
  ): Promise<{ isDead: boolean }>;
  /** Sessions with a parked event that is to be tried now. */
  findDueSessions(limit: number): Promise<string[]>;
  /** Counts, and whether the subscription is paused. */
  look(): Promise<InboxState>;
  /** Nothing is handled until it is resumed. */
  pause(reason: string): Promise<void>;
  /** Ends the pause. */
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
  /** Says how many lanes a process holds. @returns what the others of this consumer have said lately */
  meet(process: string, own: Peer): Promise<Peer[]>;
  /** The process ends. */
  part(process: string): Promise<void>;
};

/** What the inbox knows of a batch: by delivery `fresh` (not handled yet) and `outdated`, by session `parked` and `busy`. */
export type Taken = {
  fresh: Set<string>;
  /** A later version of its row was handled before. */
  outdated: Set<string>;
  parked: Set<string>;
  busy: Set<string>;
};

export type RetryPolicy = { attemptsMax: number; firstMs: number; maxMs: number };
/** `isOutdated`: a later version of its row was handled before. */
export type ParkedEvent = {
  number: string;
  session: string;
  attempts: number;
  isOutdated: boolean;
  event: BusEvent;
};
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
/** A process that says nothing for so long is gone. It says something every second. */
const peerMs = 3_000;
/** A transaction forgets no more deliveries than that: the next one goes on, until nothing is left. */
const trimmedAtOnce = 20_000;
/** The server ends a statement somewhat later than the handler is given up, and a transaction whose process is out of reach. */
const graceMs = 1_000;
/** What is handled within so long waits for the disk together. */
const gatherMs = 20;
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

  const keeping = createKeeping(async (deliveries) => {
    // A message in the log of the database, which nobody reads: it makes this commit wait for the disk, and all before it are there then.
    const { rows } = await pool.query<{ kept: string[] }>(
      `select array(select h.id from ${schema}.handled h where h.subscription = $1 and h.id = any ($2)) as kept,
         pg_logical_emit_message(true, 'aether_inbox', '')`,
      [subscription, deliveries],
    );
    return new Set(rows[0]?.kept);
  });
  const limits = `set local statement_timeout = ${handlerTimeoutMs + graceMs}; set local idle_in_transaction_session_timeout = ${handlerTimeoutMs + graceMs}`;

  /**
   * @param beginning what is sent with `begin`, in the same round trip
   * @param onBegun given the results of that round trip, one for each statement
   */
  async function transaction<T>(
    work: (tx: InboxTransaction) => Promise<T>,
    beginning = '',
    onBegun: (results: pg.QueryResult[]) => void = () => {},
  ): Promise<T> {
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
        onBegun((await client.query(`begin; ${limits}; ${beginning}`)) as unknown as pg.QueryResult[]);
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
        const { rows } = await tx.query(
          `select to_regclass($1) is not null as is_there, to_regclass($2) is not null as shares_lanes,
             exists (select from pg_proc p where p.oid = to_regproc($3) and p.prosrc = $4) as takes_batches`,
          [`${schema}.subscriptions`, `${schema}.processes`, `${schema}.take_next_batch`, takeBatchBodyOf(schema)],
        );
        if (!rows[0].is_there) await tx.query(tablesOf(schema));
        if (!rows[0].shares_lanes) await tx.query(lanesOf(schema));
        if (!rows[0].takes_batches) await tx.query(takeBatchOf(schema));
        await tx.query(`insert into ${schema}.subscriptions (name) values ($1) on conflict do nothing`, [subscription]);
      });
    },
    inSession,
    keep: keeping,
    async inBatch(events, work, after) {
      let found: Record<keyof Taken, string[]> & { is_paused: boolean; is_lost: boolean };
      return transaction(
        (tx) => {
          if (found.is_paused) throw new ConsumerPaused();
          if (found.is_lost) throw new EffectsLost();
          const { fresh, outdated, parked, busy } = found;
          return work(tx, {
            fresh: new Set(fresh),
            outdated: new Set(outdated),
            parked: new Set(parked),
            busy: new Set(busy),
          });
        },
        `set local synchronous_commit = off; ${takeBatch(schema, subscription, events, after)}`,
        (results) => {
          found = results.at(-1)?.rows[0];
        },
      );
    },
    async park(tx, event, why) {
      const failure = typeof why === 'string' ? undefined : why;
      const isDead = failure !== undefined && failure.policy.attemptsMax <= 1;
      const delayMs = failure ? retryDelayMs(1, failure.policy.firstMs, failure.policy.maxMs) : 0;
      await tx.query(
        `insert into ${schema}.parked (subscription, session, delivery, state, attempts, attempt_at, error, event_id, event_type, event)
         values ($1, $2, $3, $4, $5, clock_timestamp() + make_interval(secs => $6::float8 / 1000), $7, $8, $9, $10)`,
        [
          subscription,
          event.session,
          event.deliveryId,
          why === 'waiting' ? 'waiting' : isDead ? 'dead' : 'retrying',
          failure === undefined ? 0 : 1,
          why === 'waiting' || isDead ? null : delayMs,
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
        is_outdated: boolean;
        event: string;
      }>(
        `select p.number::text, p.state, p.attempt_at <= clock_timestamp() and not s.is_paused as is_due, p.attempts, p.event,
           exists (select from ${schema}.handled d
             where d.subscription = p.subscription and d.id = p.delivery and ${hasNewer(schema, 'd')}) as is_outdated
         from ${schema}.parked p join ${schema}.subscriptions s on s.name = p.subscription
         where p.subscription = $1 and p.session = $2 order by p.number limit 1`,
        [subscription, session],
      );
      const [first] = rows;
      if (first?.state !== 'retrying' || !first.is_due) {
        // One that was parked while its session was busy is not the first after all.
        await tx.query(
          `update ${schema}.parked set state = 'waiting', attempt_at = null
           where subscription = $1 and session = $2 and state = 'retrying' and number > $3`,
          [subscription, session, first?.number ?? 0],
        );
        return undefined;
      }
      const { number, attempts, is_outdated: isOutdated } = first;
      const event = JSON.parse(first.event) as BusEvent;
      return { number, session, attempts, isOutdated, event: { ...event, occurredAt: new Date(event.occurredAt) } };
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
        // Its delivery is known from now on; its version is not, because it was never handled.
        const { rowCount } = await tx.query(
          `with given_up as (
             delete from ${schema}.parked where number = (
               select min(p.number) from ${schema}.parked p where p.subscription = $1 and p.session = $2)
             and ($3::text is null or event_id = $3) returning delivery),
           unknown as (
             update ${schema}.handled h set item = null, version = null, place = null
             from given_up g where h.subscription = $1 and h.id = g.delivery)
           select from given_up`,
          [subscription, session, event ?? null],
        );
        if (rowCount === 0) return false;
        await makeFirstDue(tx, session);
        return true;
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
    async meet(process, { held, asks }) {
      const { rows } = await pool.query<Peer>(
        `with own as (
           insert into ${schema}.processes as p (subscription, process, held, asks) values ($1, $2, $3, $4)
           on conflict (subscription, process) do update set held = excluded.held, asks = excluded.asks, seen_at = clock_timestamp()),
         gone as (
           delete from ${schema}.processes where subscription = $1 and seen_at < clock_timestamp() - interval '1 hour')
         select held, asks from ${schema}.processes
         where subscription = $1 and process <> $2 and seen_at > clock_timestamp() - make_interval(secs => $5::float8 / 1000)`,
        [subscription, process, held, asks, peerMs],
      );
      return rows;
    },
    async part(process) {
      await pool.query(`delete from ${schema}.processes where subscription = $1 and process = $2`, [
        subscription,
        process,
      ]);
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

/**
 * Gathers what is to be on the disk, for one look at it after the other.
 *
 * @param look which of these deliveries are there, told when they are on the disk
 */
function createKeeping(look: (deliveries: string[]) => Promise<Set<string>>): Inbox['keep'] {
  type Waiting = { delivery: string; settle: () => void; fail: (error: unknown) => void };
  let waiting: Waiting[] = [];
  let isRunning = false;

  async function run(): Promise<void> {
    isRunning = true;
    await sleep(gatherMs);
    for (let next = waiting; next.length > 0; next = waiting) {
      waiting = [];
      try {
        const kept = await look(next.map(({ delivery }) => delivery));
        for (const { delivery, settle, fail } of next)
          if (kept.has(delivery)) settle();
          else fail(new EffectsLost());
      } catch (error) {
        for (const { fail } of next) fail(error);
      }
    }
    isRunning = false;
  }

  return (delivery) =>
    new Promise((settle, fail) => {
      waiting.push({ delivery, settle, fail });
      if (!isRunning) run();
    });
}

/** A row of the platform, across its events; null for events of other publishers, whose versions mean nothing here. */
export const itemOf = ({ source, type, rowId, version, position }: BusEvent): string | null =>
  source.startsWith('/aether/') && version !== null && position !== null
    ? `${type.slice(0, type.lastIndexOf('.'))} ${rowId}`
    : null;

/** The call of the inbox's function, in literals: it is sent with `begin`. */
function takeBatch(schema: string, subscription: string, events: BusEvent[], after: string | undefined): string {
  const list = (values: (string | null)[]) =>
    `array[${values.map((value) => (value === null ? 'null' : pg.escapeLiteral(value))).join(',')}]`;
  const items = events.map(itemOf);
  const numbers = (of: 'version' | 'position') =>
    `'{${events.map((event, n) => (items[n] === null ? 'null' : event[of])).join(',')}}'`;
  const sessions = [...new Set(events.map(({ session }) => session))];
  const ids = events.map(({ deliveryId }) => deliveryId);
  return `select * from ${schema}.take_next_batch(${pg.escapeLiteral(subscription)}, ${list(ids)}, ${list(sessions)}, ${list(items)},
    ${numbers('version')}, ${numbers('position')}, ${after === undefined ? 'null' : pg.escapeLiteral(after)})`;
}

/** Somebody has paused the consumer: nothing of the batch is kept, and the bus keeps the messages. */
export class ConsumerPaused extends Error {
  constructor() {
    super('The consumer is paused.');
    this.name = 'ConsumerPaused';
  }
}

/** The database has crashed before what was handled last was on the disk: that comes first, again. */
export class EffectsLost extends Error {
  constructor() {
    super('The database of the inbox has lost its last moment in a crash: the bus sends again what was handled then.');
    this.name = 'EffectsLost';
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

/** What an inbox of an earlier version lacks: versions of rows, and which processes share the lanes. */
const lanesOf = (schema: string): string => `
  alter table ${schema}.handled add column item text collate "C", add column version bigint, add column place bigint;
  create index handled_item on ${schema}.handled (subscription, item, version) where item is not null;
  -- Rows come in the order of their time: this index costs next to nothing for each.
  drop index ${schema}.handled_at;
  create index handled_at on ${schema}.handled using brin (handled_at) with (pages_per_range = 16);
  create table ${schema}.processes (
    subscription text not null,
    process text not null,
    held integer not null,
    asks boolean not null,
    seen_at timestamptz not null default clock_timestamp(),
    primary key (subscription, process)
  );`;

/**
 * Whether a later version of the row of an event was handled: one that is parked was not. It counts if its place in the log is later as well: a row
 * that was deleted and made again begins with version 1.
 *
 * `offset 0` keeps it a question about each event, which the index answers. As a join, planned while the inbox is new and empty, it would read the whole
 * inbox for each batch, until the server analyses the table.
 *
 * @param of has subscription, item, version and place
 */
const hasNewer = (schema: string, of: string): string => `exists (
          select from ${schema}.handled h
          where h.subscription = ${of}.subscription and h.item = ${of}.item and h.version > ${of}.version and h.place > ${of}.place
            and not exists (select from ${schema}.parked q where q.subscription = h.subscription and q.delivery = h.id)
          offset 0)`;

/**
 * One call takes a batch. It is a function so that its plans are kept: planning them for each batch took longer than all else. Each of its statements
 * sees what was committed when it began, so that what is parked is known under the lock.
 */
const takeBatchOf = (schema: string): string => `
  create or replace function ${schema}.take_next_batch(
    of_subscription text, ids text[], sessions text[], items text[], versions bigint[], places bigint[], after text,
    out is_paused boolean, out is_lost boolean, out busy text[], out fresh text[], out outdated text[], out parked text[])
  language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$${takeBatchBodyOf(schema)}$$;`;

const takeBatchBodyOf = (schema: string): string => `
  begin
    select s.is_paused into is_paused from ${schema}.subscriptions s where s.name = of_subscription;
    is_lost := after is not null
      and not exists (select from ${schema}.handled h where h.subscription = of_subscription and h.id = after);
    if is_paused or is_lost then return; end if;
    busy := array(select s.session from unnest(sessions) s (session)
      where not pg_try_advisory_xact_lock(hashtextextended(of_subscription || ' ' || s.session, 0)));
    outdated := array(
      select a.id from (
        select of_subscription as subscription, * from unnest(ids, items, versions, places) n (id, item, version, place)) a
      where ${hasNewer(schema, 'a')});
    with fresh as (
      insert into ${schema}.handled (subscription, id, item, version, place)
      select of_subscription, a.id, a.item, a.version, a.place
      from unnest(ids, items, versions, places) with ordinality a (id, item, version, place, n) order by a.n
      on conflict do nothing returning id)
    select array_agg(f.id) into fresh from fresh f;
    parked := array(select distinct p.session from ${schema}.parked p
      where p.subscription = of_subscription and p.session = any (sessions));
  end `;
