import { describe } from 'vitest';
import { createWorld, refuse } from './testing.escalation.ts';

const world = createWorld();

describe('administrators', () => {
  refuse(world, 'support_app', {
    'cannot make an administrator': {
      attack: `insert into platform.users (id, email, name, role) values ('u-new', 'n@example.com', 'N', 'admin')`,
      ends: '42501 permission denied for table users',
      neighbour: `insert into platform.users (id, email, name) values ('u-new', 'n@example.com', 'N')`,
    },
    'cannot promote a user': {
      attack: `update platform.users set role = 'admin' where id = 'u-agent'`,
      ends: '42501 permission denied for table users',
      neighbour: `update platform.users set name = 'Agent A.' where id = 'u-agent'`,
    },
  });
  for (const app of ['foundation_app', 'support_app'] as const) {
    refuse(world, app, {
      'cannot delete a user': {
        attack: `delete from platform.users`,
        ends: '42501 permission denied for table users',
        neighbour: `update platform.users set last_signed_in = now()`,
      },
    });
  }
});

describe('the directory account of a user', () => {
  const tie = `update platform.users set directory_tenant_id = 't', directory_object_id = 'o' where id = 'u-agent';`;
  const kept = '42501 a user keeps the directory account of the first sign-in';
  for (const app of ['foundation_app', 'support_app'] as const) {
    refuse(world, app, {
      'cannot be moved to another person': {
        attack: `${tie} update platform.users set directory_object_id = 'mine' where id = 'u-agent'`,
        ends: kept,
        neighbour: `${tie} update platform.users set directory_object_id = 'o', last_signed_in = now() where id = 'u-agent'`,
      },
      'cannot be moved to another directory': {
        attack: `${tie} update platform.users set directory_tenant_id = 'mine' where id = 'u-agent'`,
        ends: kept,
        neighbour: tie,
      },
      'cannot be taken off, to be given anew': {
        attack: `${tie} update platform.users set directory_tenant_id = null, directory_object_id = null where id = 'u-agent'`,
        ends: kept,
        neighbour: `${tie} update platform.users set name = 'Agent A.' where id = 'u-agent'`,
      },
    });
  }
});
