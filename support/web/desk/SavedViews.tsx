import navigation from '@aether/ui/Navigation.module.css';
import { lazyPage } from '@aether/ui/parts/lazy.tsx';
import { IconBookmark, IconUsers } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useLocation } from '@tanstack/react-router';
import { savedViewsQuery } from '../api/views.ts';
import { useMe } from '../shell/person.ts';
import { readDeskSearch, writeDeskSearch } from './search.ts';

/** Loaded when somebody has a view. */
const ViewMenu = lazyPage(() => import('./ViewMenu.tsx'), 'ViewMenu', 'panel');

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
          {(view.owner_id === me.id ? !me.isReader || !view.is_shared : view.is_shared && me.isAdmin) && (
            <ViewMenu view={view} />
          )}
        </div>
      ))}
    </>
  );
}
