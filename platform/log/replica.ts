import net from 'node:net';
import type pg from 'pg';
import { Client } from './client.ts';
import { type Connection, type Guard, type Verdict, Withheld } from './connection.ts';
import { ConfigurationError, DatabaseBusy, DatabaseReadOnly, PlatformError, TransactionConflict } from './errors.ts';
import { keptAlive } from './pool.ts';
import type { Queryable } from './query.ts';
import { type LogPlace, parsePlace, type Reader } from './reader.ts';
import { isRefusedAlone, translateRefusal } from './refusals.ts';

/*
 * A streaming replica, and when it may answer.
 *
 * Everything is compared as places in the write-ahead log. Several times a second this process asks the primary how far its log is, and keeps
 * the answers with the time before each question: a replica that has replayed such a place has everything that had committed at that time. So the
 * bound on age is a place, too: the one of the oldest question within the bound. What a caller has seen or written is a place, and a read needs
 * the greater of both. An idle primary is no lag: its place does not move.
 *
 * A connection remembers how far its server had replayed when it last said so. A server that starts again, and may be at an earlier place then,
 * cuts its connections; so what a connection has said stays true for the statements after it. A read goes ahead without asking if its
 * connection has said enough, lately; otherwise the question goes to the server together with the read, before it.
 *
 * Whatever fails at the replica is read from the primary instead, within the same call. If the connection that watches the replica is cut, does not
 * answer, or finds another server than before, no read goes there (and those under way are given up) until a new connection has found it
 * well. From then on a read needs what the primary had after that moment, so that nobody is shown less than the server has shown before.
 *
 * A replica may show a change before the primary does: PostgreSQL sends a commit as soon as it is on the disk, and shows it after that (and, with
 * synchronous replication, after a standby has it). So whoever goes from the replica to the primary waits for the transactions that are under way
 * there, as one of them may have been shown. One that takes longer than half a second is no commit, and is not waited for again.
 */

/**
 * Why a read did not come from the replica. `unseen`: it lacks something that the caller has seen or written. `old`: it is older than allowed, or nobody
 * knows how old it is. `down`: it does not answer, or is not what it should be. `failed`: the statement, or its connection, failed there. `conflict`:
 * PostgreSQL ended the statement, which was in the way of what had to be replayed. `busy`: all connections are in use, or the statement took
 * too long. `writes`: the statement writes, which only a primary does.
 */
export const fallbackReasons = ['unseen', 'old', 'down', 'failed', 'conflict', 'busy', 'writes'] as const;
export type FallbackReason = (typeof fallbackReasons)[number];

export type TroubleKind = 'out of reach' | 'primary out of reach' | 'no replica' | 'on another timeline' | 'failing';

export type ReplicaState = {
  /** Whether reads may go there at present. */
  isUp: boolean;
  /** What is wrong, in words for the operator. */
  trouble: string | undefined;
  /** The same as a kind. */
  kind: TroubleKind | undefined;
  /** How old its data may be, in milliseconds; undefined while nobody knows. */
  ageMs: number | undefined;
  ageMaxMs: number;
  /** Reads that it has answered. */
  answered: number;
  /** Reads that came from the primary instead, by the reason. */
  fellBack: Record<FallbackReason, number>;
};

export type Replica = {
  /** @throws ConfigurationError if it is not a replica of the primary. Resolves with what is wrong otherwise, if something is. */
  start(): Promise<string | undefined>;
  /** Whether its reads may go there at present. If not, that is counted as a read from the primary. */
  admit(reader: Reader): boolean;
  /** Settles when the primary shows what the replica has shown: for a reader, before their first read there. */
  settled(reader: Reader): Promise<void>;
  /** For a statement whose answer is for all of these readers. */
  for(readers: readonly Reader[]): Queryable;
  state(): ReplicaState;
  close(withinMs: number): Promise<void>;
};

const lookEveryMs = 200;
const lookAgainMaxMs = 1_000;
const lookAnswerMs = 1_000;
const goodbyeMs = 1_000;
/** How old a replica may be so that its age is still told. */
const rememberedMs = 120_000;
/** A connection that has said longer ago how far it is, is asked again: its answers would seem older than they are. */
const freshMs = 200;
/** What a replica has shown longer ago, the primary shows as well. */
const unsettledMs = 1_000;
const settleMaxMs = 500;
const settleEveryMs = 2;
/** So many reads in a row that failed for another reason than themselves close the door until the replica is found well again. */
const failuresMax = 3;

type Said = { place: LogPlace; at: number };

/** What must be the same on both sides: the server's data, the database in it, the login. */
const identity = `(select system_identifier from pg_catalog.pg_control_system())::text as system,
  (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())::text as database, session_user::text as login`;
const askPrimary = `select ${identity}, pg_catalog.pg_current_wal_insert_lsn()::text as place,
  substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8) as timeline`;
const askReplica = `select ${identity}, pg_catalog.pg_last_wal_replay_lsn()::text as place,
  (select upper(lpad(to_hex(timeline_id), 8, '0')) from pg_catalog.pg_control_checkpoint()) as timeline,
  pg_catalog.pg_is_in_recovery() as is_standby, pg_catalog.pg_backend_pid() as process`;
const askPlace = { name: 'replayed', text: 'select pg_catalog.pg_last_wal_replay_lsn()::text as place' };

/** The transactions that have written something and not ended. Everybody may see their numbers. */
const askUnderWay = `select a.backend_xid::text as transaction from pg_catalog.pg_stat_get_activity(null) a
  where a.backend_xid is not null and a.datid = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())`;

type Identity = { system: string; database: string; login: string; timeline: string };
type PrimarySays = Identity & { place: string };
type ReplicaSays = Identity & { place: string | null; is_standby: boolean; process: number };

/**
 * @param primary asked where the log is; reads that the replica does not answer are its.
 * @param replica under the same login. It is closed with this.
 */
export function openReplica(
  primary: Connection,
  replica: Connection,
  { url, ageMaxMs }: { url: string; ageMaxMs: number },
): Replica {
  /** How far the primary was, by the time before it was asked; the oldest first. */
  const asked: Said[] = [];
  const saidBy = new WeakMap<pg.PoolClient, Said>();
  /** The farthest that this server has said since it was found well. */
  let best: LogPlace = 0;
  let trouble: Trouble | undefined = new Trouble('out of reach', 'nobody has asked it yet');
  /** Reads need a place of the primary that is not older. */
  let since = 0;
  let failures = 0;
  let answered = 0;
  const fellBack = Object.fromEntries(fallbackReasons.map((reason) => [reason, 0])) as Record<FallbackReason, number>;
  let answeredAt = -Infinity;
  const slow = new Set<string>();
  let lastSettling: Promise<void> = Promise.resolve();
  let nextSettling: Promise<void> | undefined;
  const underWay = new Set<(error: Error) => void>();
  let watcher: Client | undefined;
  let watching: net.Socket | undefined;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<unknown> = Promise.resolve();
  let againMs = lookEveryMs;
  let isClosed = false;

  function shut(why: Trouble): void {
    trouble = why;
    since = performance.now();
    best = 0;
    failures = 0;
    for (const giveUp of underWay) giveUp(why);
    dismiss();
  }

  function dismiss(): void {
    const cut = watcher;
    watcher = undefined;
    cut?.end().catch(() => {});
    const socket = watching;
    setTimeout(() => socket?.destroy(), goodbyeMs).unref();
  }

  async function openWatcher(): Promise<Client> {
    const opened = new Client({
      url,
      application_name: `aether-${primary.app}-replica`,
      connectionTimeoutMillis: lookAnswerMs,
      query_timeout: lookAnswerMs,
      ...keptAlive,
      stream: () => {
        watching = new net.Socket();
        return watching;
      },
    });
    const onLost = () => {
      if (watcher === opened) shut(new Trouble('out of reach', 'its connection was cut'));
    };
    opened.on('error', onLost);
    opened.on('end', onLost);
    await opened.connect().catch((error) => {
      opened.end().catch(() => {});
      throw error;
    });
    return opened;
  }

  /** Asks both. @throws ConfigurationError if they are no pair, and what the driver throws */
  async function look(): Promise<void> {
    const at = performance.now();
    const client = watcher ?? (await openWatcher());
    watcher = client;
    const [[first], { rows }] = await Promise.all([
      primary.query<PrimarySays>(askPrimary, [], { timeoutMs: lookAnswerMs, isShort: true }).catch((error) => {
        throw new Trouble(
          'primary out of reach',
          'the primary does not answer, so that nobody knows how old it is',
          error,
        );
      }),
      client.query<ReplicaSays>(askReplica),
    ]);
    if (watcher !== client) throw new Trouble('out of reach', 'its connection was cut');
    const [there, here] = [first as PrimarySays, rows[0] as ReplicaSays];
    requirePair(there, here, (client as unknown as { processID: number }).processID);
    const place = parsePlace(there.place) as LogPlace;
    while (asked[1] && asked[1].at < at - rememberedMs) asked.shift();
    asked.push({ place, at });
    if (there.timeline !== here.timeline) {
      const words = `it is on timeline ${Number.parseInt(here.timeline, 16)} and the primary on ${Number.parseInt(there.timeline, 16)}: it follows another server, or has made no restartpoint since`;
      shut(new Trouble('on another timeline', words));
      return;
    }
    best = Math.max(best, parsePlace(here.place ?? '0/0') as LogPlace);
    trouble = undefined;
  }

  async function lookAgain(): Promise<void> {
    try {
      await look();
      againMs = trouble ? Math.min(againMs * 2, lookAgainMaxMs) : lookEveryMs;
    } catch (error) {
      shut(troubleOf(error));
      againMs = Math.min(againMs * 2, lookAgainMaxMs);
    }
    if (!isClosed) timer = next(againMs);
  }

  const next = (ms: number) =>
    setTimeout(() => {
      looking = lookAgain();
    }, ms).unref();

  /** @returns the place that a server must have for these readers; or why the replica cannot answer them */
  function needOf(readers: readonly Reader[]): LogPlace | FallbackReason {
    if (trouble !== undefined || readers.some(({ isOver }) => isOver)) return 'down';
    const from = Math.max(performance.now() - ageMaxMs, since);
    const bound = asked[asked.findLastIndex(({ at }) => at < from) + 1];
    if (!bound || best < bound.place) return 'old';
    return Math.max(bound.place, ...readers.map(({ needs }) => needs));
  }

  /** All connections to the replica are in use, and one to the primary is free. */
  function isFull(): boolean {
    const [there, here] = [replica.poolState(), primary.poolState()];
    return there.inUse >= there.max && here.inUse < here.max;
  }

  /** How old an answer of a server that had replayed so much may be. */
  function ageOf(place: LogPlace): number {
    const last = asked.findLast((each) => each.place <= place);
    return last ? performance.now() - last.at : Infinity;
  }

  /** Whether the server of this connection has replayed so much; undefined: it has said so. */
  function examine(client: pg.PoolClient, need: LogPlace): Verdict | undefined {
    const said = saidBy.get(client);
    if (said && said.place >= need && performance.now() - said.at < freshMs) return undefined;
    const passed = client.query<{ place: string | null }>(askPlace).then(({ rows: [row] }) => {
      const place = parsePlace(row?.place ?? '0/0') as LogPlace;
      saidBy.set(client, { place, at: performance.now() });
      best = Math.max(best, place);
      if (place < need) throw new Withheld(`The replica is at ${place}, and ${need} is needed.`);
    });
    passed.catch(() => {}); // whoever waits for it hears of it
    return { passed, isDoubtful: best < need };
  }

  function fallBack(reason: FallbackReason, readers: readonly Reader[]): void {
    fellBack[reason] += 1;
    for (const reader of readers) reader.hasReadPrimary = reader.isPinned = true;
  }

  const transactionsUnderWay = async () =>
    (await primary.query<{ transaction: string }>(askUnderWay, [], { timeoutMs: lookAnswerMs, isShort: true })).map(
      ({ transaction }) => transaction,
    );

  async function settle(): Promise<void> {
    const endsAt = performance.now() + settleMaxMs;
    let open = await transactionsUnderWay();
    for (const each of slow) if (!open.includes(each)) slow.delete(each);
    open = open.filter((each) => !slow.has(each));
    while (open.length > 0 && performance.now() < endsAt) {
      await new Promise((go) => setTimeout(go, settleEveryMs));
      const still = new Set(await transactionsUnderWay());
      open = open.filter((each) => still.has(each));
    }
    for (const each of open) slow.add(each);
  }

  /** Those who ask while others wait share the next round: one under way may have begun before what they were shown. */
  function settled(reader: Reader): Promise<void> {
    if (performance.now() - answeredAt > unsettledMs) return Promise.resolve();
    nextSettling ??= lastSettling.then(() => {
      nextSettling = undefined;
      lastSettling = settle().catch(() => {}); // the read itself says what is wrong with the primary
      return lastSettling;
    });
    reader.settled ??= nextSettling;
    return reader.settled;
  }

  async function askSettled<Rows>(readers: readonly Reader[], ask: (on: Queryable) => Promise<Rows>): Promise<Rows> {
    await Promise.all(readers.map(settled));
    return ask(primary);
  }

  async function read<Rows>(readers: readonly Reader[], ask: (on: Queryable) => Promise<Rows>): Promise<Rows> {
    const need = needOf(readers);
    const elsewhere = typeof need === 'string' ? need : isFull() ? 'busy' : undefined;
    if (elsewhere) {
      fallBack(elsewhere, readers);
      return askSettled(readers, ask);
    }
    let age = Infinity;
    let withheld: FallbackReason = 'unseen';
    const guard: Guard = (client) => {
      // The call may have waited for its connection: the bound counts from now.
      const needed = needOf(readers);
      if (typeof needed === 'string') {
        withheld = needed;
        throw new Withheld(`The replica is ${needed}.`);
      }
      const verdict = examine(client, needed);
      const note = () => {
        age = ageOf((saidBy.get(client) as Said).place);
      };
      if (!verdict) note();
      return verdict && { ...verdict, passed: verdict.passed.then(note) };
    };
    const lost = Promise.withResolvers<never>();
    underWay.add(lost.reject);
    try {
      const answer = ask(replica.guarded(guard));
      answer.catch(() => {}); // it may fail after it was given up
      const rows = await Promise.race([answer, lost.promise]);
      failures = 0;
      answered += 1;
      answeredAt = performance.now();
      for (const reader of readers) reader.ageMs = Math.max(reader.ageMs ?? 0, age);
      return rows;
    } catch (error) {
      const reason = error instanceof Withheld ? withheld : reasonOf(error);
      if (reason === 'failed' && trouble === undefined && !isOwnFault(error) && ++failures >= failuresMax)
        shut(new Trouble('failing', `reads fail there (${codeOf(error)})`));
      fallBack(reason, readers);
      return askSettled(readers, ask);
    } finally {
      underWay.delete(lost.reject);
    }
  }

  return {
    async start() {
      try {
        await look();
      } catch (error) {
        const refusal = translateRefusal(error);
        shut(troubleOf(refusal));
        if (refusal instanceof ConfigurationError)
          throw refusal.message.startsWith('PLATFORM_DB_REPLICA_URL')
            ? refusal
            : new ConfigurationError(
                `PLATFORM_DB_REPLICA_URL: ${refusal.message.replaceAll('PLATFORM_DB_URL', 'PLATFORM_DB_REPLICA_URL')}`,
                error,
              );
      }
      timer = next(lookEveryMs);
      return trouble?.message;
    },
    admit(reader) {
      if (reader.isOver || reader.isPinned) return false;
      if (trouble === undefined) return true;
      fallBack('down', [reader]);
      return false;
    },
    settled,
    for: (readers) => ({
      query: (text, values, limit) => read(readers, (on) => on.query(text, values, limit)),
      run: (statement, values) => read(readers, (on) => on.run(statement, values)),
    }),
    state() {
      const age = ageOf(best);
      return {
        isUp: trouble === undefined,
        trouble: trouble?.message,
        kind: trouble?.kind,
        ageMs: trouble === undefined && age < Infinity ? age : undefined,
        ageMaxMs,
        answered,
        fellBack: { ...fellBack },
      };
    },
    async close(withinMs) {
      isClosed = true;
      clearTimeout(timer);
      dismiss();
      await Promise.all([looking, replica.close(withinMs)]);
    },
  };
}

/** What is wrong, in words of ours. */
class Trouble extends Error {
  readonly kind: TroubleKind;
  constructor(kind: TroubleKind, words: string, cause?: unknown) {
    super(words, { cause });
    this.kind = kind;
  }
}

function troubleOf(error: unknown): Trouble {
  if (error instanceof Trouble) return error;
  return error instanceof ConfigurationError
    ? new Trouble('no replica', error.message, error)
    : new Trouble('out of reach', `it does not answer (${codeOf(error)})`, error);
}

/** @param process the server's process, as it said at login. @throws ConfigurationError */
function requirePair(primary: PrimarySays, replica: ReplicaSays, process: number): void {
  const refuse = (what: string) => new ConfigurationError(`PLATFORM_DB_REPLICA_URL leads to ${what}`);
  if (replica.process !== process)
    throw refuse(
      'a connection pooler, behind which nobody knows which server has answered: give the address of the replica itself.',
    );
  if (primary.system !== replica.system)
    throw refuse(
      `a server with other data (system identifier ${replica.system}; that of PLATFORM_DB_URL is ${primary.system}): give the address ` +
        'of a streaming replica of the same server, or take the setting out.',
    );
  if (!replica.is_standby)
    throw refuse(
      'a server that takes changes itself: the primary, or a replica that was promoted. Give the address of a streaming replica, or take the setting out.',
    );
  if (primary.database !== replica.database)
    throw refuse('another database of the replica than PLATFORM_DB_URL: give both the same name of the database.');
  if (primary.login !== replica.login)
    throw refuse(`the login ${replica.login}, and PLATFORM_DB_URL to ${primary.login}: give both the same login.`);
}

function reasonOf(error: unknown): FallbackReason {
  if (error instanceof DatabaseReadOnly) return 'writes';
  if (error instanceof TransactionConflict) return 'conflict';
  if (error instanceof DatabaseBusy)
    return /conflict with recovery/.test(String((error.cause as Error | undefined)?.message)) ? 'conflict' : 'busy';
  return 'failed';
}

/** A refusal of the statement, which the primary repeats in its own words; or what no standby can read (0A000: an unlogged table). */
const isOwnFault = (error: unknown): boolean =>
  (error instanceof PlatformError && error.httpStatus < 500) ||
  isRefusedAlone(error) ||
  (error as { code?: string }).code === '0A000';

function codeOf(error: unknown): string {
  const { code, cause, message } = (error ?? {}) as { code?: string; cause?: unknown; message?: string };
  return (error instanceof PlatformError && cause !== undefined ? codeOf(cause) : code) ?? message ?? String(error);
}
