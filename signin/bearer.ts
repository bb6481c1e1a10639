import { type Caller, Problem, refuseStranger } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { errors, type JWTPayload, jwtVerify } from 'jose';
import { limitRole, provision, readPerson, roleMaxOf } from './person.ts';
import { type ProviderAccess, refuseUnreachable } from './provideraccess.ts';
import type { SignInSettings } from './settings.ts';

/** Asymmetric only: with HS256 the public key would be the secret, and with none there is no key at all. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
const clockToleranceSeconds = 30;
const tokenCharactersMax = 12_000;

/**
 * Lets in whoever sends an access token of the identity provider that was made for us: a person's, with the scope, or a machine's
 * (client credentials), with the app role.
 *
 * @throws Problem 401 for a token that is no good, 403 for one without the scope or role, 503 when the keys cannot be fetched
 */
export async function readBearer(
  db: PlatformDb,
  provider: ProviderAccess,
  settings: SignInSettings,
  token: string,
): Promise<Caller> {
  const claims = await verify(provider, settings, token);
  const isStillWelcome = async () => Number(claims.exp) * 1_000 > Date.now();
  if (isMachine(claims)) {
    if (!listOf(claims.roles).includes(settings.serviceRole)) throw refuseScope(settings);
    return { actor: undefined, isStillWelcome };
  }
  // An ID token is for whoever asked for it, and says nothing of what its bearer may do.
  const scopes = `${claims.scp ?? claims.scope ?? ''}`.split(' ');
  if (claims.nonce !== undefined || !scopes.includes(settings.scope)) throw refuseScope(settings);
  const person = readPerson(claims);
  if (!person) throw refuseToken('it names no person');
  const known = await db.getUserByDirectory(person.tenantId, person.objectId);
  const user = known ?? (await provision(db, person, settings));
  return { actor: limitRole(user, roleMaxOf(person, settings)), isStillWelcome };
}

/** A client's own token: Entra ID says so in `idtyp`, or by the same id for the subject and for the object. */
function isMachine(claims: JWTPayload): boolean {
  if (claims.scp !== undefined || claims.nonce !== undefined) return false;
  return claims.idtyp === 'app' || (claims.oid !== undefined && claims.oid === claims.sub && claims.name === undefined);
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

async function verify(provider: ProviderAccess, settings: SignInSettings, token: string): Promise<JWTPayload> {
  if (token.length > tokenCharactersMax || token.split('.').length !== 3) throw refuseToken('it is no JWT');
  const keys = await provider.keys();
  const issuer = (await provider.configuration()).serverMetadata().issuer;
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience: settings.audiences,
      algorithms,
      clockTolerance: clockToleranceSeconds,
      requiredClaims: ['exp', 'iat', 'sub'],
    });
    return payload;
  } catch (error) {
    throw describeFailure(error);
  }
}

/** Says enough to mend a token, and nothing of it. */
function describeFailure(error: unknown): Problem {
  if (error instanceof errors.JWTExpired) return refuseToken('it has expired');
  if (error instanceof errors.JWTClaimValidationFailed) {
    const meanings: Record<string, string> = { iss: 'another issuer made it', aud: 'it was made for somebody else' };
    return refuseToken(meanings[error.claim] ?? `its ${error.claim} is missing or wrong`);
  }
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported)
    return refuseToken('it is not signed with an algorithm that is taken here');
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) return refuseUnreachable(error);
  if (error instanceof errors.JOSEError && error.code !== 'ERR_JOSE_GENERIC')
    return refuseToken('its signature is not the identity provider’s');
  return refuseUnreachable(error);
}

function refuseToken(reason: string): Problem {
  return new Problem({
    status: 401,
    code: 'token-refused',
    detail: `The access token is not taken: ${reason}. Get a new one from the identity provider.`,
    headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' },
  });
}

function refuseScope({ scope, serviceRole }: SignInSettings): Problem {
  return new Problem({
    status: 403,
    code: 'token-lacks-scope',
    detail: `The access token must have the scope ${scope} (a person's) or the app role ${serviceRole} (a machine's).`,
    headers: { 'WWW-Authenticate': `Bearer error="insufficient_scope", scope="${scope}"` },
  });
}

/** The token of an Authorization header. @throws Problem 401 when it has another form */
export function readAuthorization(header: string): string {
  const [, token] = /^Bearer +([\w.~+/-]+=*)$/i.exec(header) ?? [];
  if (token) return token;
  throw refuseStranger();
}
