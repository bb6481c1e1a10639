import { lazyDialog } from '@aether/ui/parts/lazy.tsx';
import { ForChanges } from '@aether/ui/reading.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Button } from '@mantine/core';
import { IconArrowMerge, IconPhonePlus } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate, useParams } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { contextQuery } from '../api/context.ts';
import { ContextPanel } from '../context/ContextPanel.tsx';
import { NoAgent } from '../shell/NoAgent.tsx';
import { useMe } from '../shell/person.ts';
import { CustomerPicker } from './CustomerPicker.tsx';
import classes from './customer.module.css';

const MergeDialog = lazyDialog(() => import('@aether/ui/MergeDialog.tsx'), 'MergeDialog');
const LogCallDialog = lazyDialog(() => import('../calls/LogCallDialog.tsx'), 'LogCallDialog');

/** A customer without an open conversation: their data, and past chats and calls. */
export function CustomerPage() {
  const me = useMe();
  const { id } = useParams({ from: '/customers/$id' });
  const { data, isFetching } = useQuery({ ...contextQuery('customer', id), enabled: me.agent !== null });
  const [isLogging, setLogging] = useState(false);
  const [isMerging, setMerging] = useState(false);
  const client = useQueryClient();
  const navigate = useNavigate();
  const own = data?.customer?.id;
  // The id of a merged customer becomes that of the customer it means. What was read before an unmerge leads to the former survivor, so this
  // waits while it is read again.
  useEffect(() => {
    if (own === undefined || own === id || isFetching) return;
    client.setQueryData(contextQuery('customer', own).queryKey, data);
    void navigate({ to: '/customers/$id', params: { id: own }, replace: true });
  }, [client, data, id, isFetching, navigate, own]);
  if (!me.agent) return <NoAgent />;
  return (
    <>
      <PageHead title={data?.customer?.name ?? 'Customer'}>
        {data?.customer && me.isSteward && me.apps.console && (
          <Button variant="subtle" leftSection={<IconArrowMerge size={15} />} onClick={() => setMerging(true)}>
            Merge…
          </Button>
        )}
        <ForChanges>
          <Button variant="default" leftSection={<IconPhonePlus size={15} />} onClick={() => setLogging(true)}>
            Log a call
          </Button>
        </ForChanges>
      </PageHead>
      <div className={classes.page}>
        <ContextPanel of="customer" id={id} />
      </div>
      {isMerging && data?.customer && me.apps.console && (
        <MergeDialog
          customer={data.customer}
          consoleUrl={me.apps.console}
          CustomerPicker={CustomerPicker}
          onClose={() => setMerging(false)}
        />
      )}
      {isLogging && <LogCallDialog number={data?.customer?.phone ?? ''} onClose={() => setLogging(false)} />}
    </>
  );
}
