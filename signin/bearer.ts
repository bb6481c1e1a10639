import { type Caller, Problem, refuseStranger } from '@aether/http';
import { type PlatformDb, UserLeft } from '@aether/platform';
import { errors, type JWTPayload, jwtVerify } from 'jose';
import { requireAllowed } from './allowance.ts';
import { limitRole, provision, readPerson, roleMaxOf } from './person.ts';
import { type ProviderAccess, refuseUnreachable } from './provideraccess.ts';
import type { SignInSettings } from './settings.ts';

/** Asymmetric algorithms only: under HS256 the public key would be the secret, and `none` has no key at all. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
const clockToleranceSeconds = 30;
const tokenCharactersMax = 12_000;
const scopeForm = /^[a-z][a-z_-]{0,39}\.(read|write)$/;

/**
 * Reads an access token that the identity provider made for this app: a person's, or a machine's (client credentials).
 *
 * A person's token with the scope of the settings (`access_as_user`) does what the person may do. Any other token
 * allows only its named scopes, such as `deals.read`: a machine's are its `roles` (app roles in Entra ID), `scp` or
 * `scope`; a person's are its `scp` or `scope`, because there `roles` describe the person.
 *
 * A machine that belongs to an app, by a row of platform.app_clients, has of the scopes of its token only those of the row.
 *
 * @throws Problem 401 for a token that is not valid, 403 for a person's token without any scope or a person who may not
 *   sign in; UserLeft; 503 if the keys cannot be fetched
 */
export async function readBearer(
  db: PlatformDb,
  provider: ProviderAccess,
  settings: SignInSettings,
  token: string,
): Promise<Caller> {
  const claims = await verify(provider, settings, token);
  const isStillWelcome = async () => Number(claims.exp) * 1_000 > Date.now();
  // An ID token is for the app that requested it, and gives its bearer no rights.
  if (claims.nonce !== undefined) throw refuseScopes(settings);
  const delegated = [...listOf(claims.scp), ...listOf(claims.scope)];
  if (isMachine(claims)) {
    const scopes = [...delegated, ...listOf(claims.roles)].filter((scope) => scopeForm.test(scope));
    const known = await findClient(db, claims);
    return {
      actor: undefined,
      machine: claims.sub,
      scopes: new Set(known ? scopes.filter((scope) => known.scopes.includes(scope)) : scopes),
      ...(known && { app: known.app }),
      isStillWelcome,
    };
  }
  const named = delegated.filter((scope) => scopeForm.test(scope));
  const isWhole = delegated.includes(settings.scope);
  if (!isWhole && named.length === 0) throw refuseScopes(settings);
  const person = readPerson(claims);
  if (!person) throw refuseToken('it names no person');
  requireAllowed(claims, settings);
  const known = await db.getUserByDirectory(person.tenantId, person.objectId);
  const user = known ?? (await provision(db, person, settings));
  if (user.left_at) throw new UserLeft();
  const actor = limitRole(user, roleMaxOf(person, settings), settings);
  return {
    actor,
    ...(!isWhole && { scopes: new Set(named) }),
    isStillWelcome: async () => (await isStillWelcome()) && !(await db.getUserById(user.id))?.left_at,
  };
}

/** The app to which a machine belongs, if any. Entra ID names the client in `azp` or `appid`, others in `client_id` or as the subject. */
async function findClient(db: PlatformDb, claims: JWTPayload): Promise<{ app: string; scopes: string[] } | undefined> {
  const client = [claims.azp, claims.appid, claims.client_id, claims.cid, claims.sub].find(
    (claim) => typeof claim === 'string' && claim !== '',
  );
  const [row] = await db.run<{ app: string; scopes: string[] }>(clientById, [client]);
  return row;
}

const clientById = {
  name: 'app-client',
  text: 'select app, scopes from platform.app_clients where client = $1',
  isShort: true,
};

/**
 * Whether a client got this token for itself. Entra ID shows it by `idtyp`, or by the same id for subject and object
 * without a delegated scope. Other providers name the client as the subject (RFC 9068), or the grant (`gty` of Auth0).
 */
function isMachine(claims: JWTPayload): boolean {
  if (claims.idtyp !== undefined) return claims.idtyp === 'app';
  if (claims.name !== undefined) return false;
  if (claims.gty === 'client-credentials') return true;
  if (claims.oid !== undefined) return claims.oid === claims.sub && claims.scp === undefined;
  return [claims.client_id, claims.azp, claims.cid].includes(claims.sub);
}

/** The words of a claim, which is a list or a text with blanks between the words. */
function listOf(claim: unknown): string[] {
  const words = typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : [];
  return words.filter((word) => typeof word === 'string');
}

async function verify(provider: ProviderAccess, settings: SignInSettings, token: string): Promise<JWTPayload> {
  if (token.length > tokenCharactersMax || token.split('.').length !== 3) throw refuseToken('it is no JWT');
  const { issuer, keys, verified } = await provider.signature();
  const known = verified.find(token);
  if (known) return known;
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience: settings.audiences,
      algorithms,
      clockTolerance: clockToleranceSeconds,
      requiredClaims: ['exp', 'iat', 'sub'],
    });
    verified.keep(token, payload);
    return payload;
  } catch (error) {
    throw describeFailure(error);
  }
}

/** The reason of a refusal: enough to correct the token, but nothing of its content. */
function describeFailure(error: unknown): Problem {
  if (error instanceof errors.JWTExpired) return refuseToken('it has expired');
  if (error instanceof errors.JWTClaimValidationFailed) {
    const meanings: Record<string, string> = { iss: 'another issuer made it', aud: 'it was made for another app' };
    return refuseToken(meanings[error.claim] ?? `its ${error.claim} is missing or wrong`);
  }
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported)
    return refuseToken('it is not signed with an algorithm that is accepted here');
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) return refuseUnreachable(error);
  if (error instanceof errors.JOSEError && error.code !== 'ERR_JOSE_GENERIC')
    return refuseToken('its signature is not the identity provider’s');
  return refuseUnreachable(error);
}

function refuseToken(reason: string): Problem {
  return new Problem({
    status: 401,
    code: 'token-refused',
    detail: `The access token is not accepted: ${reason}. Get a new one from the identity provider.`,
    headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' },
  });
}

function refuseScopes({ scope }: SignInSettings): Problem {
  return new Problem({
    status: 403,
    code: 'token-lacks-scope',
    detail: `The access token of a person must have the scope ${scope}, or a named one such as customers.read.`,
    headers: { 'WWW-Authenticate': `Bearer error="insufficient_scope", scope="${scope}"` },
  });
}

/** The token of an Authorization header. @throws Problem 401 if the header has another form */
export function readAuthorization(header: string): string {
  const [, token] = /^Bearer +([\w.~+/-]+=*)$/i.exec(header) ?? [];
  if (token) return token;
  throw refuseStranger();
}
