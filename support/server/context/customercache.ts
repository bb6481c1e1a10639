import type { AppEvent, PlatformDb, Subscription, Transaction } from '@aether/platform';

type CustomerEvent = AppEvent<'customer.created' | 'customer.updated' | 'customer.deleted'>;

const columns = [
  ...[
    'id',
    'version',
    'email',
    'name',
    'phone',
    'company_id',
    'account_tier',
    'account_manager_id',
    'crm_id',
    'support_id',
  ],
  ...['preferred_language', 'timezone', 'created_by_app', 'created_at', 'merged_into', 'erased_at'],
];
const patched = [...columns.filter((column) => column !== 'id'), 'changed_by', 'changed_at'];

/** Keeps support.customer_cache as the events of customers say: loaded once, then followed, in order, whoever changes what. */
export function keepCustomerCache(db: PlatformDb, onError: (error: unknown) => void): Subscription {
  return db.events.subscribeBatch(
    {
      name: 'support.customer-cache',
      types: ['customer.created', 'customer.updated', 'customer.deleted'],
      from: { load },
      batchMax: 500,
      onError,
    },
    async (events, { tx }) => {
      for (const event of events) await apply(tx, event);
    },
  );
}

async function load(tx: Transaction): Promise<void> {
  await tx.query('set local statement_timeout = 0'); // millions of customers take longer than an app's query may
  await tx.query(
    `insert into support.customer_cache (${columns.join(', ')}, changed_at)
     select ${columns.join(', ')}, updated_at from platform.customers on conflict (id) do nothing`,
  );
}

/** What an event says is laid over what is known; a version that is known already, as after a replay, changes nothing. */
async function apply(tx: Transaction, event: CustomerEvent): Promise<void> {
  if (event.type === 'customer.deleted') {
    await tx.query('delete from support.customer_cache where id = $1', [event.key]);
    return;
  }
  const change = {
    ...event.data,
    id: event.key,
    version: event.version,
    changed_by: event.app,
    changed_at: event.occurredAt,
  };
  if (event.type === 'customer.created')
    await tx.query(
      `insert into support.customer_cache select r.* from jsonb_populate_record(null::support.customer_cache, $1) r on conflict (id) do nothing`,
      [change],
    );
  else {
    const laid = await tx.query(
      `update support.customer_cache c set (${patched.join(', ')}) = (select ${patched.map((column) => `r.${column}`).join(', ')} from jsonb_populate_record(c, $2) r)
       where c.id = $1 and c.version = $3 - 1 returning c.id`,
      [event.key, change, event.version],
    );
    if (laid.length === 0) await readAnew(tx, event);
  }
}

/** An event was missed, because somebody skipped it: what it changed stands in the table only. A version that is known changes nothing. */
async function readAnew(tx: Transaction, event: CustomerEvent): Promise<void> {
  const shared = columns.filter((column) => column !== 'id');
  await tx.query(
    `update support.customer_cache c set (${shared.join(', ')}, changed_at) = (select ${shared.map((column) => `t.${column}`).join(', ')}, t.updated_at
       from platform.customers t where t.id = c.id)
     where c.id = $1 and c.version < $2 and exists (select from platform.customers t where t.id = c.id)`,
    [event.key, event.version],
  );
}
