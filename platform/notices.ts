import { NotFound } from './errors.ts';
import { type Paging, type Placed, readList } from './keyset.ts';
import type { Queryable } from './log/query.ts';
import type { Transaction } from './log/transaction.ts';

/*
 * The inbox of a person of staff (database/migrations/0051_notices.sql). Triggers write notices; here a person reads theirs and puts them
 * away. The policy of the table shows only the notices of the actor of a transaction, so each call needs one.
 */

export const noticeKinds = ['mention', 'assignment', 'handover', 'task', 'deadline'] as const;
export type NoticeKind = (typeof noticeKinds)[number];
export const noticeRecords = ['customer', 'company', 'deal', 'activity', 'session'] as const;

export type Notice = {
  id: string;
  kind: NoticeKind;
  /** Of a task: its reminder, not its due time. */
  is_reminder: boolean;
  record: (typeof noticeRecords)[number];
  record_id: string;
  actor: { id: string; name: string } | null;
  at: Date;
  read_at: Date | null;
  done_at: Date | null;
};

export type NoticeFilters = { state: 'open' | 'done'; kind?: NoticeKind | undefined };

const columns = `n.id, n.kind, n.is_reminder, n.record, n.record_id, n.at, n.read_at, n.done_at,
  (select jsonb_build_object('id', u.id, 'name', u.name) from platform.users u where u.id = n.actor) as actor`;
// The policy says the same. The planner finds the index by this.
const own = 'n.user_id = platform.current_actor()';
const byTime = { by: 'n.at', type: 'timestamptz', id: 'n.id', idType: 'uuid' };
const byPutAway = { by: 'n.done_at', type: 'timestamptz', id: 'n.id', idType: 'uuid' };

/** The actor's notices: those that count, the newest first; or those that were put away, the last put away first. */
export function listNotices(
  tx: Transaction,
  { state, kind, ...paging }: NoticeFilters & Paging,
): Promise<Placed<Notice>[]> {
  const order = state === 'open' ? byTime : byPutAway;
  return readList<Notice>(tx, { order, direction: 'desc', ...paging }, (parameter) => ({
    columns,
    from: 'platform.notices n',
    where: [
      own,
      ...(state === 'open' ? ['n.done_at is null', 'n.at <= now()'] : ['n.done_at is not null']),
      ...(kind ? [`n.kind = ${parameter(kind)}`] : []),
    ],
  }));
}

/** Counts end here. */
export const noticesCounted = 100;

/** How many notices the actor has not read, at most 100, those of handed conversations apart; and when the next task is due. */
export async function countNotices(
  tx: Transaction,
): Promise<{ unread: number; handed_over: number; latest_at: Date | null; next_at: Date | null }> {
  const [counts] = await tx.query<{
    unread: number;
    handed_over: number;
    latest_at: Date | null;
    next_at: Date | null;
  }>(
    `select count(*)::integer as unread, count(*) filter (where c.kind = 'handover')::integer as handed_over, max(c.at) as latest_at,
       (select min(n.at) from platform.notices n where ${own} and n.done_at is null and n.read_at is null and n.at > now()) as next_at
     from (
       select n.kind, n.at from platform.notices n
       where ${own} and n.done_at is null and n.read_at is null and n.at <= now()
       order by n.at desc limit ${noticesCounted}) c`,
  );
  return counts ?? { unread: 0, handed_over: 0, latest_at: null, next_at: null };
}

/** Marks one of the actor's notices. @throws NotFound, also for one of somebody else's and for one that does not count yet */
export async function markNotice(
  tx: Transaction,
  id: string,
  { is_read, is_done }: { is_read?: boolean | undefined; is_done?: boolean | undefined },
): Promise<Notice> {
  // What is put away was seen.
  const read = is_read ?? (is_done === true ? true : undefined);
  const [marked] = await tx.query<Notice>(
    `update platform.notices n
     set read_at = case $2::boolean when true then coalesce(n.read_at, now()) when false then null else n.read_at end,
       done_at = case $3::boolean when true then coalesce(n.done_at, now()) when false then null else n.done_at end
     where n.id = $1 and ${own} and n.at <= now() returning ${columns}`,
    [id, read ?? null, is_done ?? null],
  );
  if (!marked) throw new NotFound('notice');
  return marked;
}

/** One call changes at most so many. */
const markedMax = 10_000;

/**
 * Marks the actor's unread notices as read, at most 10,000.
 *
 * @returns the moment that all of them carry, by which `unmarkRead` knows them.
 */
export async function markAllRead(
  tx: Transaction,
  kind: NoticeKind | undefined,
): Promise<{ read_at: Date; changed: number; is_last: boolean }> {
  const [answer] = await tx.query<{ read_at: Date; changed: number }>(
    `with moment as materialized (select date_trunc('milliseconds', clock_timestamp()) as at),
     unread as (
       select n.id from platform.notices n
       where ${own} and n.done_at is null and n.read_at is null and n.at <= now() and ($1::text is null or n.kind = $1)
       order by n.at desc limit ${markedMax}),
     marked as (
       update platform.notices n set read_at = m.at from unread u, moment m where n.id = u.id and ${own} returning 1)
     select m.at as read_at, (select count(*)::integer from marked) as changed from moment m`,
    [kind ?? null],
  );
  const { read_at, changed } = answer as { read_at: Date; changed: number };
  return { read_at, changed, is_last: changed < markedMax };
}

/** Takes `markAllRead` back: those that carry this moment are unread again. */
export async function unmarkRead(tx: Transaction, readAt: string): Promise<{ changed: number }> {
  const changed = await tx.query(
    `update platform.notices n set read_at = null where ${own} and n.done_at is null and n.read_at = $1 returning 1`,
    [readAt],
  );
  return { changed: changed.length };
}

/** What an app may say about notices: the names and the text of their records, as this reader may read them now. */
export type NoticeWords = {
  id: string;
  /** The app shows the record to this reader. */
  is_readable: boolean;
  /** The record's own name: a deal's, a visitor's. */
  name: string | null;
  /** What was written: the note, the task. */
  text: string | null;
  customer: { id: string; name: string } | null;
};

/** Reads words of notices by their ids. */
export type DescribeNotices = (on: Queryable, ids: string[]) => Promise<NoticeWords[]>;
