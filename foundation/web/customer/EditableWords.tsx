import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
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
  const [edited, setEdited] = useState<string | undefined>();
  const save = async (description: string) => {
    await changeActivity(entry.id, { description });
    onChanged();
  };
  const saving = useMutation({
    mutationFn: save,
    onSuccess: () => {
      setEdited(undefined);
      showUndo({ message: 'The entry was changed.', undo: () => save(entry.description) });
    },
    onError: (error) => showRefusal('The entry was not changed', error),
  });
  const isOwn = entry.actor?.id === me.id || me.isAdmin;
  const mayEdit = isOwn && entry.app === 'foundation' && editableTypes.has(entry.type);
  if (edited === undefined)
    return (
      <div className={classes.editable}>
        <p className={classes.words}>{entry.description}</p>
        {mayEdit && (
          <ActionIcon
            size="sm"
            className={classes.edit}
            aria-label={`Edit: ${entry.description.slice(0, 40)}`}
            onClick={() => setEdited(entry.description)}
          >
            <IconEdit size={14} />
          </ActionIcon>
        )}
      </div>
    );
  const canSave = edited.trim() !== '' && edited.trim() !== entry.description;
  return (
    <form
      className={classes.editing}
      onSubmit={(event) => {
        event.preventDefault();
        if (canSave) saving.mutate(edited.trim());
      }}
    >
      <Textarea
        aria-label="What was written"
        autosize
        data-autofocus
        autoFocus
        maxLength={charactersMax}
        value={edited}
        onChange={(event) => setEdited(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') setEdited(undefined);
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) event.currentTarget.form?.requestSubmit();
        }}
      />
      <Button type="submit" size="compact-sm" loading={saving.isPending} disabled={!canSave}>
        Save
      </Button>
      <Button size="compact-sm" variant="subtle" color="gray" onClick={() => setEdited(undefined)}>
        Cancel
      </Button>
    </form>
  );
}
