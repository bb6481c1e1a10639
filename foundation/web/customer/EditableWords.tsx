import { nameMentions } from '@aether/platform/mentions';
import { sendOnModEnter } from '@aether/ui/Keys.tsx';
import { toDraft, toText } from '@aether/ui/mentions/drafts.ts';
import { MentionTextarea } from '@aether/ui/mentions/MentionTextarea.tsx';
import { Words } from '@aether/ui/mentions/Words.tsx';
import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { ActionIcon, Button } from '@mantine/core';
import { IconEdit } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { staffToMention } from '../api/people.ts';
import type { ActivityEntry } from '../api/records.ts';
import { changeActivity } from '../api/timeline.ts';
import { useMe } from '../shell/person.ts';
import classes from './timeline.module.css';

/** A text that a person wrote. Its author and administrators may edit it. */
const editableTypes = new Set(['note', 'call', 'email', 'meeting']);
const charactersMax = 4_000;

type EditableWordsProps = { entry: ActivityEntry; onChanged: () => void };

export function EditableWords({ entry, onChanged }: EditableWordsProps) {
  const me = useMe();
  /** A correction that was begun earlier is open again. */
  const written = toDraft(entry.description, entry.mentions);
  const draft = useDraft(`activity:${entry.id}`, written);
  const edited = draft.value;
  const [isOpen, setOpen] = useState(draft.isThere);
  const [wasAsked, setAsked] = useState(false);
  const save = async (description: string) => {
    await changeActivity(entry.id, { description });
    onChanged();
  };
  const saving = useMutation({
    mutationFn: save,
    onSuccess: () => {
      setOpen(false);
      draft.clear();
      showUndo({ message: 'The entry was changed.', undo: () => save(entry.description) });
    },
    onError: (error) => showRefusal('The entry was not changed', error, { isKept: true }),
  });
  const isOwn = !me.isReader && (entry.actor?.id === me.id || me.isAdmin);
  const mayEdit = isOwn && entry.app === 'foundation' && editableTypes.has(entry.type);
  if (!isOpen || !mayEdit)
    return (
      <div className={classes.editable}>
        <p className={classes.words}>
          <Words text={entry.description} mentions={entry.mentions} />
        </p>
        {mayEdit && (
          <ActionIcon
            size="sm"
            className={classes.edit}
            aria-label={`Edit: ${nameMentions(entry.description, entry.mentions).slice(0, 40)}`}
            onClick={() => {
              draft.set(written);
              setAsked(true);
              setOpen(true);
            }}
          >
            <IconEdit size={14} />
          </ActionIcon>
        )}
      </div>
    );
  const cancel = () => {
    draft.discard();
    setOpen(false);
  };
  const text = toText(edited).trim();
  const canSave = text !== '' && text !== entry.description;
  return (
    <form
      className={classes.editing}
      onKeyDown={sendOnModEnter}
      onSubmit={(event) => {
        event.preventDefault();
        if (canSave) saving.mutate(text);
      }}
    >
      <MentionTextarea
        people={staffToMention}
        aria-label="What was written"
        autosize
        data-autofocus={wasAsked}
        autoFocus={wasAsked}
        maxLength={charactersMax}
        draft={edited}
        onDraft={draft.set}
        onKeyDown={(event) => {
          if (event.key === 'Escape') cancel();
        }}
      />
      <Button type="submit" size="compact-sm" loading={saving.isPending} disabled={!canSave}>
        Save
      </Button>
      <Button size="compact-sm" variant="subtle" color="gray" onClick={cancel}>
        Cancel
      </Button>
    </form>
  );
}
