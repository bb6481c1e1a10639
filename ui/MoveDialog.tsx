import { Alert, List, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ComponentType, useState } from 'react';
import { Dialog } from './Dialog.tsx';
import { formatNumber } from './formats.ts';
import { describeError, Refusal } from './refusal.ts';
import type { SearchedPickerProps } from './SearchedPicker.tsx';
import { showUndo } from './toasts.tsx';

type Named = { id: string; name: string | null };
type Preview = {
  from: Named;
  to: Named | null;
  goes: { what: string; count: number }[];
  stays: { what: string; why: string }[];
};
type Moved = { move: { id: string; from: Named; to: Named } };

/** What the app asks its server about the moves of one record. */
export type MoveCalls = {
  preview: (customerId: string | undefined, signal: AbortSignal) => Promise<Preview>;
  move: (change: { customer_id: string; reason?: string }) => Promise<Moved>;
  undo: (move: string) => Promise<unknown>;
};

type MoveDialogProps = {
  /** What is moved, as in `Move this conversation`. */
  what: string;
  id: string;
  calls: MoveCalls;
  CustomerPicker: ComponentType<SearchedPickerProps>;
  /** Called after the move, and after its undo. */
  onMoved: () => void;
  onClose: () => void;
};

const reasonCharactersMax = 500;

/** Asks to whom a record really belongs, says what goes along and what stays, and moves it. */
export function MoveDialog({ what, id, calls, CustomerPicker, onMoved, onClose }: MoveDialogProps) {
  const [to, setTo] = useState<string | null>(null);
  const [reason, setReason] = useState('');
  const before = usePreview(id, undefined, calls);
  const after = usePreview(id, to ?? undefined, calls);
  const preview = (to === null ? before : after).data ?? before.data;
  const refused = before.error ?? null;
  const faults: Record<string, string> = {};
  if (to === null) faults.customer_id = 'Choose to whom it belongs.';
  else if (after.error instanceof Refusal) faults.customer_id = describeError(after.error);
  return (
    <Dialog
      title={`Move this ${what} to another customer`}
      verb="Move"
      faults={faults}
      isReady={refused === null && preview !== undefined && (to === null || after.isSuccess || after.isError)}
      save={() => calls.move({ customer_id: to ?? '', reason: reason.trim() || undefined })}
      onSaved={({ move }) => {
        onMoved();
        onClose();
        showUndo({
          message: `The ${what} is with ${move.to.name ?? 'the other customer'} now.`,
          undo: () => calls.undo(move.id).finally(onMoved),
        });
      }}
      onClose={onClose}
    >
      {(errors) =>
        refused ? (
          <Alert color="red" c="var(--bad)" role="alert" title="It stays where it is">
            {describeError(refused)}
          </Alert>
        ) : (
          <>
            <Text size="sm">
              {preview ? `It belongs to ${preview.from.name ?? 'an erased customer'} at present.` : 'Looking…'}
            </Text>
            <CustomerPicker
              label="The right customer"
              name="customer_id"
              withAsterisk
              data-autofocus
              value={to}
              error={to !== null && after.error ? faults.customer_id : errors.customer_id}
              onChange={setTo}
            />
            <TextInput
              label="Reason"
              name="reason"
              description="Kept with the move."
              maxLength={reasonCharactersMax}
              value={reason}
              error={errors.reason}
              onChange={(event) => setReason(event.currentTarget.value)}
            />
            {preview && <Consequences what={what} preview={preview} />}
          </>
        )
      }
    </Dialog>
  );
}

function Consequences({ what, preview: { goes, stays } }: { what: string; preview: Preview }) {
  return (
    <div aria-live="polite">
      <Text size="sm" fw={600}>
        What goes along
      </Text>
      <List size="sm">
        <List.Item>The {what} itself</List.Item>
        {goes.map(({ what: name, count }) => (
          <List.Item key={name}>
            {count === 1 ? `1 ${singular[name] ?? name}` : `${formatNumber(count)} ${name}`}
          </List.Item>
        ))}
      </List>
      {stays.length > 0 && (
        <>
          <Text size="sm" fw={600} mt="xs">
            What stays
          </Text>
          <List size="sm">
            {stays.map(({ what: name, why }) => (
              <List.Item key={name}>
                {name}. <span style={{ color: 'var(--quiet)' }}>{why}</span>
              </List.Item>
            ))}
          </List>
        </>
      )}
    </div>
  );
}

const singular: Record<string, string> = {
  messages: 'message',
  'notes and actions': 'note or action',
  'entries of the timeline': 'entry of the timeline',
};

function usePreview(id: string, to: string | undefined, calls: MoveCalls) {
  return useQuery({
    queryKey: ['move-preview', id, to ?? null],
    queryFn: ({ signal }) => calls.preview(to, signal),
    staleTime: 0,
    gcTime: 0,
    retry: (count, error) => count < 2 && !(error instanceof Refusal && error.status >= 400 && error.status < 500),
  });
}
