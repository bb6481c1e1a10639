import { Dialog } from '@aether/ui/Dialog.tsx';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { showDone } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, Text, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { ReasonDialog } from '../parts/ReasonDialog.tsx';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import classes from './privacy.module.css';
import { type ErasurePreview, erase, type FoundCustomer, placeHold, previewQuery, releaseHold } from './queries.ts';
import { sayAct, sayCount } from './words.ts';

/** What erasing would do, and the acts: erase, hold, release. Only looking is for every steward. */
export function ErasePanel({ customer }: { customer: FoundCustomer }) {
  const { id: me, isAdmin } = useMe();
  const queries = useQueryClient();
  const { data, error, refetch } = useQuery(previewQuery(customer.id));
  const [open, setOpen] = useState<'erase' | 'hold' | 'release'>();
  const close = () => setOpen(undefined);
  const again = () => {
    close();
    void queries.invalidateQueries({ queryKey: ['privacy'] });
  };
  if (error) return <ErrorNotice title="The dry run was not possible" error={error} onRetry={refetch} />;
  if (!data) return <Waiting />;
  // Who has asked does not confirm it.
  const isOwn = data.needs_two && data.asked?.by === me;
  return (
    <section aria-label="Erasing">
      <h3 className={classes.title}>What erasing would do</h3>
      {data.hold && (
        <p className={classes.note}>
          A legal hold keeps this person: {data.hold.reason} ({data.hold.by_name ?? data.hold.by},{' '}
          <When at={data.hold.at} />
          ). Nothing is erased, and no rule removes anything, until it is released.
        </p>
      )}
      {data.asked && (
        <p className={classes.note}>
          {isOwn ? 'You have' : `${data.asked.by_name ?? data.asked.by} has`} asked for the erasure{' '}
          <When at={data.asked.at} />: {data.asked.reason}.{' '}
          {data.needs_two &&
            `Another administrator${isOwn ? '' : ` than ${data.asked.by_name ?? data.asked.by}`} confirms it.`}
        </p>
      )}
      <Plan preview={data} />
      <div className={classes.acts}>
        {data.hold ? (
          <Button variant="default" onClick={() => setOpen('release')}>
            Release the hold…
          </Button>
        ) : (
          <>
            {isAdmin && !isOwn && (
              <Button color="red" onClick={() => setOpen('erase')}>
                {data.asked ? 'Confirm the erasure…' : 'Erase…'}
              </Button>
            )}
            <Button variant="default" onClick={() => setOpen('hold')}>
              Hold…
            </Button>
          </>
        )}
      </div>
      {open === 'erase' && <EraseDialog customer={customer} preview={data} onClose={close} />}
      {open === 'hold' && (
        <ReasonDialog
          title="Hold"
          verb="Hold"
          act={(reason) => placeHold(customer.id, reason)}
          onDone={() => {
            again();
            showDone('Nobody erases this person until the hold is released.');
          }}
          onClose={close}
        >
          A legal hold keeps {customer.name} from being erased, and from every rule that removes what is old.
        </ReasonDialog>
      )}
      {open === 'release' && data.hold && (
        <ReasonDialog
          title="Release the hold"
          verb="Release"
          act={(reason) => releaseHold(data.hold?.id ?? '', reason)}
          onDone={() => {
            again();
            showDone('The hold was released.');
          }}
          onClose={close}
        >
          It was placed for: {data.hold.reason}
        </ReasonDialog>
      )}
    </section>
  );
}

function Plan({ preview }: { preview: ErasurePreview }) {
  return (
    <>
      <p className={classes.quiet}>
        Events of the log that are scrubbed: {sayCount(preview.events)}. To the list that keeps the person away go, as
        keyed hashes, addresses: {preview.addresses}, numbers: {preview.numbers}.
        {preview.files.length > 0 && ` Stored files that are removed: ${preview.files.length}.`}
      </p>
      <table className={classes.held}>
        <thead>
          <tr>
            <th scope="col">Where</th>
            <th scope="col">What happens, and why</th>
            <th scope="col" className={classes.number}>
              Rows
            </th>
          </tr>
        </thead>
        <tbody>
          {preview.tables.map(({ table, act, rows, why }) => (
            <tr key={table}>
              <td className={classes.where}>{table}</td>
              <td>
                <b>{sayAct(act)}</b> <span className={classes.quiet}>{why}</span>
              </td>
              <td className={classes.number}>{rows.toLocaleString('en')}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

type EraseDialogProps = { customer: FoundCustomer; preview: ErasurePreview; onClose: () => void };

/** Erases after the address of the person was typed: it cannot be taken back. */
function EraseDialog({ customer, preview, onClose }: EraseDialogProps) {
  const [typed, setTyped] = useState('');
  const [reason, setReason] = useState('');
  const navigate = useNavigate();
  const queries = useQueryClient();
  const faults: Record<string, string> = {};
  if (reason.trim() === '') faults.reason = 'Say why: the receipt keeps it.';
  if (typed.trim().toLowerCase() !== customer.email.toLowerCase()) faults.typed = 'Type the address as it is shown.';
  return (
    <Dialog
      title={`Erase ${customer.name}`}
      verb={preview.needs_two && !preview.asked ? 'Ask for the erasure' : 'Erase for good'}
      color="red"
      faults={faults}
      save={() => erase(customer.id, reason.trim())}
      onSaved={({ id, state }) => {
        showDone(
          state === 'asked'
            ? 'Asked for. Another administrator confirms it.'
            : 'Erased. The receipt says what was done.',
        );
        queries.removeQueries({ queryKey: ['privacy'] });
        void navigate({ to: '/privacy/receipts/$id', params: { id } });
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <Text size="sm">
            Everything that tells of {customer.name} goes from every table, the log and stored files. It cannot be taken
            back. The reason stays with the receipt, so it must not name the person.
          </Text>
          <TextInput
            name="reason"
            label="Reason"
            maxLength={500}
            value={reason}
            onChange={({ currentTarget }) => setReason(currentTarget.value)}
            error={errors.reason}
            data-autofocus
          />
          <TextInput
            name="typed"
            label={`Type ${customer.email} to confirm`}
            autoComplete="off"
            value={typed}
            onChange={({ currentTarget }) => setTyped(currentTarget.value)}
            error={errors.typed}
          />
        </>
      )}
    </Dialog>
  );
}
