import { queryOptions } from '@tanstack/react-query';
import { readRefusal } from './refusal.ts';
import { send, setCsrfToken } from './request.ts';
import { endWaiting } from './timedout.ts';

/** The answer of /signin/me. The routes of the sign-in are the same in every app. */
type Me = {
  user: { id: string; name: string; email: string; role: 'admin' | 'steward' | 'user' | 'reader' };
  csrf_token: string | null;
  /** Where the other apps are, as far as it is known. */
  apps: { foundation?: string; support?: string; console?: string };
};
type SignedOut = { ended: number; provider_sign_out_url: string | null };

let me: string | undefined;
const known = Promise.withResolvers<string>();
/** The id of the person for whom this page was loaded; settles when it is known. */
export const signedIn: Promise<string> = known.promise;
/** The app's tabs tell each other that somebody has signed in. */
const tabs = new BroadcastChannel('aether-sign-in');
tabs.onmessage = () => void takeNewSignIn();

/** Reads the signed-in person. From then on every change carries the token of that sign-in. @throws Refusal for a machine's token */
export const meQuery = queryOptions({
  queryKey: ['me'],
  staleTime: Number.POSITIVE_INFINITY,
  queryFn: async ({ signal }) => {
    const { user, csrf_token, apps } = await readJson<Me>(await send('/signin/me', { signal }));
    setCsrfToken(csrf_token ?? '');
    me = user.id;
    known.resolve(user.id);
    tabs.postMessage('signed-in');
    return { ...user, apps };
  },
});

/**
 * Handles the cookie of a newer sign-in, which has its own token. If that is another person's, the page becomes theirs: the waiting requests are not sent,
 * and what this page has open for the former person would bring that one's tabs the events of the other. What is half-written is kept.
 */
async function takeNewSignIn(): Promise<void> {
  const answer = await fetch('/signin/me', { headers: { Accept: 'application/json' } }).catch(() => undefined);
  if (!answer?.ok) return;
  const { user, csrf_token } = (await answer.json()) as Me;
  if (user.id === me) {
    setCsrfToken(csrf_token ?? '');
    endWaiting();
  } else if (me !== undefined) {
    window.location.reload();
  }
}

/** Ends the sign-in here, or everywhere. @returns the URL that ends it at the identity provider as well, if there is one. */
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
