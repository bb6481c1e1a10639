import { beforeAll, describe, expect, test } from 'vitest';
import { attempt, createWorld, refuse } from './testing.escalation.ts';

const world = createWorld();
const denied = '42501 permission denied for table sign_ins';
const csrf = 'c'.repeat(43);

const apps = [
  ['foundation_app', 'foundation', 'support'],
  ['support_app', 'support', 'foundation'],
] as const;

const open = (app: string, user: string, token: string) =>
  `insert into platform.sign_ins (app, user_id, token_hash, csrf_token, idle_max, expires_at)
   values ('${app}', '${user}', sha256('${token}'), '${csrf}', '2 hours', now() + interval '12 hours')`;
const own = (more = '', values = '') =>
  `insert into platform.sign_ins (user_id, token_hash, csrf_token, idle_max, expires_at${more})
   values ('u-agent', sha256('new'), '${csrf}', '2 hours', now() + interval '12 hours'${values})`;

beforeAll(async () => {
  for (const app of ['foundation', 'support'])
    for (const user of ['u-admin', 'u-agent']) await world.superuser.query(open(app, user, `${app} ${user}`));
  await world.superuser.query(
    `insert into platform.sign_ins (app, user_id, token_hash, csrf_token, idle_max, expires_at, ended_at, end_reason)
     select a, 'u-admin', sha256(('ended ' || a)::bytea), '${csrf}', '2 hours', now() + interval '12 hours', now(), 'signed-out'
     from unnest(array['foundation', 'support']) a`,
  );
});

describe.each(apps)('sign-ins of %s', (login, mine, other) => {
  test('are visible to it, but those of the other app are not', async () => {
    const { rows } = await world[login].query('select distinct app from platform.sign_ins');
    expect(rows).toEqual([{ app: mine }]);
    expect((await world.superuser.query(`select from platform.sign_ins where app = '${other}'`)).rowCount).toBe(3);
  });

  refuse(world, login, {
    'cannot sign somebody in to the other app': {
      attack: open(other, 'u-admin', 'forged'),
      ends: denied,
      neighbour: own(),
    },
    'cannot end one of the other app': {
      attack: `update platform.sign_ins set ended_at = now(), end_reason = 'signed-out' where app = '${other}'`,
      ends: '0 rows',
      neighbour: `update platform.sign_ins set ended_at = now(), end_reason = 'signed-out' where app = '${mine}'`,
    },
    'cannot bring back an ended one': {
      attack: `update platform.sign_ins set ended_at = null, end_reason = null where ended_at is not null`,
      ends: '0 rows',
      neighbour: `update platform.sign_ins set last_seen_at = now() where ended_at is null`,
    },
    'cannot give one to another person': {
      attack: `update platform.sign_ins set user_id = 'u-admin'`,
      ends: denied,
      neighbour: `update platform.sign_ins set last_seen_at = now()`,
    },
    'cannot move one to the other app': {
      attack: `update platform.sign_ins set app = '${other}'`,
      ends: denied,
      neighbour: `update platform.sign_ins set rotated_at = now()`,
    },
    'cannot prolong one': {
      attack: `update platform.sign_ins set expires_at = now() + interval '30 days'`,
      ends: denied,
      neighbour: `update platform.sign_ins set next_token_hash = sha256('n'), next_token_at = now()
        where token_hash = sha256('${mine} u-agent')`,
    },
    'cannot lengthen the idle time of one': {
      attack: `update platform.sign_ins set idle_max = '1 year'`,
      ends: denied,
      neighbour: `update platform.sign_ins set last_seen_at = now()`,
    },
    'cannot raise the rights of one': {
      attack: `update platform.sign_ins set role_max = 'admin'`,
      ends: denied,
      neighbour: own(', role_max', `, 'user'`),
    },
    'cannot open one for longer than a month': {
      attack: `insert into platform.sign_ins (user_id, token_hash, csrf_token, idle_max, expires_at)
               values ('u-agent', sha256('long'), '${csrf}', '2 hours', now() + interval '32 days')`,
      ends: '23514 new row for relation "sign_ins" violates check constraint "sign_ins_check2"',
      neighbour: own(),
    },
    'cannot keep a token in clear': {
      attack: `insert into platform.sign_ins (user_id, token_hash, csrf_token, idle_max, expires_at)
               values ('u-agent', 'a token in clear', '${csrf}', '2 hours', now() + interval '1 hour')`,
      ends: '23514 new row for relation "sign_ins" violates check constraint "sign_ins_token_hash_check"',
      neighbour: own(),
    },
    'cannot delete one, and with it the trace of it': {
      attack: 'delete from platform.sign_ins',
      ends: denied,
      neighbour: `update platform.sign_ins set ended_at = now(), end_reason = 'by-admin'`,
    },
    'cannot open one for an unknown person': {
      attack: `insert into platform.sign_ins (user_id, token_hash, csrf_token, idle_max, expires_at)
               values ('u-nobody', sha256('x'), '${csrf}', '2 hours', now() + interval '1 hour')`,
      ends: '23503 insert or update on table "sign_ins" violates foreign key constraint "sign_ins_user_id_fkey"',
      neighbour: own(),
    },
    'cannot tie an account to a user by hand': {
      attack: `update platform.users set directory_tenant_id = 't', directory_object_id = 'mine' where id = 'u-admin'`,
      ends: '42501 permission denied for table users',
      neighbour: `update platform.users set name = 'Root R.' where id = 'u-admin'`,
    },
    'cannot invent a reason for the end of one': {
      attack: `select platform.end_sign_ins('u-agent', null, 'because')`,
      ends: '23514 new row for relation "sign_ins" violates check constraint "sign_ins_end_reason_check"',
      neighbour: `select platform.end_sign_ins('u-agent', null, 'everywhere')`,
    },
  });

  test('of the other app are not visible', async () => {
    const { rows } = await world[login].query('select distinct app from platform.sign_ins');
    expect(rows).toEqual([{ app: login.replace('_app', '') }]);
  });

  test('of the other app cannot be ended one by one', async () => {
    const superuser = await world.database.connect('postgres');
    const { rows } = await superuser.query(
      `select id, app from platform.sign_ins where user_id = 'u-agent' and ended_at is null`,
    );
    for (const { id, app } of rows) {
      await world[login].query('begin');
      const ended = await world[login].query(`select platform.end_sign_ins('u-agent', $1, 'by-admin') as ended`, [id]);
      await world[login].query('rollback');
      expect([app, ended.rows]).toEqual([app, [{ ended: `${app}_app` === login ? 1 : 0 }]]);
    }
    expect(rows).toHaveLength(2);
  });

  test('of one person end in both apps at once, and those of others stay', async () => {
    await world[login].query('begin');
    try {
      const { rows } = await world[login].query(`select platform.end_sign_ins('u-agent', null, 'everywhere') as ended`);
      expect(rows).toEqual([{ ended: 2 }]);
      const open = (user: string) =>
        world[login].query('select from platform.sign_ins where user_id = $1 and ended_at is null', [user]);
      expect((await open('u-agent')).rows).toHaveLength(0);
      expect((await open('u-admin')).rows).toHaveLength(1);
    } finally {
      await world[login].query('rollback');
    }
  });
});

describe('signing in as an administrator', () => {
  const signIn = (subject: string) =>
    `select * from platform.sign_in_user('${subject}', 'x@example.com', 'X', 'tenant', 'mine')`;

  refuse(world, 'support_app', {
    'cannot tie its own account to an administrator that has none': {
      attack: signIn('u-admin'),
      ends: '23505 another directory account has this subject',
      neighbour: signIn('u-agent'),
    },
    'cannot become one by signing in': {
      attack: `with made as (${signIn('u-new')}) update platform.users set role = 'admin' where id in (select id from made)`,
      ends: '42501 permission denied for table users',
      neighbour: signIn('u-new'),
    },
  });

  test('never gives or takes away that role', async () => {
    for (const login of ['foundation_app', 'support_app'] as const) {
      await world[login].query('begin');
      const { rows } = await world[login].query(signIn('u-new'));
      expect(rows[0]).toMatchObject({ id: 'u-new', role: 'user' });
      await world[login].query('rollback');
    }
    expect(await attempt(world.foundation_app, signIn('u-admin'))).toBe('1 row');
  });

  test.each(['sync_app', 'privacy_app', 'observer_app', 'simulator_app'] as const)(
    '%s has nothing to do with sign-ins',
    async (login) => {
      const client = await world.database.connect(login);
      for (const sql of [
        'select from platform.sign_ins',
        signIn('u-new'),
        `select platform.end_sign_ins('u-agent', null, 'everywhere')`,
      ])
        expect(await attempt(client, sql)).toMatch(/^42501 permission denied/);
    },
  );
});
