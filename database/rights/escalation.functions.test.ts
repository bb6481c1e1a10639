import { describe, expect, test } from 'vitest';
import { ada, createWorld, refuse } from './testing.escalation.ts';

const world = createWorld();

const apps = [
  ['foundation_app', 'foundation_role', 'crm.deals'],
  ['support_app', 'support_role', 'support.sessions'],
] as const;

describe.each(apps)('%s and our functions', (me, mine, table) => {
  const replace = (name: string, returns: string, body: string) => ({
    attack: `create or replace function ${name} returns ${returns} language sql return ${body}`,
    ends: '42501 permission denied for schema platform',
    neighbour: 'select platform.current_app()',
  });
  refuse(world, me, {
    'cannot replace current_app': replace('platform.current_app()', 'text', `'sync'::text`),
    'cannot replace is_line': replace('platform.is_line(text, integer)', 'boolean', 'true'),
    'cannot shadow is_line with narrower types': replace('platform.is_line(text, smallint)', 'boolean', 'true'),
    'cannot replace the trigger that records addresses': {
      attack: `create or replace function platform.record_known_by() returns trigger language plpgsql as 'begin return null; end'`,
      ends: '42501 permission denied for schema platform',
      neighbour: `update platform.customers set email = 'ada.l@example.com' where id = '${ada}'`,
    },
    'cannot loosen the search path of a definer': {
      attack: 'alter function platform.record_known_by() reset search_path',
      ends: '42501 must be owner of function platform.record_known_by',
      neighbour: 'select platform.current_actor()',
    },
    'cannot own a function': {
      attack: `alter function platform.current_app() owner to ${mine}`,
      ends: '42501 must be owner of function current_app',
      neighbour: 'select platform.current_app()',
    },
    'cannot drop a function': {
      attack: 'drop function platform.record_known_by() cascade',
      ends: '42501 must be owner of function platform.record_known_by',
      neighbour: 'select platform.current_app()',
    },
    'cannot call a definer function': {
      attack: 'select platform.record_known_by()',
      ends: '42501 permission denied for function record_known_by',
      neighbour: `select platform.is_line('a', 1)`,
    },
    'cannot attach a definer trigger to a table that it writes': {
      attack: `create trigger mine after insert on ${table} for each row execute function platform.record_known_by()`,
      ends: `42501 permission denied for table ${table.split('.')[1]}`,
      neighbour: `select from ${table} for update`,
    },
    'cannot call the trigger functions': {
      attack: 'select platform.complete_customer()',
      ends: '42501 permission denied for function complete_customer',
      neighbour: `select platform.is_line('a', 1)`,
    },
    'cannot protect a table': {
      attack: `call platform.protect_table('platform.customers')`,
      ends: '42501 permission denied for procedure protect_table',
      neighbour: `select * from platform.find_or_create_customer('ada@example.com', 'ada@example.com', 'Ada')`,
    },
    'cannot write other tables through find_or_create': {
      attack: `select * from platform.find_or_create_customer('victim@example.com', 'other@example.com', 'Ada')`,
      ends: '23514 new row for relation "customers" violates check constraint "customers_email_key_canonical"',
      neighbour: `select * from platform.find_or_create_customer('other@example.com', 'Other@example.com', 'Ada')`,
    },
  });

  test.each(['public', 'pg_temp, public', `"$user"`, `''`, 'pg_temp, platform, pg_catalog'])(
    'cannot change what our functions do with a search_path of %s',
    async (path) => {
      const email = 'path@example.com';
      const app = me.replace('_app', '');
      const client = world[me];
      await client.query('begin');
      await client.query(`set local search_path = ${path}`);
      const { rows } = await client.query(
        `insert into platform.customers (email, name) values ('PATH@example.com', 'P') returning id, created_by_app, email_key`,
      );
      const known = await client.query(
        'select customer_id, is_primary from platform.customer_emails where email_key = $1',
        [email],
      );
      expect(rows).toMatchObject([{ created_by_app: app, email_key: email }]);
      expect(known.rows).toEqual([{ customer_id: rows[0].id, is_primary: true }]);
      await client.query('rollback');
    },
  );
});
