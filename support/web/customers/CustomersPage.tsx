import { showAddress } from '@aether/platform/noaddress';
import { CsvLink } from '@aether/ui/CsvLink.tsx';
import { formatMoment } from '@aether/ui/formats.ts';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button } from '@mantine/core';
import { IconUsers } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { customersQuery } from '../api/customers.ts';
import { TierTag } from '../desk/TierTag.tsx';
import { NoAgent } from '../shell/NoAgent.tsx';
import { useMe } from '../shell/person.ts';
import classes from './customer.module.css';

/** All customers of both apps, the newest first, and the file of them. One of many is found by the search. */
export function CustomersPage() {
  const me = useMe();
  const { data, error, refetch, hasNextPage, isFetchingNextPage, fetchNextPage } = useInfiniteQuery({
    ...customersQuery,
    enabled: me.agent !== null,
  });
  if (!me.agent) return <NoAgent />;
  const customers = data?.pages.flatMap((page) => page.customers) ?? [];
  return (
    <>
      <PageHead title="Customers" detail="newest first">
        <CsvLink path="/api/customers.csv" filters={{}} />
      </PageHead>
      <div className={classes.wide}>
        {error && <ErrorNotice title="The customers could not be loaded" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        {data && customers.length === 0 && (
          <Nothing icon={<IconUsers size={28} />} title="No customers yet">
            Whoever writes to you with an address, or is created in Foundation, is in this list.
          </Nothing>
        )}
        {customers.length > 0 && (
          <ul className={classes.list}>
            {customers.map(({ id, name, email, phone, account_tier, created_at }) => (
              <li key={id} className={classes.customer}>
                <Link to="/customers/$id" params={{ id }} className={classes.who}>
                  {name}
                </Link>
                <TierTag tier={account_tier} />
                <span>{showAddress(email)}</span>
                {phone && <span>{phone}</span>}
                <time dateTime={created_at}>{formatMoment(created_at)}</time>
              </li>
            ))}
          </ul>
        )}
        {hasNextPage && (
          <Button variant="default" mt="sm" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            Earlier customers
          </Button>
        )}
      </div>
    </>
  );
}
