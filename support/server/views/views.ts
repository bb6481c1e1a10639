import { NotFound, type Queryable, type Transaction } from '@aether/platform';

/** A list of conversations the way an agent wants it: the part of the inbox's address after the ?. */
export type SavedView = { id: number; name: string; query: string; is_shared: boolean; owner_id: string };

const columns = 'v.id, v.name, v.query, v.is_shared, v.owner_id';

/** The person's own views, then the shared ones of others. */
export function listViews(on: Queryable, userId: string): Promise<SavedView[]> {
  return on.query<SavedView>(
    `select ${columns} from support.saved_views v
     where v.owner_id = $1 or v.is_shared order by v.owner_id <> $1, v.name collate platform.people, v.id`,
    [userId],
  );
}

/** @throws AlreadyExists if the person has a view of this name */
export async function createView(tx: Transaction, view: Omit<SavedView, 'id'>): Promise<SavedView> {
  const [made] = await tx.query<SavedView>(
    `insert into support.saved_views as v (name, query, is_shared, owner_id) values ($1, $2, $3, $4) returning ${columns}`,
    [view.name, view.query, view.is_shared, view.owner_id],
  );
  return made as SavedView;
}

/** The condition to change a view: its owner may, and every administrator may if it is shared. */
type Editor = { id: string; isAdmin: boolean; isReader: boolean };
const mayEdit = `(v.owner_id = $2 and not (v.is_shared and $4) or ($3 and v.is_shared))`;

/** @throws NotFound, also for a view that the editor may not change; AlreadyExists */
export async function updateView(
  tx: Transaction,
  id: number,
  { id: userId, isAdmin, isReader }: Editor,
  change: Partial<Pick<SavedView, 'name' | 'query' | 'is_shared'>>,
): Promise<SavedView> {
  const [changed] = await tx.query<SavedView>(
    `update support.saved_views v
     set name = coalesce($5, v.name), query = coalesce($6, v.query), is_shared = coalesce($7, v.is_shared)
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
  const gone = await tx.query(`delete from support.saved_views v where v.id = $1 and ${mayEdit} returning v.id`, [
    id,
    userId,
    isAdmin,
    isReader,
  ]);
  if (gone.length === 0) throw new NotFound('view of yours');
}
