import type { CompanyFilters } from '../api/companies.ts';
import { readFlag, readOneOf, readText } from '../inputs/urlvalues.ts';

export type CompanySearch = CompanyFilters & { create?: true };

/** The URL of the companies' list; what it does not know is left out. */
export function readCompanySearch(given: Record<string, unknown>): CompanySearch {
  return {
    search: readText(given.search),
    sort: readOneOf(given.sort, ['name', 'created', 'updated']),
    dir: readOneOf(given.dir, ['asc', 'desc']),
    create: readFlag(given.create),
  };
}
