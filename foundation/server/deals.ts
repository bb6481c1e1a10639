import {
  InvalidField,
  NotFound,
  type PlatformDb,
  PlatformError,
  type Queryable,
  type Transaction,
} from '@aether/platform';
import { addActivity } from './activities.ts';

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
  status: 'open' | 'won' | 'lost';
  owner_id: string | null;
  /** YYYY-MM-DD */
  expected_close_on: string | null;
  closed_at: Date | null;
  version: number;
  created_at: Date;
  updated_at: Date;
};

export type NewDeal = {
  customer_id: string;
  name: string;
  amount: number;
  currency: string;
  pipeline_id?: number;
  stage_id?: number;
  owner_id?: string;
  expected_close_on?: string;
  /** A second deal with the same one is the first. */
  idempotency_key?: string;
};

/** Look at the deal: somebody closed it the other way before. */
export class DealClosed extends PlatformError {
  constructor(status: Deal['status']) {
    super('deal-closed', 409, `This deal was closed as ${status} before. Nothing was changed.`);
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

/** Newest first, from behind the deal `after`. */
export async function listDeals(
  on: Queryable,
  { customerId, status, after, limit }: { customerId?: string; status?: Deal['status']; after?: number; limit: number },
): Promise<Deal[]> {
  return on.query<Deal>(
    `select ${dealColumns} from ${dealTables}
     where ($1::uuid is null or d.customer_id = $1) and ($2::text is null or d.status = $2) and ($3::bigint is null or d.id < $3)
     order by d.id desc limit $4`,
    [customerId ?? null, status ?? null, after ?? null, limit],
  );
}

/** @throws NotFound */
export async function getDeal(on: Queryable, id: number): Promise<Deal> {
  const [deal] = await on.query<Deal>(`select ${dealColumns} from ${dealTables} where d.id = $1`, [id]);
  if (!deal) throw new NotFound('deal');
  return deal;
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
  if (made) return getDeal(tx, made.id);
  const [first] = await tx.query<{ id: number }>('select id from crm.deals where idempotency_key = $1', [
    deal.idempotency_key,
  ]);
  return getDeal(tx, (first as { id: number }).id);
}

/**
 * Closes a deal, raises the customer's tier and writes the activity: all of it or nothing. Closing it again the same way
 * changes nothing.
 *
 * @throws NotFound, DealClosed, CustomerErased
 */
export async function closeDeal(
  db: PlatformDb,
  id: number,
  { outcome, tier, actor }: { outcome: 'won' | 'lost'; tier?: string; actor?: string },
): Promise<{ deal: Deal; already_closed: boolean; account_tier: string | null }> {
  return db.transaction({ actor }, async (tx) => {
    // Two who close at once: the second waits here, and then sees what the first did.
    await tx.query('select from crm.deals where id = $1 for update', [id]);
    const deal = await getDeal(tx, id);
    if (deal.status === outcome) {
      const customer = await db.getCustomerById(deal.customer_id, { tx });
      return { deal, already_closed: true, account_tier: customer?.account_tier ?? null };
    }
    if (deal.status !== 'open') throw new DealClosed(deal.status);

    await tx.query(
      `update crm.deals d set status = $2, closed_at = now(),
         stage_id = coalesce((select id from crm.pipeline_stages where pipeline_id = d.pipeline_id and outcome = $2), d.stage_id)
       where d.id = $1`,
      [id, outcome],
    );
    const customer = await db.updateCustomer(deal.customer_id, { account_tier: tier }, { tx });
    await addActivity(tx, {
      customer_id: customer.id,
      deal_id: id,
      type: `deal_${outcome}`,
      description: `Deal ${outcome}: ${deal.name}`,
      metadata: { deal_id: id, amount: deal.amount, currency: deal.currency, ...(tier && { account_tier: tier }) },
      idempotency_key: `deal:${id}:${outcome}`,
    });
    return { deal: await getDeal(tx, id), already_closed: false, account_tier: customer.account_tier };
  });
}
