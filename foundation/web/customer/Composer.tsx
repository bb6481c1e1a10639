import { AttachButton, FileTray, useFileDrop } from '@aether/ui/attachments/FileTray.tsx';
import { sayFiles } from '@aether/ui/attachments/upload.ts';
import { useUploads } from '@aether/ui/attachments/useUploads.ts';
import { KeyName } from '@aether/ui/KeyName.tsx';
import { sendOnModEnter, useKeys } from '@aether/ui/Keys.tsx';
import { MentionTextarea } from '@aether/ui/mentions/MentionTextarea.tsx';
import { Picker } from '@aether/ui/Picker.tsx';
import { describeDraft, useDraft } from '@aether/ui/useDraft.ts';
import { Button, Text, TextInput } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { type FormEvent, useEffect, useRef } from 'react';
import { dealsQuery } from '../api/deals.ts';
import { staffToMention } from '../api/people.ts';
import type { NewActivity } from '../api/records.ts';
import type { TimelineOf } from '../api/timeline.ts';
import { activityTypes } from './activitytypes.tsx';
import { placeOf, useOutbox } from './sending.ts';
import classes from './timeline.module.css';
import { UnsentEntry } from './UnsentEntry.tsx';

const types = ['note', 'call', 'email', 'meeting', 'task'] as const;
const prompts: Record<NewActivity['type'], string> = {
  note: 'What should others know?',
  call: 'What was said?',
  email: 'What was it about?',
  meeting: 'Who met, and what was agreed?',
  task: 'What is to be done?',
};

type Values = { type: NewActivity['type']; description: string; due: string; when: string; deal: string | null };

/** An empty `when` means now. */
const empty: Values = { type: 'note', description: '', due: '', when: '', deal: null };
const hasNoWords = ({ description, due, when }: Values) => description.trim() === '' && due === '' && when === '';

type ComposerProps = {
  /** What is written to a company itself has no task, no deal and no files. */
  of: TimelineOf;
  /** The new entry belongs to this deal. */
  dealId: number | undefined;
  onAdded: () => unknown;
};

/** The form for a note, call, e-mail, meeting or task. Ctrl+Enter adds it. */
export function Composer({ of, dealId, onAdded }: ComposerProps) {
  const isOfCustomer = of.kind === 'customer';
  const place = placeOf(of);
  const input = useRef<HTMLTextAreaElement>(null);
  const draft = useDraft<Values>(dealId ? `timeline:${place}:${dealId}` : `timeline:${place}`, empty, hasNoWords);
  const { type, description, due, when, deal } = draft.value;
  const uploads = useUploads(`/api/customers/${of.id}/uploads`);
  const drop = useFileDrop(uploads);
  const hasFiles = uploads.sent.length > 0;
  const canSend = !uploads.isBusy && (description.trim() !== '' || hasFiles);
  // The form empties at once, so that the person can type the next entry while this one is sent. What cannot be sent waits below.
  const outbox = useOutbox(place);
  const unsent = outbox.unsent.filter(({ activity }) => dealId === undefined || activity.deal_id === dealId);
  const count = useRef(unsent.length);
  useEffect(() => {
    if (unsent.length < count.current) onAdded();
    count.current = unsent.length;
  }, [unsent.length, onAdded]);
  const begin = (next: NewActivity['type']) => {
    draft.change({ type: next });
    input.current?.focus();
  };
  useKeys([
    { keys: 'n', label: 'Add a note', group: isOfCustomer ? 'Customer' : 'Company', run: () => begin('note') },
    ...(isOfCustomer ? [{ keys: 't', label: 'Add a task', group: 'Customer', run: () => begin('task') }] : []),
  ]);
  const submit = (event?: FormEvent) => {
    event?.preventDefault();
    if (!canSend) return;
    // Noon, because that is the same day for colleagues in the time zones around.
    const due_at = type === 'task' && due ? new Date(`${due}T12:00`).toISOString() : undefined;
    const occurred_at = type !== 'task' && when ? new Date(when).toISOString() : undefined;
    const deal_id = dealId ?? (deal ? Number(deal) : undefined);
    const files = hasFiles ? uploads.sent.map(({ id }) => id) : undefined;
    const words = description.trim() === '' ? sayFiles(uploads.sent) : description;
    outbox.send({ activity: { type, description: words, due_at, occurred_at, deal_id, files } }, draft.id);
    uploads.clear();
    draft.clear();
    draft.change({ type }); // people often add several of a kind
  };
  const edit = (clientId: string) => {
    const back = outbox.discard(clientId);
    if (!back) return;
    const { activity } = back;
    draft.change({
      type: activity.type,
      description: description ? `${activity.description}\n${description}` : activity.description,
    });
    input.current?.focus();
  };
  return (
    <>
      <form
        className={classes.composer}
        onSubmit={submit}
        onKeyDown={sendOnModEnter}
        aria-label="Add to the timeline"
        data-over={drop.isOver || undefined}
        {...(isOfCustomer && drop.handlers)}
      >
        <fieldset className={classes.kinds} aria-label="Type">
          {(isOfCustomer ? types : types.filter((each) => each !== 'task')).map((each) => (
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
          {isOfCustomer && <AttachButton uploads={uploads} className={classes.kind} />}
        </fieldset>
        <MentionTextarea
          input={input}
          people={staffToMention}
          aria-label={prompts[type]}
          placeholder={prompts[type]}
          autosize
          minRows={1}
          maxRows={10}
          draft={description}
          onDraft={(description) => draft.change({ description })}
          onKeyDown={(event) => {
            if (event.key === 'Escape') event.currentTarget.blur();
          }}
        />
        <FileTray uploads={uploads} />
        {(description !== '' || type === 'task' || uploads.items.length > 0) && (
          <div className={classes.composerFoot}>
            {type === 'task' && (
              <TextInput
                type="date"
                aria-label="Due on"
                value={due}
                onChange={(event) => draft.change({ due: event.currentTarget.value })}
              />
            )}
            {type !== 'task' && (
              <TextInput
                type="datetime-local"
                aria-label="When; empty is now"
                leftSection={<Text size="xs">When</Text>}
                leftSectionWidth={50}
                value={when}
                onChange={(event) => draft.change({ when: event.currentTarget.value })}
              />
            )}
            {isOfCustomer && dealId === undefined && (
              <DealChoice customerId={of.id} value={deal} onChange={(id) => draft.change({ deal: id })} />
            )}
            <span className={classes.send}>
              <KeyName keys="mod+enter" />
              <Button type="submit" disabled={!canSend}>
                Add {activityTypes[type]?.label.toLowerCase()}
              </Button>
            </span>
          </div>
        )}
        {draft.isThere && (draft.restoredAt || !draft.isKept) && (
          <Text size="xs" c="dimmed" role="status">
            {describeDraft(draft)}
          </Text>
        )}
      </form>
      {unsent.length > 0 && (
        <ul className={classes.unsentList} aria-label="Not sent yet">
          {unsent.map((each) => (
            <UnsentEntry
              key={each.client_id}
              unsent={each}
              onRetry={() => outbox.retry(each.client_id)}
              onEdit={() => edit(each.client_id)}
            />
          ))}
        </ul>
      )}
    </>
  );
}

type DealChoiceProps = { customerId: string; value: string | null; onChange: (id: string | null) => void };

/** The choice of the deal to which the entry belongs, if any: of the customer, or one in which the customer has a part. */
function DealChoice({ customerId, value, onChange }: DealChoiceProps) {
  const { data } = useInfiniteQuery(dealsQuery({ contact_id: customerId, sort: 'updated', dir: 'desc' }));
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
