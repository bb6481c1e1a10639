import { useKeys } from '@aether/ui/Keys.tsx';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { lazyDialog } from '@aether/ui/parts/lazy.tsx';
import { ForChanges } from '@aether/ui/reading.tsx';
import { Refusal } from '@aether/ui/refusal.ts';
import { PageHead, useNarrow } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, SegmentedControl } from '@mantine/core';
import { IconArrowMerge, IconMail, IconUserOff } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { customerQuery } from '../api/customers.ts';
import type { CustomerRecord } from '../api/records.ts';
import { CustomerPicker } from '../inputs/Picker.tsx';
import { TierTag } from '../inputs/TierTag.tsx';
import { TrailBack, TrailSteps } from '../record/TrailSteps.tsx';
import { useMe } from '../shell/person.ts';
import { CustomerFields } from './CustomerFields.tsx';
import classes from './customer.module.css';
import { Relations } from './Relations.tsx';
import { type Pane, untilDayOf } from './search.ts';
import { Timeline } from './Timeline.tsx';
import { TimelineFilterBar } from './TimelineFilterBar.tsx';

const WriteMail = lazyDialog(() => import('./WriteMail.tsx'), 'WriteMail');
const MergeDialog = lazyDialog(() => import('@aether/ui/MergeDialog.tsx'), 'MergeDialog');

/** The page of one customer: fields, timeline, relations. */
export function CustomerPage() {
  const { id } = useParams({ from: '/customers/$id' });
  const { pane = 'timeline', entry, at, ...filters } = useSearch({ from: '/customers/$id' });
  const navigate = useNavigate({ from: '/customers/$id' });
  const isNarrow = useNarrow();
  const { data, error, isFetching, refetch } = useQuery(customerQuery(id));
  const { isSteward, isReader, apps } = useMe();
  const [isMerging, setMerging] = useState(false);
  const [isWriting, setWriting] = useState(false);
  useKeys(isReader ? [] : [{ keys: 'm', label: 'Write an e-mail', group: 'Customer', run: () => setWriting(true) }]);
  useOwnAddress(id, isFetching ? undefined : data);
  const sought = entry === undefined ? undefined : { id: entry, at, seek: () => void navigate(untilDayOf(at)) };
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
        <ForChanges>
          <Button variant="subtle" leftSection={<IconMail size={15} />} onClick={() => setWriting(true)}>
            Write e-mail
          </Button>
        </ForChanges>
        {isSteward && apps.console && (
          <Button variant="subtle" leftSection={<IconArrowMerge size={15} />} onClick={() => setMerging(true)}>
            Merge…
          </Button>
        )}
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
            <Timeline key={customer.id} of={{ kind: 'customer', id: customer.id }} filters={filters} sought={sought}>
              <TimelineFilterBar
                filters={filters}
                onChange={(part) => void navigate({ search: (search) => ({ ...search, ...part }), replace: true })}
              />
            </Timeline>
          </section>
        )}
        {shows('relations') && (
          <section className={classes.side} aria-label="Related">
            <Relations record={data} />
          </section>
        )}
      </div>
      {isWriting && <WriteMail customer={customer} onClose={() => setWriting(false)} />}
      {isMerging && apps.console && (
        <MergeDialog
          customer={customer}
          consoleUrl={apps.console}
          CustomerPicker={CustomerPicker}
          onClose={() => setMerging(false)}
        />
      )}
    </>
  );
}

/**
 * An address with the id of a merged customer, or with a number, becomes that of the customer it means.
 *
 * @param data undefined while it is read again: after an unmerge, what was read before still leads to the former survivor.
 */
function useOwnAddress(id: string, data: CustomerRecord | undefined): void {
  const client = useQueryClient();
  const navigate = useNavigate({ from: '/customers/$id' });
  const own = data?.customer.id;
  useEffect(() => {
    if (!data || own === undefined || own === id) return;
    client.setQueryData(customerQuery(own).queryKey, data);
    void navigate({ to: '/customers/$id', params: { id: own }, search: (search) => search, replace: true });
  }, [client, data, id, navigate, own]);
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
