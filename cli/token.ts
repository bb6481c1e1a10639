import { fetchLocalToken } from '@aether/identity';
import { aetherFolder, readRunning } from './start/running.ts';

/**
 * `aether token`: an access token for scripts, from the identity provider that `npm start` runs.
 *
 * @throws when nothing runs, or people sign in elsewhere.
 */
export async function readToken(who: string): Promise<string> {
  const running = readRunning();
  if (!running) throw new Error('Nothing runs here. Start it in another terminal: npm start.');
  if (!running.IDENTITY_URL)
    throw new Error(
      'What runs here signs people in at an identity provider of its own (SIGNIN_ISSUER), and only that one gives tokens: see docs/signin.md.',
    );
  return fetchLocalToken({ folder: aetherFolder, issuer: running.IDENTITY_URL, who });
}

/** Prints nothing but the token, so that it can stand in a command line. */
export async function printToken({ as }: { as: string }): Promise<void> {
  console.log(await readToken(as));
}
