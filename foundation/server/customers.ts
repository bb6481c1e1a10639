import {
  type Customer,
  type CustomerContext,
  canonicaliseEmail,
  customerColumns,
  isUuid,
  NotFound,
  type PlatformDb,
} from '@aether/platform';

export type ListedCustomer = Customer & { company: { id: string; name: string; domain: string | null } | null };

/** Words of a search beyond this are not looked at. */
const termsMax = 5;

/**
 * Customers whose name, address or company holds every word of `search` (all of them without one), newest first; of one or two
 * letters, those with a word that begins with them. A whole address finds its customer by any address it is known by, a
 * number by crm_id.
 *
 * @param after the id of the last customer of the page before.
 */
export async function searchCustomers(
  db: PlatformDb,
  { search, after, limit }: { search?: string; after?: string; limit: number },
): Promise<ListedCustomer[]> {
  const values: unknown[] = [limit, after ?? null];
  const rows = await db.query<Customer & { company_name: string | null; company_domain: string | null }>(
    `select ${customerColumns}, o.name as company_name, o.domain as company_domain
     from platform.customers c left join platform.companies o on o.id = c.company_id
     where c.merged_into is null and c.erased_at is null and ($2::uuid is null or c.id < $2)
       and ${search ? matchSearch(search, values) : 'true'}
     order by c.id desc limit $1`,
    values,
  );
  return rows.map(({ company_name, company_domain, ...customer }) => ({
    ...customer,
    company:
      customer.company_id && company_name
        ? { id: customer.company_id, name: company_name, domain: company_domain }
        : null,
  }));
}

/** The condition for `search`; appends what it compares with to `values`. */
function matchSearch(search: string, values: unknown[]): string {
  const parameter = (value: unknown) => `$${values.push(value)}`;
  const words = search.toLowerCase().split(/\s+/).filter(Boolean).slice(0, termsMax);
  // Each condition is one that an index of platform.customers answers, so that "or" becomes a bitmap of a few rows.
  const everyWord = words.map((word) => {
    const pattern = parameter(likePattern(word));
    return `(' ' || lower(c.name) || ' ' || c.email_key like ${pattern}
        or c.company_id = any (array(select id from platform.companies where ' ' || lower(name) like ${pattern})))`;
  });
  const conditions = [`(${everyWord.join(' and ')})`];
  const email = canonicaliseEmail(search);
  if (email.ok)
    conditions.push(
      `c.id = any (array(select customer_id from platform.customer_emails where email_key = ${parameter(email.key)}))`,
    );
  if (/^[1-9]\d{0,17}$/.test(search)) conditions.push(`c.crm_id = ${parameter(search)}::bigint`);
  return `(${conditions.join(' or ')})`;
}

/** Anywhere in a word; one or two letters only at its beginning, because an index cannot find them elsewhere. */
function likePattern(word: string): string {
  const escaped = word.replace(/[\\%_]/g, '\\$&');
  return [...word].length < 3 ? `% ${escaped}%` : `%${escaped}%`;
}

/** By uuid or by crm_id. @throws NotFound */
export async function getCustomerRecord(db: PlatformDb, key: string): Promise<CustomerContext> {
  const found = isUuid(key)
    ? await db.getCustomerContextById(key)
    : await db.getCustomerContextByNumber('foundation', key);
  if (!found) throw new NotFound('customer');
  return found;
}

/** By uuid or by crm_id. @throws NotFound */
export async function requireCustomer(db: PlatformDb, key: string): Promise<Customer> {
  const found = isUuid(key) ? await db.getCustomerById(key) : await db.getCustomerByNumber('foundation', key);
  if (!found) throw new NotFound('customer');
  return found;
}
