import { fetchLocalToken, type LocalApp } from '@aether/identity';
import { aetherFolder, readRunning } from './start/running.ts';

/**
 * `aether token`: an access token for scripts, from the identity provider that `npm start` runs.
 *
 * @param app for which the token is made; by default Foundation.
 * @param scopes what it allows; a person's without any does what the person may do.
 * @throws when nothing runs, people sign in elsewhere, or there is no such persona, app or scope
 */
export async function readToken(who: string, app?: LocalApp, scopes?: string[]): Promise<string> {
  const running = readRunning();
  if (!running) throw new Error('Nothing runs here. Start it in another terminal: npm start.');
  if (!running.IDENTITY_URL)
    throw new Error(
      'People sign in here at another identity provider (SIGNIN_ISSUER), and only that one gives tokens: see docs/signin.md.',
    );
  return fetchLocalToken({ folder: aetherFolder, issuer: running.IDENTITY_URL, who, app, scopes });
}

type TokenOptions = { as: string; app: LocalApp; scope?: string };

/** Prints nothing but the token, so that a command line can contain it. @param scope several with commas */
export async function printToken({ as, app, scope }: TokenOptions): Promise<void> {
  console.log(
    await readToken(
      as,
      app,
      scope?.split(',').map((each) => each.trim()),
    ),
  );
}
