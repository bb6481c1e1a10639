import { fetchLocalToken } from '@aether/identity';
import { apps } from './apps.ts';
import { aetherFolder, readRunning } from './start/running.ts';

/**
 * `aether token`: an access token for scripts, from the identity provider that `npm start` runs.
 *
 * @param app the app that accepts the token; by default Foundation.
 * @param scopes the scopes of the token; a person's token without any allows everything that the person may do.
 * @throws if nothing runs, if sign-in is by another provider, or if there is no such persona, app or scope
 */
export async function readToken(who: string, app?: string, scopes?: string[]): Promise<string> {
  const running = readRunning();
  if (!running) throw new Error('Nothing runs here. Start it in another terminal: npm start.');
  if (!running.IDENTITY_URL)
    throw new Error(
      'People sign in here at another identity provider (SIGNIN_ISSUER), and only that one gives tokens: see docs/signin.md.',
    );
  return fetchLocalToken({ folder: aetherFolder(), issuer: running.IDENTITY_URL, who, apps, app, scopes });
}

type TokenOptions = { as: string; app: string; scope?: string };

/** Prints only the token, so that a command line can contain it. @param scope several with commas between them */
export async function printToken({ as, app, scope }: TokenOptions): Promise<void> {
  console.log(
    await readToken(
      as,
      app,
      scope?.split(',').map((each) => each.trim()),
    ),
  );
}
