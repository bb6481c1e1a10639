import { formatNumber } from '@aether/ui/formats.ts';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { read } from '@aether/ui/request.ts';
import { showDone } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Modal, NumberInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { runs } from '../api/clients.ts';
import type { FailedSearch } from '../api/operations.ts';
import { ReasonDialog } from '../parts/ReasonDialog.tsx';

type BulkDialogProps = { kind: 'redrive' | 'skip'; filter: FailedSearch; onClose: () => void };

/** Freezes the failures that a filter describes, says how many they are, and asks before anything is done to them. */
export function BulkDialog({ kind, filter, onClose }: BulkDialogProps) {
  const client = useQueryClient();
  const [rate, setRate] = useState<number | string>(500);
  const { subscription, state, cause, customer, key } = filter;
  const freezing = useMutation({
    mutationFn: () =>
      read(
        runs.$post({
          json: {
            kind,
            subscription,
            filter: {
              ...(state && state !== 'waiting' && { state }),
              ...(cause && { cause }),
              ...(customer && { customer }),
              ...(key && { key }),
            },
          },
        }),
      ),
  });
  const { mutate } = freezing;
  useEffect(() => mutate(), [mutate]);
  const title = kind === 'redrive' ? 'Try these events again' : 'Skip these events';
  if (!freezing.data)
    return (
      <Modal opened onClose={onClose} title={title}>
        {freezing.error ? (
          <ErrorNotice title="The set was not made" error={freezing.error} onRetry={() => mutate()} />
        ) : (
          <Waiting lines={2} />
        )}
      </Modal>
    );
  const { run, total } = freezing.data;
  return (
    <ReasonDialog
      title={title}
      verb={kind === 'redrive' ? `Try ${sayExact(total)} again` : `Skip ${sayExact(total)}`}
      {...(kind === 'skip' && { color: 'red' })}
      isReady={total > 0 && typeof rate === 'number'}
      act={(reason) =>
        read(runs[':id'].confirm.$post({ param: { id: String(run) }, json: { reason, rate_per_second: Number(rate) } }))
      }
      onDone={(confirmed) => {
        void client.invalidateQueries({ queryKey: ['runs'] });
        showDone(`The worker has ${sayExact(confirmed.total)} to ${kind === 'redrive' ? 'try again' : 'skip'}.`);
        onClose();
      }}
      onClose={onClose}
    >
      {total === 0
        ? 'No event fits any more.'
        : `The set is fixed: ${sayExact(total)} of ${subscription}. What fails from now on is not in it. The worker goes through it, also when you leave this page.`}
      <NumberInput
        mt="sm"
        label="Events a second"
        min={1}
        max={5_000}
        allowDecimal={false}
        value={rate}
        onChange={setRate}
      />
    </ReasonDialog>
  );
}

const sayExact = (total: number) => `${formatNumber(total)} ${total === 1 ? 'event' : 'events'}`;
