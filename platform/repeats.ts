import { createHash } from 'node:crypto';
import { digestRequest } from './attempts.ts';
import { PlatformError } from './log/errors.ts';
import { withOnce } from './log/once.ts';
import type { Statement } from './log/query.ts';
import type { Transaction } from './log/transaction.ts';

/*
 * A request that its sender may repeat, because no answer came: the first transaction of the work writes the key and its result together
 * with the effect (platform.idempotency_keys), and a repetition gets that result instead of doing the work again. So it holds with any
 * number of servers, and if the first one dies at any moment: it has committed both or neither.
 *
 * A work that fails has no effect and leaves no key: its repetition is a first try. What the work does besides its first transaction, such
 * as a look at the customer before it, a repetition does again.
 */

/** One request of a client that names it. */
export type KeyedRequest = {
  /** Whose key it is. */
  client: string;
  key: string;
  /** What was asked for: method, address and body. */
  asked: object;
};

/** Runs `work`, of which the first transaction that is kept is done only once for the key. @returns whether it had been done before */
export async function onlyOnce(request: KeyedRequest, work: () => Promise<void>): Promise<boolean> {
  const keyHash = createHash('sha256').update(request.key).digest();
  const requestHash = digestRequest(request.asked);
  let isKnown = false;
  const once = {
    async begin(tx: Transaction) {
      // The lock comes in a statement before: the second one sees what its last holder has committed.
      const [[lock], [known]] = await Promise.all([
        tx.run<{ is_held: boolean }>(holdKey, [request.client, keyHash]),
        tx.run<{ request_hash: Buffer; result: unknown }>(findKey, [request.client, keyHash]),
      ]);
      if (!lock?.is_held) throw new RequestUnderWay();
      if (!known) return undefined;
      if (!requestHash.equals(known.request_hash)) throw new IdempotencyKeyReused();
      isKnown = true;
      return { result: known.result };
    },
    end: (tx: Transaction, result: unknown) =>
      tx.endWith(keepResult, [request.client, keyHash, requestHash, JSON.stringify(result ?? null)]),
  };
  await withOnce(once, work);
  return isKnown;
}

const holdKey: Statement = {
  name: 'idempotency-hold-key',
  text: `select pg_try_advisory_xact_lock(hashtextextended(
    format('idempotency %s %s %s', platform.current_app(), encode($2::bytea, 'hex'), $1::text), 0)) as is_held`,
};
const findKey: Statement = {
  name: 'idempotency-find-key',
  text: `select request_hash, result from platform.idempotency_keys
    where app = platform.current_app() and client = $1 and key_hash = $2 and created_at > clock_timestamp() - interval '24 hours'`,
};
const keepResult: Statement = {
  name: 'idempotency-keep-result',
  text: `insert into platform.idempotency_keys as k (client, key_hash, request_hash, result) values ($1, $2, $3, $4)
    on conflict (app, client, key_hash) do update
    set request_hash = excluded.request_hash, result = excluded.result, created_at = clock_timestamp()`,
};

/** The first request with this key is not done: the caller asks again in a moment. */
export class RequestUnderWay extends PlatformError {
  constructor() {
    super(
      'request-under-way',
      409,
      'The first request with this Idempotency-Key is not done yet. Send it again in a moment, to get its answer.',
      { retryAfterSeconds: 1 },
    );
  }
}

/** This Idempotency-Key named another request: the caller makes up a new one. */
export class IdempotencyKeyReused extends PlatformError {
  constructor() {
    super(
      'idempotency-key-reused',
      422,
      'Something else was sent with this Idempotency-Key before. Send this with a new key; repeat a request only as it was.',
    );
  }
}
