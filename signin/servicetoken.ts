import * as oidc from 'openid-client';
import { accessProvider } from './provideraccess.ts';
import { readSignInSettings } from './settings.ts';

export type ServiceToken = {
  /** A token that is valid for at least a minute. @throws if the provider does not answer, or refuses */
  get(): Promise<string>;
  /** Forgets the token, because it was refused. */
  drop(): void;
};

/** A token is replaced this long before it expires, because it must still be valid when it arrives. */
const earlySeconds = 60;

/**
 * This app's own access token (client credentials) for another app's interface. It is kept until shortly before it expires. Callers
 * that need one at the same time share one request to the provider.
 *
 * @param scope the scopes of the token, such as `context.read`; with Entra ID `api://<client id of the other
 *   app>/.default`, which means all granted app roles.
 * @throws ConfigurationError
 */
export function serviceToken(variables: Record<string, string | undefined>, scope: string): ServiceToken {
  const settings = readSignInSettings(variables);
  const provider = accessProvider(settings);
  let held: { token: string; goodUntil: number } | undefined;
  let asking: Promise<string> | undefined;

  async function ask(): Promise<string> {
    const answer = await oidc.clientCredentialsGrant(await provider.configuration(), { scope });
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
