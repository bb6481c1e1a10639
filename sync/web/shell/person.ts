import { meQuery } from '@aether/ui/signin.ts';
import { useSuspenseQuery } from '@tanstack/react-query';

/** The signed-in person. The root route loads it before any page is shown. */
export function useMe() {
  const { data } = useSuspenseQuery(meQuery);
  const isAdmin = data.role === 'admin';
  return { ...data, isAdmin, isReader: data.role === 'reader', isSteward: isAdmin || data.role === 'steward' };
}
