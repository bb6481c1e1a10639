import {
  type AppEvent,
  type Connection,
  causeOf,
  collectAttempts,
  type EventRow,
  eventColumns,
  fillPage,
  findHolds,
  type Lease,
  move,
  pageBytesMax,
  parkBehind,
  parkFailed,
  type Statement,
  startFirst,
  type Transaction,
  takeDue,
  takeLease,
  toEvent,
  unpark,
} from '@aether/platform/log';
import type { OutgoingEvent } from '../wire.ts';
import { giveUpMs } from '../within.ts';

/*
 * The relay's side of the log. It is one more subscription, sync.servicebus: its position, its parked events, its pause and its rewind are
 * those of every other one. What differs is that nothing is sent while a transaction is open. A turn is one transaction: it writes down what
 * came of the last batch and reads the next one. It waits for the disk, so that an event that is sent is on the disk, with its number: a crash of
 * the database takes back nothing that the bus has seen.
 */

export const relayName = 'sync.servicebus';

export type RelayEvent = AppEvent & OutgoingEvent & { attempts: number };

/** What is to be sent, in this order. */
export type Work = {
  /** Of the log: events after a position. Of parked: events that were parked, and are tried again. */
  of: 'log' | 'parked';
  events: RelayEvent[];
  /** How many lanes the topic has. */
  lanes: number;
  /** Where the subscription was when they were read. */
  from: number;
  /** Everything up to here is in `events`, or is not for the bus. */
  until: number;
  hasMore: boolean;
};

export type Turn =
  /** `restMs`: how long until something parked is due. */
  | { role: 'relays'; work: Work | undefined; restMs: number | undefined }
  /** Another worker relays. */
  | { role: 'stands by' }
  /** A person has paused the subscription, or is about to change it. */
  | { role: 'paused' };

type Found = Omit<Work, 'lanes'>;

/** What came of a batch. */
export type Sent = {
  work: Work;
  /** So many of its events are settled: sent, or in one of the two lists. */
  settled: number;
  /** No message of the namespace may be so large. */
  tooLarge: { event: RelayEvent; error: Error }[];
  /** They follow a too large one of their row or customer, and wait behind it. */
  waiting: RelayEvent[];
};

export type RelayLog = {
  turn(sent: Sent | undefined): Promise<Turn>;
  /**
   * Reads what follows `after`, while the events up to there are being sent, and writes down what was sent before them.
   *
   * @returns undefined if it has done nothing, because a person or a failure has changed something: `turn` sees what
   */
  readOn(sent: Sent | undefined, after: number): Promise<Turn | undefined>;
  /** Keeps the lease between two turns. @returns whether this worker still has it */
  renew(): Promise<boolean>;
  /** Gives the lease up, so that another worker need not wait for its end. */
  release(): Promise<void>;
};

/** How many positions are looked at in a turn. */
const positionsMax = 2_000;
const eventsMax = 1_000;
/** Another worker takes over as soon after the death of this one. A turn renews the lease, and so does the relay while it sends or rests. */
export const leaseMs = 3_000;

const renewLease: Statement = {
  name: 'relay-lease',
  // A row that another transaction has locked is skipped: that worker has the lease.
  text: `update sync.relay set term = case when holder is not distinct from $1 then term else term + 1 end, holder = $1,
      leased_until = clock_timestamp() + make_interval(secs => $2::float8 / 1000), rests_since = null
    where only_one = (select r.only_one from sync.relay r
      where r.holder is not distinct from $1 or r.leased_until < clock_timestamp() for update skip locked)
    returning lanes, old.holder is distinct from new.holder and old.leased_until > '-infinity' as took_over`,
};

/** Nothing is being sent: a change of the number of lanes waits for that. */
const restNow: Statement = {
  name: 'relay-rest',
  text: 'update sync.relay set rests_since = clock_timestamp()',
};

/** The next events of these audiences: no more than fits into a turn. */
const pageOf = (after: string, audiences: string): string =>
  fillPage(
    `select * from sync.read_events(${after}, ${after} + ${positionsMax}, most => ${eventsMax}, of_audiences => ${audiences})`,
  );

const readLog: Statement = {
  name: 'relay-read',
  text: `with head as materialized (
      select sync.head() as position, exists (select from sync.parked where subscription = '${relayName}') as has_parked)
    select ${eventColumns}, e.audience, e.bytes, head.position as head, head.has_parked
    from head left join lateral (${pageOf('$1::bigint', '$2')}) e on true
    order by e.position`,
};

const readAudiences: Statement = {
  name: 'relay-audiences',
  text: 'select position, audience from sync.events where position = any ($1)',
};

/**
 * A turn in one statement and one round trip, for the ordinary case: this worker has the lease, nobody has paused or moved the subscription, and nothing is
 * parked. It then moves the position, renews the lease and reads on; otherwise it does nothing and has no row. It takes the same locks in the same
 * order as a turn in several statements. It always writes, and so waits until what it has read is on the disk.
 */
const turnAtOnce: Statement = {
  name: 'relay-turn',
  text: `with mine as materialized (
      select r.lanes from sync.relay r where r.holder = $1 and r.leased_until > clock_timestamp() for update skip locked),
    held as materialized (
      select s.name, s.replay_until, mine.lanes from mine, sync.subscriptions s
      where s.name = '${relayName}' and not s.is_paused and s.types is null and s.shares = 1 and s.layout = 1 and s.position = $3
        and not exists (select from sync.parked p where p.subscription = s.name)
      for update of s skip locked),
    renewed as (
      update sync.relay r set leased_until = clock_timestamp() + make_interval(secs => $2::float8 / 1000), rests_since = null
      from held where r.only_one),
    moved as (
      update sync.subscriptions s set position = $4, moved_at = clock_timestamp() from held where s.name = held.name and s.position < $4)
    select ${eventColumns}, e.audience, e.bytes, held.head, false as has_parked, held.replay_until, held.lanes
    from (select *, sync.head() as head from held) held left join lateral (${pageOf('$6::bigint', '$5')}) e on true
    order by e.position`,
};

type Row = EventRow & { audience: string };
/** `bytes`: what the page holds up to this event. Without an event in the range there is one row, whose position is null. */
type ReadRow = Row & { bytes: number; head: number; has_parked: boolean };
type TurnRow = ReadRow & { replay_until: number; lanes: number };

/** `took_over`: of a worker that did not give it up. */
type RelayLease = { lanes: number; took_over: boolean };

/** Up to where everything of a batch from the log is settled. */
const reachedBy = ({ work, settled }: Pick<Sent, 'work' | 'settled'>): number =>
  settled === work.events.length ? work.until : (work.events[settled - 1]?.position ?? work.from);

/** Where the subscription will be; undefined if something is parked first, which decides about what follows. */
const expectedAfter = (sent: Sent): number | undefined =>
  sent.work.of === 'log' && sent.tooLarge.length === 0 && sent.waiting.length === 0 ? reachedBy(sent) : undefined;

const toRelayEvent = (row: Row, replayUntil: number, attempts = 0): RelayEvent => ({
  ...toEvent(row, row.position <= replayUntil),
  audience: row.audience,
  attempts,
});

/** Two batches of the log, one after the other, as one that is not written down yet. */
export function joinSent(first: Sent | undefined, { work, ...second }: Sent): Sent {
  if (!first) return { work, ...second };
  return {
    work: { ...work, from: first.work.from, events: [...first.work.events, ...work.events] },
    settled: first.settled + second.settled,
    tooLarge: [...first.tooLarge, ...second.tooLarge],
    waiting: [...first.waiting, ...second.waiting],
  };
}

/** What was read after a position; undefined if the log has nothing more. */
function toPage(rows: ReadRow[], replayUntil: number, from: number): Omit<Found, 'of'> | undefined {
  const head = rows[0]?.head ?? from;
  const events = rows.filter((row) => row.position !== null).map((row) => toRelayEvent(row, replayUntil));
  const isWhole = events.length < eventsMax && (rows.at(-1)?.bytes ?? 0) < pageBytesMax;
  const until = isWhole ? Math.max(from, Math.min(head, from + positionsMax)) : (events.at(-1) as RelayEvent).position;
  return until <= from ? undefined : { events, from, until, hasMore: until < head };
}

/**
 * @param holder names this worker among all of them
 * @param callMs how long a batch may be under way at most
 */
export function openRelayLog(
  connection: Connection,
  { holder, audiences, callMs = giveUpMs }: { holder: string; audiences: string[]; callMs?: number },
): RelayLog {
  let wasParked = false;
  // Of a worker that did not give its lease up: it may have begun a batch just before its lease ended.
  let formerEndsAt = Number.NEGATIVE_INFINITY;
  // Where this worker left the subscription if it relayed at the last turn.
  let leftAt: number | undefined;

  /** Asks for the lease, for the subscription and, if this worker has relayed, for the log from where it should be: in one round trip. */
  async function ask(tx: Transaction, from: number | undefined) {
    const lease = tx.run<RelayLease>(renewLease, [holder, leaseMs]);
    if (from === undefined) {
      // Only with the lease: a worker that stands by must not be in the way of the one that relays.
      const [renewed] = await lease;
      return { lease: renewed, held: renewed && (await hold(tx)) };
    }
    const [[renewed], held, rows] = await Promise.all([lease, hold(tx), readFrom(tx, from)]);
    return { lease: renewed, held, read: { from, rows } };
  }

  const hold = async (tx: Transaction): Promise<Lease | undefined> =>
    (await tx.run<Lease>(takeLease, [relayName, null]))[0];

  const readFrom = (tx: Transaction, from: number): Promise<ReadRow[]> => tx.run<ReadRow>(readLog, [from, audiences]);

  /**
   * @param after reads from there on; by default from where the subscription is then
   * @returns undefined if the ordinary case is not given: nothing was done
   */
  async function turnOnce(sent: Sent | undefined, after?: number): Promise<Turn | undefined> {
    const at = leftAt;
    const to = sent ? expectedAfter(sent) : at;
    leftAt = undefined;
    if (at === undefined || to === undefined || (sent && sent.work.from !== at)) return undefined;
    const from = after ?? to;
    const rows = await connection.run<TurnRow>(turnAtOnce, [holder, leaseMs, at, to, audiences, from]);
    const [first] = rows;
    if (!first) return undefined;
    leftAt = to;
    wasParked = false;
    const found = toPage(rows, first.replay_until, from);
    return { role: 'relays', work: found && { of: 'log', ...found, lanes: first.lanes }, restMs: undefined };
  }

  async function turn(sent: Sent | undefined): Promise<Turn> {
    const from = leftAt === undefined ? undefined : sent ? expectedAfter(sent) : leftAt;
    return (await turnOnce(sent)) ?? turnStepwise(sent, from);
  }

  async function turnStepwise(sent: Sent | undefined, from: number | undefined): Promise<Turn> {
    try {
      return await connection.transaction({ readsFirst: true }, async (tx) => {
        const { lease, held, read } = await ask(tx, from);
        if (!lease) return { role: 'stands by' };
        if (lease.took_over) formerEndsAt = performance.now() + callMs;
        if (!held) {
          if (performance.now() >= formerEndsAt) await tx.run(restNow, []);
          return { role: 'paused' };
        }
        // Somebody may have rewound it meanwhile: what was sent is sent again then.
        const position = sent && sent.work.from === held.position ? await writeDown(tx, sent) : held.position;
        const restMs = held.retry_in_ms ?? undefined;
        const isDue = restMs !== undefined && restMs <= 0;
        const rows = read?.from === position ? read.rows : undefined;
        const found =
          isDue && !wasParked ? await readParked(tx, held, position) : await readNext(tx, held, position, rows);
        wasParked = found?.of === 'parked';
        leftAt = position;
        const work = found && { ...found, lanes: lease.lanes };
        return { role: 'relays', work, restMs: restMs === undefined ? undefined : Math.max(restMs, 1) };
      });
    } catch (error) {
      leftAt = undefined;
      // The lease may have been taken over without an answer. (If the begin alone fails, it was renewed on its own, which keeps nothing false.)
      formerEndsAt = performance.now() + callMs;
      throw error;
    }
  }

  /** @returns the position that the subscription has now */
  async function writeDown(tx: Transaction, { work, settled, tooLarge, waiting }: Sent): Promise<number> {
    const attempts = collectAttempts(tx, relayName);
    for (const { event, error } of tooLarge) {
      const cause = causeOf(error);
      const attempt = event.attempts + 1;
      attempts.add({ position: event.position, attempt, cause });
      // Trying again does not make it smaller: it waits for a person.
      await parkFailed(tx, { name: relayName, attemptsMax: attempt }, event, attempt, cause);
    }
    if (waiting.length > 0 && work.of === 'log') await parkBehind(tx, relayName, waiting);
    if (work.of === 'parked') {
      const failed = new Set(tooLarge.map(({ event }) => event));
      for (const event of work.events.slice(0, settled)) {
        if (failed.has(event)) continue;
        attempts.add({ position: event.position, attempt: event.attempts + 1 });
        await unpark(tx, relayName, event.position);
        await startFirst(tx, relayName, [event]);
      }
      return work.from;
    }
    const until = reachedBy({ work, settled });
    if (until > work.from) tx.endWith(move, [relayName, until]);
    return until;
  }

  async function readParked(tx: Transaction, held: Lease, from: number): Promise<Found | undefined> {
    const due = await takeDue(tx, { name: relayName }, eventsMax);
    const first = due.filter((row) => !row.is_behind);
    if (first.length < due.length) await startFirst(tx, relayName);
    const rows = await tx.run<{ position: number; audience: string }>(readAudiences, [
      first.map((row) => row.position),
    ]);
    const audienceOf = new Map(rows.map((row) => [row.position, row.audience]));
    const events = first.map((row) =>
      toRelayEvent({ ...row, audience: audienceOf.get(row.position) ?? '' }, held.replay_until, row.attempts),
    );
    return { of: 'parked', events, from, until: from, hasMore: true };
  }

  /** @param read what the log has after this position, if it was read already */
  async function readNext(
    tx: Transaction,
    held: Lease,
    from: number,
    read: ReadRow[] | undefined,
  ): Promise<Found | undefined> {
    const rows = read ?? (await readFrom(tx, from));
    const page = toPage(rows, held.replay_until, from);
    return page && { of: 'log', ...page, events: await sortOut(tx, page.events, rows[0]?.has_parked ?? false) };
  }

  /**
   * Events behind a parked one wait, and are parked at once; those of their row and of their customer, through merges, follow them.
   *
   * @returns the others
   */
  async function sortOut(tx: Transaction, found: RelayEvent[], hasParked: boolean): Promise<RelayEvent[]> {
    if (!hasParked) return found;
    const holds = await findHolds(tx, { name: relayName, holds: 'customer' }, found);
    const waiting = found.filter((event) => {
      if (!holds.has(event)) return false;
      holds.add(event);
      return true;
    });
    if (waiting.length > 0) await parkBehind(tx, relayName, waiting);
    return found.filter((event) => !waiting.includes(event));
  }

  return {
    turn,
    readOn: turnOnce,
    async renew() {
      const rows = await connection.query(
        `update sync.relay set leased_until = clock_timestamp() + make_interval(secs => $2::float8 / 1000)
         where holder = $1 returning term`,
        [holder, leaseMs],
      );
      return rows.length > 0;
    },
    async release() {
      await connection.query(`update sync.relay set leased_until = '-infinity' where holder = $1`, [holder]);
    },
  };
}
