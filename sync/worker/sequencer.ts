import { setTimeout as wait } from 'node:timers/promises';
import { type Backlog, createBacklog } from './backlog.ts';
import { createDoorbell } from './doorbell.ts';
import { createFloor } from './floor.ts';
import { createLease, newLeader, TermOver } from './lease.ts';
import { createLine, isOutOfTime, type Line } from './line.ts';
import { type Batch, createNumbering } from './numbering.ts';
import { createPacing } from './pacing.ts';

/*
 * The sequencer numbers committed events. Writers put events into sync.outbox, in their own transactions; the sequencer moves what has
 * committed into sync.events and gives it dense positions. Any number of workers may run: one leads, the others stand by.
 *
 * What makes numbering safe is not the leadership but the database: a batch locks the row of sync.sequencer, and counts on from the head
 * that it then sees. The leadership makes it quick, because two that number take turns at that lock.
 *
 * Leadership is a lease with a term (lease.ts). The row names the leader and counts the terms; the lease's end is kept beside it, by the
 * server's clock. Every batch, and every few hundred milliseconds of sleep, renews it. A batch of a term that is over numbers nothing.
 *
 * A worker is in one of three states:
 *
 *   disconnected  it has no connection, or its lease has run out without an answer. It connects again, after 50 ms at first, after a
 *                 second later on.
 *   standby       another worker leads. It looks when that lease would run out, and at once when it is released.
 *   leader        it numbers a batch; rests for some milliseconds, in which the next batch gathers, unless more is left; when nothing is left
 *                 and few events have come lately it takes the doorbell (doorbell.ts) and sleeps until a writer rings.
 *
 * What each failure does:
 *
 *   The leader ends                     It releases the lease, and a standby leads at once.
 *   The leader is killed or stopped     Its lease runs out (900 ms) and a standby leads. One that was only stopped finds its term over.
 *   The leader's line goes silent       The same. The leader knows without an answer that its lease is over; it gives the line up after
 *                                       two seconds without an answer, connects again and stands by. The server ends the silent
 *                                       session after five seconds, and with it the doorbell's lock. Until then writers ring, which every
 *                                       leader hears.
 *   PostgreSQL crashes                  Numbering does not wait for the disk: the last positions may be lost, the events are in the
 *                                       outbox again, because one transaction moves them. The lease is unlogged, so it is free.
 *   A batch takes too long              It is undone at the server and tried again with twice the time, up to half a minute.
 *   A transaction stays open for hours  Only its own events wait. See doorbell.ts for sleeping and floor.ts for speed.
 */

export type SequencerNews =
  | { kind: 'leads'; term: number }
  | { kind: 'yields'; term: number; reason: 'stopped' | 'another leads' | 'disconnected' }
  | { kind: 'stands by' }
  /** Every batch has been full for so long: events are committed faster than they are numbered. */
  | { kind: 'falls behind'; forMs: number }
  | { kind: 'catches up' }
  /** Reported at once, and then once a minute; the worker keeps trying. */
  | { kind: 'disconnected'; error: unknown };

export type SequencerOptions = {
  /** As sync_app, past any transaction pooler. */
  url: string;
  /** Events numbered in one transaction; up to four times as many while every batch is full. */
  batchMax?: number;
  /** The shortest rest between two batches, in which the next one gathers. */
  pacingMs?: number;
  /** How long a sleeping leader waits for the doorbell before it looks; `undefined`: until it rings, which is enough. */
  pollMs?: number | undefined;
  /** How long a leader that does not answer keeps the leadership. */
  leaseMs?: number;
  /** How long connecting, or a statement, may go without an answer. */
  answerMs?: number;
  /** How long every batch must be full before the worker reports that it falls behind. */
  behindMs?: number;
  onNews?: (news: SequencerNews) => void;
  /** Called for failures that do not cost the connection. */
  onError?: (error: unknown) => void;
};

export type SequencerState = {
  role: 'leader' | 'standby' | 'disconnected';
  head: number;
  /** Events that this worker has numbered. */
  numbered: number;
  /** Looks into the outbox. */
  looks: number;
  /** Looks that found events. */
  batches: number;
  naps: number;
  rings: number;
};

export type Sequencer = {
  state(): SequencerState;
  /** See backlog.ts: what may be late awaits it before it works. */
  caughtUp: Backlog['over'];
  isStream: Backlog['isStream'];
  /** Gives up the leadership. Settles within two seconds, whether or not the database answers. */
  stop(): Promise<void>;
};

const stopWithinMs = 2_000;
const reconnectFirstMs = 50;
const reconnectMaxMs = 1_000;
const answerMaxMs = 30_000;
/** A session that has lasted this long shows that its limit is enough: the next one begins with the usual limit. */
const steadyMs = 60_000;
const repeatNewsMs = 60_000;
/** A sleeping leader renews its lease three times within its length. */
const renewalsPerLease = 3;
/**
 * A leader that has numbered so many events within about so long does not take the doorbell: the next ones come within milliseconds, and
 * all writers that commit meanwhile would ring. PostgreSQL lets one transaction commit at a time that notifies anybody, and each waits for
 * the disk: sixteen that rang kept each other, and the numbering, which notifies the readers, waiting for up to 180 ms.
 */
const streamMin = 20;
const streamMs = 100;
/** A transaction that holds the doorbell for this long is a long one; before that, polling is cheaper. */
const shortTransactionMs = 50;
const backoffMaxMs = 8;

/** Numbers committed events until it is stopped. See the overview above. */
export function startSequencer(options: SequencerOptions): Sequencer {
  const { answerMs = 2_000, onNews = () => {} } = options;
  const state: SequencerState = { role: 'disconnected', head: 0, numbered: 0, looks: 0, batches: 0, naps: 0, rings: 0 };
  const stopping = new AbortController();
  const leader = newLeader();
  const backlog = createBacklog();
  let current: Session | undefined;
  let toldAt = Number.NEGATIVE_INFINITY;

  function tellDisconnected(error: unknown): void {
    if (performance.now() - toldAt < repeatNewsMs) return;
    toldAt = performance.now();
    onNews({ kind: 'disconnected', error });
  }

  async function run(): Promise<void> {
    let patienceMs = answerMs;
    for (let failures = 0; !stopping.signal.aborted; failures++) {
      const openedAt = performance.now();
      const session = openSession({ ...options, answerMs: patienceMs, leader, backlog }, state, stopping.signal);
      current = session;
      try {
        await session.serve();
      } catch (error) {
        const hasServed = state.role !== 'disconnected';
        if (hasServed) {
          failures = 0;
          toldAt = Number.NEGATIVE_INFINITY;
        }
        if (performance.now() - openedAt > steadyMs) patienceMs = answerMs;
        if (hasServed && isOutOfTime(error)) patienceMs = Math.min(patienceMs * 2, answerMaxMs);
        if (!stopping.signal.aborted) tellDisconnected(error);
      } finally {
        state.role = 'disconnected';
        backlog.forget();
        await session.close();
      }
      const restMs = Math.min(reconnectFirstMs * 2 ** failures, reconnectMaxMs);
      if (!stopping.signal.aborted) await wait(restMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  }

  const running = run();
  return {
    // A lease that has run out without an answer is no leadership, even if the session does not know it yet.
    state: () => ({ ...state, role: state.role === 'leader' && !current?.isLeader() ? 'disconnected' : state.role }),
    caughtUp: backlog.over,
    isStream: backlog.isStream,
    async stop() {
      stopping.abort();
      current?.wake();
      const timer = setTimeout(() => current?.cut(), stopWithinMs / 2);
      await Promise.race([running, wait(stopWithinMs, undefined, { ref: false })]);
      clearTimeout(timer);
    },
  };
}

type Session = ReturnType<typeof openSession>;
type SessionOptions = SequencerOptions & { answerMs: number; leader: string; backlog: Backlog };

/** One connection of a sequencer, and its state for as long as that lasts. */
function openSession(
  {
    url,
    leader,
    backlog,
    answerMs,
    batchMax = 2_000,
    pacingMs = 1,
    leaseMs = 900,
    behindMs = 5_000,
    onNews = () => {},
    onError = () => {},
    ...options
  }: SessionOptions,
  state: SequencerState,
  stopped: AbortSignal,
) {
  const pollMs = 'pollMs' in options ? options.pollMs : 1_000;
  const lines = new Set<Line>();
  let isCut = false;
  let rung = false;
  const pacing = createPacing(pacingMs);
  /** Events of about the last `streamMs`. */
  let stream = { events: 0, at: performance.now() };
  let wake = () => {};

  function openLine(name: string, onNotified?: (channel: string) => void): Line {
    const opened = createLine({
      url,
      name,
      answerMs,
      onNotified,
      onLost: () => {
        lines.delete(opened);
        wake();
      },
    });
    lines.add(opened);
    if (isCut) opened.cut();
    return opened;
  }
  const line = openLine('aether-sequencer', (channel) => {
    if (channel === 'sync_outbox') {
      state.rings++;
      rung = true;
    }
    wake();
  });
  // If a crash loses the numbering, the events are still in the outbox: nothing is lost by not waiting for the disk.
  const settings = `set synchronous_commit = off; set statement_timeout = ${answerMs}; set idle_in_transaction_session_timeout = '2s';
    set idle_session_timeout = '5s'`;
  const onLapsed = () => {
    rung = true; // nobody rings meanwhile
  };
  const lease = createLease(line, { leader, leaseMs, onLapsed });
  const floor = createFloor(line);
  const numbering = createNumbering(line, { batchMax, lease, floor, onError });
  const doorbell = createDoorbell(line, {
    onError,
    async openSecond() {
      const second = openLine('aether-sequencer-doorbell');
      await second.open(settings);
      return second;
    },
  });

  /** Rests until woken, or for so long. @throws when the line is lost meanwhile */
  async function rest(forMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    wake = resolve;
    const timer = setTimeout(resolve, forMs);
    if (!line.isLost() && !stopped.aborted) await promise;
    clearTimeout(timer);
    if (line.isLost()) throw new Error('Connection terminated: the line to the database is gone.');
  }

  /** Rests until `isOver` or for so long, and renews the lease meanwhile. */
  async function sleep(isOver: () => boolean, forMs = Number.POSITIVE_INFINITY): Promise<void> {
    const endsAt = performance.now() + forMs;
    while (!isOver() && !stopped.aborted) {
      const leftMs = endsAt - performance.now();
      if (leftMs <= 0) return;
      await rest(Math.min(leftMs, leaseMs / renewalsPerLease));
      if (!isOver() && !stopped.aborted) await lease.renew();
    }
  }

  async function look(): Promise<Batch> {
    const startedAt = performance.now();
    const batch = await numbering.number();
    state.head = batch.head;
    state.looks++;
    state.numbered += batch.moved;
    backlog.note(batch);
    if (batch.moved > 0) state.batches++;
    const now = performance.now();
    pacing.note(batch, now - startedAt);
    stream = {
      events: Math.min(stream.events * Math.exp((stream.at - now) / streamMs) + batch.moved, streamMin * 5),
      at: now,
    };
    return batch;
  }

  /** Sleeps with the doorbell taken until a writer rings. @returns the batch that is there then */
  async function nap(): Promise<Batch> {
    try {
      if ((await look()).moved === 0 && !rung) {
        state.naps++;
        await sleep(() => rung, pollMs);
      }
    } catch (error) {
      // After a statement that failed in its transaction the server refuses this, and the session ends for the first error.
      if (!line.isLost()) await doorbell.release().catch(() => {});
      throw error;
    }
    rung = false;
    // Sent together: what rang need not wait for the doorbell's answer.
    const [batch] = await Promise.all([look(), doorbell.release()]);
    return batch;
  }

  /** Sleeps while a long transaction holds the doorbell. @returns true when that transaction has ended */
  async function doze(): Promise<boolean> {
    while (!stopped.aborted) {
      const { isFree } = await doorbell.queue();
      let outcome: boolean | undefined;
      isFree.then((free) => {
        outcome = free;
        wake();
      });
      if ((await look()).moved > 0 || rung) return false;
      state.naps++;
      await sleep(() => rung || outcome !== undefined);
      if (outcome) return true;
      if (rung) return false;
    }
    return false;
  }

  /** @throws TermOver */
  async function lead(): Promise<void> {
    await line.query('listen sync_outbox');
    await floor.read();
    await numbering.prepare();
    const behind = watchBehind(behindMs, onNews);
    let backoffMs = 1;
    let heldSince: number | undefined;
    let found: Batch | undefined;
    while (!stopped.aborted) {
      rung = false;
      const { moved, isFull } = found ?? (await look());
      found = undefined;
      behind.note(isFull);
      if (moved > 0) {
        backoffMs = 1;
        if (!isFull) await wait(pacing.restAfter(moved));
        continue;
      }
      if (stream.events >= streamMin) {
        await rest(pacing.restAfterNothing());
        continue;
      }
      rung = false;
      if (await doorbell.take()) {
        found = await nap();
        heldSince = undefined;
        backoffMs = 1;
        continue;
      }
      heldSince ??= performance.now();
      if (performance.now() - heldSince > shortTransactionMs) {
        if (await doze()) heldSince = undefined;
        backoffMs = 1;
      } else {
        await rest(backoffMs);
        backoffMs = Math.min(backoffMs * 2, backoffMaxMs);
      }
    }
  }

  /** Leads from now on, until it is stopped or its term is over. @throws when the line fails */
  async function leadTerm(): Promise<void> {
    const term = lease.term() as number;
    state.role = 'leader';
    onNews({ kind: 'leads', term });
    try {
      await lead();
      onNews({ kind: 'yields', term, reason: 'stopped' });
    } catch (error) {
      onNews({ kind: 'yields', term, reason: error instanceof TermOver ? 'another leads' : 'disconnected' });
      if (!(error instanceof TermOver)) throw error;
      await line.query('unlisten sync_outbox');
    }
  }

  return {
    isLeader: () => lease.isHeld(),
    async serve(): Promise<void> {
      await line.open(settings);
      await line.query('listen sync_lease');
      let isToldStandby = false;
      while (!stopped.aborted) {
        const askAgainMs = await lease.take();
        if (askAgainMs === undefined) {
          isToldStandby = false;
          await leadTerm();
          continue;
        }
        state.role = 'standby';
        backlog.forget();
        if (!isToldStandby) onNews({ kind: 'stands by' });
        isToldStandby = true;
        await rest(askAgainMs);
      }
    },
    wake: () => wake(),
    cut(): void {
      isCut = true;
      for (const each of [...lines]) each.cut();
    },
    async close(): Promise<void> {
      if (!line.isLost()) await lease.release().catch(() => {});
      await Promise.all([doorbell.close(), line.close()]);
    },
  };
}

/** Reports when every batch has been full for some seconds, and when a batch is not full again. */
function watchBehind(behindMs: number, onNews: (news: SequencerNews) => void) {
  let fullSince: number | undefined;
  let isTold = false;
  return {
    note(isFull: boolean): void {
      if (!isFull) {
        if (isTold) onNews({ kind: 'catches up' });
        fullSince = undefined;
        isTold = false;
        return;
      }
      fullSince ??= performance.now();
      const forMs = performance.now() - fullSince;
      if (isTold || forMs < behindMs) return;
      isTold = true;
      onNews({ kind: 'falls behind', forMs: Math.round(forMs) });
    },
  };
}
