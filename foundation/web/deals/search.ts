import type { DealFilters } from '../api/deals.ts';
import { readFlag, readNumber, readOneOf, readText } from '../inputs/urlvalues.ts';

export type DealSearch = Pick<
  DealFilters,
  | 'pipeline'
  | 'stage'
  | 'owner'
  | 'status'
  | 'search'
  | 'sort'
  | 'dir'
  | 'closed_from'
  | 'closed_before'
  | 'expected_from'
  | 'expected_to'
  | 'reason'
  | 'lacks'
> & {
  /** Only in the list: the deals of one company, in all pipelines. */
  company?: string;
  view?: 'list';
  /** In all pipelines; only of a list. */
  everywhere?: true;
  create?: true;
};

const dealSorts = ['name', 'amount', 'close', 'updated', 'created'] as const;

/** The search of the deals' URL; unknown values are left out. */
export function readBoardSearch(given: Record<string, unknown>): DealSearch {
  return {
    view: readOneOf(given.view, ['list']),
    pipeline: readNumber(given.pipeline),
    stage: readNumber(given.stage),
    owner: readText(given.owner),
    status: readOneOf(given.status, ['open', 'won', 'lost']),
    closed_from: readText(given.closed_from),
    closed_before: readText(given.closed_before),
    expected_from: readText(given.expected_from),
    expected_to: readText(given.expected_to),
    reason: readNumber(given.reason),
    lacks: readText(given.lacks),
    everywhere: readFlag(given.everywhere),
    company: readText(given.company),
    search: readText(given.search),
    sort: readOneOf(given.sort, dealSorts),
    dir: readOneOf(given.dir, ['asc', 'desc']),
    create: readFlag(given.create),
  };
}
