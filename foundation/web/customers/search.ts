import type { CustomerFilters, CustomerSort } from '../api/customers.ts';
import { readFlag, readNumber, readOneOf, readText } from '../inputs/urlvalues.ts';
import { readWhere } from './where.ts';

export type CustomerSearch = CustomerFilters & {
  /** Keys of the shown columns, separated by commas. */
  columns?: string;
  /** The dialog for a new customer is open. */
  create?: true;
};

const customerSorts = [
  'name',
  'email',
  'company',
  'tier',
  'created',
  'updated',
  'last_activity',
  'open_deals',
] as const;

/** An order by a custom field may name one that is gone: the server says so. */
const readSort = (value: unknown): CustomerSort | undefined =>
  readOneOf(value, customerSorts) ??
  (typeof value === 'string' && /^custom\.[a-z][a-z0-9_]{0,39}$/.test(value) ? (value as CustomerSort) : undefined);

/** The orders that begin with the newest or largest, as on the server. */
const downwards: readonly string[] = ['created', 'updated', 'last_activity', 'open_deals'];

/** The order that the list has, also if its address does not say which way. */
export function sortingOf({ sort = 'created', dir }: CustomerSearch) {
  return { sort, dir: dir ?? (downwards.includes(sort) ? ('desc' as const) : ('asc' as const)) };
}

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
    where: readWhere(given.where),
    sort: readSort(given.sort),
    dir: readOneOf(given.dir, ['asc', 'desc']),
    columns: readText(given.columns),
    create: readFlag(given.create),
  };
}
