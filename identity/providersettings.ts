import { createHash } from 'node:crypto';
import { escapeHtml, makePage } from '@aether/http';
import type * as Oidc from 'oidc-provider';
import { type Identity, secretOf } from './identityfile.ts';
import { choicePath, localTenantId, type Persona } from './personas.ts';
import { rememberBriefly } from './providermemory.ts';

/** The grant for an access token of a persona without a browser. Only the command's client may use it. */
export const personaGrant = 'urn:aether:grant:persona';
export const cliClientId = 'aether-cli';
export const localScope = 'access_as_user';
export const tokenSeconds = 3_600;

/** An app that signs people in at the provider and takes its access tokens. */
export type LocalApp = {
  name: string;
  /** What tokens for the app can allow. */
  scopes: readonly string[];
  /** The scopes that the app's own client has at another app. */
  asks?: { of: string; scopes: readonly string[] };
};

/** The audience of an access token for this app. Every other app refuses it. */
export const audienceOf = (app: string) => `api://aether-${app}`;
const everyGranted = (audience: string) => `${audience}/.default`;

/** The settings of the local provider. It answers like Entra ID wherever the apps could see a difference. */
export function describeProvider(
  { interactionPolicy, errors }: typeof Oidc,
  identity: Identity,
  personas: readonly Persona[],
  apps: readonly LocalApp[],
): Oidc.Configuration {
  const everyScope = [...new Set(apps.flatMap(scopesFor))];
  const policy = interactionPolicy.base();
  policy.remove('consent');
  // No session is kept: each sign-in begins with the choice of a persona.
  policy
    .get('login')
    ?.checks.add(
      new interactionPolicy.Check('choose', 'choose a persona', (ctx) => ctx.oidc.result?.login === undefined),
    );
  return {
    adapter: rememberBriefly(),
    expiresWithSession: () => false,
    jwks: { keys: identity.keys as never },
    clients: [...apps.map((app) => appClient(app, identity)), cliClient(everyScope, identity)],
    cookies: { keys: identity.cookieKeys },
    subjectTypes: ['pairwise'],
    // The provider fetches nothing from clients, because apps are on this machine, on any port.
    sectorIdentifierUriValidate: () => false,
    async pairwiseIdentifier(_ctx, accountId, client) {
      return makeSubject(client.clientId, accountId, identity.salt);
    },
    responseTypes: ['code'],
    pkce: { required: () => true },
    scopes: ['openid', 'profile', 'email', ...everyScope],
    claims: {
      openid: ['sub', 'tid', 'oid', 'roles'],
      profile: ['name', 'preferred_username'],
      email: ['email', 'email_verified'],
    },
    conformIdTokenClaims: false, // claims go into the ID token, as in Entra ID
    findAccount(_ctx, id) {
      const persona = personas.find(({ objectId }) => objectId === id);
      return (
        persona && { accountId: id, claims: async () => ({ sub: id, ...claimsOf(persona) }) as Oidc.AccountClaims }
      );
    },
    extraTokenClaims(_ctx, token) {
      const persona = 'accountId' in token && personas.find(({ objectId }) => objectId === token.accountId);
      if (persona) return { ...claimsOf(persona), scp: localScope };
      return { idtyp: 'app', roles: rolesOf(apps, token as Oidc.ClientCredentials) };
    },
    interactions: { policy, url: (_ctx, interaction) => `${choicePath}/${interaction.uid}` },
    async loadExistingGrant(ctx) {
      const { client, session, provider } = ctx.oidc;
      // The choice of a persona is the consent to all scopes.
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
        // The code flow is for ID tokens. All other tokens are for the apps' interfaces.
        defaultResource: (ctx, client) =>
          ctx.oidc.route === 'token' && !ctx.oidc.params?.code ? audienceOf(targetOf(apps, client?.clientId)) : [],
        useGrantedResource: () => true,
        getResourceServerInfo(_ctx, audience) {
          const app = apps.find(({ name }) => audienceOf(name) === audience);
          if (!app) throw new errors.InvalidTarget(`there is no app for which ${audience} stands`);
          return { scope: scopesFor(app).join(' '), audience, accessTokenFormat: 'jwt', accessTokenTTL: tokenSeconds };
        },
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

/** The claims about a persona, under the names that Entra ID uses. */
export const claimsOf = ({ objectId, name, email, roles }: Persona) => ({
  tid: localTenantId,
  oid: objectId,
  name,
  email,
  email_verified: true,
  preferred_username: email,
  ...(roles.length > 0 && { roles }),
});

const scopesFor = ({ name, scopes }: LocalApp) => [localScope, ...scopes, everyGranted(audienceOf(name))];

/** The app for which a client gets tokens if it names none. */
function targetOf(apps: readonly LocalApp[], clientId: string | undefined): string {
  return apps.find(({ name }) => name === clientId)?.asks?.of ?? (apps[0] as LocalApp).name;
}

/** The rights of a machine's token, under the name that Entra ID uses. */
function rolesOf(apps: readonly LocalApp[], { clientId, scope }: Oidc.ClientCredentials): string[] {
  const asked = (scope ?? '').split(' ').filter(Boolean);
  const asks = apps.find(({ name }) => name === clientId)?.asks;
  const granted = asks && asked.includes(everyGranted(audienceOf(asks.of))) ? asks.scopes : [];
  const named = asked.filter((each) => each !== localScope && !each.endsWith('/.default'));
  return [...new Set([...named, ...granted])];
}

/** A native client may come back to any port of this machine (RFC 8252). */
function appClient({ name, asks }: LocalApp, identity: Identity) {
  return {
    client_id: name,
    client_secret: secretOf(identity, name),
    application_type: 'native' as const,
    redirect_uris: ['127.0.0.1', 'localhost', '[::1]'].map((host) => `http://${host}/signin/callback`),
    sector_identifier_uri: `https://${name}.invalid/`,
    grant_types: ['authorization_code', 'client_credentials'],
    response_types: ['code' as const],
    token_endpoint_auth_method: 'client_secret_post' as const,
    scope: ['openid profile email', ...(asks ? [everyGranted(audienceOf(asks.of)), ...asks.scopes] : [])].join(' '),
  };
}

function cliClient(scopes: readonly string[], identity: Identity) {
  return {
    client_id: cliClientId,
    client_secret: identity.secrets.cli,
    redirect_uris: [],
    response_types: [],
    sector_identifier_uri: 'https://cli.invalid/',
    grant_types: [personaGrant, 'client_credentials'],
    token_endpoint_auth_method: 'client_secret_post' as const,
    scope: scopes.join(' '),
  };
}

/** The subject of a persona for one client. Each client gets another subject. */
export const makeSubject = (clientId: string, accountId: string, salt: string) =>
  createHash('sha256').update(`${clientId}\0${accountId}\0${salt}`).digest('base64url');
