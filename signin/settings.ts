import { isLoopbackHost } from '@aether/http';
import { ConfigurationError } from '@aether/platform';
import { type Allowance, readAllowance } from './allowance.ts';

/** How an app signs people in. docs/signin.md explains each setting. */
export type SignInSettings = {
  issuer: URL;
  clientId: string;
  /** undefined: a public client, which only PKCE protects. */
  clientSecret: string | undefined;
  /** The audiences that an access token may have. */
  audiences: string[];
  /** The app role that makes an administrator; undefined: administrators are chosen on Foundation's page of users. */
  adminRole: string | undefined;
  /** The app role that makes a reader; undefined: readers are chosen on Foundation's page of users. */
  readerRole: string | undefined;
  /** The object id of the person who becomes administrator if there is none. */
  firstAdmin: string | undefined;
  /** The scope with which a person's access token allows everything that the person may do. */
  scope: string;
  /** The bounds on who may sign in. */
  allowance: Allowance;
  idleMinutes: number;
  maxHours: number;
};

type Variables = Record<string, string | undefined>;

const hoursMax = 31 * 24;

/** @throws ConfigurationError, naming the setting */
export function readSignInSettings(variables: Variables): SignInSettings {
  const clientId = requireSetting('SIGNIN_CLIENT_ID', variables);
  const issuer = readIssuer(requireSetting('SIGNIN_ISSUER', variables));
  const audiences = (variables.SIGNIN_AUDIENCE || clientId).split(',').map((each) => each.trim());
  const maxHours = readNumber('SIGNIN_MAX_HOURS', variables, 12, hoursMax);
  return {
    issuer,
    clientId,
    clientSecret: variables.SIGNIN_CLIENT_SECRET || undefined,
    audiences: audiences.filter((each) => each !== ''),
    adminRole: variables.SIGNIN_ADMIN_ROLE || undefined,
    readerRole: variables.SIGNIN_READER_ROLE || undefined,
    firstAdmin: variables.SIGNIN_FIRST_ADMIN || undefined,
    scope: variables.SIGNIN_SCOPE || 'access_as_user',
    allowance: readAllowance(variables),
    idleMinutes: readNumber('SIGNIN_IDLE_MINUTES', variables, 120, hoursMax * 60),
    maxHours,
  };
}

function requireSetting(setting: string, variables: Variables): string {
  const value = variables[setting];
  if (value) return value;
  throw new ConfigurationError(
    `${setting} is not set: staff cannot sign in without it. docs/signin.md says how; \`npm start\` brings a provider of its own.`,
  );
}

/** The provider's keys identify everybody, so they must come over TLS, or from this machine itself. */
function readIssuer(given: string): URL {
  const issuer = URL.canParse(given) ? new URL(given) : undefined;
  const isSafe = issuer?.protocol === 'https:' || (issuer?.protocol === 'http:' && isLoopbackHost(issuer.host));
  if (issuer && isSafe && issuer.search === '' && issuer.hash === '') return issuer;
  throw new ConfigurationError(
    'SIGNIN_ISSUER must be the https address of an OpenID Connect issuer, such as https://login.microsoftonline.com/<tenant id>/v2.0.',
  );
}

function readNumber(setting: string, variables: Variables, fallback: number, max: number): number {
  const number = Number(variables[setting] || fallback);
  if (Number.isInteger(number) && number >= 1 && number <= max) return number;
  throw new ConfigurationError(`${setting} must be a whole number from 1 to ${max}.`);
}
