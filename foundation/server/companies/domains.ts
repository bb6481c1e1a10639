import { type Company, canonicaliseDomain, type Queryable } from '@aether/platform';
import { countCustomers } from '../customers/customersearch.ts';

/*
 * A company and its customers find each other by the domain of their addresses. A domain that strangers share, such as gmail.com, says
 * nothing, also if somebody has given it to a company.
 */

/** Newcomers are counted up to this number: no more customers than that are changed in one act. */
export const newcomersMax = 5_000;

export type ProposedCompany = { id: string; name: string; domain: string };

/** The company that has the domain of an address, or the nearest one above it: `ada@mail.example.com` → that of mail.example.com, or of example.com. */
export async function proposeCompany(on: Queryable, email: string): Promise<ProposedCompany | null> {
  const host = email.includes('@') ? canonicaliseDomain(email.slice(email.lastIndexOf('@') + 1)) : undefined;
  const registered = host && (await domainOf(host));
  if (!host || !registered) return null;
  const labels = host.split('.');
  const above = labels.map((_, index) => labels.slice(index).join('.')).filter((domain) => domain.endsWith(registered));
  const [company] = await on.query<ProposedCompany>(
    'select id, name, domain from platform.companies where domain = any ($1) order by octet_length(domain) desc limit 1',
    [above],
  );
  return company ?? null;
}

async function domainOf(host: string): Promise<string | null> {
  const { companyDomainOf } = await import('@aether/importer/hosts'); // loaded only here, because its list is large
  return companyDomainOf(host);
}

/** How many customers without a company have an address at the domain of this one. */
export async function countNewcomers(
  on: Queryable,
  { domain }: Pick<Company, 'domain'>,
): Promise<{ domain: string | null; count: number; is_more: boolean }> {
  if (domain === null || (await domainOf(domain)) === null) return { domain: null, count: 0, is_more: false };
  const count = await countCustomers(on, { no_company_at: domain }, newcomersMax);
  return { domain, count: Math.min(count, newcomersMax), is_more: count > newcomersMax };
}
