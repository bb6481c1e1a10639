import { holdRoles } from './testing.escalation.ts';
import { table, useLints } from './testing.lints.ts';

// Excess rights: of the logins themselves, and by grants.
holdRoles();
const { lint } = useLints();

lint('login with more than its role', {
  'one above row level security': {
    role: 'postgres',
    offence: 'alter role support_app bypassrls',
    found: ['support_app is above row level security'],
    neighbour: 'alter role support_app nobypassrls',
  },
  'a superuser': {
    role: 'postgres',
    offence: 'alter role sync_role superuser',
    found: ['sync_role is a superuser'],
    neighbour: 'alter role sync_role nosuperuser',
  },
  'one that makes roles and databases, and replicates': {
    role: 'postgres',
    offence: 'alter role foundation_app createrole createdb replication',
    found: [
      'foundation_app is a maker of databases',
      'foundation_app is a maker of roles',
      'foundation_app is a replica',
    ],
    neighbour: 'alter role foundation_app nocreaterole nocreatedb noreplication',
  },
  'a role that logs in': {
    role: 'postgres',
    offence: 'alter role support_role login',
    found: ['support_role is a login'],
    neighbour: 'alter role support_app login',
  },
  'a login in another role too': {
    role: 'postgres',
    offence: 'grant foundation_role to support_app',
    found: ['support_app is in foundation_role'],
    neighbour: 'grant support_role to support_app with inherit true, set false',
  },
  'a login that may become its role': {
    role: 'postgres',
    offence: 'grant support_role to support_app with set true',
    found: ['support_app is in support_role'],
    neighbour: 'grant support_role to support_app with set false',
  },
  'a login that may lend its role': {
    role: 'postgres',
    offence: 'grant support_role to support_app with admin true, set false',
    found: ['support_app is in support_role'],
    neighbour: 'grant support_role to support_app with admin false, set false',
  },
  'a role that reads all data': {
    role: 'postgres',
    offence: 'grant pg_read_all_data to observer_role',
    found: ['observer_role is in pg_read_all_data'],
    neighbour: 'grant observer_role to observer_app with inherit true, set false',
  },
});

lint('login with a setting that frees it', {
  'one that switches triggers off': {
    role: 'postgres',
    offence: 'alter role support_app set session_replication_role = replica',
    found: ['support_app: session_replication_role=replica'],
    neighbour: `alter role support_app set statement_timeout = '10s'`,
  },
});

lint('grant on what PostgreSQL keeps for itself', {
  'the passwords': {
    role: 'postgres',
    offence: 'grant select on pg_authid to support_role',
    found: ['select on pg_authid to support_role'],
    neighbour: 'grant select on pg_authid to aether_admin',
  },
  'files of the server': {
    role: 'postgres',
    offence: 'grant execute on function pg_read_file(text) to support_app',
    found: ['execute on pg_read_file(text) to support_app'],
    neighbour: 'revoke execute on function pg_read_file(text) from support_app',
  },
});

lint('function among PostgreSQL’s own', {
  'one that is found before those of any schema': {
    role: 'postgres',
    offence: `set local allow_system_table_mods = on; create function pg_catalog.shadow() returns integer language sql return 1`,
    found: ['shadow()'],
    neighbour: 'select',
  },
});

lint('foreign key that is switched off', {
  'all of a table': {
    role: 'postgres',
    offence: 'alter table support.widget_secrets disable trigger all',
    found: ['support.widget_secrets widget_secrets_widget_id_fkey'],
    neighbour: 'alter table support.widget_secrets enable trigger all',
  },
});

lint('untested grant', {
  'one that the committed matrix does not have': {
    offence: 'grant update (account_tier) on platform.customers to support_role',
    found: ['update (account_tier) on table platform.customers to support_role'],
    neighbour: 'grant update (timezone) on platform.customers to support_role',
  },
  'one on a whole table whose columns are tested': {
    offence: `grant delete on platform.companies to foundation_role; create policy d on platform.companies for delete to foundation_role
        using (true)`,
    found: ['delete on table platform.companies to foundation_role'],
    neighbour: 'grant delete on crm.custom_field_values to foundation_role',
  },
  'one on a whole table of which some columns are tested': {
    offence: 'grant update on platform.customers to support_role; grant insert on crm.activities to support_role',
    found: ['insert on table crm.activities to support_role', 'update on table platform.customers to support_role'],
    neighbour: 'grant select on platform.customers to support_role',
  },
  'one on a new table': {
    offence: `${table('t', 'n integer')} create policy p on crm.t to support_role using (true); grant select on crm.t to support_role`,
    found: ['select on table crm.t to support_role'],
    neighbour: table('t', 'n integer'),
  },
  'one to a role that is not a login of ours': {
    offence: 'grant select on crm.customer_context to aether_admin',
    found: ['select on view crm.customer_context to aether_admin'],
    neighbour: 'grant select on crm.customer_context to support_role',
  },
  'one that may be passed on': {
    offence: 'grant select on crm.customer_context to support_role with grant option',
    found: ['select on view crm.customer_context to support_role with grant option'],
    neighbour: 'grant select on crm.customer_context to support_role',
  },
  'one of a verb that no probe tries': {
    offence: 'grant references on platform.companies to support_role',
    found: ['references on table platform.companies to support_role'],
    neighbour: 'revoke references on platform.companies from support_role',
  },
  'one on future objects': {
    offence: 'alter default privileges in schema crm grant select on tables to support_role',
    found: ['select on new objects (r) to support_role'],
    neighbour: 'alter default privileges in schema crm revoke select on tables from support_role',
  },
  'one on a type': {
    offence: `create type crm.colour as (r integer); grant usage on type crm.colour to support_role;
      create domain crm.d as text; grant usage on domain crm.d to sync_role`,
    found: ['usage on type crm.colour to support_role', 'usage on type crm.d to sync_role'],
    neighbour: 'create type crm.colour as (r integer); create domain crm.d as text',
  },
});
