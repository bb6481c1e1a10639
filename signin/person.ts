import type { PlatformDb, Role, User } from '@aether/platform';
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

/** What the directory allows at most: an administrator, no administrator, or a reader. It has no say in who else is a data steward. */
export type RoleMax = 'admin' | 'user' | 'reader';

/**
 * `reader` if the directory assigned the reader's role to this person, and not the administrator's; `user` if it assigns roles and did not
 * assign the administrator's.
 */
export function roleMaxOf({ roles }: Person, { adminRole, readerRole }: SignInSettings): RoleMax {
  if (adminRole !== undefined && roles.includes(adminRole)) return 'admin';
  if (readerRole !== undefined && roles.includes(readerRole)) return 'reader';
  return adminRole === undefined ? 'admin' : 'user';
}

/**
 * The user with the rights of this sign-in: the user's present role, and no more than the directory allows. An administrator of Foundation's
 * page of users is no reader of the directory's: the last one would be lost.
 */
export function limitRole(user: User, roleMax: RoleMax, { adminRole }: Pick<SignInSettings, 'adminRole'>): User {
  const role = roleWithin(user.role, roleMax, adminRole !== undefined);
  return role === user.role ? user : { ...user, role };
}

function roleWithin(role: Role, roleMax: RoleMax, givesAdmins: boolean): Role {
  if (roleMax === 'admin') return role;
  if (roleMax === 'reader') return role === 'admin' && !givesAdmins ? role : 'reader';
  return role === 'admin' ? 'user' : role;
}

/**
 * Returns the user of this person, and makes the user at the first sign-in. Foundation owns the role, so it records the
 * directory's app roles and makes the first administrator.
 *
 * @throws UserLeft
 */
export async function provision(db: PlatformDb, person: Person, settings: SignInSettings): Promise<User> {
  const { firstAdmin } = settings;
  return db.transaction({}, async (tx) => {
    const user = await db.signInUser(person, { tx });
    if (db.app !== 'foundation') return user;
    const role = roleOf(user.role, person, settings);
    if (role !== user.role) return db.updateUser(user.id, { role }, { tx });
    if (settings.adminRole !== undefined || firstAdmin !== person.objectId || user.role === 'admin') return user;
    const admins = await tx.query(`select from platform.users where role = 'admin' and left_at is null limit 1`);
    return admins.length === 0 ? db.updateUser(user.id, { role: 'admin' }, { tx }) : user;
  });
}

/** The role that Foundation writes down: what the directory says where it has a say, and otherwise what the page of users said. */
function roleOf(role: Role, person: Person, settings: SignInSettings): Role {
  const { adminRole, readerRole } = settings;
  const roleMax = roleMaxOf(person, settings);
  if (adminRole !== undefined && roleMax === 'admin') return 'admin';
  const within = roleWithin(role, roleMax, adminRole !== undefined);
  return within === 'reader' && readerRole !== undefined && roleMax !== 'reader' ? 'user' : within;
}
