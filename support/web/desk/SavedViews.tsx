import navigation from '@aether/ui/Navigation.module.css';
import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { ActionIcon, Menu } from '@mantine/core';
import { IconBookmark, IconDots, IconTrash, IconUsers } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useLocation } from '@tanstack/react-router';
import { changeView, createView, deleteView, type SavedView, savedViewsQuery } from '../api/views.ts';
import { useMe } from '../shell/person.ts';
import { readDeskSearch, writeDeskSearch } from './search.ts';

/** The saved views of the inbox, each a link to a search; those that somebody shares have a mark. */
export function SavedViews() {
  const me = useMe();
  const { data } = useQuery(savedViewsQuery);
  const now = useLocation({
    select: ({ pathname, search }) =>
      /^\/(inbox|sessions\/)/.test(pathname) ? writeDeskSearch(readDeskSearch(search)) : undefined,
  });
  const views = data?.views ?? [];
  if (views.length === 0) return null;
  return (
    <>
      <div className={navigation.section}>Saved views</div>
      {views.map((view) => (
        <div key={view.id} className={navigation.saved}>
          <Link
            to="/inbox"
            search={readDeskSearch(Object.fromEntries(new URLSearchParams(view.query)))}
            className={navigation.place}
            data-status={undefined}
            data-shown={view.query === now}
            aria-current={view.query === now ? 'page' : undefined}
          >
            <IconBookmark size={17} stroke={1.7} aria-hidden />
            <span className={navigation.words}>{view.name}</span>
            {view.is_shared && <IconUsers size={13} aria-label="Every agent sees this view" />}
          </Link>
          {(view.owner_id === me.id || (view.is_shared && me.isAdmin)) && <ViewMenu view={view} />}
        </div>
      ))}
    </>
  );
}

function ViewMenu({ view }: { view: SavedView }) {
  const client = useQueryClient();
  const me = useMe();
  const refresh = () => client.invalidateQueries({ queryKey: savedViewsQuery.queryKey });
  const share = async (is_shared: boolean) => {
    await changeView(view.id, { is_shared });
    await refresh();
  };
  const sharing = useMutation({
    mutationFn: () => share(!view.is_shared),
    onSuccess: () =>
      showUndo({
        message: view.is_shared ? `“${view.name}” is its agent’s alone now.` : `Every agent sees “${view.name}” now.`,
        undo: () => share(view.is_shared),
      }),
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
        <ActionIcon size="sm" aria-label={`Change the view ${view.name}`}>
          <IconDots size={15} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconUsers size={15} />} onClick={() => sharing.mutate()}>
          {view.is_shared ? 'Keep it to its agent' : 'Share with every agent'}
        </Menu.Item>
        <Menu.Item leftSection={<IconTrash size={15} />} onClick={() => removing.mutate()}>
          Remove
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
