import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { Refusal } from '@aether/ui/refusal.ts';
import { PageHead, useNarrow } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { SegmentedControl } from '@mantine/core';
import { IconUserOff } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { customerQuery } from '../api/customers.ts';
import { TierTag } from '../inputs/TierTag.tsx';
import { TrailBack, TrailSteps } from '../record/TrailSteps.tsx';
import { CustomerFields } from './CustomerFields.tsx';
import classes from './customer.module.css';
import { Relations } from './Relations.tsx';
import type { Pane } from './search.ts';
import { Timeline } from './Timeline.tsx';
import { TimelineFilterBar } from './TimelineFilterBar.tsx';

/** The page of one customer: fields, timeline, relations. */
export function CustomerPage() {
  const { id } = useParams({ from: '/customers/$id' });
  const { pane = 'timeline', ...filters } = useSearch({ from: '/customers/$id' });
  const navigate = useNavigate({ from: '/customers/$id' });
  const isNarrow = useNarrow();
  const { data, error, refetch } = useQuery(customerQuery(id));
  if (error) return <NoCustomer error={error} onRetry={refetch} />;
  if (!data) return <Waiting lines={10} />;
  const { customer, company } = data;
  const shows = (which: Pane) => !isNarrow || pane === which;
  return (
    <>
      <PageHead
        title={
          <>
            <TrailBack kind="customers" id={customer.id} />
            {customer.name}
          </>
        }
        detail={
          <span className={classes.facts}>
            <TierTag tier={customer.account_tier} />
            {company?.name}
          </span>
        }
      >
        <TrailSteps kind="customers" id={customer.id} />
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
      <div className={classes.panes}>
        {shows('fields') && (
          <section className={classes.side} aria-label="Fields">
            <CustomerFields record={data} />
          </section>
        )}
        {shows('timeline') && (
          <section className={classes.middle} aria-label="Timeline">
            <Timeline key={customer.id} customerId={customer.id} filters={filters}>
              <TimelineFilterBar filters={filters} />
            </Timeline>
          </section>
        )}
        {shows('relations') && (
          <section className={classes.side} aria-label="Related">
            <Relations record={data} />
          </section>
        )}
      </div>
    </>
  );
}

function NoCustomer({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  if (error instanceof Refusal && [404, 410, 422].includes(error.status))
    return (
      <Nothing
        icon={<IconUserOff size={28} />}
        title={error.status === 410 ? 'This person was erased' : 'There is no such customer'}
        action={<Link to="/customers">To the customers</Link>}
      >
        {error.message}
      </Nothing>
    );
  return <ErrorNotice title="The customer could not be loaded" error={error} onRetry={onRetry} />;
}
