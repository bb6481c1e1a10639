import { meQuery } from '@aether/ui/signin.ts';
import { useSuspenseQuery } from '@tanstack/react-query';

/** Who is signed in. The root route has loaded it before any page is shown. */
export function useMe() {
  const { data } = useSuspenseQuery(meQuery);
  return { ...data, isAdmin: data.role === 'admin' };
}
