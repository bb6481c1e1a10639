import { companyDomainOf } from '@aether/importer/hosts';
import { type Company, canonicaliseDomain, type PlatformDb, type Queryable } from '@aether/platform';
import { countCustomers } from '../customers/customersearch.ts';

/*
 * A company and its customers find each other by the domain of their addresses. A domain that strangers share, such as gmail.com, says
 * nothing, also if somebody has given it to a company.
 */

/** Newcomers are counted up to this number: no more customers than that are changed in one act. */
export const newcomersMax = 5_000;

export type ProposedCompany = { id: string; name: string; domain: string };

/** The company that has the domain of an address, or the domain above it: `ada@mail.example.com` → the company of mail.example.com, or of example.com. */
export async function proposeCompany(
  db: Pick<PlatformDb, 'getCompanyByDomain'>,
  email: string,
): Promise<ProposedCompany | null> {
  const host = email.includes('@') ? canonicaliseDomain(email.slice(email.lastIndexOf('@') + 1)) : undefined;
  const registered = host && companyDomainOf(host);
  if (!host || !registered) return null;
  const company = (await db.getCompanyByDomain(host)) ?? (await db.getCompanyByDomain(registered));
  return company?.domain ? { id: company.id, name: company.name, domain: company.domain } : null;
}

/** How many customers without a company have an address at the domain of this one. */
export async function countNewcomers(
  on: Queryable,
  { domain }: Pick<Company, 'domain'>,
): Promise<{ domain: string | null; count: number; is_more: boolean }> {
  if (domain === null || companyDomainOf(domain) === null) return { domain: null, count: 0, is_more: false };
  const count = await countCustomers(on, { no_company_at: domain }, newcomersMax);
  return { domain, count: Math.min(count, newcomersMax), is_more: count > newcomersMax };
}
