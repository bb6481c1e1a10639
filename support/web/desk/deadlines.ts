import type { Session } from '../api/records.ts';

/** next: still to be met. late: it was not met in time, and still is not. missed: it was met too late. */
export type DeadlineState = { what: 'answer' | 'end'; at: number; state: 'next' | 'late' | 'missed' };

type Clocked = Pick<
  Session,
  'status' | 'first_answered_at' | 'first_due_at' | 'resolve_due_at' | 'due_at' | 'ended_at'
>;

/** What an agent has to know of the targets: the next one, or of an ended conversation the one that was missed. Pure. */
export function findDeadline(
  { status, first_answered_at, first_due_at, resolve_due_at, due_at, ended_at }: Clocked,
  now: number,
): DeadlineState | undefined {
  if (status === 'active') {
    if (due_at === null) return undefined;
    const at = Date.parse(due_at);
    const what = first_answered_at === null && due_at === first_due_at ? 'answer' : 'end';
    return { what, at, state: at < now ? 'late' : 'next' };
  }
  const end = Date.parse(ended_at ?? '');
  if (resolve_due_at !== null && Date.parse(resolve_due_at) < end)
    return { what: 'end', at: Date.parse(resolve_due_at), state: 'missed' };
  const answered = first_answered_at === null ? end : Date.parse(first_answered_at);
  if (first_due_at !== null && Date.parse(first_due_at) < answered)
    return { what: 'answer', at: Date.parse(first_due_at), state: 'missed' };
  return undefined;
}

/** `5 min left`, `5 min late`, or of one that is over `late`. Pure. */
export function describeDeadline(deadline: DeadlineState | undefined, now: number): string | undefined {
  if (!deadline) return undefined;
  const { at, state } = deadline;
  return { next: `${formatLeft(at - now)} left`, late: `${formatLeft(now - at)} late`, missed: 'late' }[state];
}

/** Milliseconds → `42 s`, `3 min`, `1 h 5 min`, `2 days 3 h`. */
export function formatLeft(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h${minutes % 60 ? ` ${minutes % 60} min` : ''}`;
  const days = Math.floor(hours / 24);
  return `${days === 1 ? '1 day' : `${days} days`}${hours % 24 ? ` ${hours % 24} h` : ''}`;
}
