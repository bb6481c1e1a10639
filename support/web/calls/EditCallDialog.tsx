import { Dialog } from '@aether/ui/Dialog.tsx';
import { Picker } from '@aether/ui/Picker.tsx';
import { showDone } from '@aether/ui/toasts.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { NumberInput, Text, Textarea } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { changeCall } from '../api/calls.ts';
import type { Call, CallOutcome } from '../api/records.ts';
import { outcomeChoices } from './outcomes.ts';

type Values = { outcome: CallOutcome | null; notes: string; minutes: number | string };

/** Corrects a call's outcome, notes and duration. The person called stays the same. */
export function EditCallDialog({ call, onClose }: { call: Call; onClose: () => void }) {
  const client = useQueryClient();
  const draft = useDraft<Values>(`call:${call.id}`, {
    outcome: call.outcome,
    notes: call.notes ?? '',
    minutes: (call.duration_seconds ?? 0) / 60,
  });
  const { outcome, notes, minutes } = draft.value;
  return (
    <Dialog
      title={`Call with ${call.customer.name}`}
      verb="Save"
      draft={draft}
      save={() =>
        changeCall(call.id, {
          outcome: outcome ?? undefined,
          notes: notes.trim(),
          duration_seconds: Math.round(Number(minutes) * 60),
        })
      }
      onSaved={() => {
        for (const key of ['calls', 'context']) void client.invalidateQueries({ queryKey: [key] });
        onClose();
        showDone('The call was changed.');
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <Text size="sm" c="dimmed">
            {call.direction === 'inbound' ? 'From' : 'To'} {call.number_e164}
          </Text>
          <Picker
            label="Outcome"
            name="outcome"
            data={outcomeChoices}
            value={outcome}
            error={errors.outcome}
            onChange={(value) => draft.change({ outcome: value as CallOutcome })}
          />
          <NumberInput
            label="Duration in minutes"
            name="duration_seconds"
            min={0}
            max={1_440}
            decimalScale={1}
            value={minutes}
            error={errors.duration_seconds}
            onChange={(value) => draft.change({ minutes: value })}
          />
          <Textarea
            label="Notes"
            name="notes"
            autosize
            minRows={3}
            maxRows={10}
            maxLength={4_000}
            value={notes}
            error={errors.notes}
            onChange={(event) => draft.change({ notes: event.currentTarget.value })}
          />
        </>
      )}
    </Dialog>
  );
}
