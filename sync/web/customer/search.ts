export type CustomersSearch = { search?: string };
export type CustomerSearch = { at?: string };

/** The search of the list's URL. */
export function readCustomersSearch(given: Record<string, unknown>): CustomersSearch {
  const text = typeof given.search === 'number' ? String(given.search) : given.search;
  return typeof text === 'string' && text !== '' ? { search: text } : {};
}

/** The search of a customer's URL: the moment, in UTC; now if there is none. */
export function readCustomerSearch(given: Record<string, unknown>): CustomerSearch {
  const { at } = given;
  return typeof at === 'string' && !Number.isNaN(Date.parse(at)) ? { at: new Date(at).toISOString() } : {};
}
