import type { Session } from './session.ts';
import type { SentFile } from './thread.ts';

/** A message that the server has not yet taken. It stays until the server has. */
export type Pending = {
  client_id: string;
  body: string;
  /** The bot's question that the visitor picked. */
  question_id?: string;
  /** Files that the server has already, of this conversation. */
  files?: SentFile[];
  /** When it was written, in milliseconds: messages are sent in this order. */
  at: number;
  /**
   * waiting: is sent in its turn. ended: the conversation did not take it, because it has ended; a new one may. refused: the server
   * will not take it; `reason` says why, and without one the chat is closed.
   */
  state: 'waiting' | 'ended' | 'refused';
  reason?: string;
  /** It was sent to this conversation, and no answer came: it may have arrived there. */
  tried?: Session;
};

/** The outcome of an attempt to send. */
export type Attempt =
  | { kind: 'taken' }
  /** No answer (`isCut`), or one that asks to try again. */
  | { kind: 'later'; afterMs: number; isCut: boolean }
  /** The conversation has ended: a new one may take the message. */
  | { kind: 'ended' }
  /** The token is dead. */
  | { kind: 'stranger' }
  | { kind: 'refused'; reason: string };

const waitMsMin = 500;
const waitMsMax = 15_000;

/** Doubles each time, with chance, so that a thousand widgets do not return at one moment. @param chance from 0 to 1 */
export const backoffMs = (failures: number, chance = Math.random()): number =>
  Math.min(waitMsMax, waitMsMin * 2 ** failures) * (0.5 + chance / 2);

/** Reads an answer's status. @param failures the number of failures in a row before it */
export function readAttempt(
  status: number | undefined,
  { code, detail, retryAfter }: { code?: string; detail?: string; retryAfter?: string | null },
  failures: number,
): Attempt {
  if (status === undefined || status >= 500 || status === 408)
    return { kind: 'later', afterMs: backoffMs(failures), isCut: status === undefined };
  if (status === 429) return { kind: 'later', afterMs: Math.max(1_000, Number(retryAfter ?? 1) * 1_000), isCut: false };
  if (status < 300) return { kind: 'taken' };
  if (code === 'session-ended') return { kind: 'ended' };
  if (status === 404 || code === 'token-required') return { kind: 'stranger' };
  return { kind: 'refused', reason: detail ?? `${status}` };
}

export const nextOf = (outbox: Pending[]): Pending | undefined => outbox.find(({ state }) => state === 'waiting');

/** Behind all existing messages, even if the clock was set back. */
export const atAfter = (outbox: Pending[], now: number): number => Math.max(now, ...outbox.map(({ at }) => at + 1));

/** Unique. Not crypto.randomUUID, which pages without TLS do not have. */
export const newId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
