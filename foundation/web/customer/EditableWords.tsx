import { sendOnModEnter } from '@aether/ui/Keys.tsx';
import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { ActionIcon, Button, Textarea } from '@mantine/core';
import { IconEdit } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
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
  const draft = useDraft(`activity:${entry.id}`, entry.description);
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
  const isOwn = entry.actor?.id === me.id || me.isAdmin;
  const mayEdit = isOwn && entry.app === 'foundation' && editableTypes.has(entry.type);
  if (!isOpen || !mayEdit)
    return (
      <div className={classes.editable}>
        <p className={classes.words}>{entry.description}</p>
        {mayEdit && (
          <ActionIcon
            size="sm"
            className={classes.edit}
            aria-label={`Edit: ${entry.description.slice(0, 40)}`}
            onClick={() => {
              draft.set(entry.description);
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
  const canSave = edited.trim() !== '' && edited.trim() !== entry.description;
  return (
    <form
      className={classes.editing}
      onKeyDown={sendOnModEnter}
      onSubmit={(event) => {
        event.preventDefault();
        if (canSave) saving.mutate(edited.trim());
      }}
    >
      <Textarea
        aria-label="What was written"
        autosize
        data-autofocus={wasAsked}
        autoFocus={wasAsked}
        maxLength={charactersMax}
        value={edited}
        onChange={(event) => draft.set(event.currentTarget.value)}
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
