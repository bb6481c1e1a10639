import { lazyDialog } from '@aether/ui/parts/lazy.tsx';
import { ForChanges } from '@aether/ui/reading.tsx';
import { showDone, showRefusal } from '@aether/ui/toasts.tsx';
import { ActionIcon, Button, Menu } from '@mantine/core';
import { IconBookmarkPlus, IconDots, IconTrash, IconUsers } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { View, ViewPage } from '../api/records.ts';
import { changeView, deleteView, viewsQuery } from '../api/settings.ts';
import { readSavedSearch, writeSearch } from '../inputs/urlvalues.ts';
import { useMe } from '../shell/person.ts';
import classes from './ViewBar.module.css';

/** Views are saved rarely, so the question is loaded when it is asked. */
const SaveView = lazyDialog(() => import('./SaveView.tsx'), 'SaveView');

type ViewBarProps = {
  page: ViewPage;
  /** The present search of the page. */
  search: Record<string, unknown>;
  /** The views that everybody has. */
  fixed: { name: string; search: Record<string, unknown> }[];
};

/** The views of a list, each a link to a search. The present search can be saved under a name. */
export function ViewBar({ page, search, fixed }: ViewBarProps) {
  const me = useMe();
  const { data } = useQuery(viewsQuery(page));
  const [isSaving, setSaving] = useState(false);
  const now = writeSearch(search);
  const saved = data?.views ?? [];
  const isKnown = saved.some(({ query }) => query === now) || fixed.some((view) => writeSearch(view.search) === now);
  return (
    <div className={classes.bar} data-sideways>
      {fixed.map((view) => (
        <ViewLink key={view.name} page={page} name={view.name} query={writeSearch(view.search)} />
      ))}
      {saved.map((view) => (
        <span key={view.id} className={classes.saved}>
          <ViewLink page={page} name={view.name} query={view.query} isShared={view.is_shared} />
          {view.query === now &&
            (me.isReader
              ? view.owner_id === me.id && !view.is_shared
              : view.owner_id === me.id || (view.is_shared && me.isAdmin)) && <ViewMenu view={view} />}
        </span>
      ))}
      {data && !isKnown && (
        <Button
          variant="subtle"
          size="compact-xs"
          leftSection={<IconBookmarkPlus size={15} />}
          onClick={() => setSaving(true)}
        >
          Save this view
        </Button>
      )}
      {isSaving && <SaveView page={page} query={now} onClose={() => setSaving(false)} />}
    </div>
  );
}

type ViewLinkProps = { page: ViewPage; name: string; query: string; isShared?: boolean };

function ViewLink({ page, name, query, isShared = false }: ViewLinkProps) {
  return (
    <Link
      to={`/${page}`}
      // The page's reader of its search checks the content of a view, as it checks every URL.
      search={readSavedSearch(query) as never}
      className={classes.view}
      activeOptions={{ exact: true, includeSearch: true }}
    >
      {name}
      {isShared && <IconUsers size={13} aria-label="Everybody sees this view" />}
    </Link>
  );
}

function ViewMenu({ view }: { view: View }) {
  const client = useQueryClient();
  const refresh = () => client.invalidateQueries({ queryKey: ['views', view.page] });
  const change = useMutation({
    mutationFn: () => changeView(view.id, { is_shared: !view.is_shared }),
    onSuccess: refresh,
    onError: (error) => showRefusal('The view was not changed', error),
  });
  const remove = useMutation({
    mutationFn: () => deleteView(view.id),
    onSuccess: () => {
      showDone(`The view “${view.name}” was removed.`);
      return refresh();
    },
    onError: (error) => showRefusal('The view was not removed', error),
  });
  return (
    <Menu>
      <Menu.Target>
        <ActionIcon size={24} aria-label={`Change the view ${view.name}`}>
          <IconDots size={15} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <ForChanges>
          <Menu.Item leftSection={<IconUsers size={15} />} onClick={() => change.mutate()}>
            {view.is_shared ? 'Keep it to myself' : 'Share with everybody'}
          </Menu.Item>
        </ForChanges>
        <Menu.Item leftSection={<IconTrash size={15} />} onClick={() => remove.mutate()}>
          Remove
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
