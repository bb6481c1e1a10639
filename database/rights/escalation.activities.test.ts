import { describe, expect, test } from 'vitest';
import { ada, attempt, bob, createWorld, ours, refuse, theirs } from './testing.escalation.ts';

const world = createWorld();

const denied = '42501 permission denied for table activities';
const policy = '42501 new row violates row-level security policy for table "activities"';
const check = (name: string) => `23514 new row for relation "activities" violates check constraint "${name}"`;

const activity = (fields: Record<string, string>) => {
  const all = Object.entries({ customer_id: `'${ada}'`, description: `'Chat'`, ...fields });
  return `insert into crm.activities (${all.map(([name]) => name).join(', ')}) values (${all.map(([, value]) => value).join(', ')})`;
};
const chat = (fields: Record<string, string> = {}) =>
  activity({ type: `'support_chat'`, idempotency_key: `'session:2'`, ...fields });
const note = (fields: Record<string, string> = {}) => activity({ type: `'note'`, ...fields });

describe('Support adds to the timeline', () => {
  refuse(world, 'support_app', {
    'cannot log as Foundation': {
      attack: chat({ created_by_app: `'foundation'`, type: `'note'` }),
      ends: policy,
      neighbour: chat({ created_by_app: `'support'` }),
    },
    "cannot log an activity of Foundation's type": {
      attack: note({ idempotency_key: `'k'` }),
      ends: check('activities_check'),
      neighbour: chat(),
    },
    'cannot log a type that only looks like its own': {
      attack: chat({ type: `'supportxchat'` }),
      ends: check('activities_check'),
      neighbour: chat({ type: `'support_call'` }),
    },
    'cannot log without an idempotency key': {
      attack: chat({ idempotency_key: 'null' }),
      ends: check('activities_check1'),
      neighbour: chat({ idempotency_key: `'session:3'` }),
    },
    'cannot log twice under one key': {
      attack: chat({ idempotency_key: `'session:1'` }),
      ends: '23505 duplicate key value violates unique constraint "activities_created_by_app_idempotency_key_key"',
      neighbour: chat({ idempotency_key: `'session:9'` }),
    },
    'cannot log in the future': {
      attack: chat({ occurred_at: `now() + interval '1 hour'` }),
      ends: policy,
      neighbour: chat({ occurred_at: `now() + interval '30 seconds'` }),
    },
    'cannot log at the end of time': {
      attack: chat({ occurred_at: `'infinity'` }),
      ends: policy,
      neighbour: chat({ occurred_at: `now() - interval '1 hour'` }),
    },
    'cannot log for a customer who does not exist': {
      attack: chat({ customer_id: `'00000000-0000-7000-8000-0000000000ff'` }),
      ends: '23503 insert or update on table "activities" violates foreign key constraint "activities_customer_id_fkey"',
      neighbour: chat({ customer_id: `'${bob}'` }),
    },
    'cannot attach an activity to a deal': { attack: chat({ deal_id: '1' }), ends: denied, neighbour: chat() },
    'cannot name the person': { attack: chat({ created_by: `'u-admin'` }), ends: denied, neighbour: chat() },
    'cannot name the login': {
      attack: chat({ created_by_login: `'foundation_app'` }),
      ends: denied,
      neighbour: chat(),
    },
    'cannot choose the id': { attack: chat({ id: 'uuidv7()' }), ends: denied, neighbour: chat() },
    'cannot choose when it was written': { attack: chat({ created_at: 'now()' }), ends: denied, neighbour: chat() },
    'cannot set a reminder for Foundation': { attack: chat({ due_at: 'now()' }), ends: denied, neighbour: chat() },
    'cannot change an activity, not even its own': {
      attack: `update crm.activities set description = 'never happened' where id = '${ours}'`,
      ends: denied,
      neighbour: `select description from crm.activities where id = '${ours}'`,
    },
    'cannot delete an activity, not even its own': {
      attack: `delete from crm.activities where id = '${ours}'`,
      ends: denied,
      neighbour: `select from crm.activities where id = '${ours}'`,
    },
    'cannot lock an activity': {
      attack: `select from crm.activities where id = '${ours}' for update`,
      ends: denied,
      neighbour: `select from crm.activities where id = '${ours}'`,
    },
    'cannot overwrite through an upsert': {
      attack: `${chat({ idempotency_key: `'session:1'` })} on conflict (created_by_app, idempotency_key) do update set description = 'x'`,
      ends: denied,
      neighbour: `${chat()} on conflict (created_by_app, idempotency_key) do nothing`,
    },
    'cannot overwrite through MERGE': {
      attack: `merge into crm.activities a using (values ('${ours}'::uuid)) as v (id) on a.id = v.id
        when matched then update set description = 'x'`,
      ends: denied,
      neighbour: `merge into crm.activities a using (values ('session:5')) as v (k) on a.idempotency_key = v.k
                  when not matched then insert (customer_id, type, description, idempotency_key)
                    values ('${ada}', 'support_chat', 'x', v.k)`,
    },
    'cannot COPY activities in': {
      attack: 'copy crm.activities (customer_id, type, description, idempotency_key) from stdin',
      ends: '0A000 COPY FROM not supported with row-level security',
      neighbour: chat(),
    },
  });

  test('a retry under the same key makes no second activity and no error', async () => {
    const retry = `${chat({ idempotency_key: `'session:1'` })} on conflict (created_by_app, idempotency_key) do nothing`;
    expect(await attempt(world.support_app, retry)).toBe('0 rows');
    expect(await attempt(world.support_app, chat())).toBe('1 row');
  });
});

describe('Support reads the timeline', () => {
  test('support sees its own activities, but none of Foundation’s', async () => {
    const { rows } = await world.support_app.query('select id from crm.activities');
    expect(rows).toEqual([{ id: ours }]);
    expect(await attempt(world.foundation_app, 'select from crm.activities')).toBe('2 rows');
  });

  test('support cannot learn hidden text from an error', async () => {
    // If the cast ran before the policy, the error would quote Foundation's text.
    const peek = 'select from crm.activities where description::integer =';
    expect(await attempt(world.support_app, `${peek} 8`)).toBe('0 rows');
    expect(await attempt(world.support_app, `${peek} 7`)).toBe('1 row');
    expect(await attempt(world.foundation_app, `${peek} 7`)).toBe(
      '22P02 invalid input syntax for type integer: "secret"',
    );
  });

  test('support cannot read values of columns from the statistics', async () => {
    await world.superuser.query('analyze crm.activities, platform.customers, platform.migrations');
    const stats = `select from pg_stats where schemaname = 'crm' and tablename = 'activities'`;
    expect(await attempt(world.support_app, stats)).toBe('0 rows');
    expect(await attempt(world.superuser, stats)).toMatch(/^\d+ rows$/);
    expect(await attempt(world.support_app, 'select from pg_statistic')).toBe(
      '42501 permission denied for table pg_statistic',
    );
  });
});

describe('Foundation writes the timeline', () => {
  refuse(world, 'foundation_app', {
    'cannot log as Support': {
      attack: chat({ created_by_app: `'support'` }),
      ends: policy,
      neighbour: note({ created_by_app: `'foundation'` }),
    },
    'cannot log an activity of Support’s type': { attack: chat(), ends: check('activities_check'), neighbour: note() },
    'cannot turn its activity into one of Support’s type': {
      attack: `update crm.activities set type = 'support_chat' where id = '${theirs}'`,
      ends: check('activities_check'),
      neighbour: `update crm.activities set type = 'call' where id = '${theirs}'`,
    },
    'cannot rewrite which app logged an activity': {
      attack: `update crm.activities set created_by_app = 'support' where id = '${theirs}'`,
      ends: denied,
      neighbour: `update crm.activities set description = 'edited' where id = '${theirs}'`,
    },
    'cannot move an activity to another customer': {
      attack: `update crm.activities set customer_id = '${bob}' where id = '${theirs}'`,
      ends: denied,
      neighbour: `update crm.activities set done_at = now() where id = '${theirs}'`,
    },
    'cannot name the person': { attack: note({ created_by: `'u-admin'` }), ends: denied, neighbour: note() },
    'cannot name the login': { attack: note({ created_by_login: `'support_app'` }), ends: denied, neighbour: note() },
    'cannot delete an activity, unless it is a task that came again by itself and is open': {
      attack: `delete from crm.activities where id = '${theirs}'`,
      ends: '0 rows',
      neighbour: `select from crm.activities where id = '${theirs}' for update`,
    },
    'cannot empty the timeline': {
      attack: 'truncate crm.activities',
      ends: denied,
      neighbour: 'select from crm.activities',
    },
    'cannot edit Support’s activity through an upsert': {
      attack: `insert into crm.activities (customer_id, type, description) values ('${ada}', 'note', 'x')
               on conflict (id) do update set description = excluded.description, created_by_app = 'support'`,
      ends: denied,
      neighbour: note({ idempotency_key: `'deal:1:won'` }),
    },
    // Unlike an update, a MERGE does not skip a row that the policy hides.
    'cannot edit Support’s activity through MERGE': {
      attack: `merge into crm.activities a using (values ('${ours}'::uuid)) as v (id) on a.id = v.id
        when matched then update set description = 'x'`,
      ends: '42501 target row violates row-level security policy (USING expression) for table "activities"',
      neighbour: `merge into crm.activities a using (values ('${theirs}'::uuid)) as v (id) on a.id = v.id
        when matched then update set description = 'x'`,
    },
  });

  test('foundation cannot edit Support’s activity: it finds no such row', async () => {
    const edit = (id: string) => `update crm.activities set description = 'edited' where id = '${id}'`;
    expect(await attempt(world.foundation_app, edit(ours))).toBe('0 rows');
    expect(await attempt(world.foundation_app, edit(theirs))).toBe('1 row');
  });
});

describe('the actor', () => {
  test('is only the app’s word and may be spoofed; the login beside it is the truth', async () => {
    const client = world.support_app;
    await client.query('begin');
    await client.query(`set local aether.actor = 'u-admin'`);
    const { rows } = await client.query(`${chat()} returning created_by, created_by_app, created_by_login`);
    await client.query('rollback');
    expect(rows).toEqual([{ created_by: 'u-admin', created_by_app: 'support', created_by_login: 'support_app' }]);
  });

  test('is refused if there is no such user', async () => {
    expect(await attempt(world.support_app, `set local aether.actor = 'nobody'; ${chat()}`)).toBe(
      '23503 insert or update on table "activities" violates foreign key constraint "activities_created_by_fkey"',
    );
    expect(await attempt(world.support_app, `set local aether.actor = 'u-agent'; ${chat()}`)).toBe('1 row');
    expect(await attempt(world.support_app, `set local aether.actor = ''; ${chat()}`)).toBe('1 row');
  });
});

describe('the clock', () => {
  test('of the session cannot make a future time acceptable', async () => {
    const future = chat({ occurred_at: `'2999-01-01 00:00'` });
    expect(await attempt(world.support_app, `set local timezone = 'Pacific/Kiritimati'; ${future}`)).toBe(policy);
    expect(await attempt(world.support_app, `set local timezone = 'Pacific/Kiritimati'; ${chat()}`)).toBe('1 row');
  });
});
