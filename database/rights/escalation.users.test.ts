import { describe, expect, test } from 'vitest';
import { attempt, createWorld, refuse } from './testing.escalation.ts';

const world = createWorld();

describe('administrators', () => {
  refuse(world, 'support_app', {
    'cannot make an administrator': {
      attack: `insert into platform.users (id, email, name, role) values ('u-new', 'n@example.com', 'N', 'admin')`,
      ends: '42501 permission denied for table users',
      neighbour: `select * from platform.sign_in_user('u-new', 'n@example.com', 'N', null, null)`,
    },
    'cannot promote a user': {
      attack: `update platform.users set role = 'admin' where id = 'u-agent'`,
      ends: '42501 permission denied for table users',
      neighbour: `update platform.users set name = 'Agent A.' where id = 'u-agent'`,
    },
  });
  for (const app of ['foundation_app', 'support_app'] as const) {
    refuse(world, app, {
      'cannot make a user except by a sign-in': {
        attack: `insert into platform.users (id, email, name, directory_tenant_id, directory_object_id)
          values ('u-new', 'n@example.com', 'N', 't', 'o')`,
        ends: '42501 permission denied for table users',
        neighbour: `select * from platform.sign_in_user('u-new', 'n@example.com', 'N', 't', 'o')`,
      },
      'cannot delete a user': {
        attack: `delete from platform.users`,
        ends: '42501 permission denied for table users',
        neighbour: `update platform.users set last_signed_in = now()`,
      },
    });
  }
});

describe('the directory account of a user', () => {
  const signIn = `select * from platform.sign_in_user('u-agent', 'agent@example.com', 'Agent', 't', 'o')`;
  for (const app of ['foundation_app', 'support_app'] as const) {
    refuse(world, app, {
      'cannot be written by hand': {
        attack: `update platform.users set directory_tenant_id = 't', directory_object_id = 'o' where id = 'u-agent'`,
        ends: '42501 permission denied for table users',
        neighbour: signIn,
      },
      'cannot be moved to another person by a sign-in': {
        attack: `${signIn}; select * from platform.sign_in_user('u-agent', 'agent@example.com', 'Agent', 't', 'mine')`,
        ends: '23505 another directory account has this subject',
        neighbour: `${signIn}; ${signIn}`,
      },
    });
  }

  const tie = `update platform.users set directory_tenant_id = 't', directory_object_id = 'o' where id = 'u-agent';`;
  test.each([
    ['moved to another person', `set directory_object_id = 'mine'`],
    ['moved to another directory', `set directory_tenant_id = 'mine'`],
    ['taken off, to be given anew', 'set directory_tenant_id = null, directory_object_id = null'],
  ])('cannot be %s, by no function either', async (_, change) => {
    const attack = `${tie} update platform.users ${change} where id = 'u-agent'`;
    expect(await attempt(world.superuser, attack)).toBe(
      '42501 a user keeps the directory account of the first sign-in',
    );
    expect(await attempt(world.superuser, tie)).toBe('1 row');
  });
});
