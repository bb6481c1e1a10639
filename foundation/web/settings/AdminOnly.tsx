import { Nothing } from '@aether/ui/Notice.tsx';
import { IconLock } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { useMe } from '../shell/person.ts';

/** The page, or the reason why this person may not see it. The server refuses by itself; this only says so earlier. */
export function AdminOnly({ children }: { children: ReactNode }) {
  const me = useMe();
  if (me.isAdmin) return children;
  return (
    <Nothing icon={<IconLock size={28} />} title="For administrators">
      Ask one of them for a change here, or to make you one.
    </Nothing>
  );
}
