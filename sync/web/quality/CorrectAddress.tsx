import { Dialog } from '@aether/ui/Dialog.tsx';
import { showUndo } from '@aether/ui/toasts.tsx';
import { Text, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { describeFound } from '../../quality/findings.ts';
import { correct, type Found, undoCorrection } from './queries.ts';

type CorrectAddressProps = { row: Found; onClose: () => void; onDone: () => void };

/** Puts a right address in the place of one that no mail can reach, or takes it away. */
export function CorrectAddress({ row, onClose, onDone }: CorrectAddressProps) {
  const [replacement, setReplacement] = useState('');
  const queries = useQueryClient();
  const isPrimary = row.detail.is_primary === true;
  const text = replacement.trim();
  return (
    <Dialog
      title="Correct an address"
      verb={text === '' ? 'Take it away' : 'Correct'}
      isReady={text !== '' || !isPrimary}
      save={() => correct(row.customer?.id ?? '', row.part, text || undefined)}
      onSaved={({ operation }) => {
        showUndo({
          message: text === '' ? 'The address was taken away.' : 'The address was corrected.',
          undo: async () => {
            await undoCorrection(operation);
            await queries.invalidateQueries({ queryKey: ['quality'] });
          },
        });
        onDone();
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <Text size="sm">
            {row.customer?.name}: {describeFound(row)}.
          </Text>
          <TextInput
            name="email"
            label="The right address"
            description={
              isPrimary
                ? 'This is the primary address, and a customer keeps one.'
                : 'Left empty, the address is only taken away.'
            }
            value={replacement}
            onChange={({ currentTarget }) => setReplacement(currentTarget.value)}
            error={errors.email}
            autoComplete="off"
            data-autofocus
          />
        </>
      )}
    </Dialog>
  );
}
