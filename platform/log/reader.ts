/** A place in the write-ahead log, in bytes. A number holds it exactly up to nine petabytes of log. */
export type LogPlace = number;

/** Somebody whose reads may come from a replica: what they have seen or written, and what has been read for them. */
export type Reader = {
  /** A server that has replayed less than this could show them less than they have seen. */
  readonly needs: LogPlace;
  /** Something came from the primary, which may be ahead of every replica. */
  hasReadPrimary: boolean;
  /** The replica could not answer something. What follows comes from the primary as well, so that it is not older than what was found there. */
  isPinned: boolean;
  /** How old the oldest answer of a replica may be, in milliseconds; undefined without one. */
  ageMs: number | undefined;
  /** What was begun for them has ended: what goes on after it reads from the primary. */
  isOver: boolean;
  /** Once something was read, or is to be read, from the primary: settles when it shows what the replica has shown. */
  settled?: Promise<void>;
};

const written = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i;

/** Reads a place as PostgreSQL writes it, 0/16B3748. @returns undefined for anything else */
export function parsePlace(text: string): LogPlace | undefined {
  const [, high, low] = written.exec(text) ?? [];
  return high === undefined || low === undefined
    ? undefined
    : Number.parseInt(high, 16) * 2 ** 32 + Number.parseInt(low, 16);
}

/** In the stead of a place: all that there is. What such a reader reads comes from the primary. */
export const present = 'now';

/** Which of two texts is the later place; a text that is none is earlier than every place. */
export function laterOf(one: string | undefined, other: string | undefined): string | undefined {
  const [first, second] = [parsePlace(one ?? ''), parsePlace(other ?? '')];
  if (first === undefined) return second === undefined ? undefined : other;
  return second === undefined || second <= first ? one : other;
}
