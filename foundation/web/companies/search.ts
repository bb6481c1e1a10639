import type { CompanyFilters } from '../api/companies.ts';
import { readFlag, readOneOf, readText } from '../inputs/urlvalues.ts';

export type CompanySearch = CompanyFilters & { create?: true };

/** The search of the companies' URL; unknown values are left out. */
export function readCompanySearch(given: Record<string, unknown>): CompanySearch {
  return {
    search: readText(given.search),
    sort: readOneOf(given.sort, ['name', 'created', 'updated']),
    dir: readOneOf(given.dir, ['asc', 'desc']),
    create: readFlag(given.create),
  };
}
