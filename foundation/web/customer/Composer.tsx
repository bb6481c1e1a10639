import { KeyName, useKeys } from '@aether/ui/Keys.tsx';
import { describeError } from '@aether/ui/refusal.ts';
import { Button, Text, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useRef, useState } from 'react';
import type { NewActivity } from '../api/records.ts';
import { addActivity } from '../api/timeline.ts';
import { activityTypes } from './activitytypes.tsx';
import classes from './timeline.module.css';

const types = ['note', 'call', 'email', 'meeting', 'task'] as const;
const prompts: Record<NewActivity['type'], string> = {
  note: 'What should others know?',
  call: 'What was said?',
  email: 'What was it about?',
  meeting: 'Who met, and what was agreed?',
  task: 'What is to be done?',
};

/** Writes down a note, call, e-mail, meeting or task. Ctrl+Enter adds it. */
export function Composer({ customerId, onAdded }: { customerId: string; onAdded: () => void }) {
  const client = useQueryClient();
  const input = useRef<HTMLTextAreaElement>(null);
  const [type, setType] = useState<NewActivity['type']>('note');
  const [description, setDescription] = useState('');
  const [due, setDue] = useState('');
  // Emptied at once, so that the next can be typed while this one is saved; a refusal brings it back.
  const adding = useMutation({
    mutationFn: (activity: NewActivity) => addActivity(customerId, activity),
    onMutate() {
      setDescription('');
      setDue('');
    },
    onSuccess() {
      void client.invalidateQueries({ queryKey: ['tasks'] });
      onAdded();
    },
    onError: (_, activity) => setDescription((typed) => typed || activity.description),
  });
  const begin = (next: NewActivity['type']) => {
    setType(next);
    input.current?.focus();
  };
  useKeys([
    { keys: 'n', label: 'Add a note', group: 'Customer', run: () => begin('note') },
    { keys: 't', label: 'Add a task', group: 'Customer', run: () => begin('task') },
  ]);
  const submit = (event?: FormEvent) => {
    event?.preventDefault();
    if (description.trim() === '') return;
    const due_at = type === 'task' && due ? new Date(`${due}T17:00`).toISOString() : undefined;
    adding.mutate({ type, description, due_at, client_id: crypto.randomUUID() });
  };
  return (
    <form className={classes.composer} onSubmit={submit} aria-label="Add to the timeline">
      <fieldset className={classes.kinds} aria-label="Type">
        {types.map((each) => (
          <button
            key={each}
            type="button"
            className={classes.kind}
            aria-pressed={each === type}
            onClick={() => begin(each)}
          >
            {activityTypes[each]?.label}
          </button>
        ))}
      </fieldset>
      <Textarea
        ref={input}
        aria-label={prompts[type]}
        placeholder={prompts[type]}
        autosize
        minRows={1}
        maxRows={10}
        value={description}
        onChange={(event) => setDescription(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) submit();
          if (event.key === 'Escape') event.currentTarget.blur();
        }}
      />
      {adding.error && (
        <Text size="xs" c="var(--bad)" role="alert">
          {describeError(adding.error)}
        </Text>
      )}
      {(description !== '' || type === 'task') && (
        <div className={classes.composerFoot}>
          {type === 'task' && (
            <TextInput
              type="date"
              aria-label="Due on"
              value={due}
              onChange={(event) => setDue(event.currentTarget.value)}
            />
          )}
          <span className={classes.hint}>
            <KeyName keys="mod+enter" />
          </span>
          <Button type="submit" loading={adding.isPending} disabled={description.trim() === ''}>
            Add {activityTypes[type]?.label.toLowerCase()}
          </Button>
        </div>
      )}
    </form>
  );
}
