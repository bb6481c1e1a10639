import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { useDraft } from '@aether/ui/useDraft.ts';
import { Textarea, TextInput } from '@mantine/core';
import { type ActOutcome, addTasks, type ChosenCustomers } from '../api/acts.ts';
import { PersonPicker } from '../inputs/Picker.tsx';
import { noonOf } from '../tasks/days.ts';

type Values = { description: string; due: string; assigned_to: string | null };
type TasksDialogProps = { chosen: ChosenCustomers; onDone: (outcome: ActOutcome) => void; onClose: () => void };

/** Adds the same task to each of the chosen customers. */
export function TasksDialog({ chosen, onDone, onClose }: TasksDialogProps) {
  const draft = useDraft<Values>('tasks-of-customers', { description: '', due: '', assigned_to: null });
  const { description, due, assigned_to } = draft.value;
  return (
    <Dialog
      title="A task for each of them"
      verb="Add the tasks"
      draft={draft}
      faults={findMissing({ description }, { description: 'Write what is to be done.' })}
      save={() =>
        addTasks(
          chosen,
          {
            description: description.trim(),
            ...(due && { due_at: noonOf(due) }),
            ...(assigned_to !== null && { assigned_to }),
          },
          draft.id,
        )
      }
      onSaved={(outcome) => {
        onDone(outcome);
        onClose();
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <Textarea
            label="What is to be done"
            name="description"
            withAsterisk
            data-autofocus
            autosize
            minRows={2}
            value={description}
            error={errors.description}
            onChange={(event) => draft.change({ description: event.currentTarget.value })}
          />
          <TextInput
            label="Due on"
            name="due_at"
            type="date"
            value={due}
            error={errors.due_at}
            onChange={(event) => draft.change({ due: event.currentTarget.value })}
          />
          <PersonPicker
            label="Who does it"
            name="assigned_to"
            placeholder="You"
            value={assigned_to}
            error={errors.assigned_to}
            onChange={(id) => draft.change({ assigned_to: id })}
          />
        </>
      )}
    </Dialog>
  );
}
