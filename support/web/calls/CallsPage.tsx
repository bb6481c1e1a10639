import { writeDraft } from '@aether/ui/drafts.ts';
import { useKeys } from '@aether/ui/Keys.tsx';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { lazyDialog } from '@aether/ui/parts/lazy.tsx';
import { ForChanges } from '@aether/ui/reading.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button } from '@mantine/core';
import { IconPhone, IconPhonePlus } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { callsQuery } from '../api/calls.ts';
import { NoAgent } from '../shell/NoAgent.tsx';
import { useMe } from '../shell/person.ts';
import { CallList } from './CallList.tsx';
import classes from './calls.module.css';
import { callPlace, useCallOutbox } from './sending.ts';
import { UnsentCalls } from './UnsentCalls.tsx';

const LogCallDialog = lazyDialog(() => import('./LogCallDialog.tsx'), 'LogCallDialog');

/** All calls, the latest first. */
export function CallsPage() {
  const me = useMe();
  const navigate = useNavigate({ from: '/calls' });
  const { log } = useSearch({ from: '/calls' });
  const { data, error, refetch, hasNextPage, isFetchingNextPage, fetchNextPage } = useInfiniteQuery(callsQuery());
  const outbox = useCallOutbox(callPlace);
  /** The number of an unsent call that is corrected. */
  const [edited, setEdited] = useState('');
  const edit = (clientId: string) => {
    const back = outbox.discard(clientId);
    if (!back) return;
    const draft = { id: back.client_id, at: back.created_at, value: back.form };
    writeDraft(localStorage, me.id, `call-with:${back.call.number}`, draft);
    setEdited(back.call.number);
    show(true);
  };
  const show = (isShown: boolean) => void navigate({ search: isShown ? { log: true } : {}, replace: true });
  useKeys(me.isReader ? [] : [{ keys: 'l', label: 'Log a call', group: 'Calls', run: () => show(true) }]);
  if (!me.agent) return <NoAgent />;
  const calls = data?.pages.flatMap((page) => page.calls) ?? [];
  return (
    <>
      <PageHead title="Calls">
        <ForChanges>
          <Button leftSection={<IconPhonePlus size={15} />} onClick={() => show(true)}>
            Log a call
          </Button>
        </ForChanges>
      </PageHead>
      <div className={classes.page}>
        {error && <ErrorNotice title="The calls could not be loaded" error={error} onRetry={refetch} />}
        {outbox.unsent.length > 0 && <UnsentCalls unsent={outbox.unsent} onRetry={outbox.retry} onEdit={edit} />}
        {!data && !error && <Waiting />}
        {data && calls.length === 0 && outbox.unsent.length === 0 && (
          <Nothing icon={<IconPhone size={28} />} title="No calls yet">
            Log one after you have put the phone down: it appears in the customer’s history and in Foundation’s
            timeline.
          </Nothing>
        )}
        {calls.length > 0 && <CallList calls={calls} none="" showsCustomer />}
        {hasNextPage && (
          <Button variant="default" mt="sm" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            Earlier calls
          </Button>
        )}
      </div>
      {log && !me.isReader && (
        <LogCallDialog
          number={edited || undefined}
          onClose={() => {
            setEdited('');
            show(false);
          }}
        />
      )}
    </>
  );
}
