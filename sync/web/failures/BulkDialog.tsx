import { formatNumber } from '@aether/ui/formats.ts';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { read } from '@aether/ui/request.ts';
import { showDone } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Modal, NumberInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { runs } from '../api/clients.ts';
import type { FrozenSet } from '../api/operations.ts';
import { ReasonDialog } from '../parts/ReasonDialog.tsx';

type BulkDialogProps = {
  kind: 'redrive' | 'skip' | 'repair';
  /** What the set is of: a subscription, or a finding's title. */
  of: string;
  freeze: () => Promise<FrozenSet>;
  onClose: () => void;
};

const words = {
  redrive: { title: 'Try these events again', verb: 'Try', after: ' again', one: 'event', many: 'events' },
  skip: { title: 'Skip these events', verb: 'Skip', after: '', one: 'event', many: 'events' },
  repair: { title: 'Repair these rows', verb: 'Repair', after: '', one: 'row', many: 'rows' },
};

/** Freezes a set, says how many it holds, and asks before anything is done to them. */
export function BulkDialog({ kind, of, freeze, onClose }: BulkDialogProps) {
  const client = useQueryClient();
  const [rate, setRate] = useState<number | string>(500);
  const { title, verb, after, one, many } = words[kind];
  const sayExact = (total: number) => `${formatNumber(total)} ${total === 1 ? one : many}`;
  const { mutate, data, error } = useMutation({ mutationFn: freeze });
  useEffect(() => mutate(), [mutate]);
  if (!data)
    return (
      <Modal opened onClose={onClose} title={title}>
        {error ? (
          <ErrorNotice title="The set was not made" error={error} onRetry={() => mutate()} />
        ) : (
          <Waiting lines={2} />
        )}
      </Modal>
    );
  const { run, total } = data;
  return (
    <ReasonDialog
      title={title}
      verb={`${verb} ${sayExact(total)}${after}`}
      {...(kind === 'skip' && { color: 'red' })}
      isReady={total > 0 && typeof rate === 'number'}
      act={(reason) =>
        read(runs[':id'].confirm.$post({ param: { id: String(run) }, json: { reason, rate_per_second: Number(rate) } }))
      }
      onDone={(confirmed) => {
        void client.invalidateQueries({ queryKey: ['runs'] });
        showDone(`The worker has ${sayExact(confirmed.total)} to ${verb.toLowerCase()}${after}.`);
        onClose();
      }}
      onClose={onClose}
    >
      {total === 0
        ? `No ${one} fits any more.`
        : `The set is fixed: ${sayExact(total)} of ${of}. What is found from now on is not in it. The worker goes through it, also when you leave this page.`}
      {kind === 'skip' && total > 0 && (
        <p>
          There is no undo: they would come behind what is handled from now on. A replay, on the page of the
          subscription, lets it handle the events of one customer, of one row, or all of them from a place on again, in
          their order.
        </p>
      )}
      <NumberInput
        mt="sm"
        label={`At most so many ${many} a second`}
        min={1}
        max={5_000}
        allowDecimal={false}
        value={rate}
        onChange={setRate}
      />
    </ReasonDialog>
  );
}
