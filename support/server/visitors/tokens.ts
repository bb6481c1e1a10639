import { createHash, randomBytes } from 'node:crypto';

/** Proves that a visitor opened a session. The visitor gets `token` once; only `hash` is stored. */
export function createVisitorToken(): { token: string; hash: Buffer } {
  const token = randomBytes(32).toString('base64url');
  return { token, hash: hashVisitorToken(token) };
}

/** SHA-256: the token is 256 random bits, so a slow hash would protect nothing more. */
export function hashVisitorToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
