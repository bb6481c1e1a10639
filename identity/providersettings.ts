import { createHash } from 'node:crypto';
import { escapeHtml, makePage } from '@aether/http';
import type * as Oidc from 'oidc-provider';
import type { Identity } from './identityfile.ts';
import { choicePath, localTenantId, type Persona } from './personas.ts';
import { rememberBriefly } from './providermemory.ts';

/** Fetches an access token of a persona, without a browser; only the client of the command may. */
export const personaGrant = 'urn:aether:grant:persona';
export const cliClientId = 'aether-cli';
export const localAudience = 'api://aether';
export const localScope = 'access_as_user';
export const tokenSeconds = 3_600;

/** How the local provider is set up: as Entra ID answers, wherever the apps could tell the difference. */
export function describeProvider(
  { interactionPolicy }: typeof Oidc,
  identity: Identity,
  personas: readonly Persona[],
): Oidc.Configuration {
  const policy = interactionPolicy.base();
  policy.remove('consent');
  // Nobody is remembered: whoever signs in says as whom, each time.
  policy
    .get('login')
    ?.checks.add(
      new interactionPolicy.Check('choose', 'choose a persona', (ctx) => ctx.oidc.result?.login === undefined),
    );
  return {
    adapter: rememberBriefly(),
    expiresWithSession: () => false,
    jwks: { keys: identity.keys as never },
    clients: [appClient('foundation', identity), appClient('support', identity), cliClient(identity)],
    cookies: { keys: identity.cookieKeys },
    subjectTypes: ['pairwise'],
    // Of where apps run there is nothing to fetch: they are on this machine, on any port.
    sectorIdentifierUriValidate: () => false,
    async pairwiseIdentifier(_ctx, accountId, client) {
      return makeSubject(client.clientId, accountId, identity.salt);
    },
    responseTypes: ['code'],
    pkce: { required: () => true },
    scopes: ['openid', 'profile', 'email', localScope, `${localAudience}/.default`],
    claims: { openid: ['sub', 'tid', 'oid', 'roles'], profile: ['name', 'preferred_username'], email: ['email'] },
    conformIdTokenClaims: false, // into the ID token, as Entra ID does
    findAccount(_ctx, id) {
      const persona = personas.find(({ objectId }) => objectId === id);
      return (
        persona && { accountId: id, claims: async () => ({ sub: id, ...claimsOf(persona) }) as Oidc.AccountClaims }
      );
    },
    extraTokenClaims(_ctx, token) {
      const persona = 'accountId' in token && personas.find(({ objectId }) => objectId === token.accountId);
      if (persona) return { ...claimsOf(persona), scp: localScope };
      return { idtyp: 'app', roles: ['Aether.Service'] };
    },
    interactions: { policy, url: (_ctx, interaction) => `${choicePath}/${interaction.uid}` },
    async loadExistingGrant(ctx) {
      const { client, session, provider } = ctx.oidc;
      // Whoever has chosen a persona has agreed to everything that there is to agree to here.
      const grant = new provider.Grant({ clientId: client?.clientId, accountId: session?.accountId });
      grant.addOIDCScope('openid profile email');
      await grant.save();
      return grant;
    },
    renderError(ctx, { error, error_description }) {
      const { html, headers } = makePage(
        'This does not work',
        `<p>${escapeHtml(error_description ?? 'The request is not valid.')}</p><small>${escapeHtml(error)}</small>`,
      );
      ctx.set(headers);
      ctx.body = html;
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      resourceIndicators: {
        enabled: true,
        // The code flow is for ID tokens; all other tokens are for the apps' interfaces.
        defaultResource: (ctx) => (ctx.oidc.route === 'token' && !ctx.oidc.params?.code ? localAudience : []),
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: `${localScope} ${localAudience}/.default`,
          audience: localAudience,
          accessTokenFormat: 'jwt',
          accessTokenTTL: tokenSeconds,
        }),
      },
    },
    ttl: {
      AccessToken: tokenSeconds,
      ClientCredentials: tokenSeconds,
      AuthorizationCode: 60,
      IdToken: 300,
      Interaction: 600,
      Session: 600,
      Grant: 600,
    },
  };
}

/** What the tokens say of a persona, under the names that Entra ID uses. */
export const claimsOf = ({ objectId, name, email, roles }: Persona) => ({
  tid: localTenantId,
  oid: objectId,
  name,
  email,
  preferred_username: email,
  ...(roles.length > 0 && { roles }),
});

/** A native client may come back to any port of this machine (RFC 8252). */
function appClient(app: 'foundation' | 'support', identity: Identity) {
  return {
    client_id: app,
    client_secret: identity.secrets[app],
    application_type: 'native' as const,
    redirect_uris: ['127.0.0.1', 'localhost', '[::1]'].map((host) => `http://${host}/signin/callback`),
    sector_identifier_uri: `https://${app}.invalid/`,
    grant_types: ['authorization_code', 'client_credentials'],
    response_types: ['code' as const],
    token_endpoint_auth_method: 'client_secret_post' as const,
    scope: `openid profile email ${localAudience}/.default`,
  };
}

function cliClient(identity: Identity) {
  return {
    client_id: cliClientId,
    client_secret: identity.secrets.cli,
    redirect_uris: [],
    response_types: [],
    sector_identifier_uri: 'https://cli.invalid/',
    grant_types: [personaGrant, 'client_credentials'],
    token_endpoint_auth_method: 'client_secret_post' as const,
    scope: `${localScope} ${localAudience}/.default`,
  };
}

/** Who a persona is to one client: to no other client the same. */
export const makeSubject = (clientId: string, accountId: string, salt: string) =>
  createHash('sha256').update(`${clientId}\0${accountId}\0${salt}`).digest('base64url');
