import {
  InvalidField,
  NotFound,
  type PlatformDb,
  PlatformError,
  patchRow,
  type Queryable,
  type Transaction,
  VersionConflict,
} from '@aether/platform';
import { addActivity } from '../activities/activities.ts';
import { type CustomChange, type CustomValues, customValues, writeCustomValues } from '../customfields/customfields.ts';
import type { Placed } from '../keyset.ts';
import { type DealList, type DealStatus, findDeals } from './dealsearch.ts';

export type Deal = {
  id: number;
  customer_id: string;
  company_id: string | null;
  pipeline_id: number;
  stage_id: number;
  stage_name: string;
  name: string;
  amount: number;
  /** ISO 4217. */
  currency: string;
  status: DealStatus;
  owner_id: string | null;
  /** YYYY-MM-DD */
  expected_close_on: string | null;
  closed_at: Date | null;
  version: number;
  created_at: Date;
  updated_at: Date;
};

type Named = { id: string; name: string };
export type ListedDeal = Deal & { customer: Named; company: Named | null; owner: Named | null };
export type DealRecord = ListedDeal & { custom: CustomValues };

export type NewDeal = {
  customer_id: string;
  name: string;
  amount: number;
  currency: string;
  pipeline_id?: number;
  stage_id?: number;
  owner_id?: string;
  expected_close_on?: string;
  custom?: CustomChange;
  /** A second deal with the same one is the first. */
  idempotency_key?: string;
};

/** What may be changed of a deal by itself; its stage moves by `moveDeal`, its end is `closeDeal`. */
export type DealChange = {
  name?: string;
  amount?: number;
  currency?: string;
  owner_id?: string | null;
  expected_close_on?: string | null;
  custom?: CustomChange;
};

/** Look at the deal: somebody closed it before, the other way or with another tier. */
export class DealClosed extends PlatformError {
  constructor(status: Deal['status'], tier?: string | null) {
    const how = tier === undefined ? '' : tier === null ? ' without a tier' : ` with the tier ${tier}`;
    super('deal-closed', 409, `This deal was closed as ${status}${how} before. Nothing was changed.`);
  }
}

/** Nothing to do: the deal is open. */
export class DealIsOpen extends PlatformError {
  constructor() {
    super('deal-open', 409, 'This deal is open already. Move it instead.');
  }
}

/** Create a pipeline, or name one: a new deal has nowhere to stand. */
export class NoOpenStage extends PlatformError {
  constructor() {
    super('no-open-stage', 409, 'There is no default pipeline with an open stage. Create one, or name a pipeline_id.');
  }
}

// numeric(14, 2) fits a double to the cent.
const dealColumns = `d.id, d.customer_id, d.company_id, d.pipeline_id, d.stage_id, s.name as stage_name, d.name, d.amount::float8 as amount,
  d.currency, d.status, d.owner_id, d.expected_close_on, d.closed_at, d.version, d.created_at, d.updated_at`;
const dealTables = 'crm.deals d join crm.pipeline_stages s on s.id = d.stage_id';
/** Of a deal in a list, with the names of those it belongs to. */
export const listedDealColumns = `${dealColumns}, jsonb_build_object('id', c.id, 'name', c.name) as customer,
  case when o.id is not null then jsonb_build_object('id', o.id, 'name', o.name) end as company,
  case when u.id is not null then jsonb_build_object('id', u.id, 'name', u.name) end as owner`;
/** What stands behind deals `d` in `from`, for those columns. */
export const listedDealTables = `join crm.pipeline_stages s on s.id = d.stage_id join platform.customers c on c.id = d.customer_id
  left join platform.companies o on o.id = d.company_id left join platform.users u on u.id = d.owner_id`;

export async function listDeals(on: Queryable, list: DealList): Promise<Placed<ListedDeal>[]> {
  const found = await findDeals(on, list);
  if (found.length === 0) return [];
  const deals = await on.query<ListedDeal>(
    `select ${listedDealColumns} from crm.deals d ${listedDealTables} where d.id = any ($1)`,
    [found.map(({ id }) => id)],
  );
  const byId = new Map(deals.map((deal) => [deal.id, deal]));
  return found.flatMap(({ id, place }) => {
    const deal = byId.get(id);
    return deal ? [{ ...deal, place }] : [];
  });
}

/** @throws NotFound */
export async function getDeal(on: Queryable, id: number): Promise<Deal> {
  const [deal] = await on.query<Deal>(`select ${dealColumns} from ${dealTables} where d.id = $1`, [id]);
  if (!deal) throw new NotFound('deal');
  return deal;
}

/** With names and custom fields. @throws NotFound */
export async function getDealRecord(on: Queryable, id: number): Promise<DealRecord> {
  const [deal] = await on.query<DealRecord>(
    `select ${listedDealColumns}, ${customValues('deal', 'd.id')} as custom from crm.deals d ${listedDealTables} where d.id = $1`,
    [id],
  );
  if (!deal) throw new NotFound('deal');
  return deal;
}

/** Holds the deal to the end of the transaction. @throws NotFound, VersionConflict */
async function lockDeal(tx: Transaction, id: number, expectedVersion?: number): Promise<Deal> {
  await tx.query('select from crm.deals where id = $1 for update', [id]);
  const deal = await getDeal(tx, id);
  if (expectedVersion !== undefined && deal.version !== expectedVersion)
    throw new VersionConflict('deal', expectedVersion, deal.version);
  return deal;
}

/** @throws NotFound, VersionConflict, InvalidField, ReferenceNotFound */
export async function updateDeal(
  tx: Transaction,
  id: number,
  { custom, ...change }: DealChange,
  expectedVersion?: number,
): Promise<DealRecord> {
  await lockDeal(tx, id, expectedVersion);
  await patchRow(tx, 'crm.deals', id, change, ['name', 'amount', 'currency', 'owner_id', 'expected_close_on']);
  await writeCustomValues(tx, 'deal', id, custom);
  return getDealRecord(tx, id);
}

/** Moves an open deal to an open stage of its pipeline. @throws NotFound, DealClosed, VersionConflict, InvalidField */
export async function moveDeal(tx: Transaction, id: number, stageId: number, expectedVersion?: number): Promise<Deal> {
  const deal = await lockDeal(tx, id, expectedVersion);
  if (deal.status !== 'open') throw new DealClosed(deal.status);
  await requireOpenStage(tx, deal, stageId);
  if (deal.stage_id !== stageId) await tx.query('update crm.deals set stage_id = $2 where id = $1', [id, stageId]);
  return getDeal(tx, id);
}

/**
 * Opens a closed deal again. With `restoreTier` the customer gets that tier back, unless it has another by now than the one
 * that closing gave.
 *
 * @throws NotFound, VersionConflict, InvalidField; DealIsOpen
 */
export async function reopenDeal(
  db: PlatformDb,
  id: number,
  {
    stageId,
    expectedVersion,
    restoreTier,
    actor,
  }: { stageId: number; expectedVersion?: number; restoreTier?: string | null; actor?: string },
): Promise<Deal> {
  return db.transaction({ actor }, async (tx) => {
    const deal = await lockDeal(tx, id, expectedVersion);
    if (deal.status === 'open') throw new DealIsOpen();
    await requireOpenStage(tx, deal, stageId);
    const given = await readGivenTier(tx, id);
    await tx.query(`update crm.deals set status = 'open', closed_at = null, stage_id = $2 where id = $1`, [
      id,
      stageId,
    ]);
    const customer = await db.getCustomerById(deal.customer_id, { tx });
    const givesBack = restoreTier !== undefined && given !== null && customer?.account_tier === given;
    if (customer && givesBack) await db.updateCustomer(customer.id, { account_tier: restoreTier }, { tx });
    const reopened = await getDeal(tx, id);
    await addActivity(tx, {
      customer_id: customer?.id ?? deal.customer_id,
      deal_id: id,
      type: 'deal_reopened',
      description: `Deal reopened: ${deal.name}`,
      metadata: { deal_id: id, ...(givesBack && { account_tier: restoreTier }) },
      idempotency_key: nameTurn(reopened, 'reopened'),
    });
    return reopened;
  });
}

/** What names the activity of a deal's end or new beginning: it may be closed and opened many times, but only once at a version. */
const nameTurn = ({ id, version }: Deal, turn: 'won' | 'lost' | 'reopened') => `deal:${id}:${turn}:${version}`;

/** The tier that the customer was given when a closed deal was closed, in the same transaction; null when none was. */
async function readGivenTier(tx: Transaction, id: number): Promise<string | null> {
  const [closing] = await tx.query<{ tier: string | null }>(
    `select a.metadata ->> 'account_tier' as tier from crm.deals d
     join crm.activities a on a.deal_id = d.id and a.type = 'deal_' || d.status and a.occurred_at = d.closed_at where d.id = $1`,
    [id],
  );
  return closing?.tier ?? null;
}

async function requireOpenStage(tx: Transaction, deal: Deal, stageId: number): Promise<void> {
  const found = await tx.query(
    `select from crm.pipeline_stages where id = $1 and pipeline_id = $2 and outcome = 'open' for share`,
    [stageId, deal.pipeline_id],
  );
  if (found.length === 0)
    throw new InvalidField([{ field: 'stage_id', message: 'must be an open stage of the deal’s pipeline' }]);
}

/**
 * A deal in the given stage, else in the first open one of the given pipeline, else of the default pipeline.
 *
 * @throws NoOpenStage; InvalidField when the stage is not an open one of that pipeline; ReferenceNotFound
 */
export async function createDeal(tx: Transaction, deal: NewDeal): Promise<Deal> {
  const [stage] = await tx.query<{ pipeline_id: number; id: number }>(
    `select s.pipeline_id, s.id from crm.pipeline_stages s join crm.pipelines p on p.id = s.pipeline_id
     where s.outcome = 'open' and (s.id = $1 or ($1::bigint is null and (p.id = $2 or ($2::bigint is null and p.is_default))))
       and ($2::bigint is null or p.id = $2)
     order by s.position limit 1`,
    [deal.stage_id ?? null, deal.pipeline_id ?? null],
  );
  if (!stage) {
    if (deal.stage_id !== undefined)
      throw new InvalidField([{ field: 'stage_id', message: 'must be an open stage of the pipeline' }]);
    if (deal.pipeline_id !== undefined)
      throw new InvalidField([{ field: 'pipeline_id', message: 'must be a pipeline with an open stage' }]);
    throw new NoOpenStage();
  }
  const [made] = await tx.query<{ id: number }>(
    `insert into crm.deals (customer_id, company_id, pipeline_id, stage_id, name, amount, currency, owner_id, expected_close_on, idempotency_key)
     select $1, c.company_id, $2, $3, $4, $5, $6, $7, $8, $9 from platform.customers c where c.id = $1
     on conflict (idempotency_key) do nothing returning id`,
    [
      deal.customer_id,
      stage.pipeline_id,
      stage.id,
      deal.name,
      deal.amount,
      deal.currency,
      deal.owner_id,
      deal.expected_close_on,
      deal.idempotency_key,
    ],
  );
  if (made) {
    await writeCustomValues(tx, 'deal', made.id, deal.custom, { isNew: true });
    return getDeal(tx, made.id);
  }
  const [first] = await tx.query<{ id: number }>('select id from crm.deals where idempotency_key = $1', [
    deal.idempotency_key,
  ]);
  return getDeal(tx, (first as { id: number }).id);
}

export type Closed = {
  deal: Deal;
  already_closed: boolean;
  account_tier: string | null;
  /** What leads back, by `reopenDeal`; only for the one who closed it. */
  undo?: { stage_id: number; previous_tier: string | null };
};

/**
 * Closes a deal, sets the customer's tier and writes the activity: all of it or nothing. Closing it again the same way
 * changes nothing; with another tier than it was closed with it is refused.
 *
 * @throws NotFound, DealClosed, CustomerErased
 */
export async function closeDeal(
  db: PlatformDb,
  id: number,
  { outcome, tier, actor }: { outcome: 'won' | 'lost'; tier?: string; actor?: string },
): Promise<Closed> {
  return db.transaction({ actor }, async (tx) => {
    // Two who close at once: the second waits here, and then sees what the first did.
    const deal = await lockDeal(tx, id);
    const before = await db.getCustomerById(deal.customer_id, { tx });
    if (deal.status !== 'open') {
      if (deal.status !== outcome) throw new DealClosed(deal.status);
      const given = tier === undefined ? undefined : await readGivenTier(tx, id);
      if (given !== tier) throw new DealClosed(deal.status, given);
      return { deal, already_closed: true, account_tier: before?.account_tier ?? null };
    }

    // A trigger moves it to the pipeline's stage for that.
    await tx.query('update crm.deals set status = $2, closed_at = now() where id = $1', [id, outcome]);
    const customer = await db.updateCustomer(deal.customer_id, { account_tier: tier }, { tx });
    const closed = await getDeal(tx, id);
    await addActivity(tx, {
      customer_id: customer.id,
      deal_id: id,
      type: `deal_${outcome}`,
      description: `Deal ${outcome}: ${deal.name}`,
      metadata: { deal_id: id, amount: deal.amount, currency: deal.currency, ...(tier && { account_tier: tier }) },
      idempotency_key: nameTurn(closed, outcome),
    });
    const undo = { stage_id: deal.stage_id, previous_tier: before?.account_tier ?? null };
    return { deal: closed, already_closed: false, account_tier: customer.account_tier, undo };
  });
}
