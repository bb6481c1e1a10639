import type { CompanyFilters } from '../api/companies.ts';
import type { TimelineFilters } from '../api/timeline.ts';
import { readTimelineSearch } from '../customer/search.ts';
import { readFlag, readOneOf, readText } from '../inputs/urlvalues.ts';

/** The pane that a narrow screen shows. */
export type CompanyPane = 'fields' | 'timeline' | 'relations';
export type CompanyPageSearch = Omit<TimelineFilters, 'deal'> & { pane?: CompanyPane };

/** The search of a company's URL: the filters of its timeline. */
export function readCompanyPageSearch(given: Record<string, unknown>): CompanyPageSearch {
  const { entry: _entry, at: _at, deal: _deal, ...search } = readTimelineSearch(given);
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
