import type { Asked } from '@aether/importer/similar';
import { lateMs } from './pace.ts';

/**
 * Who changes again and again is looked at once: a look sees the present customer, so whoever a later event of the log tells of can wait for
 * that one. But not for longer than `lateMs`, or whoever never stops changing would never be looked at.
 */
export type Postponed = {
  /**
   * @param ids the customers of some events up to `last`
   * @returns those who are to be looked at now
   */
  leaveOut(tx: Asked, ids: readonly string[], last: number): Promise<string[]>;
  /** These are looked at now without `leaveOut`: if one of them changes again later, its wait begins then. */
  forget(ids: readonly string[]): void;
};

/** Each of these events leads to a look at the customer whose row it is of. With `offset` each of them is found by its key, in any log. */
const findLater = `select asked.id from unnest($1::text[]) asked (id) where exists (
  select from sync.events e where e.key = asked.id and e.position > $2
    and (e.type in ('customer.merged', 'customer.unmerged', 'customer.deleted')
      or e.type = 'customer.updated' and e.previous ?| $3) offset 0)`;

/** @param compared the columns whose change leads to a look */
export function createPostponed(compared: readonly string[], now: () => number = () => performance.now()): Postponed {
  const since = new Map<string, number>();
  return {
    async leaveOut(tx, ids, last) {
      const later = new Set((await tx.query<{ id: string }>(findLater, [ids, last, compared])).map(({ id }) => id));
      return ids.filter((id) => {
        const postponedAt = since.get(id) ?? now();
        const isDue = !later.has(id) || now() - postponedAt > lateMs;
        if (isDue) since.delete(id);
        else since.set(id, postponedAt);
        return isDue;
      });
    },
    forget(ids) {
      for (const id of ids) since.delete(id);
    },
  };
}
