import * as oidc from 'openid-client';
import { accessProvider } from './provideraccess.ts';
import { readSignInSettings } from './settings.ts';

export type ServiceToken = {
  /** A token that is good for a minute at least. @throws when the provider cannot be asked, or refuses */
  get(): Promise<string>;
  /** Forgets the token: it was refused. */
  drop(): void;
};

/** Before a token expires it is replaced this early: it must still be good when it arrives. */
const earlySeconds = 60;

/**
 * This app's own access token (client credentials) for another app's interface. It is kept until shortly before it expires; however
 * many ask at once, the provider is asked once.
 *
 * @param scope what the token is for: with Entra ID `api://<client id of the other app>/.default`.
 * @throws ConfigurationError
 */
export function serviceToken(variables: Record<string, string | undefined>, scope?: string): ServiceToken {
  const settings = readSignInSettings(variables);
  const provider = accessProvider(settings);
  const wanted = scope || `${settings.audiences[0]}/.default`;
  let held: { token: string; goodUntil: number } | undefined;
  let asking: Promise<string> | undefined;

  async function ask(): Promise<string> {
    const answer = await oidc.clientCredentialsGrant(await provider.configuration(), { scope: wanted });
    held = {
      token: answer.access_token,
      goodUntil: Date.now() + ((answer.expiresIn() ?? 0) - earlySeconds) * 1_000,
    };
    return held.token;
  }

  return {
    async get() {
      if (held && Date.now() < held.goodUntil) return held.token;
      asking ??= ask().finally(() => {
        asking = undefined;
      });
      return asking;
    },
    drop() {
      held = undefined;
    },
  };
}
