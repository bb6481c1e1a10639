import { InboxPage } from '@aether/ui/inbox/InboxPage.tsx';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMe } from './person.ts';

/** The person's inbox. The lists of conversations are the desk's. */
export function NoticesPage() {
  const { apps } = useMe();
  const search = useSearch({ from: '/notices' });
  const navigate = useNavigate({ from: '/notices' });
  return (
    <InboxPage
      own="support"
      apps={apps}
      search={search}
      onSearch={(next) => void navigate({ search: next, replace: true })}
    />
  );
}
