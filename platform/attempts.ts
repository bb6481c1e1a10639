import { createHash } from 'node:crypto';
import { ClientIdReused } from './errors.ts';

/**
 * One try of a request that its sender may repeat. `key` is unique among the records of its kind, and `digest` is stored beside it: a
 * retry has the same digest also when the record has been changed since, and a request that reuses the key for something else has not.
 */
export type Attempt = {
  key: string;
  /** SHA-256 of what is asked for: 32 bytes. */
  digest: Buffer;
};

/**
 * @param clientId as the sender made it up; without one the request cannot be repeated.
 * @param asked the whole request apart from its client_id, as it was sent: names are not resolved and nothing is looked up, so that a retry
 *   says the same for ever.
 */
export function readAttempt(clientId: string, asked: object): Attempt;
export function readAttempt(clientId: string | undefined, asked: object): Attempt | undefined;
export function readAttempt(clientId: string | undefined, asked: object): Attempt | undefined {
  return clientId === undefined ? undefined : { key: `client:${clientId}`, digest: digestRequest(asked) };
}

/** @param digest of the request that used the key first; null when it is not known. @throws ClientIdReused */
export function requireSameRequest(digest: Buffer | null, attempt: Attempt): void {
  if (!digest?.equals(attempt.digest)) throw new ClientIdReused();
}

/** As `requireSameRequest`, for a record that never changes: what it holds is what the first request asked. @throws ClientIdReused */
export function requireSameContent(first: object, asked: object): void {
  if (!digestRequest(first).equals(digestRequest(asked))) throw new ClientIdReused();
}

/** The order of the keys does not matter, and a key that is undefined is absent. */
function digestRequest(asked: object): Buffer {
  return createHash('sha256').update(JSON.stringify(asked, sortKeys)).digest();
}

function sortKeys(_: string, value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)));
}
