import { describe, expect, test } from 'vitest';
import { describeSchema } from '../snapshot.ts';
import { createWorld, holdRoles, type Refusal, refuse } from './testing.escalation.ts';

holdRoles();
const world = createWorld();

const apps = [
  ['foundation_app', 'support_app', 'foundation_role', 'support_role'],
  ['support_app', 'foundation_app', 'support_role', 'foundation_role'],
] as const;

describe.each(apps)('%s and other roles', (me, other, mine, others) => {
  const noRole = (role: string) => `42501 permission denied to set role "${role}"`;
  const noSession = (role: string) => `42501 permission denied to set session authorization "${role}"`;
  const stay = 'set role none';
  const roles = [
    'platform_owner',
    'platform_migrator',
    others,
    other,
    'privacy_role',
    'sync_role',
    'aether_admin',
    'postgres',
    mine,
  ];
  const sessions = ['platform_owner', other, 'aether_admin', 'postgres', mine];
  refuse(world, me, {
    ...Object.fromEntries(
      roles.map((role): [string, Refusal] => [
        `cannot set role ${role}`,
        { attack: `set role ${role}`, ends: noRole(role), neighbour: stay },
      ]),
    ),
    ...Object.fromEntries(
      sessions.map((role): [string, Refusal] => [
        `cannot set session authorization ${role}`,
        {
          attack: `set session authorization ${role}`,
          ends: noSession(role),
          neighbour: `set session authorization ${me}`,
        },
      ]),
    ),
    'cannot set the role through set_config': {
      attack: `select set_config('role', 'platform_owner', false)`,
      ends: noRole('platform_owner'),
      neighbour: `select set_config('role', 'none', true)`,
    },
    'cannot become the other app by a grant': {
      attack: `grant ${others} to ${me}`,
      ends: `42501 permission denied to grant role "${others}"`,
      neighbour: `select pg_has_role('${mine}', 'usage')`,
    },
    'cannot lend its role': {
      attack: `grant ${mine} to ${other}`,
      ends: `42501 permission denied to grant role "${mine}"`,
      neighbour: `select pg_has_role('${mine}', 'usage')`,
    },
    ...Object.fromEntries(
      [
        'pg_signal_backend',
        'pg_read_server_files',
        'pg_execute_server_program',
        'pg_read_all_data',
        'platform_owner',
      ].map((power): [string, Refusal] => [
        `cannot grant itself ${power}`,
        {
          attack: `grant ${power} to ${me}`,
          ends: `42501 permission denied to grant role "${power}"`,
          neighbour: `select pg_has_role('${mine}', 'usage')`,
        },
      ]),
    ),
    'cannot make a role': {
      attack: 'create role mine',
      ends: '42501 permission denied to create role',
      neighbour: stay,
    },
    'cannot drop a role': {
      attack: 'drop role sync_app',
      ends: '42501 permission denied to drop role',
      neighbour: stay,
    },
    ...Object.fromEntries(
      [
        'superuser',
        'bypassrls',
        'createrole',
        'createdb',
        'replication',
        'connection limit -1',
        `valid until 'infinity'`,
        'noinherit',
      ].map((power): [string, Refusal] => [
        `cannot make itself ${power}`,
        {
          attack: `alter role ${me} ${power}`,
          ends: '42501 permission denied to alter role',
          neighbour: `alter role ${me} set work_mem = '8MB'`,
        },
      ]),
    ),
    // Every PostgreSQL role may change its own password and defaults, which harms only itself.
    'cannot change the password of another': {
      attack: `alter role ${other} password 'guessed'`,
      ends: '42501 permission denied to alter role',
      neighbour: `alter role ${me} password 'changed'`,
    },
    'cannot change the defaults of another': {
      attack: `alter role ${other} set search_path = public`,
      ends: '42501 permission denied to alter role',
      neighbour: `alter role ${me} set search_path = public`,
    },
    'cannot change the defaults of all': {
      attack: 'alter role all set search_path = public',
      ends: '42501 permission denied to alter setting',
      neighbour: `alter role ${me} reset all`,
    },
    'cannot drop the objects of the owner': {
      attack: 'drop owned by platform_owner',
      ends: '42501 permission denied to drop objects',
      neighbour: `drop owned by ${me}`,
    },
    'cannot take over the objects of the owner': {
      attack: `reassign owned by platform_owner to ${me}`,
      ends: '42501 permission denied to reassign objects',
      neighbour: `reassign owned by ${me} to ${me}`,
    },
    'cannot drop the grants of its own role': {
      attack: `drop owned by ${mine}`,
      ends: '42501 permission denied for column "tableoid" of relation "customer_number"',
      neighbour: `drop owned by ${me}`,
    },
  });
});

describe('grants and revokes', () => {
  // PostgreSQL answers a grant without the right to grant with a mere warning, so the test reads the catalogue.
  test.each(apps)(
    '%s can grant and revoke nothing, although PostgreSQL reports no error',
    async (me, _other, mine, others) => {
      const warnings: (string | undefined)[] = [];
      world[me].on('notice', (notice) => warnings.push(notice.code));
      const statements = [
        `grant update (account_tier, timezone) on platform.customers to ${mine}`,
        'grant select on platform.customers to public',
        `grant all on platform.customers to ${mine} with grant option`,
        `revoke select on platform.customers from ${others}`,
        'grant usage on schema crm, platform to public',
        'grant select on crm.customer_context to sync_role',
        'grant execute on function platform.current_app() to public',
        `revoke connect on database ${world.database.name} from ${others}`,
        `drop owned by ${me}`,
      ];
      const before = await describeSchema(world.superuser);
      for (const statement of statements) await world[me].query(statement);
      expect(warnings.length).toBeGreaterThanOrEqual(statements.length - 1);
      expect(new Set(warnings)).toEqual(new Set(['01007', '01006']));
      expect(await describeSchema(world.superuser)).toBe(before);
    },
  );
});
