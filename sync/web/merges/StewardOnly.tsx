import { Nothing } from '@aether/ui/Notice.tsx';
import { IconLock } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { useMe } from '../shell/person.ts';

/** The page, or why this person may not see it. The server refuses by itself; this only says so earlier. */
export function StewardOnly({ children, does = 'merge customers' }: { children: ReactNode; does?: string }) {
  const { isSteward } = useMe();
  if (isSteward) return children;
  return (
    <Nothing icon={<IconLock size={28} />} title="For data stewards">
      Stewards and administrators {does}. An administrator makes stewards on Foundation’s page of users.
    </Nothing>
  );
}
