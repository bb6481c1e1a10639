import { Dialog } from '@aether/ui/Dialog.tsx';
import { askForDesktop } from '@aether/ui/desktop.ts';
import { findMissing } from '@aether/ui/faults.ts';
import { dayOf } from '@aether/ui/formats.ts';
import { toDraft, toText } from '@aether/ui/mentions/drafts.ts';
import { MentionTextarea } from '@aether/ui/mentions/MentionTextarea.tsx';
import { Picker } from '@aether/ui/Picker.tsx';
import { showDone, showUndo } from '@aether/ui/toasts.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { Group, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { staffToMention } from '../api/people.ts';
import type { Repetition, Task } from '../api/records.ts';
import { addActivity, changeActivity } from '../api/timeline.ts';
import { CustomerPicker, PersonPicker } from '../inputs/Picker.tsx';
import { useMe } from '../shell/person.ts';
import { inputOf, noonOf, repetitionWords, timeZoneHere } from './days.ts';

/** `customer_name` is that of the chosen customer; `due` is a day, and `remind` a moment of this time zone. */
type Values = {
  customer_id?: string;
  customer_name?: string;
  description?: string;
  due?: string;
  person?: string | null;
  remind?: string;
  repeats?: Repetition | null;
};

const charactersMax = 4_000;
const repetitions = Object.entries(repetitionWords).map(([value, label]) => ({ value, label }));

const valuesOf = (task: Task): Values => ({
  description: toDraft(task.description, task.mentions),
  due: task.due_at ? dayOf(task.due_at) : '',
  person: task.assigned_to?.id ?? task.created_by?.id ?? null,
  remind: task.remind_at ? inputOf(task.remind_at) : '',
  repeats: task.repeats,
});

/** A day that was not touched keeps its time of day. */
const timesOf = ({ due, remind, repeats }: Values, before?: Task) => ({
  due_at: !due ? null : before?.due_at && dayOf(before.due_at) === due ? before.due_at : noonOf(due),
  remind_at: remind ? new Date(remind).toISOString() : null,
  repeats: repeats ?? null,
  time_zone: repeats ? timeZoneHere() : null,
});

type TaskDialogProps = {
  /** The task that is changed; without it, a new one is made. */
  task?: Task;
  customer?: { id: string; name: string };
  onClose: () => void;
};

/** The dialog for a task: what is to be done, for whom, by when and by whom, when to remind, and how it comes again. */
export function TaskDialog({ task, customer, onClose }: TaskDialogProps) {
  const me = useMe();
  const client = useQueryClient();
  const draft = useDraft<Values>(
    task ? `task:${task.id}` : customer ? `new-task:${customer.id}` : 'new-task',
    task ? valuesOf(task) : { customer_id: customer?.id, customer_name: customer?.name, person: me.id },
  );
  const { value: values, change } = draft;
  const mayEditWords = !task || me.isAdmin || task.created_by?.id === me.id;
  const refresh = () => {
    for (const key of ['tasks', 'customer']) void client.invalidateQueries({ queryKey: [key] });
  };
  const make = () => {
    const { due_at, remind_at, repeats, time_zone } = timesOf(values);
    return addActivity(values.customer_id ?? '', {
      ...{ type: 'task' as const, description: toText(values.description ?? ''), client_id: draft.id },
      ...(values.person && values.person !== me.id && { assigned_to: values.person }),
      ...(due_at && { due_at }),
      ...(remind_at && { remind_at }),
      ...(repeats && { repeats, time_zone: time_zone ?? undefined }),
    });
  };
  const edit = (to: Values, from: Values) =>
    changeActivity(task?.id ?? '', {
      ...(to.description !== from.description && { description: toText(to.description ?? '') }),
      ...timesOf(to, task),
      ...(to.person !== from.person && { assigned_to: to.person ?? null }),
    });
  return (
    <Dialog
      title={task ? 'Change the task' : 'New task'}
      verb={task ? 'Save' : 'Create'}
      draft={draft}
      faults={{
        ...findMissing(values, {
          description: 'Write what is to be done.',
          ...(!task && { customer_id: 'Choose the customer.' }),
        }),
        ...(values.repeats && !values.due && { due_at: 'Choose the first day: a task that repeats has one.' }),
      }}
      save={async () => {
        if (values.remind) askForDesktop();
        return task ? edit(values, valuesOf(task)) : make();
      }}
      onSaved={() => {
        refresh();
        if (task) {
          const before = valuesOf(task);
          showUndo({ message: 'The task was changed.', undo: () => edit(before, values).then(refresh) });
        } else showDone('The task was created.');
        onClose();
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <MentionTextarea
            people={staffToMention}
            label="What is to be done"
            name="description"
            withAsterisk
            data-autofocus
            autosize
            maxRows={8}
            maxLength={charactersMax}
            disabled={!mayEditWords}
            description={mayEditWords ? undefined : 'Only who wrote it, or an administrator, changes the words.'}
            draft={values.description ?? ''}
            error={errors.description}
            onDraft={(description) => change({ description })}
          />
          {!task && (
            <CustomerPicker
              label="Customer"
              name="customer_id"
              withAsterisk
              text={values.customer_name}
              disabled={customer !== undefined}
              value={values.customer_id ?? null}
              error={errors.customer_id}
              onChange={(id, choice) => change({ customer_id: id ?? undefined, customer_name: choice?.label })}
            />
          )}
          <Group grow align="start">
            <TextInput
              type="date"
              label="Due on"
              name="due_at"
              value={values.due ?? ''}
              error={errors.due_at}
              onChange={(event) => change({ due: event.currentTarget.value })}
            />
            <Picker
              label="Repeats"
              name="repeats"
              clearable
              placeholder="Never"
              data={repetitions}
              value={values.repeats ?? null}
              error={errors.repeats ?? errors.time_zone}
              onChange={(repeats) => change({ repeats: repeats as Repetition | null })}
            />
          </Group>
          <Group grow align="start">
            <PersonPicker
              label="Who does it"
              name="assigned_to"
              clearable={false}
              value={values.person ?? null}
              error={errors.assigned_to}
              onChange={(person) => change({ person })}
            />
            <TextInput
              type="datetime-local"
              label="Remind at"
              name="remind_at"
              value={values.remind ?? ''}
              error={errors.remind_at}
              onChange={(event) => change({ remind: event.currentTarget.value })}
            />
          </Group>
        </>
      )}
    </Dialog>
  );
}
