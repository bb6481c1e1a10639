import { afterAll, describe, expect, test } from 'vitest';
import { attempt, createWorld, type Refusal, refuse } from './testing.escalation.ts';

const world = createWorld();
const apps = ['foundation_app', 'support_app'] as const;

const functionDenied = (name: string) => `42501 permission denied for function ${name}`;
const calls = {
  files: [
    `pg_read_file('PG_VERSION')`,
    `pg_read_binary_file('PG_VERSION')`,
    `pg_ls_dir('.')`,
    `pg_stat_file('.')`,
    'pg_ls_waldir()',
    'pg_ls_logdir()',
    'pg_ls_tmpdir()',
    'pg_current_logfile()',
    `lo_import('/etc/passwd')`,
    `lo_export(1, '/tmp/aether')`,
  ],
  server: [
    'pg_reload_conf()',
    'pg_rotate_logfile()',
    'pg_switch_wal()',
    'pg_promote()',
    `pg_backup_start('b')`,
    'pg_stat_reset()',
    'pg_log_backend_memory_contexts(1)',
    `pg_create_restore_point('r')`,
    `pg_replication_origin_create('o')`,
  ],
};
const refusals = (list: string[]): Record<string, Refusal> =>
  Object.fromEntries(
    list.map((call) => [
      `cannot call ${call}`,
      {
        attack: `select ${call}`,
        ends: functionDenied(call.replace(/\(.*/, '')),
        neighbour: 'select pg_backend_pid()',
      },
    ]),
  );

describe('files of the server', () => {
  for (const app of apps) {
    refuse(world, app, {
      ...refusals(calls.files),
      'cannot COPY a table to a file': {
        attack: `copy platform.customers to '/tmp/aether'`,
        ends: '42501 permission denied to COPY to a file',
        neighbour: 'copy platform.customers to stdout',
      },
      'cannot COPY from a file': {
        attack: `copy platform.companies (name) from '/etc/passwd'`,
        ends: '42501 permission denied to COPY from a file',
        neighbour: `insert into platform.companies (name) values ('N')`,
      },
      'cannot COPY to a program': {
        attack: `copy platform.customers to program 'cat'`,
        ends: '42501 permission denied to COPY to or from an external program',
        neighbour: 'copy platform.customers to stdout',
      },
      'cannot COPY from a program': {
        attack: `copy platform.companies (name) from program 'id'`,
        ends: '42501 permission denied to COPY to or from an external program',
        neighbour: `insert into platform.companies (name) values ('N')`,
      },
      'cannot load a library': {
        attack: `load '/tmp/aether.so'`,
        ends: '42501 access to library "/tmp/aether.so" is not allowed',
        neighbour: 'select 1',
      },
      'cannot see where the data is': {
        attack: `select current_setting('data_directory')`,
        ends: '42501 permission denied to examine "data_directory"',
        neighbour: `select current_setting('server_version')`,
      },
    });
  }
});

describe('extensions and ways out of the database', () => {
  const extensions = ['dblink', 'postgres_fdw', 'file_fdw', 'hstore', 'pg_buffercache', 'lo'];
  for (const app of apps) {
    refuse(world, app, {
      ...Object.fromEntries(
        extensions.map((name): [string, Refusal] => [
          `cannot create extension ${name}`,
          {
            attack: `create extension ${name}`,
            ends: `42501 permission denied to create extension "${name}"`,
            neighbour: `select ext.similarity('a', 'b')`,
          },
        ]),
      ),
      'cannot drop an extension': {
        attack: 'drop extension pg_trgm cascade',
        ends: '42501 must be owner of extension pg_trgm',
        neighbour: `select ext.similarity('a', 'b')`,
      },
      'cannot make a foreign data wrapper': {
        attack: 'create foreign data wrapper mine',
        ends: '42501 permission denied to create foreign-data wrapper "mine"',
        neighbour: 'select from platform.customers',
      },
      'cannot make an event trigger': {
        attack: 'create event trigger mine on ddl_command_end execute function platform.count_version()',
        ends: '42501 permission denied to create event trigger "mine"',
        neighbour: 'listen mine; notify mine',
      },
      'cannot make a cast': {
        attack: 'create cast (text as integer) with inout as implicit',
        ends: '42501 must be owner of type text or type integer',
        neighbour: `select '1'::text::integer`,
      },
      'cannot make a subscription': {
        attack: `create subscription mine connection 'host=127.0.0.1' publication p with (connect = false)`,
        ends: '42501 permission denied to create subscription',
        neighbour: 'listen mine',
      },
    });
  }

  // These statements do not run inside a transaction, as the other attempts do.
  test.each(apps)('%s cannot make a database or change the configuration', async (app) => {
    const denied = { code: '42501' };
    await expect(world[app].query('create database mine')).rejects.toMatchObject(denied);
    await expect(world[app].query(`drop database ${world.database.name}`)).rejects.toMatchObject(denied);
    await expect(world[app].query(`alter system set work_mem = '1GB'`)).rejects.toMatchObject(denied);
    await expect(world[app].query(`create tablespace mine location '/tmp'`)).rejects.toMatchObject(denied);
    expect(await attempt(world[app], `set local work_mem = '8MB'`)).toBe('done');
  });
});

describe('replication', () => {
  for (const app of apps) {
    const slots = '42501 permission denied to use replication slots';
    const neighbour = 'listen changes; notify changes';
    refuse(world, app, {
      'cannot make a logical slot': {
        attack: `select pg_create_logical_replication_slot('s', 'pgoutput')`,
        ends: slots,
        neighbour,
      },
      'cannot make a physical slot': {
        attack: `select pg_create_physical_replication_slot('s')`,
        ends: slots,
        neighbour,
      },
      'cannot drop a slot': { attack: `select pg_drop_replication_slot('s')`, ends: slots, neighbour },
      'cannot read a slot': { attack: `select pg_logical_slot_get_changes('s', null, null)`, ends: slots, neighbour },
    });
    test(`${app} cannot publish tables`, async () => {
      const denied = `42501 permission denied for database ${world.database.name}`;
      expect(await attempt(world[app], 'create publication mine for table platform.customers')).toBe(denied);
      expect(await attempt(world[app], 'create publication mine for all tables')).toBe(denied);
      expect(await attempt(world[app], neighbour)).toBe('done');
    });
  }
});

describe('the processes of other logins', () => {
  const victims = ['support_app', 'foundation_app', 'postgres', 'aether_admin'] as const;
  test.each(apps)('%s can end or cancel only its own', async (app) => {
    const call = async (name: string, pid: number) => attempt(world[app], `select ${name}(${pid})`);
    for (const login of victims.filter((victim) => victim !== app)) {
      const victim = await world.database.connect(login);
      const { rows } = await victim.query('select pg_backend_pid() as pid');
      const of = login === 'postgres' ? 'superuser' : 'other';
      expect([of, await call('pg_terminate_backend', rows[0].pid)]).toEqual([
        of,
        '42501 permission denied to terminate process',
      ]);
      expect([of, await call('pg_cancel_backend', rows[0].pid)]).toEqual([
        of,
        '42501 permission denied to cancel query',
      ]);
      expect((await victim.query('select 1 as alive')).rows).toEqual([{ alive: 1 }]);
    }
    const own = await world.database.connect(app);
    const { rows } = await own.query('select pg_backend_pid() as pid');
    expect(await call('pg_terminate_backend', rows[0].pid)).toBe('1 row');
    await expect(own.query('select 1')).rejects.toThrow();
  });

  for (const app of apps) refuse(world, app, refusals(calls.server));
});

afterAll(async () => {
  const { rows } = await world.superuser.query('select slot_name from pg_replication_slots');
  expect(rows).toEqual([]);
});
