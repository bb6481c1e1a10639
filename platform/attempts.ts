import { createHash } from 'node:crypto';
import { ClientIdReused } from './errors.ts';

/**
 * One try of a request that its sender may repeat. `key` is unique among the records of its kind, and `digest` is stored beside it: a
 * retry has the same digest even if the record has changed since, and a different request that reuses the key has another.
 */
export type Attempt = {
  key: string;
  /** SHA-256 of the request: 32 bytes. */
  digest: Buffer;
};

/**
 * @param clientId the sender's own choice. A request without one cannot be repeated.
 * @param asked the whole request as it was sent, apart from its client_id. No name in it is resolved and nothing is looked up, so that a
 *   retry always has the same digest.
 */
export function readAttempt(clientId: string, asked: object): Attempt;
export function readAttempt(clientId: string | undefined, asked: object): Attempt | undefined;
export function readAttempt(clientId: string | undefined, asked: object): Attempt | undefined {
  return clientId === undefined ? undefined : { key: `client:${clientId}`, digest: digestRequest(asked) };
}

/** @param digest that of the request that used the key first; null if it is unknown. @throws ClientIdReused */
export function requireSameRequest(digest: Buffer | null, attempt: Attempt): void {
  if (!digest?.equals(attempt.digest)) throw new ClientIdReused();
}

/** Like `requireSameRequest`, for a record that never changes: its content is the content of the first request. @throws ClientIdReused */
export function requireSameContent(first: object, asked: object): void {
  if (!digestRequest(first).equals(digestRequest(asked))) throw new ClientIdReused();
}

/** SHA-256 of a request. The order of the keys does not matter, and a key that is undefined is absent. */
export function digestRequest(asked: object): Buffer {
  return createHash('sha256').update(JSON.stringify(asked, sortKeys)).digest();
}

function sortKeys(_: string, value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)));
}
