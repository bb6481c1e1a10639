import { showAddress } from '@aether/platform/noaddress';
import { formatAgo, formatMoment, formatNumber } from '@aether/ui/formats.ts';
import { ForChanges } from '@aether/ui/reading.tsx';
import { ActionIcon, Button } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { companyCustomersQuery } from '../api/companies.ts';
import type { CompanyRecord } from '../api/records.ts';
import { describeType } from '../customer/activitytypes.tsx';
import { NewCustomer } from '../customers/NewCustomer.tsx';
import { TierTag } from '../inputs/TierTag.tsx';
import classes from './company.module.css';
import { Newcomers } from './Newcomers.tsx';

/** The customers of a company: the tier of each, who looks after them, and what was done last. */
export function CompanyPeople({ record: { company, customers: count } }: { record: CompanyRecord }) {
  const companyId = company.id;
  const { data, hasNextPage, isFetchingNextPage, fetchNextPage } = useInfiniteQuery(companyCustomersQuery(companyId));
  const rows = data?.pages.flatMap(({ customers }) => customers) ?? [];
  const last = Object.assign({}, ...(data?.pages.map(({ last_activities }) => last_activities) ?? [])) as NonNullable<
    NonNullable<typeof data>['pages'][number]['last_activities']
  >;
  const [isAdding, setAdding] = useState(false);
  return (
    <section className={classes.section} aria-label="Customers">
      <h2 className={classes.title}>
        <span>
          Customers <span className={classes.count}>{formatNumber(count)}</span>
        </span>
        <ForChanges>
          <ActionIcon aria-label="New customer of this company" onClick={() => setAdding(true)}>
            <IconPlus size={16} />
          </ActionIcon>
        </ForChanges>
      </h2>
      <Newcomers company={company} />
      {rows.map(({ id, name, email, account_tier, account_manager }) => (
        <Link key={id} to="/customers/$id" params={{ id }} className={classes.item}>
          <span className={classes.itemHead}>
            <span>{name}</span>
            <TierTag tier={account_tier} />
          </span>
          <span className={classes.detail}>
            {[showAddress(email), account_manager && `with ${account_manager.name}`].filter(Boolean).join(' · ')}
          </span>
          {last[id] && (
            <span className={classes.detail} title={formatMoment(last[id].occurred_at)}>
              {describeType(last[id].type).label}, {formatAgo(last[id].occurred_at)}
            </span>
          )}
        </Link>
      ))}
      {data && rows.length === 0 && <p className={classes.none}>No customer is of this company yet.</p>}
      {hasNextPage && (
        <Button variant="subtle" fullWidth loading={isFetchingNextPage} onClick={() => fetchNextPage()}>
          Show more
        </Button>
      )}
      {isAdding && <NewCustomer companyId={companyId} onClose={() => setAdding(false)} />}
    </section>
  );
}
