import { type Customer, type CustomerValues, customerColumns, toCustomer } from './customers.ts';
import type { App } from './environment.ts';
import { isUuid, requireEmail } from './fields.ts';
import type { Connection } from './log/connection.ts';
import type { Queryable, Statement } from './log/query.ts';
import type { InTransaction } from './log/transaction.ts';
import { coalesceReads, type Lookup, prepareLookup, runLookup } from './lookups.ts';
import type { Reads } from './reads.ts';

/** The part of the CRM's knowledge about a customer that every app may see. */
export type CrmContext = {
  account_manager_name: string | null;
  open_deals: number;
  /** The sum of the open deals per currency: { EUR: 1200 }. */
  open_deals_value: Record<string, number>;
  /** Open deals of other customers in which this one has a part. They are not in the sum. */
  deals_of_others: number;
  last_activity: { type: string; occurred_at: Date; app: App } | null;
};

export type CustomerContext = {
  customer: Customer;
  company: { id: string; name: string; domain: string | null } | null;
  crm: CrmContext;
};

/** What `contextColumns` has beyond the customer, and the key that was asked for. */
type CrmValues = [
  companyName: string | null,
  companyDomain: string | null,
  accountManagerName: string | null,
  openDeals: number,
  openDealsValue: Record<string, unknown>,
  lastType: string | null,
  lastAt: Date,
  lastApp: App,
  dealsOfOthers: number,
  asked: string,
];
type ContextRow = [...CustomerValues, ...CrmValues];

const contextColumns = `${customerColumns}, o.name as company_name, o.domain as company_domain,
  c.account_manager_name, c.open_deals, c.open_deals_value, c.last_activity_type, c.last_activity_at, c.last_activity_app,
  c.deals_of_others`;
const crmAt = customerColumns.split(',').length;
/** The customer with the id `customerId`, taken from the view, so that its row is read only once. */
const joinContext = (customerId: string) => `join crm.customer_context c on c.id = ${customerId}
   left join platform.companies o on o.id = c.company_id`;

const contextByEmail = prepareLookup(
  'customer-context-by-email',
  'text',
  `select ${contextColumns}, e.email_key as asked
   from platform.customer_emails e ${joinContext('e.customer_id')}
   where e.email_key`,
  {
    rowMode: 'array',
    ofMany: (isAsked) =>
      `select ${contextColumns}, c.asked from crm.context_by_address c left join platform.companies o on o.id = c.company_id
       where c.asked ${isAsked}`,
  },
);
const contextById = prepareLookup(
  'customer-context-by-id',
  'uuid',
  `select ${contextColumns}, asked.id as asked
   from platform.customers asked ${joinContext('coalesce(asked.merged_into, asked.id)')}
   where asked.id`,
  { rowMode: 'array' },
);
const contextByNumber: Statement = {
  name: 'customer-context-by-number',
  rowMode: 'array',
  text: `select ${contextColumns}, n.external_id as asked
    from platform.customer_external_ids n
    join platform.customers asked on asked.id = n.customer_id ${joinContext('coalesce(asked.merged_into, asked.id)')}
    where n.app = $1 and n.external_id = $2`,
};

/** A context takes the server three times as long as this process: with two queries, this process would wait nearly half of the time. */
const underWayMin = 3;

export type ContextCalls = ReturnType<typeof contextCalls>;

/** The calls of platformDb that return a customer with its CRM context: company, open deals, manager, last activity. Each is one query. */
export function contextCalls(connection: Connection, reads: Reads) {
  const lookUp = (lookup: Lookup) =>
    coalesceReads<string, CustomerContext>(
      async (on, keys, tell) => {
        for (const row of await runLookup<ContextRow>(on, lookup, keys)) tell(row.at(-1) as string, toContext(row));
      },
      reads,
      connection.lookupCounts,
      underWayMin,
    );
  const fetchOne = async (tx: Queryable, lookup: Lookup, key: string): Promise<CustomerContext | null> => {
    const [row] = await runLookup<ContextRow>(tx, lookup, [key]);
    return row ? toContext(row) : null;
  };
  const [coalescedByEmail, coalescedById] = [lookUp(contextByEmail), lookUp(contextById)];

  async function getCustomerContext(email: string, { tx }: InTransaction = {}): Promise<CustomerContext | null> {
    const { key } = requireEmail(email);
    return await (tx ? fetchOne(tx, contextByEmail, key) : coalescedByEmail(key));
  }

  async function getCustomerContextById(id: string, { tx }: InTransaction = {}): Promise<CustomerContext | null> {
    if (!isUuid(id)) return null;
    const asked = id.toLowerCase();
    return await (tx ? fetchOne(tx, contextById, asked) : coalescedById(asked));
  }

  async function getCustomerContextByNumber(
    app: App,
    number: number | string,
    { tx }: InTransaction = {},
  ): Promise<CustomerContext | null> {
    const [row] = await (tx?.run ?? reads.find)<ContextRow>(contextByNumber, [app, String(number)]);
    return row ? toContext(row) : null;
  }

  return {
    /** The context of the customer with this address, in any spelling; null if nobody has it. @throws InvalidEmail */
    getCustomerContext,
    /** The context of the customer of this id; null if there is none. The id of a merged customer finds the survivor. */
    getCustomerContextById,
    /** The context of the customer with the number that an app gave, like getCustomerByNumber; null if there is none. */
    getCustomerContextByNumber,
  };
}

function toContext(row: ContextRow): CustomerContext {
  const customer = toCustomer(row);
  const [companyName, domain, managerName, openDeals, openDealsValue, lastType, lastAt, lastApp, dealsOfOthers] =
    row.slice(crmAt) as CrmValues;
  return {
    customer,
    company: customer.company_id && companyName ? { id: customer.company_id, name: companyName, domain } : null,
    crm: {
      account_manager_name: managerName,
      open_deals: openDeals,
      open_deals_value: toNumbers(openDealsValue),
      deals_of_others: dealsOfOthers,
      last_activity: lastType ? { type: lastType, occurred_at: lastAt, app: lastApp } : null,
    },
  };
}

/** Sums as numbers: one with more digits than a number holds arrives as JSON.rawJSON, and is rounded here. */
function toNumbers(sums: Record<string, unknown>): Record<string, number> {
  for (const currency in sums)
    if (typeof sums[currency] !== 'number') sums[currency] = Number(JSON.stringify(sums[currency]));
  return sums as Record<string, number>;
}
