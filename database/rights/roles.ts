import { appRole, functionRoles, houseApps, isApp, type Login, logins, trialRoles } from './logins.ts';

/** Logins, the other roles, and who may be in which: a login has the rights of its role at once, and cannot change into it. */
type Allowed = {
  logins: string[];
  roles: string[];
  memberships: [member: string, role: string, inherits?: boolean][];
};

const names = (list: string[]) => list.map((name) => `'${name}'`).join(', ');

/** A query for roles that can do more than they should: `role` and, in words, the `power`. The names are identifiers without quotes. */
export const rolesBeyond = ({ logins: loginList, roles, memberships }: Allowed): string => `
  select r.rolname::text as role, power
  from pg_catalog.pg_roles r cross join lateral unnest(array[
    case when r.rolsuper then 'a superuser' end, case when r.rolbypassrls then 'above row level security' end,
    case when r.rolcreaterole then 'a maker of roles' end, case when r.rolcreatedb then 'a maker of databases' end,
    case when r.rolreplication then 'a replica' end,
    case when r.rolcanlogin <> (r.rolname in (${names(loginList)}))
      then case when r.rolcanlogin then 'a login' else 'no login' end end]) power
  where r.rolname in (${names([...loginList, ...roles])}) and power is not null
  union
  select pg_get_userbyid(m.member)::text, 'in ' || pg_get_userbyid(m.roleid)
  from pg_catalog.pg_auth_members m left join (values ${memberships
    .map(([member, role, inherits = true]) => `('${member}', '${role}', ${inherits})`)
    .join(', ')}) as allowed (login, role, inherits)
    on allowed.login = pg_get_userbyid(m.member) and allowed.role = pg_get_userbyid(m.roleid)
      and allowed.inherits = m.inherit_option and allowed.inherits <> m.set_option and not m.admin_option
  where pg_get_userbyid(m.member) in (${names([...loginList, ...roles])}) and allowed.login is null`;

const migratorMay = (role: string): [string, string, boolean] => [logins.platform_migrator, role, false];

/** The same for the logins and roles of the house. */
export const rolesWithMore = rolesBeyond({
  logins: Object.keys(logins),
  roles: [...Object.values(logins), appRole, ...functionRoles, ...Object.keys(trialRoles)],
  memberships: [
    ...Object.entries(logins).flatMap(([login, role]): Allowed['memberships'] => [
      [login, role, login !== 'platform_migrator'],
      ...(isApp(login as Login) ? ([[role, appRole]] as Allowed['memberships']) : []),
    ]),
    ...functionRoles.map(migratorMay),
    ...Object.entries(trialRoles).flatMap(([trial, role]): Allowed['memberships'] => [
      [trial, role],
      migratorMay(trial),
    ]),
  ],
});

/** The same for the apps that were added: their roles are rows of platform.apps, and their logins have one of these roles and no other. */
export const addedRolesWithMore = `
  select r.rolname::text as role, power
  from pg_catalog.pg_roles r
    cross join lateral (select exists (select from platform.apps a where a.role = r.rolname) as is_role,
      exists (select from pg_catalog.pg_auth_members m join platform.apps a on m.roleid = to_regrole(a.role)
        where m.member = r.oid and m.inherit_option and a.name not in (${names([...houseApps])})) as is_login) k
    cross join lateral unnest(array[
      case when r.rolsuper then 'a superuser' end, case when r.rolbypassrls then 'above row level security' end,
      case when r.rolcreaterole then 'a maker of roles' end, case when r.rolcreatedb then 'a maker of databases' end,
      case when r.rolreplication then 'a replica' end, case when k.is_role and r.rolcanlogin then 'a login' end,
      (select 'in ' || string_agg(pg_get_userbyid(m.roleid), ', ' order by m.roleid) from pg_catalog.pg_auth_members m
        where m.member = r.oid and not (m.inherit_option and not m.set_option and not m.admin_option
          and case when k.is_role then pg_get_userbyid(m.roleid) = '${appRole}'
            else exists (select from platform.apps a where m.roleid = to_regrole(a.role)) end)),
      case when k.is_login and (select count(*) from pg_catalog.pg_auth_members m join platform.apps a on m.roleid = to_regrole(a.role)
        where m.member = r.oid) > 1 then 'in several apps' end]) power
  where (k.is_login or k.is_role and r.rolname <> all (array[${names(Object.values(logins))}])) and power is not null`;
