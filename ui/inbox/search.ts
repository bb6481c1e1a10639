import type { Kind } from './calls.ts';

export const kinds = ['mention', 'assignment', 'handover', 'task', 'deadline'] as const satisfies Kind[];

export type InboxSearch = { kind?: Kind; state?: 'done' };

/** The search of the inbox's address; unknown values are left out. */
export function readInboxSearch({ kind, state }: Record<string, unknown>): InboxSearch {
  const known = kinds.find((each) => each === kind);
  return { ...(known && { kind: known }), ...(state === 'done' && { state }) };
}
