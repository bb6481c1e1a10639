import { ChangesPage as Changes } from '@aether/ui/changes/ChangesPage.tsx';
import type { Change } from '@aether/ui/changes/calls.ts';
import { useNavigate, useRouter, useSearch } from '@tanstack/react-router';
import { useMe } from '../shell/person.ts';

/** Where each kind of setting is changed. */
const places: Readonly<Record<string, string>> = {
  currency: '/settings/currencies',
  custom_field: '/settings/fields',
  loss_reason: '/settings/loss-reasons',
  pipeline: '/settings/pipelines',
  report_settings: '/settings/currencies',
  tag: '/settings/tags',
  tier: '/settings/tiers',
  user: '/settings/users',
};
const kinds = [...Object.keys(places), 'view'];
const placeOf = ({ kind }: Change) => places[kind];

/** Who changed what in the settings. */
export function ChangesPage() {
  const { isAdmin } = useMe();
  const router = useRouter();
  const search = useSearch({ from: '/settings/changes' });
  const navigate = useNavigate({ from: '/settings/changes' });
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
