import { NotFound, type PlatformError, type Queryable, ReferenceNotFound, type Transaction } from '@aether/platform';

export const tagColours = ['grey', 'blue', 'green', 'orange', 'red', 'gold'] as const;

/** A word that staff puts on customers. */
export type Tag = { id: number; name: string; colour: (typeof tagColours)[number] };
export type TagChange = Partial<Omit<Tag, 'id'>>;

const columns = 't.id, t.name, t.colour';

/** SQL for the tags of a customer, as a list. @param id an SQL expression for the customer's id */
export const tagsOf = (id: string) =>
  `(select coalesce(jsonb_agg(jsonb_build_object('id', t.id, 'name', t.name, 'colour', t.colour) order by t.name, t.id), '[]')
    from crm.customer_tags k join crm.tags t on t.id = k.tag_id where k.customer_id = ${id})`;

export async function listTags(on: Queryable): Promise<Tag[]> {
  return on.query<Tag>(`select ${columns} from crm.tags t order by t.name, t.id`);
}

/** @throws AlreadyExists for a name that another tag has, in whatever case */
export async function createTag(tx: Transaction, { name, colour }: Omit<Tag, 'id'>): Promise<Tag> {
  const [made] = await tx.query<Tag>(`insert into crm.tags as t (name, colour) values ($1, $2) returning ${columns}`, [
    name,
    colour,
  ]);
  return made as Tag;
}

/** @throws NotFound, AlreadyExists */
export async function updateTag(tx: Transaction, id: number, { name, colour }: TagChange): Promise<Tag> {
  const [changed] = await tx.query<Tag>(
    `update crm.tags t set name = coalesce($2, t.name), colour = coalesce($3, t.colour) where t.id = $1 returning ${columns}`,
    [id, name ?? null, colour ?? null],
  );
  if (!changed) throw new NotFound('tag');
  return changed;
}

/**
 * Removes a tag from all customers that have it.
 *
 * @returns how many had it; with `isDryRun` nothing is removed.
 * @throws NotFound
 */
export async function removeTag(
  tx: Transaction,
  id: number,
  { isDryRun }: { isDryRun: boolean },
): Promise<{ customers: number }> {
  const [tag] = await tx.query('select from crm.tags where id = $1 for update', [id]);
  if (!tag) throw new NotFound('tag');
  const [counted] = await tx.query<{ customers: number }>(
    'select count(*)::integer as customers from crm.customer_tags where tag_id = $1',
    [id],
  );
  if (!isDryRun) await tx.query('delete from crm.tags where id = $1', [id]);
  return counted ?? { customers: 0 };
}

/** Gives a customer a tag; one that it has stays. @throws NotFound for an unknown tag; CustomerErased, CustomerMerged */
export async function giveTag(tx: Transaction, customerId: string, tagId: number): Promise<Tag[]> {
  await tx
    .query(`insert into crm.customer_tags (customer_id, tag_id) values ($1, $2) on conflict do nothing`, [
      customerId,
      tagId,
    ])
    .catch((error: PlatformError) => {
      throw error instanceof ReferenceNotFound ? new NotFound('tag') : error;
    });
  return readTags(tx, customerId);
}

/** Takes a tag from a customer; one that it does not have is not missed. */
export async function takeTag(tx: Transaction, customerId: string, tagId: number): Promise<Tag[]> {
  await tx.query('delete from crm.customer_tags where customer_id = $1 and tag_id = $2', [customerId, tagId]);
  return readTags(tx, customerId);
}

async function readTags(on: Queryable, customerId: string): Promise<Tag[]> {
  const [row] = await on.query<{ tags: Tag[] }>(`select ${tagsOf('$1::uuid')} as tags`, [customerId]);
  return row?.tags ?? [];
}
