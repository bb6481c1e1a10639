import { connectPlatform } from '@aether/platform';
import pg from 'pg';
import { emailOf } from './customers.ts';

export const poolMax = 10;

const customer = `c.id, c.email, c.name, c.phone, c.phone_key, c.phone_extension, c.company_id, c.version, c.created_at, c.updated_at,
  c.created_by_app, c.crm_id, c.account_tier, c.account_manager_id, c.support_id, c.preferred_language, c.timezone, c.merged_into, c.erased_at`;

/** What platformDb asks for, as a program of its own would. */
export const rawStatements = {
  getCustomerByEmail: {
    name: 'raw-customer',
    text: `select ${customer}
      from platform.customer_emails e join platform.customers c on c.id = e.customer_id where e.email_key = $1`,
  },
  getCustomerContext: {
    name: 'raw-context',
    text: `select ${customer},
        o.name as company_name, o.domain as company_domain,
        c.account_manager_name, c.open_deals, c.open_deals_value, c.last_activity_type, c.last_activity_at, c.last_activity_app,
        c.deals_of_others
      from platform.customer_emails e join crm.customer_context c on c.id = e.customer_id
      left join platform.companies o on o.id = c.company_id
      where e.email_key = $1`,
  },
};
export type Call = keyof typeof rawStatements;

/** A database of so many customers, and both ways to query it. Random addresses are asked, if the caller names none. */
export type Subject = {
  customers: number;
  askRaw(call: Call, email?: () => string): () => Promise<unknown>;
  askOurs(call: Call, email?: () => string): () => Promise<unknown>;
  close(): Promise<void>;
};

export async function openSubject(url: string, customers: number): Promise<Subject> {
  const platformDb = await connectPlatform({
    app: 'support',
    variables: { PLATFORM_DB_URL: url, PLATFORM_DB_POOL_MAX: String(poolMax) },
  });
  const pool = new pg.Pool({ connectionString: url, max: poolMax });
  pool.on('error', () => {}); // its end does not wait for its connections, which a server that is stopped then cuts
  const anyEmail = () => emailOf(Math.floor(Math.random() * customers));
  return {
    customers,
    askRaw:
      (call, email = anyEmail) =>
      async () =>
        (await pool.query({ ...rawStatements[call], values: [email()] })).rows[0].id,
    askOurs:
      (call, email = anyEmail) =>
      async () =>
        platformDb[call](email()),
    async close() {
      await platformDb.close();
      await pool.end();
    },
  };
}
