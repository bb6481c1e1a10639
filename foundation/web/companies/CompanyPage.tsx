import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { Refusal } from '@aether/ui/refusal.ts';
import { PageHead, useNarrow } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { SegmentedControl } from '@mantine/core';
import { IconBuildingOff } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { changeCompany, companyQuery } from '../api/companies.ts';
import type { CompanyRecord } from '../api/records.ts';
import { customFieldsQuery } from '../api/settings.ts';
import panes from '../customer/customer.module.css';
import { type Pane, untilDayOf } from '../customer/search.ts';
import { Timeline } from '../customer/Timeline.tsx';
import { TimelineFilterBar } from '../customer/TimelineFilterBar.tsx';
import { type FieldSpec, flatten, nest, specifyCustom } from '../record/fields.ts';
import { RecordFields } from '../record/RecordFields.tsx';
import { TrailBack, TrailSteps } from '../record/TrailSteps.tsx';
import { CompanyDeals } from './CompanyDeals.tsx';
import { CompanyPeople } from './CompanyPeople.tsx';
import { Contacts } from './Contacts.tsx';
import classes from './company.module.css';

const specs: FieldSpec[] = [
  { field: 'name', label: 'Name', kind: 'text', isRequired: true },
  { field: 'domain', label: 'Domain', kind: 'text' },
  { field: 'owner_id', label: 'Owner', kind: 'person' },
];

/** One company: its fields and contacts, what happened with its customers, its deals and its people. */
export function CompanyPage() {
  const { id } = useParams({ from: '/companies/$id' });
  const { pane = 'timeline', entry, at, ...filters } = useSearch({ from: '/companies/$id' });
  const navigate = useNavigate({ from: '/companies/$id' });
  const isNarrow = useNarrow();
  const { data, error, refetch } = useQuery(companyQuery(id));
  if (error) return <NoCompany error={error} onRetry={refetch} />;
  if (!data) return <Waiting />;
  const { company } = data;
  const sought = entry === undefined ? undefined : { id: entry, at, seek: () => void navigate(untilDayOf(at)) };
  const shows = (which: Pane) => !isNarrow || pane === which;
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
        {isNarrow && (
          <SegmentedControl
            aria-label="What to show"
            data={[
              { value: 'timeline', label: 'Timeline' },
              { value: 'fields', label: 'Fields' },
              { value: 'relations', label: 'Related' },
            ]}
            value={pane}
            onChange={(next) =>
              void navigate({ search: (search) => ({ ...search, pane: next as Pane }), replace: true })
            }
          />
        )}
      </PageHead>
      <div className={panes.panes}>
        {shows('fields') && (
          <div className={panes.side}>
            <CompanyFields record={data} />
            <Contacts companyId={company.id} />
          </div>
        )}
        {shows('timeline') && (
          <section className={panes.middle} aria-label="Timeline">
            <Timeline key={company.id} of={{ kind: 'company', id: company.id }} filters={filters} sought={sought}>
              <TimelineFilterBar
                filters={filters}
                onChange={(part) => void navigate({ search: (search) => ({ ...search, ...part }), replace: true })}
              />
            </Timeline>
          </section>
        )}
        {shows('relations') && (
          <div className={panes.side}>
            <CompanyDeals companyId={company.id} />
            <CompanyPeople record={data} />
          </div>
        )}
      </div>
    </>
  );
}

function CompanyFields({ record: { company, custom } }: { record: CompanyRecord }) {
  const client = useQueryClient();
  const { data: fields } = useQuery(customFieldsQuery('company'));
  return (
    <section className={classes.section} aria-label="Fields">
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
  );
}

function NoCompany({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  if (error instanceof Refusal && [404, 422].includes(error.status))
    return (
      <Nothing
        icon={<IconBuildingOff size={28} />}
        title="There is no such company"
        action={<Link to="/companies">To the companies</Link>}
      >
        {error.message}
      </Nothing>
    );
  return <ErrorNotice title="The company could not be loaded" error={error} onRetry={onRetry} />;
}
