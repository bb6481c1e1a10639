import { lazyDialog } from '@aether/ui/parts/lazy.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Button } from '@mantine/core';
import { IconPhonePlus } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { contextQuery } from '../api/context.ts';
import { ContextPanel } from '../context/ContextPanel.tsx';
import { NoAgent } from '../shell/NoAgent.tsx';
import { useMe } from '../shell/person.ts';
import classes from './customer.module.css';

const LogCallDialog = lazyDialog(() => import('../calls/LogCallDialog.tsx'), 'LogCallDialog');

/** A customer without an open conversation: their data, and past chats and calls. */
export function CustomerPage() {
  const me = useMe();
  const { id } = useParams({ from: '/customers/$id' });
  const { data } = useQuery({ ...contextQuery('customer', id), enabled: me.agent !== null });
  const [isLogging, setLogging] = useState(false);
  if (!me.agent) return <NoAgent />;
  return (
    <>
      <PageHead title={data?.customer?.name ?? 'Customer'}>
        <Button variant="default" leftSection={<IconPhonePlus size={15} />} onClick={() => setLogging(true)}>
          Log a call
        </Button>
      </PageHead>
      <div className={classes.page}>
        <ContextPanel of="customer" id={id} />
      </div>
      {isLogging && <LogCallDialog number={data?.customer?.phone ?? ''} onClose={() => setLogging(false)} />}
    </>
  );
}
