/**
 * The logins, each with the role whose rights it inherits. Only `platform_migrator` must take on its role (`set role`).
 */
export const logins = {
  platform_migrator: 'platform_owner',
  foundation_app: 'foundation_role',
  support_app: 'support_role',
  console_app: 'console_role',
  sync_app: 'sync_role',
  privacy_app: 'privacy_role',
  observer_app: 'observer_role',
  simulator_app: 'simulator_role',
} as const;

export type Login = keyof typeof logins;

/** The role of all apps: an app's role is a member of it. docs/third-app.md adds an app. */
export const appRole = 'app_role';

/**
 * The role whose definer functions write many customers at once; the row triggers do not fire for it. It cannot log in, and only
 * the owner may take it on.
 */
export const bulkRole = 'bulk_role';

/**
 * The role whose definer functions merge customers and take merges back: the row triggers of what they move do not fire for it. It
 * cannot log in, and only the owner may take it on.
 */
export const mergeRole = 'merge_role';

/**
 * The role whose definer functions erase people: row triggers do not fire for it, so nothing repeats what it scrubs. It cannot log in,
 * and only the owner may take it on. Its functions may be called by `privacy_role` alone.
 */
export const eraseRole = 'erase_role';

/** Roles that own definer functions of the house, and nothing else. */
export const functionRoles: readonly string[] = [bulkRole, mergeRole, eraseRole];

/** The apps of this repository, as platform.apps names them. */
export const houseApps: readonly string[] = ['foundation', 'support', 'console'];

/** The logins of the apps of this repository. */
export const appLogins: readonly Login[] = ['foundation_app', 'support_app', 'console_app'];

/**
 * For each app a role that has exactly its rights, and the role of that app. One definer function of 0010_quality.sql belongs to each: it
 * tries a statement as the app and takes it back. Nobody can log in as it, and only the owner may take it on. docs/access.md says why.
 */
export const trialRoles: Readonly<Record<string, string>> = Object.fromEntries(
  appLogins.map((login) => [logins[login].replace('_role', '_trial'), logins[login]]),
);

/** Whether the login belongs to an app of this repository. */
export const isApp = (login: Login): boolean => appLogins.includes(login);

export const loginNames = Object.keys(logins) as Login[];

export type Passwords = Record<Login, string>;

/** The address of the same server and database as `url`, for another login. */
export function urlFor(url: string, login: string, password: string, database?: string): string {
  const changed = new URL(url);
  changed.username = login;
  changed.password = encodeURIComponent(password);
  if (database) changed.pathname = `/${database}`;
  return changed.href;
}
