import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** 256 random bits as text for a cookie or a header: 43 characters. */
export function makeToken(): string {
  return randomBytes(32).toString('base64url');
}

/** The hash of a token, which the database stores. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** Compares two tokens in a time that reveals nothing about them. */
export function isSameToken(one: string, other: string): boolean {
  return timingSafeEqual(hashToken(one), hashToken(other));
}
