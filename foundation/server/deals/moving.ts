import { InvalidField, type Transaction } from '@aether/platform';
import { type Deal, DealClosed, getDeal, lockDeal } from './deals.ts';

/** Moves an open deal to an open stage of its pipeline. @throws NotFound, DealClosed, VersionConflict, InvalidField */
export async function moveDeal(tx: Transaction, id: number, stageId: number, expectedVersion?: number): Promise<Deal> {
  await holdOpenStage(tx, id, stageId);
  const deal = await lockDeal(tx, id, expectedVersion);
  if (deal.status !== 'open') throw new DealClosed(deal.status);
  if (deal.stage_id !== stageId) await tx.query('update crm.deals set stage_id = $2 where id = $1', [id, stageId]);
  return getDeal(tx, id);
}

/**
 * Locks an open stage of the deal's pipeline to the end of the transaction. This comes before the lock of the deal, because an editor of
 * the pipeline also locks the stages first and then moves their deals.
 *
 * @throws NotFound if there is no such deal; InvalidField
 */
export async function holdOpenStage(tx: Transaction, dealId: number, stageId: number): Promise<void> {
  const held = await tx.query(
    `select from crm.pipeline_stages s join crm.deals d on d.pipeline_id = s.pipeline_id
     where d.id = $1 and s.id = $2 and s.outcome = 'open' for share of s`,
    [dealId, stageId],
  );
  if (held.length > 0) return;
  await getDeal(tx, dealId);
  throw new InvalidField([{ field: 'stage_id', message: 'must be an open stage of the deal’s pipeline' }]);
}
