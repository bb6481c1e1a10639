import { LastChanged } from '@aether/ui/changes/LastChanged.tsx';
import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { showDone, showRefusal } from '@aether/ui/toasts.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { ActionIcon, Button, TextInput } from '@mantine/core';
import { IconPencil, IconPlus, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import {
  changeLossReason,
  createLossReason,
  deleteLossReason,
  type LossReason,
  lossReasonsQuery,
} from '../api/reports.ts';
import { AdminOnly } from './AdminOnly.tsx';
import classes from './settings.module.css';

/** The reasons for which deals are lost, for administrators. */
export function LossReasonsPage() {
  return (
    <AdminOnly>
      <PageHead title="Loss reasons" />
      <div className={classes.page}>
        <p className={classes.intro}>
          Whoever closes a deal as lost chooses one of these and may add words; the reports count them. A reason that
          deals have cannot be removed: retire it, and it is offered no more.
        </p>
        <LastChanged kind="loss_reason" />
        <ReasonList />
      </div>
    </AdminOnly>
  );
}

function ReasonList() {
  const client = useQueryClient();
  const { data, error, refetch } = useQuery(lossReasonsQuery);
  const [edited, setEdited] = useState<LossReason | 'new' | undefined>();
  const onSettled = () => client.invalidateQueries({ queryKey: ['loss-reasons'] });
  const retiring = useMutation({
    mutationFn: ({ id, is_retired }: LossReason) => changeLossReason(id, { is_retired: !is_retired }),
    onSettled,
    onError: (refusal) => showRefusal('The reason was not changed', refusal),
  });
  const removing = useMutation({
    mutationFn: ({ id }: LossReason) => deleteLossReason(id),
    onSuccess: (_, { name }) => showDone(`${name} was removed.`),
    onSettled,
    onError: (refusal) => showRefusal('The reason was not removed', refusal),
  });
  if (!data)
    return error ? (
      <ErrorNotice title="The reasons could not be loaded" error={error} onRetry={refetch} />
    ) : (
      <Waiting lines={5} />
    );
  const isBusy = retiring.isPending || removing.isPending;
  return (
    <section aria-label="Loss reasons">
      <h2 className={classes.title}>
        Loss reasons
        <Button variant="subtle" leftSection={<IconPlus size={15} />} onClick={() => setEdited('new')}>
          New reason
        </Button>
      </h2>
      {data.reasons.length === 0 && <p className={classes.intro}>None yet.</p>}
      <ul className={classes.list}>
        {data.reasons.map((reason) => (
          <li key={reason.id} className={classes.row}>
            <span className={classes.name}>{reason.name}</span>
            {reason.is_retired && <Tag tone="warn">Retired</Tag>}
            <Button
              variant="subtle"
              aria-label={`${reason.is_retired ? 'Bring back' : 'Retire'} ${reason.name}`}
              disabled={isBusy}
              onClick={() => retiring.mutate(reason)}
            >
              {reason.is_retired ? 'Bring back' : 'Retire'}
            </Button>
            <span>
              <ActionIcon aria-label={`Rename ${reason.name}`} onClick={() => setEdited(reason)}>
                <IconPencil size={15} />
              </ActionIcon>
              <ActionIcon
                aria-label={`Remove ${reason.name}`}
                disabled={isBusy}
                onClick={() => removing.mutate(reason)}
              >
                <IconTrash size={15} />
              </ActionIcon>
            </span>
          </li>
        ))}
      </ul>
      {edited && <ReasonDialog reason={edited === 'new' ? undefined : edited} onClose={() => setEdited(undefined)} />}
    </section>
  );
}

function ReasonDialog({ reason, onClose }: { reason: LossReason | undefined; onClose: () => void }) {
  const client = useQueryClient();
  const draft = useDraft(reason ? `loss-reason:${reason.id}` : 'new-loss-reason', { name: reason?.name ?? '' });
  const { name } = draft.value;
  return (
    <Dialog
      title={reason?.name ?? 'New reason'}
      verb={reason ? 'Save' : 'Add'}
      draft={draft}
      faults={findMissing({ name }, { name: 'Write a name.' })}
      save={() => (reason ? changeLossReason(reason.id, { name }) : createLossReason(name))}
      onSaved={() => {
        void client.invalidateQueries({ queryKey: ['loss-reasons'] });
        void client.invalidateQueries({ queryKey: ['reports'] });
        onClose();
      }}
      onClose={onClose}
    >
      {(errors) => (
        <TextInput
          label="Name"
          name="name"
          withAsterisk
          data-autofocus
          maxLength={80}
          value={name}
          error={errors.name}
          onChange={(event) => draft.change({ name: event.currentTarget.value })}
        />
      )}
    </Dialog>
  );
}
