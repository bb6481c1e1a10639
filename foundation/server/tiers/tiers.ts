import {
  InvalidField,
  NotFound,
  type PlatformDb,
  PlatformError,
  ReferenceNotFound,
  type Tier,
  type TierColour,
  type Transaction,
  tierColumns,
  VersionConflict,
} from '@aether/platform';

/** Retire the tier instead, or give its customers another one first. */
export class TierInUse extends PlatformError {
  constructor(label: string) {
    super('tier-in-use', 409, `Customers have the tier ${label}. Retire it: they keep it, and nobody else gets it.`);
  }
}

export type NewTier = { key: string; label: string; colour: TierColour };
export type TierChange = Partial<Pick<Tier, 'label' | 'colour' | 'is_retired'>>;

/** Adds a tier behind all others. @throws AlreadyExists for a key or a label that is taken */
export async function createTier(tx: Transaction, { key, label, colour }: NewTier): Promise<Tier> {
  await lockOrder(tx);
  const [made] = await tx.query<Tier>(
    `insert into platform.tiers as t (key, label, colour, position)
     values ($1, $2, $3, (select coalesce(max(position) + 1, 0) from platform.tiers)) returning ${tierColumns}`,
    [key, label, colour],
  );
  return made as Tier;
}

/** @throws NotFound, VersionConflict, AlreadyExists */
export async function updateTier(
  tx: Transaction,
  key: string,
  { label, colour, is_retired }: TierChange,
  expectedVersion?: number,
): Promise<Tier> {
  const [now] = await tx.query<Tier>(`select ${tierColumns} from platform.tiers t where t.key = $1 for no key update`, [
    key,
  ]);
  if (!now) throw new NotFound('tier');
  if (expectedVersion !== undefined && now.version !== expectedVersion)
    throw new VersionConflict('tier', expectedVersion, now.version);
  const [changed] = await tx.query<Tier>(
    `update platform.tiers t
     set label = coalesce($2, t.label), colour = coalesce($3, t.colour), is_retired = coalesce($4, t.is_retired)
     where t.key = $1 returning ${tierColumns}`,
    [key, label ?? null, colour ?? null, is_retired ?? null],
  );
  return changed as Tier;
}

/**
 * Puts the tiers into this order, in which both apps offer them. The list of customers by tier goes by their keys.
 *
 * @throws InvalidField unless `keys` has each tier once
 */
export async function orderTiers(db: PlatformDb, tx: Transaction, keys: string[]): Promise<Tier[]> {
  await lockOrder(tx);
  const known = (await db.listTiers({ tx })).map(({ key }) => key);
  const missing = known.filter((key) => !keys.includes(key));
  const unknown = keys.filter((key) => !known.includes(key));
  if (missing.length > 0 || unknown.length > 0 || new Set(keys).size < keys.length)
    throw new InvalidField([
      {
        field: 'keys',
        message: `must name each tier once: ${known.join(', ')}. Load them again if another was added.`,
      },
    ]);
  await tx.query(
    `update platform.tiers t set position = wanted.position - 1
     from unnest($1::text[]) with ordinality as wanted (key, position)
     where t.key = wanted.key and t.position <> wanted.position - 1`,
    [keys],
  );
  return db.listTiers({ tx });
}

/** @throws NotFound, TierInUse */
export async function deleteTier(tx: Transaction, key: string): Promise<void> {
  const [tier] = await tx.query<Tier>(`select ${tierColumns} from platform.tiers t where t.key = $1 for update`, [key]);
  if (!tier) throw new NotFound('tier');
  // Foundation's own order of the customers has the tier in an index, so that a tier in use is refused before anybody waits.
  const [used] = await tx.query('select from crm.customer_order q where q.account_tier = $1 limit 1', [key]);
  if (used) throw new TierInUse(tier.label);
  // The trigger keep_used decides: it locks the customers and also sees those that were merged.
  await tx.query('delete from platform.tiers where key = $1', [key]).catch((error) => {
    throw error instanceof ReferenceNotFound ? new TierInUse(tier.label) : error;
  });
}

/** Two transactions that add or order tiers at once take turns, so that no position is given twice. */
async function lockOrder(tx: Transaction): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock(hashtext('platform.tiers'))`);
}
