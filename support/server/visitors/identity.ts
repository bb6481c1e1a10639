import { canonicaliseEmail, PlatformError, type Queryable } from '@aether/platform';
import { errors, type JWTPayload, jwtVerify } from 'jose';

/** The visitor's identity according to the host page. */
export type Identity = { email: string; name: string };

/** Ask the host page for a new token: this one is not valid. */
export class IdentityRefused extends PlatformError {
  constructor(reason: string) {
    super('identity-refused', 401, `The identity token was refused: ${reason}.`);
  }
}

const lifeSecondsMax = 3_600;
const clockToleranceSeconds = 30;
const nameCharactersMax = 200;

/**
 * Reads the identity that a host page has signed: a JWT by HS256 with one of the widget's secrets, for this widget, with address and
 * name, and with a lifetime of at most an hour.
 *
 * @throws IdentityRefused
 */
export async function readIdentity(
  on: Queryable,
  widget: { id: string; key: string },
  token: string,
): Promise<Identity> {
  const secrets = await on.query<{ secret: string }>(
    `select secret from support.widget_secrets
     where widget_id = $1 and (retires_at is null or retires_at > now()) order by created_at desc, id desc`,
    [widget.id],
  );
  if (secrets.length === 0) throw new IdentityRefused('this widget has no secret; an administrator makes one');
  let refusal = 'it was not signed with a secret of this widget';
  for (const { secret } of secrets) {
    try {
      const { payload } = await jwtVerify(token, new TextEncoder().encode(secret), {
        algorithms: ['HS256'],
        audience: widget.key,
        requiredClaims: ['iat', 'exp'],
        maxTokenAge: lifeSecondsMax,
        clockTolerance: clockToleranceSeconds,
      });
      return readClaims(payload);
    } catch (error) {
      if (error instanceof IdentityRefused) throw error;
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) refusal = describe(error);
    }
  }
  throw new IdentityRefused(refusal);
}

function describe(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'it has expired';
  if (error instanceof errors.JWTClaimValidationFailed)
    return error.claim === 'aud' ? 'its aud is not the key of this widget' : `its ${error.claim} is missing or wrong`;
  return 'it is no JWT signed by HS256';
}

function readClaims({ email, name, iat = 0, exp = 0 }: JWTPayload): Identity {
  if (exp - iat > lifeSecondsMax) throw new IdentityRefused(`it lives longer than ${lifeSecondsMax} seconds`);
  if (typeof email !== 'string' || !canonicaliseEmail(email).ok) throw new IdentityRefused('its email is no address');
  const line = typeof name === 'string' ? name.trim() : '';
  if (line === '' || line.length > nameCharactersMax || /[\p{Cc}\u2028\u2029]/u.test(line))
    throw new IdentityRefused(`its name is not one line of at most ${nameCharactersMax} characters`);
  return { email, name: line };
}
