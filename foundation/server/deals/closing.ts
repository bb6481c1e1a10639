import {
  CustomerErased,
  InvalidField,
  NotFound,
  type PlatformDb,
  type Transaction,
  TransactionConflict,
} from '@aether/platform';
import { addActivity } from '../activities/activities.ts';
import { type Deal, DealClosed, DealIsOpen, getDeal, lockDeal } from './deals.ts';
import { holdOpenStage } from './moving.ts';

/*
 * A closing is a row of crm.deal_closings. Inserting it closes the deal, reads the customer's tier and replaces it, in one statement: the
 * triggers of that table do it. The functions here take their locks in one order: the customer, the stage, the deal. A merge and an
 * editor of the pipeline take the first two first as well, so none of them waits for another in a circle.
 *
 * The deals of an erased customer can be closed and opened again: otherwise they would stay on the board for ever. The customer gets
 * no tier and no activity then; the closing is the record.
 */

export type Outcome = 'won' | 'lost';

export type Closed = {
  deal: Deal;
  already_closed: boolean;
  account_tier: string | null;
  /** The stage for `reopenDeal` and the tier that it would give back. Only the person who closed the deal gets it. */
  undo?: { stage_id: number; previous_tier: string | null };
};

/** Why a deal was lost: one of the list, and words. */
export type LossReasonGiven = { id?: number | undefined; note?: string | undefined };

/** Why the customer kept the tier of a closing that was undone. */
export type TierStays = { reason: 'changed' | 'retired' | 'removed' | 'erased'; detail: string };

export type Reopened = Deal & { account_tier: string | null; tier_stays: TierStays | null };

/**
 * Closes a deal, sets the customer's tier and adds the activity: all of it or nothing. A second closing with the same outcome
 * changes nothing; a second closing with another tier is refused.
 *
 * @throws NotFound, DealClosed; CustomerErased if a tier is given to an erased customer; InvalidField if the pipeline has no stage for
 *   the outcome, or the reason is unknown or retired
 */
export async function closeDeal(
  db: PlatformDb,
  id: number,
  { outcome, tier, reason, actor }: { outcome: Outcome; tier?: string; reason?: LossReasonGiven; actor?: string },
): Promise<Closed> {
  return db.transaction({ actor }, async (tx) => {
    const customer = await holdCustomer(tx, id);
    await tx.query(
      `select from crm.pipeline_stages s join crm.deals d on d.pipeline_id = s.pipeline_id
       where d.id = $1 and s.outcome = $2 for share of s`,
      [id, outcome],
    );
    const deal = await lockDeal(tx, id);
    requireSameCustomer(deal, customer);
    if (deal.status !== 'open') {
      if (deal.status !== outcome) throw new DealClosed(deal.status);
      const { given_tier, reason_id, reason_note } = await readClosing(tx, id);
      if (tier !== undefined && tier !== given_tier) throw new DealClosed(deal.status, given_tier);
      if (isOther(reason?.id, reason_id) || isOther(reason?.note, reason_note)) throw new DealClosed(deal.status);
      return { deal, already_closed: true, account_tier: customer.account_tier };
    }
    if (customer.is_erased && tier !== undefined) throw new CustomerErased();
    const why = reason?.id === undefined ? undefined : await requireReason(tx, reason.id);
    const [closing] = await tx.query<Omit<Closing, 'customer_id'>>(
      `insert into crm.deal_closings (deal_id, outcome, given_tier, reason_id, reason_note) values ($1, $2, $3, $4, $5)
       returning id, given_tier, previous_tier, reason_id, reason_note`,
      [id, outcome, tier, reason?.id, reason?.note],
    );
    const { id: closingId, previous_tier } = closing as Closing;
    if (!customer.is_erased)
      await addActivity(tx, {
        customer_id: customer.id,
        deal_id: id,
        type: `deal_${outcome}`,
        description: `Deal ${outcome}: ${deal.name}${why ? ` (${why})` : ''}`,
        metadata: {
          deal_id: id,
          amount: deal.amount,
          currency: deal.currency,
          ...(tier && { account_tier: tier }),
          ...(why && { reason: why }),
          ...(reason?.note && { reason_note: reason.note }),
        },
        idempotency_key: `closing:${closingId}`,
      });
    return {
      deal: await getDeal(tx, id),
      already_closed: false,
      account_tier: tier ?? previous_tier,
      undo: { stage_id: deal.stage_id, previous_tier },
    };
  });
}

/**
 * Opens a closed deal again, in an open stage of its pipeline. With `restoreTier` the customer gets back the tier that the closing
 * replaced. If that cannot be, the deal is opened all the same, and `tier_stays` says why the tier stays.
 *
 * @throws NotFound, VersionConflict, InvalidField; DealIsOpen
 */
export async function reopenDeal(
  db: PlatformDb,
  id: number,
  {
    stageId,
    expectedVersion,
    restoreTier = false,
    actor,
  }: { stageId: number; expectedVersion?: number; restoreTier?: boolean; actor?: string },
): Promise<Reopened> {
  return db.transaction({ actor }, async (tx) => {
    const customer = await holdCustomer(tx, id);
    await holdOpenStage(tx, id, stageId);
    const deal = await lockDeal(tx, id, expectedVersion);
    requireSameCustomer(deal, customer);
    if (deal.status === 'open') throw new DealIsOpen();
    const { id: closingId, given_tier, previous_tier, customer_id: raised } = await readClosing(tx, id);
    await tx.query(`update crm.deals set status = 'open', stage_id = $2 where id = $1`, [id, stageId]);
    const tierStays =
      restoreTier && given_tier !== null
        ? await restoreTo(db, tx, { customer, raised, given_tier, previous_tier })
        : null;
    const isRestored = restoreTier && given_tier !== null && tierStays === null;
    if (!customer.is_erased)
      await addActivity(tx, {
        customer_id: customer.id,
        deal_id: id,
        type: 'deal_reopened',
        description: `Deal reopened: ${deal.name}`,
        metadata: { deal_id: id, ...(isRestored && { account_tier: previous_tier }) },
        idempotency_key: `reopening:${closingId}`,
      });
    return {
      ...(await getDeal(tx, id)),
      account_tier: isRestored ? previous_tier : customer.account_tier,
      tier_stays: tierStays,
    };
  });
}

/**
 * Gives the customer back the tier that a closing replaced, and returns null; or says why the customer's tier stays. The database checks
 * the tier, not a look at it before: an administrator may retire it at any moment.
 */
async function restoreTo(
  db: PlatformDb,
  tx: Transaction,
  {
    customer,
    raised,
    given_tier,
    previous_tier,
  }: { customer: HeldCustomer; raised: string } & Pick<Closing, 'given_tier' | 'previous_tier'>,
): Promise<TierStays | null> {
  if (customer.is_erased)
    return { reason: 'erased', detail: 'The customer’s data was erased, so the tier stays as it is.' };
  if (customer.id !== raised)
    return {
      reason: 'changed',
      detail: 'The closing set the tier of the primary contact before this one, so all tiers stay as they are.',
    };
  if (customer.account_tier !== given_tier)
    return { reason: 'changed', detail: 'Somebody has changed the customer’s tier since, so it stays as it is.' };
  try {
    await tx.savepoint(() => db.updateCustomer(customer.id, { account_tier: previous_tier }, { tx }));
    return null;
  } catch (error) {
    if (!(error instanceof InvalidField)) throw error;
    const [tier] = await tx.query<{ label: string }>('select label from platform.tiers where key = $1', [
      previous_tier,
    ]);
    return tier
      ? {
          reason: 'retired',
          detail: `The former tier, ${tier.label}, is retired, so the customer’s tier stays as it is.`,
        }
      : {
          reason: 'removed',
          detail: `The former tier, ${previous_tier}, was removed, so the customer’s tier stays as it is.`,
        };
  }
}

type HeldCustomer = { id: string; account_tier: string | null; is_erased: boolean; deal_customer_id: string };

/**
 * Locks the deal's customer, or for a merged customer the survivor, to the end of the transaction: a colleague who changes the tier
 * waits. An erased customer is returned without a lock: nothing about it changes any more.
 *
 * @throws NotFound if there is no such deal
 */
async function holdCustomer(tx: Transaction, dealId: number): Promise<HeldCustomer> {
  const find = async (lock: string) => {
    const [customer] = await tx.query<HeldCustomer>(
      `select c.id, c.account_tier, c.erased_at is not null as is_erased, d.customer_id as deal_customer_id
       from crm.deals d join platform.customers o on o.id = d.customer_id join platform.customers c on c.id = coalesce(o.merged_into, o.id)
       where d.id = $1 ${lock}`,
      [dealId],
    );
    return customer;
  };
  const hold = () => find('for no key update of c');
  // The second attempt is for a customer who was merged while the first attempt waited for the lock.
  const held = (await hold()) ?? (await hold());
  if (held) return held;
  // The policy of platform.customers lets nobody lock an erased customer.
  const erased = await find('');
  if (!erased) throw new NotFound('deal');
  if (!erased.is_erased) throw new TransactionConflict();
  return erased;
}

/** @throws TransactionConflict if a merge moved the deal between the two locks */
function requireSameCustomer(deal: Deal, held: HeldCustomer): void {
  if (deal.customer_id !== held.deal_customer_id) throw new TransactionConflict();
}

type Closing = {
  id: string;
  given_tier: string | null;
  previous_tier: string | null;
  reason_id: number | null;
  reason_note: string | null;
  /** Whose tier it set; the customer who goes on. */
  customer_id: string;
};

const isOther = <Value>(asked: Value | undefined, held: Value): boolean => asked !== undefined && asked !== held;

/** The name of the reason, which stays as long as the transaction. @throws InvalidField also for a retired one */
async function requireReason(tx: Transaction, id: number): Promise<string> {
  const [reason] = await tx.query<{ name: string }>(
    'select name from crm.loss_reasons where id = $1 and not is_retired for share',
    [id],
  );
  if (reason) return reason.name;
  throw new InvalidField([{ field: 'reason_id', message: 'must be one of GET /api/loss-reasons that is not retired' }]);
}

/** The closing that is in force: every closed deal has one. */
async function readClosing(tx: Transaction, dealId: number): Promise<Closing> {
  const [closing] = await tx.query<Closing>(
    `select k.id, k.given_tier, k.previous_tier, k.reason_id, k.reason_note, coalesce(c.merged_into, k.customer_id) as customer_id
     from crm.deal_closings k left join platform.customers c on c.id = k.customer_id
     where k.deal_id = $1 and k.reopened_at is null`,
    [dealId],
  );
  return closing as Closing;
}
