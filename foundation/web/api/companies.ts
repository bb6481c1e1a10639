import { listOptions } from '@aether/ui/lists.ts';
import { read } from '@aether/ui/request.ts';
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { companies, contacts } from './clients.ts';
import type { CompanyInput, ContactInput } from './records.ts';

export type CompanySort = 'name' | 'created' | 'updated';
export type CompanyFilters = {
  search?: string;
  /** Id of the owner. */
  owner?: string;
  no_owner?: true;
  sort?: CompanySort;
  dir?: 'asc' | 'desc';
};

/** The filters as the server takes them. */
export const toQuery = ({ no_owner, ...filters }: CompanyFilters) => ({
  ...filters,
  no_owner: no_owner && ('true' as const),
});

export const companiesQuery = (filters: CompanyFilters) =>
  listOptions(['companies', filters] as const, (cursor, signal) =>
    read(companies.$get({ query: { ...toQuery(filters), cursor, limit: '50' } }, { init: { signal } })),
  );

/** A few companies whose name matches, for a field that picks one. */
export const companyChoiceQuery = (search: string) =>
  queryOptions({
    queryKey: ['companies', 'choice', search],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) =>
      read(companies.$get({ query: { search: search.trim() || undefined, limit: '8' } }, { init: { signal } })),
  });

export const companyQuery = (id: string) =>
  queryOptions({
    queryKey: ['company', id],
    queryFn: ({ signal }) => read(companies[':id'].$get({ param: { id } }, { init: { signal } })),
  });

/** The customers of a company, with what was done last. */
export const companyCustomersQuery = (id: string) =>
  listOptions(['company-customers', id] as const, (cursor, signal) =>
    read(companies[':id'].customers.$get({ param: { id }, query: { cursor, limit: '20' } }, { init: { signal } })),
  );

/** The company that has the domain of an address. */
export const proposedCompanyQuery = (email: string) =>
  queryOptions({
    queryKey: ['companies', 'proposed', email],
    retry: false,
    queryFn: ({ signal }) => read(companies.proposed.$post({ json: { email } }, { init: { signal } })),
  });

/** Companies that may be the one which is being written down. */
export const similarCompaniesQuery = (draft: { name?: string; domain?: string }) =>
  queryOptions({
    queryKey: ['companies', 'similar', draft],
    retry: false,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => read(companies.similar.$post({ json: draft }, { init: { signal } })),
  });

/** How many customers without a company have an address at the company's domain. */
export const newcomersQuery = (id: string) =>
  queryOptions({
    queryKey: ['company-newcomers', id],
    queryFn: ({ signal }) => read(companies[':id'].newcomers.$get({ param: { id } }, { init: { signal } })),
  });

/** When this year began in the person's time zone. */
export const beginOfYear = (): string => new Date(new Date().getFullYear(), 0, 1).toISOString();

/** The sums of a company's deals; the year is that of the person's time zone. */
export const dealSumsQuery = (id: string) => {
  const since = beginOfYear();
  return queryOptions({
    queryKey: ['deal-sums', id, since],
    queryFn: ({ signal }) =>
      read(companies[':id']['deal-sums'].$get({ param: { id }, query: { since } }, { init: { signal } })),
  });
};

/** A company must have a name; the server refuses an empty one. */
export const createCompany = ({ name = '', ...rest }: CompanyInput) =>
  read(companies.$post({ json: { name, ...rest } }));

export const changeCompany = (id: string, change: CompanyInput, expected_version?: number) =>
  read(companies[':id'].$patch({ param: { id }, json: { ...change, expected_version } }));

export const deleteContact = (id: string) => read(contacts[':id'].$delete({ param: { id }, query: {} }));

export const contactsQuery = (companyId: string) =>
  listOptions(['contacts', companyId] as const, (cursor, signal) =>
    read(
      companies[':id'].contacts.$get(
        { param: { id: companyId }, query: { cursor, limit: '50' } },
        { init: { signal } },
      ),
    ),
  );

export const createContact = (companyId: string, { name = '', ...rest }: ContactInput) =>
  read(companies[':id'].contacts.$post({ param: { id: companyId }, json: { name, ...rest } }));

export const changeContact = (id: string, change: ContactInput, expected_version?: number) =>
  read(contacts[':id'].$patch({ param: { id }, json: { ...change, expected_version } }));
