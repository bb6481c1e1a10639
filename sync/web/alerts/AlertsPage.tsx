import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { showDone, showRefusal } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, SegmentedControl } from '@mantine/core';
import { IconBell } from '@tabler/icons-react';
import { useInfiniteQuery, useMutation } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { alertsQuery, testAlert } from '../api/alerts.ts';
import { useMe } from '../shell/person.ts';
import { AlertList } from './AlertList.tsx';
import classes from './alerts.module.css';
import { SilenceDialog } from './SilenceDialog.tsx';
import { SilenceList } from './SilenceList.tsx';

const route = getRouteApi('/alerts');
const choices = [
  { value: 'open', label: 'Open' },
  { value: 'all', label: 'All' },
];

/** What was told about checks: what is open, and everything; silences; where alerts go. */
export function AlertsPage() {
  const { all = false } = route.useSearch();
  const navigate = route.useNavigate();
  const { isAdmin } = useMe();
  const [silencing, setSilencing] = useState<{ slug: string }>();
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(alertsQuery(!all));
  const alerts = data?.pages.flatMap((page) => page.alerts) ?? [];
  const [first] = data?.pages ?? [];
  return (
    <>
      <PageHead title="Alerts" detail={first && describeTargets(first.targets)}>
        {isAdmin && (
          <>
            <TestButton />
            <Button variant="default" onClick={() => setSilencing({ slug: '' })}>
              Silence
            </Button>
          </>
        )}
      </PageHead>
      <div className={classes.page}>
        <SegmentedControl
          data={choices}
          value={all ? 'all' : 'open'}
          aria-label="Which alerts"
          className={classes.choice}
          onChange={(value) => void navigate({ to: '/alerts', search: value === 'all' ? { all: true } : {} })}
        />
        {error && <ErrorNotice title="The alerts could not be loaded" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        {data && alerts.length === 0 && (
          <Nothing icon={<IconBell size={28} />} title={all ? 'Nothing was told yet' : 'Nothing is open'}>
            {all
              ? 'A change in the state of a check is told here once.'
              : 'Every check that was told about is well again.'}
          </Nothing>
        )}
        {alerts.length > 0 && (
          <AlertList alerts={alerts} onSilence={isAdmin ? (slug) => setSilencing({ slug }) : undefined} />
        )}
        {hasNextPage && (
          <Button variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            Older alerts
          </Button>
        )}
        <SilenceList />
      </div>
      {silencing && <SilenceDialog slug={silencing.slug} onClose={() => setSilencing(undefined)} />}
    </>
  );
}

function describeTargets(targets: string[]): string {
  if (targets.length === 0) return 'Shown here only: no target is set';
  const names = targets.map((target) => (target === 'email' ? 'mail' : target));
  return `Shown here, and sent by ${names.join(' and ')}`;
}

function TestButton() {
  const test = useMutation({
    mutationFn: testAlert,
    onSuccess: ({ targets }) =>
      showDone(
        targets.length === 0
          ? 'The test is in the list of all alerts. It was sent nowhere, because no target is set.'
          : `The test is on its way: ${targets.join(', ')}.`,
      ),
    onError: (error) => showRefusal('No test was sent', error),
  });
  return (
    <Button variant="default" loading={test.isPending} onClick={() => test.mutate()}>
      Send a test
    </Button>
  );
}
