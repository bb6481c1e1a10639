import { NotFound, PlatformError, type Queryable, type Transaction } from '@aether/platform';

/** A reason for which deals are lost. */
export type LossReason = { id: number; name: string; is_retired: boolean };

/** Retire the reason instead: what was lost for it keeps it. */
export class LossReasonInUse extends PlatformError {
  constructor(name: string) {
    super(
      'loss-reason-in-use',
      409,
      `Deals were lost for “${name}”. Retire it: they keep it, and it is offered no more.`,
    );
  }
}

const columns = 'id, name, is_retired';

/** In their order, also the retired ones. */
export function listLossReasons(on: Queryable): Promise<LossReason[]> {
  return on.query<LossReason>(`select ${columns} from crm.loss_reasons order by position, id`);
}

/** Adds a reason behind all others. @throws AlreadyExists */
export async function createLossReason(tx: Transaction, name: string): Promise<LossReason> {
  const [made] = await tx.query<LossReason>(
    `insert into crm.loss_reasons (name, position) values ($1, (select coalesce(max(position) + 1, 0) from crm.loss_reasons))
     returning ${columns}`,
    [name],
  );
  return made as LossReason;
}

/** @throws NotFound, AlreadyExists */
export async function updateLossReason(
  tx: Transaction,
  id: number,
  { name, is_retired }: { name?: string; is_retired?: boolean },
): Promise<LossReason> {
  const [changed] = await tx.query<LossReason>(
    `update crm.loss_reasons set name = coalesce($2, name), is_retired = coalesce($3, is_retired) where id = $1 returning ${columns}`,
    [id, name ?? null, is_retired ?? null],
  );
  if (!changed) throw new NotFound('loss-reason');
  return changed;
}

/** @throws NotFound, LossReasonInUse */
export async function deleteLossReason(tx: Transaction, id: number): Promise<void> {
  // The lock waits for a closing that is about to use it: the foreign key would refuse either of the two, in other words.
  const [found] = await tx.query<LossReason>(`select ${columns} from crm.loss_reasons where id = $1 for update`, [id]);
  if (!found) throw new NotFound('loss-reason');
  const [used] = await tx.query('select from crm.deal_closings k where k.reason_id = $1 limit 1', [id]);
  if (used) throw new LossReasonInUse(found.name);
  await tx.query('delete from crm.loss_reasons where id = $1', [id]);
}
