import { beforeAll, describe, expect, test } from 'vitest';
import { ada, attempt, bob, createWorld, refuse } from './testing.escalation.ts';

const world = createWorld();
const merge = '00000000-0000-7000-8000-0000000000c0';

beforeAll(async () => {
  await world.superuser.query(`
    insert into platform.merges (id, survivor_id, loser_id, app, evidence, rules, survivor_version, loser_version)
      values ('${merge}', '${ada}', gen_random_uuid(), 'console', '{"secret": true}', 1, 2, 1);
    insert into platform.merge_fields (merge, field, ours, theirs, chosen, side, chosen_by, why)
      values ('${merge}', 'name', '"Ada"', '"Bob"', '"Ada"', 'survivor', 'rule', 'x');
    update platform.users set role = 'steward' where id = 'u-agent'`);
});

const table = (name: string) => `42501 permission denied for table ${name}`;
const fn = (name: string) => `42501 permission denied for function ${name}`;
const open = 'select id, survivor_id, loser_id, merged_at, actor, undone_at from platform.merges';

describe.each(['foundation_app', 'support_app'] as const)('the ledger of merges and %s', (app) => {
  refuse(world, app, {
    'cannot merge': {
      attack: `select platform.merge_customers('${ada}', array['${bob}']::uuid[])`,
      ends: fn('merge_customers'),
      neighbour: open,
    },
    'cannot merge as a steward whom it names': {
      attack: `set local aether.actor = 'u-agent'; select platform.merge_customers('${ada}', array['${bob}']::uuid[])`,
      ends: fn('merge_customers'),
      neighbour: `set local aether.actor = 'u-agent'; ${open}`,
    },
    'cannot ask what a merge would do': {
      attack: `select platform.preview_merge('${ada}', '${bob}')`,
      ends: fn('preview_merge'),
      neighbour: open,
    },
    'cannot take a merge back': {
      attack: `select platform.unmerge_customers('${merge}')`,
      ends: fn('unmerge_customers'),
      neighbour: open,
    },
    'cannot use a step of a merge': {
      attack: `select platform.merge_one('${ada}', '${bob}', '{}', null, '{}')`,
      ends: fn('merge_one'),
      neighbour: open,
    },
    'cannot lead a customer to another one': {
      attack: `update platform.customers set merged_into = '${ada}' where id = '${bob}'`,
      ends: table('customers'),
      neighbour: `update platform.customers set name = 'Robert' where id = '${bob}'`,
    },
    'cannot read the evidence': {
      attack: 'select evidence from platform.merges',
      ends: table('merges'),
      neighbour: open,
    },
    'cannot read the values of a merge': {
      attack: 'select from platform.merge_fields',
      ends: table('merge_fields'),
      neighbour: open,
    },
    'cannot read the rows that a merge put away': {
      attack: 'select from platform.merge_suppressed',
      ends: table('merge_suppressed'),
      neighbour: open,
    },
    'cannot forge a merge': {
      attack: `insert into platform.merges (survivor_id, loser_id, rules, survivor_version, loser_version)
               values ('${ada}', '${bob}', 1, 1, 1)`,
      ends: table('merges'),
      neighbour: open,
    },
    'cannot forge the evidence of a merge': {
      attack: `update platform.merges set evidence = '{"score": 1}'`,
      ends: table('merges'),
      neighbour: open,
    },
    'cannot remove a merge': { attack: 'delete from platform.merges', ends: table('merges'), neighbour: open },
    'cannot give a merge a row': {
      attack: `insert into platform.merge_moves (merge, reference, key) values ('${merge}', 1, 'x')`,
      ends: table('merge_moves'),
      neighbour: open,
    },
    'cannot end the claim of a merge': {
      attack: `select platform.release_moves('crm.deals', '1')`,
      ends: fn('release_moves'),
      neighbour: open,
    },
    'cannot say that two customers are different people': {
      attack: `select platform.keep_apart('${ada}', '${bob}', 'x')`,
      ends: fn('keep_apart'),
      neighbour: 'select from platform.apps',
    },
    'cannot keep a table out of merges': {
      attack: 'delete from platform.merge_references',
      ends: table('merge_references'),
      neighbour: open,
    },
    'cannot publish the event of a merge': {
      attack: `select sync.publish('customer.merged', '${ada}', '{}')`,
      ends: '42501 an app publishes events that begin with its own name',
      neighbour: `select sync.publish('${app.replace('_app', '')}.merged', '${ada}', '{}')`,
    },
    'cannot write the event of a merge': {
      attack: `select sync.capture_merge('customer.merged', c, '{}', '{}') from platform.customers c`,
      ends: fn('capture_merge'),
      neighbour: 'select from platform.customers c',
    },
    'cannot become the role that triggers let pass': {
      attack: 'set role merge_role',
      ends: '42501 permission denied to set role "merge_role"',
      neighbour: `set role ${app}`,
    },
  });
});

describe('the console', () => {
  test('merges for a steward only, and writes nothing of the ledger itself', async () => {
    const console_ = await world.database.connect('console_app');
    const merging = `select platform.merge_customers('${ada}', array['${bob}']::uuid[])`;
    const refused = '42501 only administrators and stewards of the console, and the command, merge customers';
    expect(await attempt(console_, merging)).toBe(refused);
    expect(await attempt(console_, `set local aether.actor = 'nobody'; ${merging}`)).toBe(refused);
    expect(await attempt(console_, `set local aether.actor = 'u-agent'; ${merging}`)).toBe('1 row');
    expect(await attempt(console_, `set local aether.actor = 'u-admin'; ${merging}`)).toBe('1 row');
    for (const attack of [
      `update platform.merges set evidence = '{}'`,
      'delete from platform.merge_fields',
      `insert into platform.merge_moves (merge, reference, key) values ('${merge}', 1, 'x')`,
      `update platform.customers set merged_into = '${ada}' where id = '${bob}'`,
      `select platform.merge_one('${ada}', '${bob}', '{}', null, '{}')`,
      'set role merge_role',
    ])
      expect(await attempt(console_, attack), attack).toMatch(/^42501 permission denied/);
    expect(await attempt(console_, 'select evidence from platform.merges')).toBe('1 row');
  });
});
