import { appRole, functionRoles, isApp, type Login, logins, trialRoles } from './logins.ts';

const names = (list: string[]) => list.map((name) => `'${name}'`).join(', ');
const loginList = names(Object.keys(logins));
const roleList = names([...Object.values(logins), appRole, ...functionRoles, ...Object.keys(trialRoles)]);
const memberships = Object.entries(logins)
  .flatMap(([login, role]) => [
    `('${login}', '${role}', ${login !== 'platform_migrator'})`,
    ...(isApp(login as Login) ? [`('${role}', '${appRole}', true)`] : []),
  ])
  .concat(functionRoles.map((role) => `('${logins.platform_migrator}', '${role}', false)`))
  .concat(
    Object.entries(trialRoles).flatMap(([trial, role]) => [
      `('${trial}', '${role}', true)`,
      `('${logins.platform_migrator}', '${trial}', false)`,
    ]),
  )
  .join(', ');

/** A query for our logins and roles that can do more than they should: `role` and, in words, the `power`. */
export const rolesWithMore = `
  select r.rolname::text as role, power
  from pg_catalog.pg_roles r cross join lateral unnest(array[
    case when r.rolsuper then 'a superuser' end, case when r.rolbypassrls then 'above row level security' end,
    case when r.rolcreaterole then 'a maker of roles' end, case when r.rolcreatedb then 'a maker of databases' end,
    case when r.rolreplication then 'a replica' end,
    case when r.rolcanlogin <> (r.rolname in (${loginList})) then case when r.rolcanlogin then 'a login' else 'no login' end end]) power
  where r.rolname in (${loginList}, ${roleList}) and power is not null
  union
  select pg_get_userbyid(m.member)::text, 'in ' || pg_get_userbyid(m.roleid)
  from pg_catalog.pg_auth_members m left join (values ${memberships}) as allowed (login, role, inherits)
    on allowed.login = pg_get_userbyid(m.member) and allowed.role = pg_get_userbyid(m.roleid)
      and allowed.inherits = m.inherit_option and allowed.inherits <> m.set_option and not m.admin_option
  where pg_get_userbyid(m.member) in (${loginList}, ${roleList}) and allowed.login is null`;
