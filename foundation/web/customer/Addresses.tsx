import { formatDay, formatMoment } from '@aether/ui/formats.ts';
import { followOwnWrites, noteOwnWrite } from '@aether/ui/ownwrites.ts';
import { describeError } from '@aether/ui/refusal.ts';
import { Tag } from '@aether/ui/Tag.tsx';
import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { type Drafting, useDraft } from '@aether/ui/useDraft.ts';
import { ActionIcon, Text, TextInput, Tooltip } from '@mantine/core';
import { IconPlus, IconShieldCheck, IconStar, IconTrash, IconUsers } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { type At, addAddress, makeAddressPrimary, removeAddress, restoreAddress } from '../api/addresses.ts';
import type { Address, CustomerRecord, ReviewCandidate } from '../api/records.ts';
import { nameApp } from '../record/Provenance.tsx';
import classes from './customer.module.css';

type Changed = { address_id: string; version: number };
type Step = {
  send: (at: At) => Promise<Changed>;
  message: string;
  undo: (at: At, changed: Changed) => Promise<Changed>;
};

/** Every address of a customer with its marks. Each change can be undone. */
export function Addresses({ record: { customer, addresses, candidates } }: { record: CustomerRecord }) {
  const draft = useDraft(`new-address:${customer.id}`, '');
  const [isAdding, setAdding] = useState(draft.isThere);
  const client = useQueryClient();
  const record = `customer:${customer.id}`;
  const refresh = async () => {
    await client.invalidateQueries({ queryKey: ['customer', customer.id] });
    void client.invalidateQueries({ queryKey: ['customers'] });
  };
  /** Sends a change with the version that the person saw. */
  async function write(version: number, send: (at: At) => Promise<Changed>): Promise<Changed> {
    const changed = await send({ customer: customer.id, version });
    noteOwnWrite(record, version, changed.version);
    return changed;
  }
  const changing = useMutation({
    mutationFn: ({ send }: Step) => write(customer.version, send),
    onSuccess: (changed, { message, undo }) =>
      showUndo({
        message,
        undo: async () => {
          await write(followOwnWrites(record, changed.version), (at) => undo(at, changed));
          await refresh();
        },
      }),
    onSettled: refresh,
  });
  const change = (step: Step) =>
    changing.mutate(step, { onError: (error) => showRefusal('The address was not changed', error) });
  const primary = addresses.find((each) => each.is_primary);

  return (
    <section className={classes.section} aria-label="Addresses">
      <div className={classes.sectionHead}>
        <h2 className={classes.sectionTitle}>Addresses</h2>
        <ActionIcon aria-label={`Add an address to ${customer.name}`} onClick={() => setAdding(true)}>
          <IconPlus size={16} />
        </ActionIcon>
      </div>
      <ul className={classes.addresses}>
        {addresses.map((address) => (
          <AddressItem
            key={address.id}
            address={address}
            isBusy={changing.isPending}
            onMakePrimary={() =>
              change({
                send: (at) => makeAddressPrimary(at, address.id),
                message: `${address.email} is the primary address of ${customer.name}.`,
                undo: (at) => makeAddressPrimary(at, primary?.id ?? address.id),
              })
            }
            onRemove={() =>
              change({
                send: (at) => removeAddress(at, address.id),
                message: `${address.email} was removed. Another customer can have it now.`,
                undo: (at) => restoreAddress(at, address.id),
              })
            }
          />
        ))}
      </ul>
      {isAdding && (
        <NewAddress
          draft={draft}
          onAdd={(email) =>
            changing.mutateAsync({
              send: (at) => addAddress(at, email),
              message: `${email} was added.`,
              undo: (at, changed) => removeAddress(at, changed.address_id),
            })
          }
          onClose={() => setAdding(false)}
        />
      )}
      {candidates.map((candidate) => (
        <Candidate key={candidate.id} candidate={candidate} customerId={customer.id} />
      ))}
    </section>
  );
}

type AddressItemProps = { address: Address; isBusy: boolean; onMakePrimary: () => void; onRemove: () => void };

function AddressItem({ address, isBusy, onMakePrimary, onRemove }: AddressItemProps) {
  const { email, is_primary, verified_at, added_at, added_by, added_by_app } = address;
  const isNone = email.endsWith('@unknown.invalid'); // platform.no_address
  const who = added_by ? `${added_by.name} in ${nameApp(added_by_app)}` : nameApp(added_by_app);
  return (
    <li className={classes.address}>
      <div className={classes.addressLine}>
        <span className={classes.addressText}>
          {isNone ? 'No address is known: somebody else proved the former one.' : email}
        </span>
        {!is_primary && (
          <span className={classes.addressActions}>
            <Tooltip label="Make primary">
              <ActionIcon
                size="sm"
                variant="subtle"
                disabled={isBusy}
                aria-label={`Make ${email} the primary address`}
                onClick={onMakePrimary}
              >
                <IconStar size={15} />
              </ActionIcon>
            </Tooltip>
            <Tooltip label="Remove">
              <ActionIcon
                size="sm"
                variant="subtle"
                disabled={isBusy}
                aria-label={`Remove the address ${email}`}
                onClick={onRemove}
              >
                <IconTrash size={15} />
              </ActionIcon>
            </Tooltip>
          </span>
        )}
      </div>
      <div className={classes.addressMarks}>
        {is_primary && <Tag tone="accent">Primary</Tag>}
        {verified_at ? (
          <Tag tone="good">
            <IconShieldCheck size={13} aria-hidden /> Verified
          </Tag>
        ) : (
          !isNone && <Tag>Not verified</Tag>
        )}
        <span
          title={`${verified_at ? `Verified ${formatMoment(verified_at)}. ` : ''}Added ${formatMoment(added_at)} by ${who}`}
        >
          since {formatDay(verified_at ?? added_at)}
        </span>
      </div>
    </li>
  );
}

type NewAddressProps = { draft: Drafting<string>; onAdd: (email: string) => Promise<unknown>; onClose: () => void };

/** Enter adds the typed address, Escape discards it. */
function NewAddress({ draft, onAdd, onClose: close }: NewAddressProps) {
  const { value: email, set: setEmail } = draft;
  const onClose = () => {
    draft.clear();
    close();
  };
  const adding = useMutation({ mutationFn: onAdd, onSuccess: onClose });
  const submit = () => (email.trim() === '' ? onClose() : adding.mutate(email.trim()));
  return (
    <>
      <TextInput
        aria-label="New address"
        placeholder="name@example.com"
        size="xs"
        inputMode="email"
        autoFocus={!draft.restoredAt}
        disabled={adding.isPending}
        error={adding.isError}
        value={email}
        onChange={(event) => setEmail(event.currentTarget.value)}
        onBlur={() => email.trim() === '' && onClose()}
        onKeyDown={(event) => {
          if (event.key === 'Enter') submit();
          if (event.key !== 'Escape') return;
          event.stopPropagation();
          onClose();
        }}
      />
      {adding.error && (
        <Text size="xs" c="var(--bad)" role="alert">
          {describeError(adding.error)}
        </Text>
      )}
    </>
  );
}

/** Another customer who may be the same person, and the reason. */
function Candidate({ candidate, customerId }: { candidate: ReviewCandidate; customerId: string }) {
  const { customer, evidence, since } = candidate;
  const address = String(evidence.address ?? 'an address');
  return (
    <p className={classes.candidate}>
      <IconUsers size={15} aria-hidden />
      <span>
        <Link to="/customers/$id" params={{ id: customer.id }}>
          {customer.name}
        </Link>{' '}
        may be the same person:{' '}
        {evidence.taken_from === customerId
          ? `${address}, which was an unverified address here, was proven to be theirs`
          : `${address}, which is proven here, was an unverified address there`}{' '}
        ({formatDay(since)}).
      </span>
    </p>
  );
}
