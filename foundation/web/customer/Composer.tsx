import { KeyName, useKeys } from '@aether/ui/Keys.tsx';
import { Picker } from '@aether/ui/Picker.tsx';
import { describeError } from '@aether/ui/refusal.ts';
import { Button, Text, Textarea, TextInput } from '@mantine/core';
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useRef, useState } from 'react';
import { dealsQuery } from '../api/deals.ts';
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

type ComposerProps = {
  customerId: string;
  /** The new entry belongs to this deal. */
  dealId: number | undefined;
  onAdded: () => void;
};

/** The form for a note, call, e-mail, meeting or task. Ctrl+Enter adds it. */
export function Composer({ customerId, dealId, onAdded }: ComposerProps) {
  const client = useQueryClient();
  const input = useRef<HTMLTextAreaElement>(null);
  const [type, setType] = useState<NewActivity['type']>('note');
  const [description, setDescription] = useState('');
  const [due, setDue] = useState('');
  /** '' means now. */
  const [when, setWhen] = useState('');
  const [chosenDeal, setDeal] = useState<string | null>(null);
  // The form empties at once, so that the person can type the next entry while this one is saved. A refusal brings the text back.
  const adding = useMutation({
    mutationFn: (activity: NewActivity) => addActivity(customerId, activity),
    onMutate() {
      setDescription('');
      setDue('');
      setWhen('');
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
    const occurred_at = type !== 'task' && when ? new Date(when).toISOString() : undefined;
    const deal_id = dealId ?? (chosenDeal ? Number(chosenDeal) : undefined);
    adding.mutate({ type, description, due_at, occurred_at, deal_id, client_id: crypto.randomUUID() });
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
          {type !== 'task' && (
            <TextInput
              type="datetime-local"
              aria-label="When; empty is now"
              leftSection={<Text size="xs">When</Text>}
              leftSectionWidth={50}
              value={when}
              onChange={(event) => setWhen(event.currentTarget.value)}
            />
          )}
          {dealId === undefined && <DealChoice customerId={customerId} value={chosenDeal} onChange={setDeal} />}
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

type DealChoiceProps = { customerId: string; value: string | null; onChange: (id: string | null) => void };

/** The choice of the customer's deal to which the entry belongs, if any. */
function DealChoice({ customerId, value, onChange }: DealChoiceProps) {
  const { data } = useInfiniteQuery(dealsQuery({ customer_id: customerId, sort: 'updated', dir: 'desc' }));
  const deals = data?.pages.flatMap((page) => page.deals) ?? [];
  if (deals.length === 0) return null;
  return (
    <Picker
      aria-label="Deal it belongs to"
      placeholder="No deal"
      clearable
      data={deals.map(({ id, name }) => ({ value: String(id), label: name }))}
      value={value}
      onChange={onChange}
    />
  );
}
