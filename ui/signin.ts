import { queryOptions } from '@tanstack/react-query';
import { Refusal, readRefusal } from './refusal.ts';
import { send, setCsrfToken } from './request.ts';

/** Of /signin/me: the sign-in's routes are the same in every app. */
type Me = {
  user: { id: string; name: string; email: string; role: 'admin' | 'user' } | null;
  csrf_token: string | null;
};
type SignedOut = { ended: number; provider_sign_out_url: string | null };

/** Who is signed in. From then on every change carries that sign-in's token. @throws Refusal for a machine's token */
export const meQuery = queryOptions({
  queryKey: ['me'],
  staleTime: Number.POSITIVE_INFINITY,
  queryFn: async ({ signal }) => {
    const { user, csrf_token } = await readJson<Me>(await send('/signin/me', { signal }));
    if (!user)
      throw new Refusal(403, {
        code: 'person-only',
        detail: 'This page is for people: sign in without a machine’s token.',
      });
    setCsrfToken(csrf_token ?? '');
    return user;
  },
});

/** Ends the sign-in here, or everywhere. @returns where to go to end it at the identity provider as well, if one can. */
export async function signOut(path: '/signin/out' | '/signin/out-everywhere'): Promise<string | null> {
  const headers = { 'Content-Type': 'application/json' };
  const { provider_sign_out_url } = await readJson<SignedOut>(
    await send(path, { method: 'POST', headers, body: '{}' }),
  );
  return provider_sign_out_url;
}

async function readJson<Body>(answer: Response): Promise<Body> {
  if (!answer.ok) throw await readRefusal(answer);
  return answer.json() as Promise<Body>;
}
