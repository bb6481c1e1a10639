import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Connection } from './connection.ts';

/** A process that is silent for so long loses its shares to the others. */
const leaseMs = 3_000;
const renewMs = 1_000;

export type Reader = {
  /** The name of this process among those that run the subscription. */
  readonly name: string;
  /** Renews the lease from now on; it settles when the first time was answered. Later calls do nothing. */
  join(): Promise<void>;
  /** Ends the lease: the others take over at once. It never fails, because the lease ends by itself. */
  leave(): Promise<void>;
};

/**
 * This process as one of those that share a subscription. Its lease says that it lives; which shares it works follows from who else does:
 * see sync.take_shares. The lease is renewed beside the steps, because a handler may take longer than it lasts.
 */
export function createReader(connection: Connection, subscription: string): Reader {
  const name = `${hostname().slice(0, 100)}:${process.pid}:${randomBytes(2).toString('hex')}`;
  let timer: NodeJS.Timeout | undefined;
  let renewing: Promise<unknown> = Promise.resolve();
  const renew = () => connection.query('select sync.join_readers($1, $2, $3)', [subscription, name, leaseMs]);
  return {
    name,
    async join() {
      if (timer) return;
      await renew();
      timer ??= setInterval(() => {
        renewing = renew().catch(() => {}); // the next one is soon, and until then the lease holds
      }, renewMs).unref();
    },
    async leave() {
      if (!timer) return;
      clearInterval(timer);
      timer = undefined;
      await renewing;
      await connection.query('select sync.leave_readers($1, $2)', [subscription, name]).catch(() => {});
    },
  };
}
