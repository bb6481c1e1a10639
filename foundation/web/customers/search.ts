import type { CustomerFilters } from '../api/customers.ts';
import { readFlag, readNumber, readOneOf, readText } from '../inputs/urlvalues.ts';

export type CustomerSearch = CustomerFilters & {
  /** Keys of the shown columns, separated by commas. */
  columns?: string;
  /** The dialog for a new customer is open. */
  create?: true;
};

const customerSorts = ['name', 'email', 'company', 'tier', 'created', 'updated'] as const;

/** The search of the customers' URL; unknown values are left out. */
export function readCustomerSearch(given: Record<string, unknown>): CustomerSearch {
  return {
    search: readText(given.search),
    tier: readText(given.tier),
    manager: readText(given.manager),
    company: readText(given.company),
    no_company_at: readText(given.no_company_at),
    app: readOneOf(given.app, ['foundation', 'support']),
    created_after: readText(given.created_after),
    created_before: readText(given.created_before),
    no_manager: readFlag(given.no_manager),
    tag: readNumber(given.tag),
    sort: readOneOf(given.sort, customerSorts),
    dir: readOneOf(given.dir, ['asc', 'desc']),
    columns: readText(given.columns),
    create: readFlag(given.create),
  };
}
