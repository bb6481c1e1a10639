import { showAddress } from '@aether/platform/noaddress';
import { formatMoney, formatNumber } from '@aether/ui/formats.ts';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { ActionIcon, Button } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { changeCompany, companyQuery } from '../api/companies.ts';
import { customersQuery } from '../api/customers.ts';
import { dealsQuery } from '../api/deals.ts';
import { customFieldsQuery } from '../api/settings.ts';
import { NewCustomer } from '../customers/NewCustomer.tsx';
import { TierTag } from '../inputs/TierTag.tsx';
import { type FieldSpec, flatten, nest, specifyCustom } from '../record/fields.ts';
import { RecordFields } from '../record/RecordFields.tsx';
import { TrailBack, TrailSteps } from '../record/TrailSteps.tsx';
import { Contacts } from './Contacts.tsx';
import classes from './company.module.css';

const specs: FieldSpec[] = [
  { field: 'name', label: 'Name', kind: 'text', isRequired: true },
  { field: 'domain', label: 'Domain', kind: 'text' },
];

/** One company: its fields, its people, its deals. */
export function CompanyPage() {
  const { id } = useParams({ from: '/companies/$id' });
  const client = useQueryClient();
  const { data, error, refetch } = useQuery(companyQuery(id));
  const { data: fields } = useQuery(customFieldsQuery('company'));
  if (error) return <ErrorNotice title="The company could not be loaded" error={error} onRetry={refetch} />;
  if (!data) return <Waiting />;
  const { company, custom } = data;
  return (
    <>
      <PageHead
        title={
          <>
            <TrailBack kind="companies" id={company.id} />
            {company.name}
          </>
        }
        detail={company.domain}
      >
        <TrailSteps kind="companies" id={company.id} />
      </PageHead>
      <div className={classes.page}>
        <div className={classes.stack}>
          <section className={classes.card} aria-label="Fields">
            <h2 className={classes.title}>Company</h2>
            <RecordFields
              record={`company:${company.id}`}
              name={company.name}
              specs={[...specs, ...specifyCustom(fields?.custom_fields ?? [])]}
              values={flatten(company, custom)}
              version={company.version}
              save={async (change, version) => {
                const saved = await changeCompany(company.id, nest(change), version);
                await client.invalidateQueries({ queryKey: ['company', company.id] });
                void client.invalidateQueries({ queryKey: ['companies'] });
                return saved;
              }}
              reload={async () => {
                const now = await client.fetchQuery({ ...companyQuery(company.id), staleTime: 0 });
                return { values: flatten(now.company, now.custom), version: now.company.version };
              }}
            />
          </section>
          <Contacts companyId={company.id} />
        </div>
        <div className={classes.stack}>
          <CompanyCustomers companyId={company.id} />
          <CompanyDeals companyId={company.id} />
        </div>
      </div>
    </>
  );
}

function CompanyCustomers({ companyId }: { companyId: string }) {
  const { data, hasNextPage, fetchNextPage } = useInfiniteQuery(customersQuery({ company: companyId, sort: 'name' }));
  const rows = data?.pages.flatMap(({ customers }) => customers) ?? [];
  const total = data?.pages[0]?.total;
  const [isAdding, setAdding] = useState(false);
  return (
    <section className={classes.card} aria-label="Customers">
      <h2 className={classes.title}>
        <span>
          Customers <span className={classes.count}>{total !== undefined && formatNumber(total)}</span>
        </span>
        <ActionIcon aria-label="New customer of this company" onClick={() => setAdding(true)}>
          <IconPlus size={16} />
        </ActionIcon>
      </h2>
      {rows.map(({ id, name, email, account_tier }) => (
        <Link key={id} to="/customers/$id" params={{ id }} className={classes.row}>
          <span>{name}</span>
          <span className={classes.detail}>{showAddress(email)}</span>
          <TierTag tier={account_tier} />
        </Link>
      ))}
      {data && rows.length === 0 && <p className={classes.none}>No customer is of this company yet.</p>}
      {hasNextPage && <More onMore={fetchNextPage} />}
      {isAdding && <NewCustomer companyId={companyId} onClose={() => setAdding(false)} />}
    </section>
  );
}

function CompanyDeals({ companyId }: { companyId: string }) {
  const { data, hasNextPage, fetchNextPage } = useInfiniteQuery(
    dealsQuery({ company_id: companyId, sort: 'updated', dir: 'desc' }),
  );
  const rows = data?.pages.flatMap(({ deals }) => deals) ?? [];
  return (
    <section className={classes.card} aria-label="Deals">
      <h2 className={classes.title}>Deals</h2>
      {rows.map(({ id, name, amount, currency, status, stage_name, customer }) => (
        <Link key={id} to="/deals/$id" params={{ id: String(id) }} className={classes.row}>
          <span>{name}</span>
          <span className={classes.detail}>
            {formatMoney(amount, currency)} · {customer.name}
          </span>
          <Tag tone={status === 'won' ? 'good' : status === 'lost' ? 'bad' : 'accent'}>{stage_name}</Tag>
        </Link>
      ))}
      {data && rows.length === 0 && <p className={classes.none}>No deals yet. Create one on a customer’s page.</p>}
      {hasNextPage && <More onMore={fetchNextPage} />}
    </section>
  );
}

function More({ onMore }: { onMore: () => void }) {
  return (
    <Button variant="subtle" fullWidth onClick={onMore}>
      Show more
    </Button>
  );
}
