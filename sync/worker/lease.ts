import { randomUUID } from 'node:crypto';
import type { Line } from './line.ts';

/** Another worker leads by now, or has led since: this worker must stand by instead of numbering. */
export class TermOver extends Error {
  constructor(term: number) {
    super(`Term ${term} is over: another worker leads.`);
    this.name = 'TermOver';
  }
}

/** The worker's name in sync.sequencer: the same for all connections of one process, so that it takes its own lease back at once. */
export const newLeader = (): string => `${process.pid}-${randomUUID().slice(0, 8)}`;

/**
 * The leadership of one connection. The lease runs by the server's clock, in sync.lease_ends_ms. Here it ends earlier: it counts, by the
 * monotonic clock, from before the renewal was sent. So a leader that is cut off, or that the machine had stopped, knows by itself that
 * it
 * may no longer lead, and stops before a rival can lead.
 */
export type Lease = ReturnType<typeof createLease>;

export function createLease(
  line: Line,
  { leader, leaseMs, onLapsed }: { leader: string; leaseMs: number; onLapsed: () => void },
) {
  let term: number | undefined;
  let endsAt = Number.NEGATIVE_INFINITY;

  return {
    leaseMs,
    term: () => term,
    isHeld: () => term !== undefined && performance.now() < endsAt,
    /** Leads if no other worker does. @returns undefined when it leads, otherwise the milliseconds after which to ask again */
    async take(): Promise<number | undefined> {
      const sentAt = performance.now();
      const [answer] = await line.query<{ term: number | null; free_in_ms: number | null }>(
        'select term::float8 as term, free_in_ms from sync.take_lease($1, $2)',
        [leader, leaseMs],
      );
      if (answer?.term == null) return Math.min(Math.max(answer?.free_in_ms ?? leaseMs, 1), leaseMs);
      term = answer.term;
      endsAt = sentAt + leaseMs;
      return undefined;
    },
    /** @throws TermOver */
    async renew(): Promise<void> {
      const sentAt = performance.now();
      const [answer] = await line.query<{ renewed: boolean }>('select sync.renew_lease($1, $2) as renewed', [
        term,
        leaseMs,
      ]);
      this.note(sentAt, answer?.renewed ?? false);
    },
    /**
     * Applies the result of a batch sent at this moment: it renewed the lease, perhaps after it had run out, or found the term over.
     *
     * @throws TermOver
     */
    note(sentAt: number, isRenewed: boolean): void {
      if (isRenewed) {
        if (performance.now() >= endsAt) onLapsed();
        endsAt = sentAt + leaseMs;
        return;
      }
      const over = term as number;
      term = undefined;
      throw new TermOver(over);
    },
    /** Notifies the rivals at once. */
    async release(): Promise<void> {
      if (term === undefined) return;
      const released = term;
      term = undefined;
      await line.query('select sync.release_lease($1)', [released]);
    },
  };
}
