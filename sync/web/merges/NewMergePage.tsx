import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { Refusal } from '@aether/ui/refusal.ts';
import { PageHead } from '@aether/ui/Shell.tsx';
import { showDone, showRefusal } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Alert, Button, TextInput } from '@mantine/core';
import { IconArrowsLeftRight } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { CustomerPicker } from '../customer/CustomerPicker.tsx';
import parts from '../parts/parts.module.css';
import { choose, MergePreview } from './MergePreview.tsx';
import classes from './merges.module.css';
import { type Choices, merge, previewQuery } from './queries.ts';
import { StewardOnly } from './StewardOnly.tsx';

const route = getRouteApi('/merges/new');

/** Two customers who are one person: which goes on, with which values, and what moves. */
export function NewMergePage() {
  const { survivor, loser } = route.useSearch();
  const navigate = route.useNavigate();
  const go = (next: { survivor?: string | undefined; loser?: string | undefined }) =>
    void navigate({
      to: '/merges/new',
      search: { ...(next.survivor && { survivor: next.survivor }), ...(next.loser && { loser: next.loser }) },
      replace: true,
    });
  return (
    <StewardOnly>
      <PageHead title="Merge customers" detail="two records of one person become one" />
      <div className={parts.page}>
        <Pair key={`${survivor} ${loser}`} survivor={survivor} loser={loser} go={go} />
      </div>
    </StewardOnly>
  );
}

type PairProps = {
  survivor: string | undefined;
  loser: string | undefined;
  go: (next: { survivor?: string | undefined; loser?: string | undefined }) => void;
};

function Pair({ survivor, loser, go }: PairProps) {
  const [choices, setChoices] = useState<Choices>({});
  const isPair = survivor !== undefined && loser !== undefined;
  const { data, error, refetch } = useQuery({
    ...previewQuery(survivor ?? '', loser ?? '', choices),
    enabled: isPair,
    retry: false,
  });
  const shown = isPair ? data : undefined;
  return (
    <>
      <div className={classes.pair}>
        <CustomerPicker
          label="Goes on"
          value={survivor ?? null}
          withoutMerged
          onChange={(id) => go({ survivor: id ?? undefined, loser })}
        />
        <CustomerPicker
          label="Is merged into it"
          value={loser ?? null}
          withoutMerged
          onChange={(id) => go({ survivor, loser: id ?? undefined })}
        />
        {isPair && (
          <Button
            variant="default"
            leftSection={<IconArrowsLeftRight size={15} />}
            onClick={() => go({ survivor: loser, loser: survivor })}
          >
            The other way round
          </Button>
        )}
      </div>
      {!isPair && (
        <p className={classes.quiet}>Choose the customer that goes on, and the one that is merged into it.</p>
      )}
      {isPair && error && <ErrorNotice title="The two could not be compared" error={error} onRetry={refetch} />}
      {isPair && !data && !error && <Waiting lines={8} />}
      {shown?.preview.refused && (
        <Alert color="yellow" mb="sm" role="alert">
          They cannot be merged. {shown.preview.refused.message}
        </Alert>
      )}
      {shown && (
        <MergePreview
          preview={shown.preview}
          names={shown.names}
          onChoose={(field, side) => setChoices((before) => choose(before, field, side))}
        />
      )}
      {shown && !shown.preview.refused && <Acting preview={shown.preview} choices={choices} onStale={refetch} />}
    </>
  );
}

type ActingProps = {
  preview: Parameters<typeof MergePreview>[0]['preview'];
  choices: Choices;
  onStale: () => void;
};

function Acting({ preview: { survivor, loser }, choices, onStale }: ActingProps) {
  const client = useQueryClient();
  const navigate = route.useNavigate();
  const [reason, setReason] = useState('');
  const merging = useMutation({
    mutationFn: merge,
    onSuccess: (id) => {
      for (const key of ['merges', 'customer', 'customers']) void client.invalidateQueries({ queryKey: [key] });
      showDone(`${loser?.name} is merged into ${survivor?.name}. It can be taken apart at any time.`);
      void navigate({ to: '/merges/$id', params: { id } });
    },
    onError: (error) => {
      showRefusal('Nothing was merged', error);
      if (error instanceof Refusal && error.isConflict) onStale();
    },
  });
  if (!survivor || !loser) return null;
  return (
    <form
      className={classes.acting}
      onSubmit={(event) => {
        event.preventDefault();
        if (!merging.isPending) merging.mutate({ survivor, loser, choices, reason: reason.trim() });
      }}
    >
      <TextInput
        label="Reason"
        description="Kept with the merge"
        maxLength={500}
        value={reason}
        onChange={({ currentTarget }) => setReason(currentTarget.value)}
      />
      <Button type="submit" loading={merging.isPending}>
        Merge {loser.name} into {survivor.name}
      </Button>
    </form>
  );
}
