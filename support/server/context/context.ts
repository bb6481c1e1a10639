import type { Log, Scope } from '@aether/http';
import type { Company, Customer, CustomerContext, PlatformDb } from '@aether/platform';
import { serviceToken } from '@aether/signin';
import { type CrmContext, connectFoundation, type Missing, missingReasons, type Recent } from './foundation.ts';

/** The context of a visitor for the agent: the customer, the company, and the CRM's data. */
export type Context = {
  customer: Customer;
  company: Pick<Company, 'id' | 'name' | 'domain'> | null;
  /** null when it is missing. */
  crm: CrmContext | null;
  partial: boolean;
  missing: 'crm'[];
  /** A sentence for the agent when the context is partial. */
  reason: string | null;
};

export type ContextReader = {
  /** @throws InvalidEmail @returns null when no customer has this address. */
  byEmail(email: string): Promise<Context | null>;
  /** The id of a merged customer finds the surviving one. @returns null when the customer does not exist. */
  byId(id: string): Promise<Context | null>;
  /** The latest activities, the newest first; `reason` is a sentence that says why they are missing. */
  recent(customerId: string): Promise<{ recent: Recent[]; reason: string | null }>;
  /** Whether the CRM's tables of this database are Foundation's. */
  isShared: boolean;
};

const recentMax = 5;
/** Everything that Support asks Foundation over HTTP. */
const contextScope: Scope = 'context.read';

/**
 * How this deployment reads a context: in one query of the shared database, or, with FOUNDATION_API_URL, with the CRM's part
 * over HTTP, where it may be missing; the context then says so.
 */
export function contextReader(db: PlatformDb, variables: Record<string, string | undefined>, log: Log): ContextReader {
  const { FOUNDATION_API_URL: url, FOUNDATION_API_SCOPE: scope } = variables;
  if (!url)
    return {
      byEmail: async (email) => fromShared(await db.getCustomerContext(email)),
      byId: async (id) => fromShared(await db.getCustomerContextById(id)),
      recent: async (id) => ({ recent: await readRecent(db, id), reason: null }),
      isShared: true,
    };
  const foundation = connectFoundation({ url, token: serviceToken(variables, scope || contextScope) });
  const warn = (answer: object | Missing) => {
    if ('missing' in answer && answer.cause !== undefined)
      log.warn({ reason: answer.missing, err: answer.cause }, 'context is partial');
  };
  const fromHttp = async (customer: Customer | null) => {
    if (!customer) return null;
    const [company, answer] = await Promise.all([
      customer.company_id ? db.getCompanyById(customer.company_id) : null,
      foundation.read(customer.id),
    ]);
    warn(answer);
    if (!('missing' in answer)) db.crossAppReads.count('context');
    return compose(customer, company, answer);
  };
  return {
    byEmail: async (email) => fromHttp(await db.getCustomerByEmail(email)),
    byId: async (id) => fromHttp(await db.getCustomerById(id)),
    async recent(id) {
      const answer = await foundation.read(id);
      warn(answer);
      return 'recent' in answer
        ? { recent: answer.recent, reason: null }
        : { recent: [], reason: missingReasons[answer.missing] };
    },
    isShared: false,
  };
}

async function readRecent(db: PlatformDb, customerId: string): Promise<Recent[]> {
  const recent = await db.reads.query<Recent>(
    `select type, occurred_at, created_by_app as app, created_by_name as name from crm.recent_activities
     where customer_id = $1 order by occurred_at desc, id desc limit ${recentMax}`,
    [customerId],
  );
  if (recent.some(({ app }) => app !== db.app)) db.crossAppReads.count('timeline');
  return recent;
}

function fromShared(found: CustomerContext | null): Context | null {
  if (!found) return null;
  const { last_activity, ...crm } = found.crm;
  const last = last_activity && { ...last_activity, occurred_at: last_activity.occurred_at.toISOString() };
  return compose(found.customer, found.company, { crm: { ...crm, last_activity: last } });
}

function compose(customer: Customer, company: Context['company'], answer: { crm: CrmContext } | Missing): Context {
  const named = company && { id: company.id, name: company.name, domain: company.domain };
  return 'crm' in answer
    ? { customer, company: named, crm: answer.crm, partial: false, missing: [], reason: null }
    : { customer, company: named, crm: null, partial: true, missing: ['crm'], reason: missingReasons[answer.missing] };
}
