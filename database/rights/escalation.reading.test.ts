import { describe, expect, test } from 'vitest';
import { ada, attempt, createWorld, customerColumnNames, refuse, session } from './testing.escalation.ts';

const world = createWorld();

const relationsOf = async (schema: string): Promise<string[]> => {
  const { rows } = await world.superuser.query(
    `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = $1 and c.relkind in ('r', 'p', 'v', 'm', 'f') order by 1`,
    [schema],
  );
  return rows.map((row) => row.name);
};

describe('the other app’s schema', () => {
  const supportsViews = ['crm.context_by_address', 'crm.customer_context', 'crm.recent_activities', 'crm.tier_grants'];

  test('support can read nothing of crm except its own activities and the views for it', async () => {
    const open: string[] = [];
    const relations = await relationsOf('crm');
    for (const name of relations) {
      const outcome = await attempt(world.support_app, `select from ${name} limit 1`);
      if (/^[01] rows?$/.test(outcome)) open.push(name);
      else expect(outcome).toBe(`42501 permission denied for table ${name.replace('crm.', '')}`);
      if (supportsViews.includes(name)) continue;
      expect(await attempt(world.foundation_app, `select from ${name}`)).toMatch(/^\d+ rows?$/);
    }
    expect(open).toEqual(['crm.activities', ...supportsViews]);
    expect(relations).toContain('crm.deals');
  });

  test('foundation cannot read anything of support', async () => {
    const relations = await relationsOf('support');
    for (const name of relations) {
      expect(await attempt(world.foundation_app, `select from ${name}`)).toBe(
        '42501 permission denied for schema support',
      );
      expect(await attempt(world.support_app, `select from ${name}`)).toMatch(/^\d+ rows?$/);
    }
    expect(relations).toContain('support.messages');
  });

  test('support can write nothing of crm except new activities', async () => {
    for (const name of await relationsOf('crm')) {
      const table = name.replace('crm.', '');
      if (supportsViews.includes(name)) continue;
      expect(await attempt(world.support_app, `delete from ${name}`)).toBe(
        `42501 permission denied for table ${table}`,
      );
      expect(await attempt(world.support_app, `truncate ${name} cascade`)).toBe(
        `42501 permission denied for table ${table}`,
      );
      if (table === 'activities') continue;
      expect(await attempt(world.support_app, `insert into ${name} default values`)).toBe(
        `42501 permission denied for table ${table}`,
      );
    }
    expect(await attempt(world.support_app, "insert into support.widgets (key, name) values ('widget-2', 'W')")).toBe(
      '1 row',
    );
  });

  test.each(['sync_app', 'privacy_app', 'observer_app', 'simulator_app', 'platform_migrator'] as const)(
    '%s reads none of the data',
    async (login) => {
      const client = await world.database.connect(login);
      // The worker refuses a database that lacks a migration, so it sees which there are.
      const isOpen = (name: string) =>
        (login === 'sync_app' && name === 'platform.migrations') ||
        (['sync_app', 'privacy_app'].includes(login) && name.startsWith('platform.inventory')) || // what a column is, of nobody
        (login === 'privacy_app' &&
          /^platform\.(erasures|erasure_jobs|erasure_job_places|legal_holds|privacy_settings)$/.test(name)); // its own records
      for (const schema of ['platform', 'crm', 'support']) {
        for (const name of (await relationsOf(schema)).filter((each) => !isOpen(each))) {
          expect(await attempt(client, `select from ${name}`), name).toMatch(
            /^42501 permission denied for (schema|table|view) /,
          );
        }
      }
      expect(await attempt(client, 'select session_user')).toBe('1 row');
    },
  );

  refuse(world, 'support_app', {
    'cannot read a deal through XML': {
      attack: `select table_to_xml('crm.deals', true, true, '')`,
      ends: '42501 permission denied for table deals',
      neighbour: `select table_to_xml('platform.companies', true, true, '')`,
    },
    'cannot read a deal through a query in a string': {
      attack: `select query_to_xml('select name from crm.deals', true, true, '')`,
      ends: '42501 permission denied for table deals',
      neighbour: `select query_to_xml('select open_deals from crm.customer_context', true, true, '')`,
    },
    'cannot read a deal through COPY': {
      attack: 'copy crm.deals to stdout',
      ends: '42501 permission denied for table deals',
      neighbour: 'copy (select * from crm.customer_context) to stdout',
    },
    'cannot read a deal by referring to it': {
      attack: `insert into crm.activities (customer_id, type, description, idempotency_key)
               values ('${ada}', 'support_chat', (select name from crm.deals), 'k')`,
      ends: '42501 permission denied for table deals',
      neighbour: `insert into crm.activities (customer_id, type, description, idempotency_key)
                  values ('${ada}', 'support_chat', (select open_deals::text from crm.customer_context where id = '${ada}'), 'k')`,
    },
    'cannot count deals by their sequence': {
      attack: 'select last_value from crm.deals_id_seq',
      ends: '42501 permission denied for sequence deals_id_seq',
      neighbour: `select open_deals from crm.customer_context where id = '${ada}'`,
    },
  });
  refuse(world, 'foundation_app', {
    'cannot read a message through a query in a string': {
      attack: `select query_to_xml('select body from support.messages', true, true, '')`,
      ends: '42501 permission denied for schema support',
      neighbour: `select query_to_xml('select name from crm.deals', true, true, '')`,
    },
    'cannot hang a record on a session': {
      attack: `insert into support.messages (session_id, number, author, client_id, body) values ('${session}', 2, 'bot', 'c', 'b')`,
      ends: '42501 permission denied for schema support',
      neighbour: `insert into crm.activities (customer_id, type, description) values ('${ada}', 'note', 'b')`,
    },
  });

  test('support reads nothing of a deal except the sums of the context', async () => {
    const { fields } = await world.support_app.query('select * from crm.customer_context');
    expect(fields.map((field) => field.name)).toEqual([
      ...customerColumnNames, // may be read anyway
      'account_manager_name',
      'open_deals',
      'open_deals_value',
      'last_activity_type',
      'last_activity_at',
      'last_activity_app',
      'deals_of_others',
    ]);
  });
});

describe('the server', () => {
  const reading = (name: string) => ({
    attack: `select * from ${name}`,
    ends: `42501 permission denied for ${['pg_shadow', 'pg_hba_file_rules', 'pg_file_settings'].includes(name) ? 'view' : 'table'} ${name}`,
    neighbour: 'select rolname from pg_roles',
  });
  const secrets = [
    'pg_authid',
    'pg_shadow',
    'pg_statistic',
    'pg_largeobject',
    'pg_user_mapping',
    'pg_subscription',
    'pg_hba_file_rules',
    'pg_file_settings',
  ];
  for (const app of ['foundation_app', 'support_app'] as const) {
    refuse(world, app, Object.fromEntries(secrets.map((name) => [`cannot read ${name}`, reading(name)])));
  }

  test('an app cannot see the queries of the other', async () => {
    await world.foundation_app.query(`select 'a secret of Foundation'`);
    const asking = (login: string) =>
      `select query from pg_stat_activity where datname = current_database() and usename = '${login}'`;
    expect((await world.support_app.query(asking('foundation_app'))).rows).toEqual([
      { query: '<insufficient privilege>' },
    ]);
    expect((await world.superuser.query(asking('foundation_app'))).rows).toEqual([
      { query: `select 'a secret of Foundation'` },
    ]);
  });

  test('an app cannot read a large object of the other', async () => {
    const { rows } = await world.foundation_app.query(`select lo_from_bytea(0, 'private') as oid`);
    const read = `select lo_get(${rows[0].oid})`;
    expect(await attempt(world.support_app, read)).toBe(`42501 permission denied for large object ${rows[0].oid}`);
    expect(await attempt(world.foundation_app, read)).toBe('1 row');
  });
});
