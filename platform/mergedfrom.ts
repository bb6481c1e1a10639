import { isUuid } from './fields.ts';
import type { Queryable, Statement } from './log/query.ts';
import type { InTransaction } from './log/transaction.ts';

/** A customer that was merged into another one, and the merge that did it. */
export type MergedFrom = {
  /** The id of the merge, by which it is taken apart in the console. */
  merge: string;
  customer: { id: string; name: string };
  merged_at: Date;
  /** The person who merged them; null for the command, and if the user is deleted. */
  actor: { id: string; name: string } | null;
};

const mergedFrom: Statement = {
  name: 'merged-from',
  text: `select m.id as merge, jsonb_build_object('id', l.id, 'name', l.name) as customer, m.merged_at,
      case when u.id is not null then jsonb_build_object('id', u.id, 'name', u.name) end as actor
    from platform.customers l join platform.merges m on m.loser_id = l.id and m.undone_at is null
      left join platform.users u on u.id = m.actor
    where l.merged_into = $1 and l.erased_at is null order by m.merged_at desc, m.id desc`,
};

/**
 * The customer that an id means now, for a condition in SQL: a page or a program may know only the id from before a merge.
 *
 * @param id the parameter with the id, such as `$1`.
 */
export const goesOn = (id: string): string =>
  `(select coalesce(g.merged_into, g.id) from platform.customers g where g.id = ${id})`;

export type MergedFromCalls = ReturnType<typeof mergedFromCalls>;

/** The call of platformDb about which customers a customer was merged from. */
export function mergedFromCalls(reads: Queryable) {
  async function listMergedFrom(customerId: string, { tx }: InTransaction = {}): Promise<MergedFrom[]> {
    if (!isUuid(customerId)) return [];
    return (tx ?? reads).run<MergedFrom>(mergedFrom, [customerId]);
  }

  return {
    /** The customers that are merged into this one, the latest first; none once their merge is taken apart. */
    listMergedFrom,
  };
}
