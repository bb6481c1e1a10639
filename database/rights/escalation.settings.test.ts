import { describe, expect, test } from 'vitest';
import { createWorld, refuse } from './testing.escalation.ts';

const world = createWorld();

const apps = [
  ['foundation_app', 'crm.deals'],
  ['support_app', 'support.sessions'],
] as const;

describe.each(apps)('%s and its settings', (me, table) => {
  const noParameter = (name: string) => `42501 permission denied to set parameter "${name}"`;
  refuse(world, me, {
    'cannot silence the triggers': {
      attack: 'set local session_replication_role = replica',
      ends: noParameter('session_replication_role'),
      neighbour: 'set constraints all deferred',
    },
    'cannot open the system tables': {
      attack: 'set local allow_system_table_mods = on',
      ends: noParameter('allow_system_table_mods'),
      neighbour: 'select from pg_class',
    },
    'cannot declare itself a superuser': {
      attack: 'set is_superuser = on',
      ends: '55P02 parameter "is_superuser" cannot be changed',
      neighbour: 'show is_superuser',
    },
    'cannot hide from the log': {
      attack: 'set local log_statement = none',
      ends: noParameter('log_statement'),
      neighbour: `set local application_name = 'me'`,
    },
    'cannot switch the policies off': {
      attack: `set local row_security = off; select from ${table}`,
      ends: `42501 query would be affected by row-level security policy for table "${table.split('.')[1]}"`,
      neighbour: `set local row_security = on; select from ${table}`,
    },
    // The limit on waiting protects from mistakes, not from an app, which may change it for itself.
    'cannot change the settings of the server': {
      attack: `do $$ begin perform set_config('max_connections', '1', false); end $$`,
      ends: '55P02 parameter "max_connections" cannot be changed without restarting the server',
      neighbour: 'set local statement_timeout = 0',
    },
  });

  test.each(['aether.app', 'aether.actor', 'app.name', 'platform.current_app', 'application_name', 'search_path'])(
    'cannot pass as another app with %s',
    async (setting) => {
      const app = me.replace('_app', '');
      const client = world[me];
      for (const value of ['foundation', 'support', 'platform_owner', 'sync']) {
        await client.query('begin');
        await client.query('select set_config($1, $2, true)', [setting, value]);
        const { rows } = await client.query('select platform.current_app() as app');
        await client.query('rollback');
        expect(rows).toEqual([{ app }]);
      }
    },
  );
});
