import { randomUUID } from 'node:crypto';
import { importJWK, SignJWT } from 'jose';
import type * as Oidc from 'oidc-provider';
import { type Identity, keepIdentity } from './identityfile.ts';
import type { Persona } from './personas.ts';
import {
  claimsOf,
  cliClientId,
  localAudience,
  localScope,
  makeSubject,
  personaGrant,
  tokenSeconds,
} from './providersettings.ts';

/** Signs with the provider's own key what the code flow would have led to. */
export function grantPersona(
  { errors }: typeof Oidc,
  issuer: string,
  { keys: [key], salt }: Identity,
  personas: readonly Persona[],
) {
  return async (ctx: Oidc.TokenEndpointGrantContext<{ persona?: string }>): Promise<void> => {
    const wanted = ctx.oidc.params.persona?.toLowerCase();
    const persona = personas.find(
      ({ objectId, name }) => objectId === wanted || name.toLowerCase().split(' ')[0] === wanted,
    );
    if (!persona || !key)
      throw new errors.InvalidRequest(
        `there is no persona of this name: ${personas.map(({ name }) => name.toLowerCase().split(' ')[0]).join(', ')}, service`,
      );
    const { clientId } = ctx.oidc.client;
    const token = await new SignJWT({ ...claimsOf(persona), scp: localScope, client_id: clientId })
      .setProtectedHeader({ alg: 'RS256', kid: key.kid, typ: 'at+jwt' })
      .setIssuer(issuer)
      .setAudience(localAudience)
      .setSubject(makeSubject(clientId, persona.objectId, salt))
      .setJti(randomUUID())
      .setIssuedAt()
      .setExpirationTime(`${tokenSeconds}s`)
      .sign(await importJWK(key));
    ctx.body = { access_token: token, token_type: 'Bearer', expires_in: tokenSeconds };
  };
}

/**
 * An access token of the local provider that runs at `issuer` with its keys in `folder`, good for an hour.
 *
 * @param who the first name or the object id of a persona, or `service`: a machine without a person.
 */
export async function fetchLocalToken({
  folder,
  issuer,
  who,
}: {
  folder: string;
  issuer: string;
  who: string;
}): Promise<string> {
  const { secrets } = await keepIdentity(folder);
  const grant: Record<string, string> =
    who === 'service' ? { grant_type: 'client_credentials' } : { grant_type: personaGrant, persona: who };
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({ ...grant, client_id: cliClientId, client_secret: secrets.cli }),
  });
  const answer = (await response.json()) as { access_token?: string; error_description?: string };
  if (answer.access_token) return answer.access_token;
  throw new Error(`The local identity provider gives no token for ${who}: ${answer.error_description}.`);
}
