import type { CompanyFilters } from '../api/companies.ts';
import { readTimelineSearch, type TimelineSearch } from '../customer/search.ts';
import { readFlag, readOneOf, readText } from '../inputs/urlvalues.ts';

export type CompanyPageSearch = Omit<TimelineSearch, 'deal'>;

/** The search of a company's URL: the filters of its timeline, and the entry to which it scrolls. */
export function readCompanyPageSearch(given: Record<string, unknown>): CompanyPageSearch {
  const { deal: _deal, ...search } = readTimelineSearch(given);
  return search;
}

export type CompanySearch = CompanyFilters & { create?: true };

/** The search of the companies' URL; unknown values are left out. */
export function readCompanySearch(given: Record<string, unknown>): CompanySearch {
  return {
    search: readText(given.search),
    owner: readText(given.owner),
    no_owner: readFlag(given.no_owner),
    sort: readOneOf(given.sort, ['name', 'created', 'updated']),
    dir: readOneOf(given.dir, ['asc', 'desc']),
    create: readFlag(given.create),
  };
}
