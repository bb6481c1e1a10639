import type { PlatformDb, User } from '@aether/platform';
import type { SignInSettings } from './settings.ts';

/** A person, as a verified token of the identity provider describes them. */
export type Person = {
  subject: string;
  tenantId: string;
  objectId: string;
  email: string;
  name: string;
  /** The app roles that the directory gave to the person. */
  roles: string[];
};

type Claims = Record<string, unknown> & { iss?: string; sub?: string };

const textOf = (value: unknown): string | undefined => {
  if (typeof value !== 'string') return undefined;
  const line = value
    .toWellFormed()
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .trim();
  return line === '' ? undefined : line;
};

/**
 * Reads the claims of a token that has been verified. Entra ID identifies a person by `tid` and `oid`, which are the
 * same for every app. For a provider without these claims, issuer and subject take their place.
 */
export function readPerson(claims: Claims): Person | undefined {
  const { iss, sub, tid, oid } = claims;
  if (typeof iss !== 'string' || typeof sub !== 'string' || sub === '' || Buffer.byteLength(sub) > 255)
    return undefined;
  const hasDirectory = typeof tid === 'string' && typeof oid === 'string' && tid !== '' && oid !== '';
  const email = textOf(claims.email) ?? textOf(claims.preferred_username) ?? `${sub.slice(0, 200)}@unknown.invalid`;
  return {
    subject: sub,
    tenantId: hasDirectory ? tid : iss,
    objectId: hasDirectory ? oid : sub,
    email: email.slice(0, 254),
    name: [...(textOf(claims.name) ?? email)].slice(0, 200).join('').trim(),
    roles: Array.isArray(claims.roles) ? claims.roles.filter((role) => typeof role === 'string') : [],
  };
}

/** Whether the directory allows that the person is an administrator. It has no say in who else is a data steward. */
export type RoleMax = 'admin' | 'user';

/** `user` only if the directory assigns roles and did not assign the admin role to this person. */
export function roleMaxOf({ roles }: Person, { adminRole }: SignInSettings): RoleMax {
  return adminRole === undefined || roles.includes(adminRole) ? 'admin' : 'user';
}

/** The user with the rights of this sign-in: the user's present role, but no administrator whom the directory does not allow. */
export function limitRole(user: User, roleMax: RoleMax): User {
  return user.role === 'admin' && roleMax === 'user' ? { ...user, role: 'user' } : user;
}

/**
 * Returns the user of this person, and makes the user at the first sign-in. Foundation owns the role, so it records the
 * directory's app role and makes the first administrator.
 *
 * @throws UserLeft
 */
export async function provision(db: PlatformDb, person: Person, settings: SignInSettings): Promise<User> {
  const { adminRole, firstAdmin } = settings;
  return db.transaction({}, async (tx) => {
    const user = await db.signInUser(person, { tx });
    if (db.app !== 'foundation') return user;
    if (adminRole !== undefined) {
      const isAdmin = roleMaxOf(person, settings) === 'admin';
      const role = isAdmin ? 'admin' : user.role === 'steward' ? 'steward' : 'user';
      return role === user.role ? user : db.updateUser(user.id, { role }, { tx });
    }
    if (firstAdmin !== person.objectId || user.role === 'admin') return user;
    const admins = await tx.query(`select from platform.users where role = 'admin' and left_at is null limit 1`);
    return admins.length === 0 ? db.updateUser(user.id, { role: 'admin' }, { tx }) : user;
  });
}
