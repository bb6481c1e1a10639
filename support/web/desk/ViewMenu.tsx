import { ForChanges } from '@aether/ui/reading.tsx';
import { showDone, showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { ActionIcon, Menu } from '@mantine/core';
import { IconDots, IconTrash, IconUsers } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { changeView, createView, deleteView, type SavedView, savedViewsQuery } from '../api/views.ts';
import { useMe } from '../shell/person.ts';

/** Shares a saved view, keeps it to its agent, or removes it. */
export function ViewMenu({ view }: { view: SavedView }) {
  const client = useQueryClient();
  const me = useMe();
  const refresh = () => client.invalidateQueries({ queryKey: savedViewsQuery.queryKey });
  const share = async (is_shared: boolean) => {
    await changeView(view.id, { is_shared });
    await refresh();
  };
  const sharing = useMutation({
    mutationFn: () => share(!view.is_shared),
    onSuccess: () => {
      const message = view.is_shared
        ? `“${view.name}” is its agent’s alone now.`
        : `Every agent sees “${view.name}” now.`;
      // An administrator changes what is shared, so another agent's own is out of reach, also of an undo.
      if (view.owner_id !== me.id) showDone(message);
      else showUndo({ message, undo: () => share(view.is_shared) });
    },
    onError: (error) => showRefusal('The view was not changed', error),
  });
  const removing = useMutation({
    mutationFn: () => deleteView(view.id),
    onSuccess: async () => {
      await refresh();
      const isOwn = view.owner_id === me.id;
      showUndo({
        message: `The view “${view.name}” was removed.`,
        undo: async () => {
          await createView({ name: view.name, query: view.query, is_shared: view.is_shared });
          await refresh();
          return isOwn ? undefined : 'The view is there again, as yours.';
        },
      });
    },
    onError: (error) => showRefusal('The view was not removed', error),
  });
  return (
    <Menu>
      <Menu.Target>
        <ActionIcon size={26} aria-label={`Change the view ${view.name}`}>
          <IconDots size={15} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <ForChanges>
          <Menu.Item leftSection={<IconUsers size={15} />} onClick={() => sharing.mutate()}>
            {view.is_shared ? 'Keep it to its agent' : 'Share with every agent'}
          </Menu.Item>
        </ForChanges>
        <Menu.Item leftSection={<IconTrash size={15} />} onClick={() => removing.mutate()}>
          Remove
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
