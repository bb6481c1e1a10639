import { atEnd, createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { connectPlatform, type PlatformDb, type User } from '@aether/platform';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { limitRole, provision, readPerson, roleMaxOf } from './person.ts';
import { readSignInSettings } from './settings.ts';
import { addSignIn, openSignIn } from './signins.ts';

let foundation: PlatformDb;
let support: PlatformDb;
let superuser: Awaited<ReturnType<TestDatabase['connect']>>;
beforeAll(async () => {
  const database = await createTestDatabase();
  superuser = await database.connect('postgres');
  const connect = (app: 'foundation' | 'support') =>
    connectPlatform({ app, variables: { PLATFORM_DB_URL: database.url(`${app}_app`) } });
  [foundation, support] = await Promise.all([connect('foundation'), connect('support')]);
  atEnd(() => Promise.all([foundation.close(), support.close()]));
});
beforeEach(() => superuser.query('delete from platform.sign_ins; delete from platform.users'));

const settings = (more: Record<string, string> = {}) =>
  readSignInSettings({ SIGNIN_ISSUER: 'https://id.example', SIGNIN_CLIENT_ID: 'app', ...more });
const claims = {
  iss: 'https://id.example',
  sub: 's-1',
  tid: 't',
  oid: 'o-1',
  name: 'Maya Okafor',
  email: 'm@aether.example',
};
const person = (more: object = {}) => {
  const read = readPerson({ ...claims, ...more });
  if (!read) throw new Error('no person');
  return read;
};
const users = async () => (await superuser.query('select * from platform.users order by created_at')).rows;

describe('one person', () => {
  test('is one user even if the first sign-in happens twenty times at once', async () => {
    const made = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        provision(n % 2 ? support : foundation, person({ sub: `s-${n % 2}` }), settings()),
      ),
    );
    expect(new Set(made.map((user) => user.id)).size).toBe(1);
    expect(await users()).toHaveLength(1);
  });

  test('of another directory with the same object id is another user', async () => {
    await provision(foundation, person(), settings());
    await provision(foundation, person({ tid: 'other', sub: 's-2' }), settings());
    expect(await users()).toHaveLength(2);
  });

  test('keeps their user when name and address change, and the last sign-in is recorded', async () => {
    const first = await provision(foundation, person(), settings());
    await superuser.query(`update platform.users set last_signed_in = '2000-01-01'`);
    const again = await provision(
      foundation,
      person({ name: 'Maya Weber', email: 'weber@aether.example' }),
      settings(),
    );
    expect(again).toMatchObject({ id: first.id, name: 'Maya Weber', email: 'weber@aether.example' });
    expect(Number(again.last_signed_in)).toBeGreaterThan(Date.parse('2000-01-02'));
  });
});

describe('the role of administrator', () => {
  const withRoles = settings({ SIGNIN_ADMIN_ROLE: 'Aether.Admin' });

  test('comes and goes with the app role of the directory', async () => {
    expect((await provision(foundation, person({ roles: ['Aether.Admin'] }), withRoles)).role).toBe('admin');
    expect((await provision(foundation, person({ roles: [] }), withRoles)).role).toBe('user');
  });

  test('leaves data stewards to the page of users: the directory makes none, and takes the role only with a higher one', async () => {
    const steward = async () => {
      await superuser.query(`update platform.users set role = 'steward' where id = 's-1'`);
    };
    await provision(foundation, person({ roles: [] }), withRoles);
    await steward();
    expect((await provision(foundation, person({ roles: [] }), withRoles)).role).toBe('steward');
    expect(limitRole(await provision(support, person({ roles: [] }), withRoles), 'user', withRoles).role).toBe(
      'steward',
    );
    expect((await provision(foundation, person({ roles: ['Aether.Admin'] }), withRoles)).role).toBe('admin');
    expect((await provision(foundation, person({ roles: [] }), withRoles)).role).toBe('user');
  });

  test('is not given by Support, where the directory can only take rights away', async () => {
    expect((await provision(support, person({ roles: ['Aether.Admin'] }), withRoles)).role).toBe('user');
    expect(roleMaxOf(person({ roles: [] }), withRoles)).toBe('user');
    expect(roleMaxOf(person({ roles: ['Aether.Admin'] }), withRoles)).toBe('admin');
    expect(roleMaxOf(person(), settings())).toBe('admin');
  });

  test('goes to the configured first administrator if there are no app roles and no administrator', async () => {
    const first = settings({ SIGNIN_FIRST_ADMIN: 'o-1' });
    expect((await provision(foundation, person({ oid: 'o-2', sub: 's-2' }), first)).role).toBe('user');
    expect((await provision(foundation, person(), first)).role).toBe('admin');
    expect((await provision(foundation, person({ name: 'Still' }), first)).role).toBe('admin');
    await superuser.query(`update platform.users set role = case id when 's-1' then 'user' else 'admin' end`);
    expect((await provision(foundation, person(), first)).role).toBe('user');
  });

  test('is never given for an address', async () => {
    const first = settings({ SIGNIN_FIRST_ADMIN: 'm@aether.example' });
    expect((await provision(foundation, person(), first)).role).toBe('user');
  });
});

describe('the role of reader', () => {
  const withReaders = settings({ SIGNIN_READER_ROLE: 'Aether.Reader' });
  const reader = person({ roles: ['Aether.Reader'] });

  test('comes and goes with the app role of the directory, counts in Support before Foundation knows of it, and yields to the administrator’s', async () => {
    expect((await provision(foundation, reader, withReaders)).role).toBe('reader');
    expect((await provision(foundation, person(), withReaders)).role).toBe('user');
    const user = await provision(support, reader, withReaders);
    expect([user.role, limitRole(user, roleMaxOf(reader, withReaders), withReaders).role]).toEqual(['user', 'reader']);
    const both = settings({ SIGNIN_READER_ROLE: 'Aether.Reader', SIGNIN_ADMIN_ROLE: 'Aether.Admin' });
    const admin = person({ roles: ['Aether.Reader', 'Aether.Admin'] });
    expect((await provision(foundation, admin, both)).role).toBe('admin');
    expect((await provision(foundation, reader, both)).role).toBe('reader');
    expect((await provision(foundation, person({ roles: [] }), both)).role).toBe('user');
  });

  test('stays as the page of users says where the directory gives none, and never takes an administrator of that page away', async () => {
    await provision(foundation, person(), settings());
    await superuser.query(`update platform.users set role = 'reader' where id = 's-1'`);
    expect((await provision(foundation, person(), settings())).role).toBe('reader');
    expect((await provision(support, person(), settings())).role).toBe('reader');
    await superuser.query(`update platform.users set role = 'admin' where id = 's-1'`);
    const admin = await provision(foundation, reader, withReaders);
    expect([admin.role, limitRole(admin, 'reader', withReaders).role]).toEqual(['admin', 'admin']);
  });
});

describe('the claims of a token', () => {
  test.each([
    ['without a subject', { sub: undefined }],
    ['with an empty subject', { sub: '' }],
    ['with a subject that is too long', { sub: 'x'.repeat(256) }],
    ['without an issuer', { iss: undefined }],
  ])('%s name nobody', (_, more) => {
    expect(readPerson({ ...claims, ...more } as never)).toBeUndefined();
  });

  test('of a provider without directories identify a person by issuer and subject', () => {
    expect(person({ tid: undefined, oid: undefined })).toMatchObject({
      tenantId: 'https://id.example',
      objectId: 's-1',
    });
    expect(person({ oid: undefined })).toMatchObject({ tenantId: 'https://id.example', objectId: 's-1' });
  });

  test('are made to fit the columns of a user', async () => {
    const odd = person({
      name: `  A\u0000B\n${'😀'.repeat(300)} `,
      email: undefined,
      preferred_username: 'x'.repeat(400),
    });
    expect(await provision(foundation, odd, settings())).toMatchObject({ id: 's-1' });
    expect(person({ name: 5, roles: 'Aether.Admin' })).toMatchObject({ name: 'm@aether.example', roles: [] });
  });
});

describe('a person who left', () => {
  const open = (user: User) => ({ user, roleMax: 'admin', agent: undefined, idleMinutes: 60, maxHours: 10 }) as const;

  test('is signed out of both apps at once, and no sign-in is opened for them in either', async () => {
    const user = await provision(foundation, person(), settings());
    const [here, there] = [await addSignIn(foundation, open(user)), await addSignIn(support, open(user))];
    await foundation.query('update platform.users set left_at = now() where id = $1', [user.id]);
    expect(await openSignIn(foundation, here)).toMatchObject({ refused: 'unknown' });
    expect(await openSignIn(support, there)).toMatchObject({ refused: 'unknown' });
    const { rows } = await superuser.query('select end_reason from platform.sign_ins');
    expect(rows).toEqual([{ end_reason: 'left' }, { end_reason: 'left' }]);
    for (const db of [foundation, support])
      await expect(provision(db, person({ name: 'Another' }), settings())).rejects.toMatchObject({ code: 'user-left' });
    // One that another process was about to open.
    expect(await openSignIn(foundation, await addSignIn(foundation, open(user)))).toHaveProperty('refused');
    expect(await users()).toMatchObject([{ name: 'Maya Okafor' }]);
  });

  test('who returns signs in again, with the role of before; a first administrator is made only if none is there', async () => {
    const user = await provision(foundation, person(), settings({ SIGNIN_FIRST_ADMIN: 'o-1' }));
    expect(user.role).toBe('admin');
    await foundation.query('update platform.users set left_at = now()');
    const next = await provision(
      foundation,
      person({ sub: 's-2', oid: 'o-2' }),
      settings({ SIGNIN_FIRST_ADMIN: 'o-2' }),
    );
    expect(next.role).toBe('admin');
    await foundation.query('update platform.users set left_at = null');
    expect((await provision(foundation, person(), settings())).role).toBe('admin');
  });

  test('is entered by Foundation alone', async () => {
    const user = await provision(foundation, person(), settings());
    await expect(
      support.query('update platform.users set left_at = now() where id = $1', [user.id]),
    ).rejects.toMatchObject({
      code: 'field-not-owned',
    });
  });
});
