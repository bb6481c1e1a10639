import {
  type Attempt,
  InvalidField,
  NotFound,
  type Placed,
  PlatformError,
  patchRow,
  type Queryable,
  ReferenceNotFound,
  requireSameRequest,
  type Transaction,
  VersionConflict,
} from '@aether/platform';
import { type CustomChange, type CustomValues, customValues, writeCustomValues } from '../customfields/customfields.ts';
import { requireMoney } from './currencies.ts';
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
/** Somebody who has a part in a deal beside its customer. */
export type OtherContact = Named & { role: string | null };
export type ListedDeal = Deal & {
  customer: Named;
  company: Named | null;
  owner: Named | null;
  /** Not on the board. */
  contacts?: OtherContact[];
};

/** The closing that is in force. */
export type Closing = {
  outcome: 'won' | 'lost';
  /** The tier that the customer got; null if the closing left it as it was. */
  given_tier: string | null;
  /** The tier that the customer had before. */
  previous_tier: string | null;
  /** Why it was lost; null if nobody has said so. */
  reason: { id: number; name: string } | null;
  reason_note: string | null;
  app: string;
  actor: Named | null;
  at: Date;
};
export type DealRecord = ListedDeal & { custom: CustomValues; closing: Closing | null };

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
};

/** The fields of a deal that a caller may change directly. `moveDeal` changes its stage, `closeDeal` and `reopenDeal` its status. */
export type DealChange = {
  name?: string;
  amount?: number;
  currency?: string;
  owner_id?: string | null;
  expected_close_on?: string | null;
  custom?: CustomChange;
};

/** Somebody closed the deal before, with another outcome or another tier: look at the deal. A scope to write is not told how. */
export class DealClosed extends PlatformError {
  constructor(status: Deal['status'], tier?: string | null) {
    const how = tier === undefined ? '' : tier === null ? ' without a tier' : ` with the tier ${tier}`;
    super('deal-closed', 409, 'This deal was closed before. Nothing was changed.', {
      inFull: { scope: 'deals.read', message: `This deal was closed as ${status}${how} before. Nothing was changed.` },
    });
  }
}

/** The deal is open already: there is nothing to do. */
export class DealIsOpen extends PlatformError {
  constructor() {
    super('deal-open', 409, 'This deal is open already. Move it instead.');
  }
}

/** There is no stage for a new deal: create a pipeline, or name one. */
export class NoOpenStage extends PlatformError {
  constructor() {
    super('no-open-stage', 409, 'There is no default pipeline with an open stage. Create one, or name a pipeline_id.');
  }
}

// An amount has at most 15 digits: a double keeps it exactly.
const dealColumns = `d.id, d.customer_id, d.company_id, d.pipeline_id, d.stage_id, s.name as stage_name, d.name, d.amount::float8 as amount,
  d.currency, d.status, d.owner_id, d.expected_close_on, d.closed_at, d.version, d.created_at, d.updated_at`;
const dealTables = 'crm.deals d join crm.pipeline_stages s on s.id = d.stage_id';
/** The columns of a deal in a list, with the names of its customer, company and owner. */
export const listedDealColumns = `${dealColumns}, jsonb_build_object('id', c.id, 'name', c.name) as customer,
  case when o.id is not null then jsonb_build_object('id', o.id, 'name', o.name) end as company,
  case when u.id is not null then jsonb_build_object('id', u.id, 'name', u.name) end as owner`;
/** The joins to deals `d` that these columns need. */
export const listedDealTables = `join crm.pipeline_stages s on s.id = d.stage_id join platform.customers c on c.id = d.customer_id
  left join platform.companies o on o.id = d.company_id left join platform.users u on u.id = d.owner_id`;

/** Who has a part in a deal `d` beside its customer, in the order in which they came. */
const otherContacts = `(select coalesce(jsonb_agg(jsonb_build_object('id', p.id, 'name', p.name, 'role', k.role) order by k.id), '[]')
   from crm.deal_contacts k join platform.customers p on p.id = k.customer_id
   where k.deal_id = d.id and k.customer_id <> d.customer_id) as contacts`;

export async function listDeals(on: Queryable, list: DealList): Promise<Placed<ListedDeal>[]> {
  const found = await findDeals(on, list);
  if (found.length === 0) return [];
  const deals = await on.query<ListedDeal>(
    `select ${listedDealColumns}, ${otherContacts} from crm.deals d ${listedDealTables} where d.id = any ($1)`,
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

const closing = `(select jsonb_build_object('outcome', k.outcome, 'given_tier', k.given_tier, 'previous_tier', k.previous_tier,
     'reason', (select jsonb_build_object('id', x.id, 'name', x.name) from crm.loss_reasons x where x.id = k.reason_id),
     'reason_note', k.reason_note,
     'app', k.closed_by_app, 'at', k.closed_at, 'actor', case when u.id is not null then jsonb_build_object('id', u.id, 'name', u.name) end)
   from crm.deal_closings k left join platform.users u on u.id = k.closed_by where k.deal_id = d.id and k.reopened_at is null) as closing`;

/** The deal with names, custom fields and its closing. @throws NotFound */
export async function getDealRecord(on: Queryable, id: number): Promise<DealRecord> {
  const [deal] = await on.query<DealRecord>(
    `select ${listedDealColumns}, ${otherContacts}, ${customValues('deal', 'd.id')} as custom, ${closing}
     from crm.deals d ${listedDealTables} where d.id = $1`,
    [id],
  );
  if (!deal) throw new NotFound('deal');
  return deal;
}

/** Locks the deal to the end of the transaction. @throws NotFound, VersionConflict */
export async function lockDeal(tx: Transaction, id: number, expectedVersion?: number): Promise<Deal> {
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
  const deal = await lockDeal(tx, id, expectedVersion);
  if (change.amount !== undefined || change.currency !== undefined)
    await requireMoney(tx, {
      amount: change.amount ?? deal.amount,
      currency: change.currency ?? deal.currency,
      former: deal.currency,
    });
  await patchRow(tx, 'crm.deals', id, change, ['name', 'amount', 'currency', 'owner_id', 'expected_close_on']);
  await writeCustomValues(tx, 'deal', id, custom);
  return getDealRecord(tx, id);
}

/**
 * Makes a deal in the given stage, otherwise in the first open stage of the given pipeline, otherwise in that of the default pipeline.
 * A repeated attempt makes no second deal and returns the first.
 *
 * @throws NoOpenStage, ClientIdReused; InvalidField if the stage is no open stage of that pipeline, or the amount or currency is
 *   invalid; ReferenceNotFound
 */
export async function createDeal(tx: Transaction, deal: NewDeal, attempt?: Attempt): Promise<Deal> {
  const known = attempt && (await findFirst(tx, attempt));
  if (known) return known;
  await requireMoney(tx, deal);
  const stage = await holdFirstStage(tx, deal);
  const [made] = await tx.query<{ id: number }>(
    `insert into crm.deals (customer_id, company_id, pipeline_id, stage_id, name, amount, currency, owner_id, expected_close_on,
       idempotency_key, request_digest)
     select c.id, c.company_id, $2, $3, $4, $5, $6, $7, $8, $9, $10
     from platform.customers asked join platform.customers c on c.id = coalesce(asked.merged_into, asked.id) where asked.id = $1
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
      attempt?.key,
      attempt?.digest,
    ],
  );
  if (made) {
    await writeCustomValues(tx, 'deal', made.id, deal.custom, { isNew: true });
    return getDeal(tx, made.id);
  }
  const first = attempt && (await findFirst(tx, attempt));
  if (!first) throw new ReferenceNotFound('customer_id');
  return first;
}

/** The deal that an earlier attempt of the same request made. @throws ClientIdReused */
async function findFirst(tx: Transaction, attempt: Attempt): Promise<Deal | undefined> {
  const [first] = await tx.query<{ id: number; request_digest: Buffer }>(
    'select id, request_digest from crm.deals where idempotency_key = $1',
    [attempt.key],
  );
  if (!first) return undefined;
  requireSameRequest(first.request_digest, attempt);
  return getDeal(tx, first.id);
}

type PlacedStage = { id: number; pipeline_id: number };

/** Chooses the stage of a new deal and locks it to the end of the transaction. @throws NoOpenStage, InvalidField */
async function holdFirstStage(tx: Transaction, { stage_id, pipeline_id }: NewDeal): Promise<PlacedStage> {
  const find = async () => {
    const [stage] = await tx.query<PlacedStage>(
      `select s.id, s.pipeline_id from crm.pipeline_stages s join crm.pipelines p on p.id = s.pipeline_id
       where s.outcome = 'open' and (s.id = $1 or ($1::bigint is null and (p.id = $2 or ($2::bigint is null and p.is_default))))
         and ($2::bigint is null or p.id = $2)
       order by s.position limit 1 for share of s`,
      [stage_id ?? null, pipeline_id ?? null],
    );
    return stage;
  };
  // The first attempt skips a stage that was removed while it waited for the lock. The second attempt sees the stages that replaced it.
  const stage = (await find()) ?? (await find());
  if (stage) return stage;
  if (stage_id !== undefined)
    throw new InvalidField([{ field: 'stage_id', message: 'must be an open stage of the pipeline' }]);
  if (pipeline_id !== undefined)
    throw new InvalidField([{ field: 'pipeline_id', message: 'must be a pipeline with an open stage' }]);
  throw new NoOpenStage();
}
