import { Dialog } from '@aether/ui/Dialog.tsx';
import { Text, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import type { Listed } from '../../privacy/lists.ts';
import { beginJob } from './jobs.ts';

type EraseListDialogProps = {
  list: Listed[];
  people: number;
  /** A second person has to confirm each of them. */
  isAsking: boolean;
  onClose: () => void;
};

/** Erases a list after the number of people was typed: it cannot be taken back. */
export function EraseListDialog({ list, people, isAsking, onClose }: EraseListDialogProps) {
  const [typed, setTyped] = useState('');
  const [reason, setReason] = useState('');
  const navigate = useNavigate();
  const queries = useQueryClient();
  const faults: Record<string, string> = {};
  if (reason.trim() === '') faults.reason = 'Say why: each receipt keeps it.';
  if (typed.trim() !== String(people)) faults.typed = 'Type the number as it is shown.';
  return (
    <Dialog
      title={people === 1 ? 'Erase one person' : `Erase ${people.toLocaleString('en')} people`}
      verb={isAsking ? 'Ask for the erasure' : 'Erase for good'}
      color="red"
      faults={faults}
      save={() => beginJob(list, reason.trim())}
      onSaved={({ id }) => {
        queries.removeQueries({ queryKey: ['privacy'] });
        void navigate({ to: '/privacy/lists/$id', params: { id } });
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <Text size="sm">
            {isAsking
              ? 'Another administrator has to confirm it. Then each of them is erased everywhere, and it cannot be taken back.'
              : 'Each of them is erased everywhere, and has a receipt. It cannot be taken back.'}{' '}
            Lines that are refused stop nobody else. The reason stays with each receipt, so it must not name anybody.
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
            label={`Type ${people} to confirm`}
            inputMode="numeric"
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
