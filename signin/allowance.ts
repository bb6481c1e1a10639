import { domainToASCII } from 'node:url';
import { Problem } from '@aether/http';
import { ConfigurationError } from '@aether/platform';

/** The bounds on who may sign in. An empty list sets no bound; a person must be within every bound that is set. */
export type Allowance = {
  /** Domains of e-mail addresses, in ASCII. A subdomain is another domain. */
  domains: string[];
  /** Groups, under the names that the provider uses in `groupsClaim`. */
  groups: string[];
  groupsClaim: string;
  /** Directories (`tid` of Entra ID). */
  tenants: string[];
};

type Claims = Record<string, unknown>;
type Bound = 'domain' | 'group' | 'tenant';

/** The person may not sign in here, although the identity provider knows them. */
export class SignInNotAllowed extends Problem {
  /** The account of the person at the provider; only the person sees it. */
  readonly account: string | undefined;

  constructor(bound: Bound, account: string | undefined, isOverage: boolean) {
    super({
      status: 403,
      code: 'sign-in-not-allowed',
      detail: 'Your account may not use this app. Sign in with another account, or ask an administrator for access.',
    });
    this.account = account;
    // For the log: it names the bound, but not the person.
    this.cause = new Error(
      isOverage
        ? 'the token lists no groups, because there are too many: let the provider send only the groups that are assigned to the app'
        : `outside of the allowed ${bound}s`,
    );
  }
}

/**
 * Refuses a person who is outside of a bound. An address counts only if the provider says that it is verified, because
 * people may type any address into a profile.
 *
 * @param claims of a token that has been verified.
 * @throws SignInNotAllowed
 */
export function requireAllowed(claims: Claims, { allowance }: { allowance: Allowance }): void {
  const { domains, groups, groupsClaim, tenants } = allowance;
  const refuse = (bound: Bound, isOverage = false) =>
    new SignInNotAllowed(bound, typeof claims.email === 'string' ? claims.email : undefined, isOverage);
  if (tenants.length > 0 && !tenants.includes(`${claims.tid ?? ''}`)) throw refuse('tenant');
  if (domains.length > 0 && !verifiedDomains(claims).some((domain) => domains.includes(domain))) throw refuse('domain');
  if (groups.length === 0) return;
  const own = claims[groupsClaim];
  const names: unknown[] = Array.isArray(own) ? own : [];
  if (!groups.some((group) => names.includes(group))) throw refuse('group', own === undefined && hasOverage(claims));
}

/**
 * The domain of the address, if the provider verified that, and the organisation's domain that Google names in `hd`.
 */
function verifiedDomains({ email, email_verified, xms_edov, hd }: Claims): string[] {
  const isVerified = [email_verified, xms_edov].some((claim) => [true, 'true', 1, '1'].includes(claim as string));
  const domain = isVerified && typeof email === 'string' ? email.slice(email.lastIndexOf('@') + 1) : '';
  return [domain, typeof hd === 'string' ? hd : ''].map(domainToASCII).filter((each) => each !== '');
}

/** Entra ID leaves out the groups of a person with more than 200, and names an address that lists them. */
function hasOverage({ _claim_names, hasgroups }: Claims): boolean {
  return (
    hasgroups !== undefined || (typeof _claim_names === 'object' && _claim_names !== null && 'groups' in _claim_names)
  );
}

type Variables = Record<string, string | undefined>;

/** @throws ConfigurationError, naming the setting */
export function readAllowance(variables: Variables): Allowance {
  const list = (setting: string) =>
    (variables[setting] ?? '')
      .split(',')
      .map((each) => each.trim())
      .filter((each) => each !== '');
  const domains = list('SIGNIN_ALLOWED_DOMAINS').map((given) => {
    const domain = given.includes('@') ? '' : domainToASCII(given);
    if (/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(domain)) return domain;
    throw new ConfigurationError(
      'SIGNIN_ALLOWED_DOMAINS must be domains with commas between them, such as example.com.',
    );
  });
  return {
    domains,
    groups: list('SIGNIN_ALLOWED_GROUPS'),
    groupsClaim: variables.SIGNIN_GROUPS_CLAIM || 'groups',
    tenants: list('SIGNIN_ALLOWED_TENANTS'),
  };
}
