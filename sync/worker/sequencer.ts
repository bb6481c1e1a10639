import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';

export type SequencerOptions = {
  /** As sync_app. */
  url: string;
  /** Events numbered in one transaction. */
  batchMax?: number;
  /** Rest between two batches, in which the next one gathers. */
  pacingMs?: number;
  /** How long a sleeping leader waits for the doorbell at most; `undefined`: for ever. The doorbell alone suffices. */
  pollMs?: number;
  /** How often a rival looks whether the leader is gone. */
  rivalPollMs?: number;
  onError?: (error: unknown) => void;
};

export type SequencerState = {
  role: 'leader' | 'rival' | 'disconnected';
  head: number;
  batches: number;
  naps: number;
  rings: number;
};

export type Sequencer = { state(): SequencerState; stop(): Promise<void> };

/** Advisory locks: the doorbell (see sync.ring in 0006_sync.sql), and who of several sequencers is awake. */
const doorbell = '7271, 1';
const leadership = '7271, 2';
const reconnectMaxMs = 1_000;
/** How often the floor is looked after: it costs questions of its own. */
const floorEveryMs = 50;
/** After how many events partitions that could not be made are asked for again. */
const partitionRetryEvents = 1_000;
/** When so many have gathered, a longer rest costs nobody much and spares writers and subscribers many small batches. */
const busyPacing = [
  { from: 28, ms: 25 },
  { from: 12, ms: 10 },
];
/** After how many events the floor is written down: what asks in between steps over so many deleted rows at most. */
const floorWriteEvents = 5_000;
/** A rival that sees an event wait this long numbers it, whoever holds the leadership. */
const overdueMs = 500;

/**
 * Numbers committed events, with any number of rivals on the same database: one leads, another takes over when its
 * connection ends. The leadership only keeps rivals quiet; what makes numbering safe is the row lock each batch takes. So a
 * leader that hangs, or a stranger who holds the leadership, delays nothing for longer than a rival's look.
 */
export function startSequencer(options: SequencerOptions): Sequencer {
  const { rivalPollMs = 200, onError = () => {} } = options;
  const state: SequencerState = { role: 'disconnected', head: 0, batches: 0, naps: 0, rings: 0 };
  const stopping = new AbortController();
  let current: Session | undefined;

  async function serve(session: Session): Promise<void> {
    await session.open();
    while (!stopping.signal.aborted) {
      if (await session.takeLeadership()) await session.lead();
      else {
        state.role = 'rival';
        if (await session.isOverdue()) await session.drain();
        await session.rest(rivalPollMs);
      }
    }
  }

  async function run(): Promise<void> {
    for (let failures = 0; !stopping.signal.aborted; failures++) {
      current = openSession(options, state, stopping.signal);
      try {
        await serve(current);
      } catch (error) {
        if (!stopping.signal.aborted) onError(error);
        if (state.role !== 'disconnected') failures = 0;
      } finally {
        state.role = 'disconnected';
        await current.close();
      }
      if (!stopping.signal.aborted)
        await wait(Math.min(50 * 2 ** failures, reconnectMaxMs), undefined, { signal: stopping.signal }).catch(
          () => {},
        );
    }
  }

  const running = run();
  return {
    state: () => ({ ...state }),
    async stop() {
      stopping.abort();
      current?.wake();
      await running;
    },
  };
}

type Session = ReturnType<typeof openSession>;

/** One connection of a sequencer, and what it knows as long as it lasts. */
function openSession(
  { url, batchMax = 2_000, pacingMs = 3, pollMs = 1_000, onError = () => {} }: SequencerOptions,
  state: SequencerState,
  stopped: AbortSignal,
) {
  const client = new pg.Client({ connectionString: url, application_name: 'aether-sequencer', keepAlive: true });
  let rung = false;
  let wake = () => {};
  let lost: Error | undefined;
  client.on('error', (error) => {
    lost = error;
    wake();
  });
  client.on('notification', () => {
    state.rings++;
    rung = true;
    wake();
  });
  // Deleted rows below this id need not be looked at again; see raiseFloor.
  let floor = 0;
  let floorWritten = 0;
  let mark: { id: number; xid: string; ended: boolean } | undefined;
  let floorRaisedAt = 0;
  // At this position the next partitions are asked for.
  let partitionsDueAt = 0;

  const one = async (text: string, values: unknown[] = []) => (await client.query(text, values)).rows[0];

  /** Until woken, or for so long. */
  async function rest(forMs?: number): Promise<void> {
    if (lost) throw lost;
    if (stopped.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    wake = resolve;
    const timer = forMs === undefined ? undefined : setTimeout(resolve, forMs);
    await promise;
    clearTimeout(timer);
    if (lost) throw lost;
  }

  /** Numbers one batch. @returns how many events */
  async function drain(): Promise<number> {
    // One message, four statements: the one that numbers takes its snapshot after the lock.
    const results = (await client.query(
      `begin; select from sync.sequencer for update; select moved, head from sync.sequence(${batchMax}, ${floor}); commit`,
    )) as unknown as pg.QueryResult[];
    const { moved, head } = (results[2] as pg.QueryResult).rows[0] as { moved: number; head: string };
    state.head = Number(head);
    if (moved > 0) state.batches++;
    if (performance.now() - floorRaisedAt > floorEveryMs) {
      floorRaisedAt = performance.now();
      await raiseFloor(moved);
    }
    if (state.head >= partitionsDueAt) await addPartitions();
    return moved;
  }

  /** Long before the last one is full, so that one that could not be made now is made later. */
  async function addPartitions(): Promise<void> {
    try {
      const lastPosition = Number((await one('select sync.add_partitions() as last')).last);
      partitionsDueAt = state.head + Math.ceil((lastPosition - state.head) / 4);
    } catch (error) {
      onError(error);
      partitionsDueAt = state.head + partitionRetryEvents;
    }
  }

  /**
   * While a long transaction (a dump) is open, deleted rows stay in the index, and every batch would step over all of them.
   * The floor may rise to id L once every transaction that could hold an id up to L has ended and a batch after that left
   * nothing. L is read before the transaction id X that vouches for it, in a statement of its own: whoever drew an id up to L
   * had begun before X, so that it has ended when X is below every running transaction.
   */
  async function raiseFloor(moved: number): Promise<void> {
    if (mark?.ended && moved < batchMax) {
      floor = mark.id;
      mark = undefined;
      if (floor - floorWritten > floorWriteEvents) await writeFloor();
    }
    if (mark) {
      mark.ended ||= (
        await one('select pg_snapshot_xmin(pg_current_snapshot()) > $1::xid8 as ended', [mark.xid])
      ).ended;
    } else if (moved > 0) {
      const id = Number((await one('select last_value from sync.outbox_id')).last_value);
      mark = { id, xid: (await one('select pg_current_xact_id()::text as xid')).xid, ended: false };
    }
  }

  /** Not if the ids began anew, as in a copy of the database that was made without its sequences. */
  async function readFloor(): Promise<number> {
    await client.query(
      'update sync.sequencer set floor_id = 0 where floor_id > (select last_value from sync.outbox_id)',
    );
    return Number((await one('select floor_id from sync.sequencer')).floor_id);
  }

  /** For sync.outbox_age, and for whoever leads next. */
  async function writeFloor(): Promise<void> {
    await client.query('update sync.sequencer set floor_id = $1 where floor_id < $1', [floor]);
    floorWritten = floor;
  }

  /** Sleeps until a writer rings. Whoever cannot take the doorbell knows that an event is about to commit, and stays awake. */
  async function nap(backoffMs: number): Promise<'rung' | 'busy'> {
    rung = false;
    const { mine } = await one(`select pg_try_advisory_lock(${doorbell}) as mine`);
    if (!mine) {
      await rest(backoffMs);
      return 'busy';
    }
    try {
      if ((await drain()) === 0 && !rung && !stopped.aborted) {
        state.naps++;
        await rest(pollMs);
      }
    } finally {
      if (!lost) await client.query(`select pg_advisory_unlock(${doorbell})`);
    }
    return 'rung';
  }

  return {
    async open() {
      await client.connect();
      // What is numbered is in the outbox still when a crash loses the numbering, so nothing is lost by not waiting for the disk.
      await client.query(
        `set synchronous_commit = off; set idle_in_transaction_session_timeout = '2s'; set statement_timeout = '30s'`,
      );
      await client.query('listen sync_outbox');
      floor = floorWritten = await readFloor();
      await addPartitions(); // before anything is numbered, which needs one
    },
    async takeLeadership(): Promise<boolean> {
      return (await one(`select pg_try_advisory_lock(${leadership}) as mine`)).mine;
    },
    async isOverdue(): Promise<boolean> {
      return (
        await one(`select coalesce(sync.outbox_age() > make_interval(secs => $1::float8 / 1000), false) as overdue`, [
          overdueMs,
        ])
      ).overdue;
    },
    async lead(): Promise<void> {
      state.role = 'leader';
      let backoffMs = 1;
      while (!stopped.aborted) {
        const moved = await drain();
        if (moved > 0) {
          backoffMs = 1;
          await wait(busyPacing.find(({ from }) => moved >= from)?.ms ?? pacingMs);
        } else if ((await nap(backoffMs)) === 'busy') backoffMs = Math.min(backoffMs * 2, 25);
        else backoffMs = 1;
      }
    },
    drain,
    rest,
    wake: () => wake(),
    close: () => client.end().catch(() => {}),
  };
}
