import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** 256 bits that nobody guesses, as text for a cookie or a header: 43 characters. */
export function makeToken(): string {
  return randomBytes(32).toString('base64url');
}

/** What the database keeps of a token. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** Compares two tokens in a time that tells nothing of either. */
export function isSameToken(one: string, other: string): boolean {
  return timingSafeEqual(hashToken(one), hashToken(other));
}
