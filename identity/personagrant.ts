import { randomUUID } from 'node:crypto';
import { importJWK, SignJWT } from 'jose';
import type * as Oidc from 'oidc-provider';
import { type Identity, keepIdentity } from './identityfile.ts';
import type { Persona } from './personas.ts';
import {
  audienceOf,
  claimsOf,
  cliClientId,
  type LocalApp,
  localScope,
  makeSubject,
  personaGrant,
  tokenSeconds,
} from './providersettings.ts';

/** Signs a token of a persona with the provider's own key, for an app and, on request, for some scopes only. */
export function grantPersona(
  { errors }: typeof Oidc,
  issuer: string,
  { keys: [key], salt }: Identity,
  personas: readonly Persona[],
  apps: readonly LocalApp[],
) {
  return async (
    ctx: Oidc.TokenEndpointGrantContext<{ persona?: string; app?: string; scp?: string }>,
  ): Promise<void> => {
    const { app = apps[0]?.name ?? '', scp = localScope } = ctx.oidc.params;
    if (!apps.some(({ name }) => name === app)) throw new errors.InvalidTarget(`there is no app ${app}`);
    const wanted = ctx.oidc.params.persona?.toLowerCase();
    const persona = personas.find(
      ({ objectId, name }) => objectId === wanted || name.toLowerCase().split(' ')[0] === wanted,
    );
    if (!persona || !key)
      throw new errors.InvalidRequest(
        `there is no persona of this name: ${personas.map(({ name }) => name.toLowerCase().split(' ')[0]).join(', ')}, service`,
      );
    const { clientId } = ctx.oidc.client;
    const token = await new SignJWT({ ...claimsOf(persona), scp, client_id: clientId })
      .setProtectedHeader({ alg: 'RS256', kid: key.kid, typ: 'at+jwt' })
      .setIssuer(issuer)
      .setAudience(audienceOf(app))
      .setSubject(makeSubject(clientId, persona.objectId, salt))
      .setJti(randomUUID())
      .setIssuedAt()
      .setExpirationTime(`${tokenSeconds}s`)
      .sign(await importJWK(key));
    ctx.body = { access_token: token, token_type: 'Bearer', expires_in: tokenSeconds };
  };
}

/**
 * Returns an access token of the local provider that runs at `issuer` with its keys in `folder`. It is valid for an
 * hour, for one app.
 *
 * @param apps those of the provider.
 * @param who the first name or the object id of a persona, or `service`: a machine without a person.
 * @param scopes the scopes of the token. A persona's token without scopes allows everything that the persona may do; a
 *   machine's token needs scopes.
 * @throws if there is no such persona, or the app has no such scope
 */
export async function fetchLocalToken({
  folder,
  issuer,
  who,
  apps,
  app = apps[0]?.name ?? '',
  scopes = [],
}: {
  folder: string;
  issuer: string;
  who: string;
  apps: readonly LocalApp[];
  app?: string;
  scopes?: readonly string[];
}): Promise<string> {
  requireScopes(who, { apps, app, scopes });
  const { secrets } = await keepIdentity(folder);
  const scope = scopes.join(' ');
  const grant: Record<string, string> =
    who === 'service'
      ? { grant_type: 'client_credentials', resource: audienceOf(app), scope }
      : { grant_type: personaGrant, persona: who, app, ...(scope && { scp: scope }) };
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({ ...grant, client_id: cliClientId, client_secret: secrets.cli }),
  });
  const answer = (await response.json()) as { access_token?: string; error_description?: string };
  if (answer.access_token) return answer.access_token;
  throw new Error(`The local identity provider gives no token for ${who}: ${answer.error_description}.`);
}

function requireScopes(
  who: string,
  { apps, app, scopes }: { apps: readonly LocalApp[]; app: string; scopes: readonly string[] },
): void {
  const known = apps.find(({ name }) => name === app)?.scopes;
  if (!known) throw new Error(`There is no app ${app}. Choose one of ${apps.map(({ name }) => name).join(', ')}.`);
  const unknown = scopes.filter((scope) => !known.includes(scope));
  if (unknown.length > 0) throw new Error(`${app} has no scope ${unknown.join(', ')}. It has ${known.join(', ')}.`);
  if (who === 'service' && scopes.length === 0)
    throw new Error(`A machine may do nothing without a scope. Name some: ${known.join(', ')}.`);
}
