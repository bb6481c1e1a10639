import { NotFound, type Queryable, type Transaction } from '@aether/platform';

export const viewPages = ['customers', 'companies', 'deals'] as const;

/** A list the way a person wants it: the part of its address after the ?. */
export type View = {
  id: number;
  page: (typeof viewPages)[number];
  name: string;
  query: string;
  is_shared: boolean;
  owner_id: string;
};

const columns = 'v.id, v.page, v.name, v.query, v.is_shared, v.owner_id';

/** The person's own views and the shared ones. */
export async function listViews(on: Queryable, page: View['page'], userId: string): Promise<View[]> {
  return on.query<View>(
    `select ${columns} from crm.saved_views v
     where v.page = $1 and (v.owner_id = $2 or v.is_shared) order by v.is_shared, v.name collate platform.people, v.id`,
    [page, userId],
  );
}

/** @throws AlreadyExists if the person has a view of this name for the page */
export async function createView(tx: Transaction, view: Omit<View, 'id'>): Promise<View> {
  const [made] = await tx.query<View>(
    `insert into crm.saved_views as v (page, name, query, is_shared, owner_id) values ($1, $2, $3, $4, $5) returning ${columns}`,
    [view.page, view.name, view.query, view.is_shared, view.owner_id],
  );
  return made as View;
}

/** The condition to change a view: its owner may, and every administrator may if it is shared. A reader changes none that others have. */
type Editor = { id: string; isAdmin: boolean; isReader: boolean };
const mayEdit = `(v.owner_id = $2 and not (v.is_shared and $4) or ($3 and v.is_shared))`;

/** @throws NotFound, also for a view that the editor may not change */
export async function updateView(
  tx: Transaction,
  id: number,
  { id: userId, isAdmin, isReader }: Editor,
  change: Partial<Pick<View, 'name' | 'query' | 'is_shared'>>,
): Promise<View> {
  const [changed] = await tx.query<View>(
    `update crm.saved_views v set name = coalesce($5, v.name), query = coalesce($6, v.query), is_shared = coalesce($7, v.is_shared)
     where v.id = $1 and ${mayEdit} returning ${columns}`,
    [id, userId, isAdmin, isReader, change.name, change.query, change.is_shared],
  );
  if (!changed) throw new NotFound('view of yours');
  return changed;
}

/** @throws NotFound */
export async function deleteView(
  tx: Transaction,
  id: number,
  { id: userId, isAdmin, isReader }: Editor,
): Promise<void> {
  const gone = await tx.query(`delete from crm.saved_views v where v.id = $1 and ${mayEdit} returning v.id`, [
    id,
    userId,
    isAdmin,
    isReader,
  ]);
  if (gone.length === 0) throw new NotFound('view of yours');
}
