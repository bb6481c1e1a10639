import { ChangesPage as Changes } from '@aether/ui/changes/ChangesPage.tsx';
import type { Change } from '@aether/ui/changes/calls.ts';
import { useNavigate, useRouter, useSearch } from '@tanstack/react-router';
import { useMe } from '../shell/person.ts';

/** Where each kind of setting is changed, or each one, which then has a page of its own. */
const places: Readonly<Record<string, (key: string) => string>> = {
  agent: () => '/settings/agents',
  canned_answer: () => '/settings/canned-answers',
  chatbot: (key) => `/settings/chatbots/${key}`,
  sharing: () => '/settings/sharing',
  tag: () => '/settings/tags',
  team: (key) => `/settings/teams/${key}`,
  widget: (key) => `/settings/widgets/${key}`,
};
const kinds = [...Object.keys(places), 'view'];
const placeOf = ({ kind, key }: Change) => places[kind]?.(key);

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
