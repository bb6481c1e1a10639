import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { TextInput } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useDeferredValue } from 'react';
import classes from './customer.module.css';
import { searchQuery } from './queries.ts';

const route = getRouteApi('/customers');

/** Finds a customer, to see it as of any past moment. */
export function CustomersPage() {
  const { search = '' } = route.useSearch();
  const navigate = route.useNavigate();
  const { data, error, refetch } = useQuery(searchQuery(useDeferredValue(search)));
  return (
    <>
      <PageHead title="Customers" detail="as of any moment" />
      <div className={classes.page}>
        <TextInput
          label="Find a customer"
          description="By an address, a name, a telephone number, a number of an app, or an id"
          leftSection={<IconSearch size={15} />}
          maw={460}
          mb="md"
          value={search}
          autoFocus
          onChange={({ currentTarget: { value } }) =>
            void navigate({ to: '/customers', search: value ? { search: value } : {}, replace: true })
          }
        />
        {error && <ErrorNotice title="Nobody could be looked for" error={error} onRetry={refetch} />}
        {search !== '' && data?.customers.length === 0 && (
          <Nothing title="Nobody was found">A name is found by its beginning, as it is written.</Nothing>
        )}
        {search !== '' && data && (
          <ul className={classes.list} aria-label="Customers">
            {data.customers.map((customer) => (
              <li key={customer.id}>
                <Link to="/customers/$id" params={{ id: customer.id }}>
                  {customer.name}
                </Link>{' '}
                <span className={classes.quiet}>
                  {customer.email}
                  {customer.crm_id !== null && `, Foundation ${customer.crm_id}`}
                  {customer.support_id !== null && `, Support ${customer.support_id}`}
                  {customer.merged_into && ', merged into another customer'}
                </span>
              </li>
            ))}
          </ul>
        )}
      </div>
    </>
  );
}
