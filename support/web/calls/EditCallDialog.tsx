import { Dialog } from '@aether/ui/Dialog.tsx';
import { showDone } from '@aether/ui/toasts.tsx';
import { NumberInput, Select, Text, Textarea } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { changeCall } from '../api/calls.ts';
import type { Call, CallOutcome } from '../api/records.ts';
import { outcomeChoices } from './outcomes.ts';

/** Corrects a call's outcome, notes and duration. The person called stays the same. */
export function EditCallDialog({ call, onClose }: { call: Call; onClose: () => void }) {
  const client = useQueryClient();
  const [outcome, setOutcome] = useState(call.outcome);
  const [notes, setNotes] = useState(call.notes ?? '');
  const [minutes, setMinutes] = useState<number | string>((call.duration_seconds ?? 0) / 60);
  return (
    <Dialog
      title={`Call with ${call.customer.name}`}
      verb="Save"
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
          <Select
            label="Outcome"
            allowDeselect={false}
            data={outcomeChoices}
            value={outcome}
            error={errors.outcome}
            onChange={(value) => setOutcome(value as CallOutcome)}
          />
          <NumberInput
            label="Duration in minutes"
            min={0}
            max={1_440}
            decimalScale={1}
            value={minutes}
            error={errors.duration_seconds}
            onChange={setMinutes}
          />
          <Textarea
            label="Notes"
            autosize
            minRows={3}
            maxRows={10}
            maxLength={4_000}
            value={notes}
            error={errors.notes}
            onChange={(event) => setNotes(event.currentTarget.value)}
          />
        </>
      )}
    </Dialog>
  );
}
