import { ChangesPage as Changes } from '@aether/ui/changes/ChangesPage.tsx';
import type { Change } from '@aether/ui/changes/calls.ts';
import { useNavigate, useRouter, useSearch } from '@tanstack/react-router';
import { useMe } from '../shell/person.ts';

/** Where each kind of setting is shown. Limits are set by SQL. */
const places: Readonly<Record<string, (key: string) => string>> = {
  app: () => '/apps',
  privacy: () => '/privacy',
  retention: () => '/privacy',
  webhook: (key) => `/webhooks/${key}`,
};
const kinds = [...Object.keys(places), 'limit'];
const placeOf = ({ kind, key }: Change) => places[kind]?.(key);

/** Who changed what in the settings. */
export function ChangesPage() {
  const { isAdmin } = useMe();
  const router = useRouter();
  const search = useSearch({ from: '/changes' });
  const navigate = useNavigate({ from: '/changes' });
  return (
    <Changes
      isAdmin={isAdmin}
      kinds={kinds}
      placeOf={placeOf}
      search={search}
      onSearch={(next) => void navigate({ search: next, replace: true })}
      go={(path) => router.history.push(path)}
    />
  );
}
