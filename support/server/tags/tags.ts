import { NotFound, type Queryable, type Transaction } from '@aether/platform';

export const tagColours = ['grey', 'blue', 'green', 'orange', 'red', 'gold'] as const;

/** A word that agents put on conversations. */
export type Tag = { id: number; name: string; colour: (typeof tagColours)[number] };

const columns = 't.id, t.name, t.colour';

/** SQL for the tags of a conversation, as a list. @param id an SQL expression for its id */
export const tagsOf = (id: string) =>
  `(select coalesce(jsonb_agg(jsonb_build_object('id', t.id, 'name', t.name, 'colour', t.colour) order by t.name, t.id), '[]')
    from support.session_tags k join support.tags t on t.id = k.tag_id where k.session_id = ${id})`;

export function listTags(on: Queryable): Promise<Tag[]> {
  return on.query<Tag>(`select ${columns} from support.tags t order by t.name, t.id`);
}

/** @throws AlreadyExists for a name that another tag has, in whatever case */
export async function createTag(tx: Transaction, { name, colour }: Omit<Tag, 'id'>): Promise<Tag> {
  const [made] = await tx.query<Tag>(
    `insert into support.tags as t (name, colour) values ($1, $2) returning ${columns}`,
    [name, colour],
  );
  return made as Tag;
}

/** @throws NotFound, AlreadyExists */
export async function updateTag(tx: Transaction, id: number, { name, colour }: Partial<Omit<Tag, 'id'>>): Promise<Tag> {
  const [changed] = await tx.query<Tag>(
    `update support.tags t set name = coalesce($2, t.name), colour = coalesce($3, t.colour) where t.id = $1 returning ${columns}`,
    [id, name ?? null, colour ?? null],
  );
  if (!changed) throw new NotFound('tag');
  return changed;
}

/**
 * Removes a tag from all conversations that have it.
 *
 * @returns how many had it; with `isDryRun` nothing is removed.
 * @throws NotFound
 */
export async function removeTag(
  tx: Transaction,
  id: number,
  { isDryRun }: { isDryRun: boolean },
): Promise<{ conversations: number }> {
  const [tag] = await tx.query('select from support.tags where id = $1 for update', [id]);
  if (!tag) throw new NotFound('tag');
  const [counted] = await tx.query<{ conversations: number }>(
    'select count(*)::integer as conversations from support.session_tags where tag_id = $1',
    [id],
  );
  if (!isDryRun) await tx.query('delete from support.tags where id = $1', [id]);
  return counted ?? { conversations: 0 };
}
