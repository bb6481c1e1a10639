import { InboxPage as Inbox } from '@aether/ui/inbox/InboxPage.tsx';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMe } from './person.ts';

/** The person's inbox. */
export function InboxPage() {
  const { apps } = useMe();
  const search = useSearch({ from: '/inbox' });
  const navigate = useNavigate({ from: '/inbox' });
  return (
    <Inbox
      own="foundation"
      apps={apps}
      search={search}
      onSearch={(next) => void navigate({ search: next, replace: true })}
    />
  );
}
