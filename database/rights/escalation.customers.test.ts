import { describe, expect, test } from 'vitest';
import { acme, ada, attempt, bob, createWorld, refuse } from './testing.escalation.ts';

const world = createWorld();

const customers = '42501 permission denied for table customers';
const policy = (table: string) => `42501 new row violates row-level security policy for table "${table}"`;
const set = (assignment: string, id = ada) => `update platform.customers set ${assignment} where id = '${id}'`;
const add = (columns: string, values: string) =>
  `insert into platform.customers (email, name${columns}) values ('new@example.com', 'New'${values})`;

describe('provenance', () => {
  refuse(world, 'support_app', {
    'cannot create a customer as Foundation': {
      attack: add(', created_by_app', `, 'foundation'`),
      ends: policy('customers'),
      neighbour: add(', created_by_app', `, 'support'`),
    },
    'cannot rewrite who created a customer': {
      attack: set(`created_by_app = 'support'`),
      ends: customers,
      neighbour: set(`name = 'Ada L.'`),
    },
    'cannot create a company as Foundation': {
      attack: `insert into platform.companies (name, created_by_app) values ('Fake', 'foundation')`,
      ends: policy('companies'),
      neighbour: `insert into platform.companies (name, created_by_app) values ('Real', 'support')`,
    },
    'cannot rewrite who created a company': {
      attack: `update platform.companies set created_by_app = 'support' where id = '${acme}'`,
      ends: '42501 permission denied for table companies',
      neighbour: `update platform.companies set name = 'Acme Ltd' where id = '${acme}'`,
    },
  });
  refuse(world, 'foundation_app', {
    'cannot create a customer as Support': {
      attack: add(', created_by_app', `, 'support'`),
      ends: policy('customers'),
      neighbour: add(', created_by_app', `, 'foundation'`),
    },
    'cannot rewrite who created a customer': {
      attack: set(`created_by_app = 'foundation'`, bob),
      ends: customers,
      neighbour: set(`name = 'Robert'`, bob),
    },
    'cannot create a company as Support': {
      attack: `insert into platform.companies (name, created_by_app) values ('Fake', 'support')`,
      ends: policy('companies'),
      neighbour: `insert into platform.companies (name, created_by_app) values ('Real', 'foundation')`,
    },
    'cannot rewrite who created a company': {
      attack: `update platform.companies set created_by_app = 'support' where id = '${acme}'`,
      ends: '42501 permission denied for table companies',
      neighbour: `update platform.companies set domain = 'acme.test' where id = '${acme}'`,
    },
  });

  test.each([
    ['foundation_app', 'foundation'],
    ['support_app', 'support'],
  ] as const)('what %s creates says so without being told', async (login, app) => {
    const { rows } = await world[login].query(
      `insert into platform.customers (email, name) values ('made-by-${app}@example.com', 'New') returning created_by_app`,
    );
    expect(rows).toEqual([{ created_by_app: app }]);
  });
});

describe("the other app's fields", () => {
  const foundations = { crm_id: '5', account_tier: `'premium'`, account_manager_id: `'u-agent'` };
  const supports = { support_id: '5', preferred_language: `'de'`, timezone: `'Europe/Berlin'` };
  const cases = [
    ...Object.entries(foundations).map(([column, value]) => ['support_app', 'foundation_app', column, value] as const),
    ...Object.entries(supports).map(([column, value]) => ['foundation_app', 'support_app', column, value] as const),
  ];
  test.each(cases)('%s cannot write what is %s’s: %s', async (other, owner, column, value) => {
    for (const write of [set(`${column} = ${value}`), add(`, ${column}`, `, ${value}`), set(`${column} = null`)]) {
      expect(await attempt(world[other], write), write).toBe(customers);
      expect(await attempt(world[owner], write), write).toBe('1 row');
    }
  });
});

describe('a tier that only Foundation may raise', () => {
  const key = `'ada@example.com'`;
  const conflict = `insert into platform.customers (email, name) values ('ada@example.com', 'Ada') on conflict (id) do update`;
  refuse(world, 'support_app', {
    'cannot smuggle it through an upsert': {
      attack: `${conflict} set account_tier = 'premium'`,
      ends: customers,
      neighbour: `insert into platform.companies (name, domain) values ('Acme', 'acme.example')
                  on conflict (domain) do update set name = excluded.name`,
    },
    'cannot smuggle it through the excluded row of an upsert': {
      attack: `${conflict} set (name, account_tier) = row (excluded.name, 'premium')`,
      ends: customers,
      neighbour: `insert into platform.customers (email, name) values ('up@example.com', 'Up')
                  on conflict (id) do update set (name, phone) = row (excluded.name, excluded.phone)`,
    },
    'cannot smuggle it through MERGE': {
      attack: `merge into platform.customers c using (values (${key})) as v (k) on c.email_key = v.k
               when matched then update set account_tier = 'premium'`,
      ends: customers,
      neighbour: `merge into platform.customers c using (values (${key})) as v (k) on c.email_key = v.k
                  when matched then update set timezone = 'Europe/Paris'`,
    },
    'cannot smuggle it through the insert of a MERGE': {
      attack: `merge into platform.customers c using (values ('z@example.com')) as v (k) on c.email_key = v.k
               when not matched then insert (email, name, account_tier) values (v.k, 'Z', 'premium')`,
      ends: customers,
      neighbour: `merge into platform.customers c using (values ('z@example.com')) as v (k) on c.email_key = v.k
                  when not matched then insert (email, name) values (v.k, 'Z')`,
    },
    'cannot smuggle it through a WITH': {
      attack: `with raised as (update platform.customers set account_tier = 'premium' returning id) select * from raised`,
      ends: customers,
      neighbour: `with named as (update platform.customers set name = 'Same' returning id) select * from named`,
    },
    'cannot smuggle it through a prepared statement': {
      attack: `prepare raise as ${set(`account_tier = 'premium'`)}; execute raise`,
      ends: customers,
      neighbour: `prepare rename as ${set(`name = 'A'`)}; execute rename`,
    },
    'cannot smuggle it through a cursor': {
      attack: `declare one cursor for select * from platform.customers for update; fetch one;
               update platform.customers set account_tier = 'premium' where current of one`,
      ends: customers,
      neighbour: `declare one cursor for select * from platform.customers for update; fetch one;
                  update platform.customers set name = 'A' where current of one`,
    },
    'cannot smuggle it through a block': {
      attack: `do $$ begin execute 'update platform.customers set account_tier = ''premium'''; end $$`,
      ends: customers,
      neighbour: `do $$ begin execute 'update platform.customers set timezone = ''UTC'''; end $$`,
    },
    'cannot smuggle it through the context view': {
      attack: `update crm.customer_context set account_manager_name = 'Me'`,
      ends: '55000 cannot update view "customer_context"',
      neighbour: `select account_manager_name from crm.customer_context where id = '${ada}'`,
    },
    'cannot delete through the context view': {
      attack: `delete from crm.customer_context`,
      ends: '55000 cannot delete from view "customer_context"',
      neighbour: `select open_deals from crm.customer_context where id = '${ada}'`,
    },
    'cannot COPY customers in': {
      attack: `copy platform.customers (email, name) from stdin`,
      ends: '0A000 COPY FROM not supported with row-level security',
      neighbour: add('', ''),
    },
    'cannot COPY a tier in': {
      attack: `copy platform.customers (email, name, account_tier) from stdin`,
      ends: customers,
      neighbour: add('', ''),
    },
  });
});

describe('removing customers', () => {
  for (const app of ['foundation_app', 'support_app'] as const) {
    refuse(world, app, {
      'cannot delete a customer': {
        attack: `delete from platform.customers where id = '${ada}'`,
        ends: customers,
        neighbour: set(`phone = null`),
      },
      'cannot delete a customer through MERGE': {
        attack: `merge into platform.customers c using (values ('${ada}'::uuid)) as v (id) on c.id = v.id when matched then delete`,
        ends: customers,
        neighbour: `merge into platform.customers c using (values ('${ada}'::uuid)) as v (id) on c.id = v.id
          when matched then update set phone = null`,
      },
      'cannot empty the table': {
        attack: `truncate platform.customers cascade`,
        ends: customers,
        neighbour: `select from platform.customers`,
      },
      'cannot delete a company': {
        attack: `delete from platform.companies`,
        ends: '42501 permission denied for table companies',
        neighbour: `update platform.companies set name = 'A'`,
      },
      'cannot lock the whole table': {
        attack: `lock table platform.customers in access exclusive mode`,
        ends: customers,
        neighbour: `select from platform.customers where id = '${ada}' for update`,
      },
    });
  }
});

describe('addresses', () => {
  for (const app of ['foundation_app', 'support_app'] as const) {
    refuse(world, app, {
      "cannot take another customer's address by its email": {
        attack: set(`email = 'BOB@example.com'`),
        ends: '23505 another customer is known by this',
        neighbour: set(`email = 'ADA.L@example.com'`),
      },
      "cannot take another customer's address by its key": {
        attack: set(`email_key = 'bob@example.com'`),
        ends: '23514 new row for relation "customers" violates check constraint "customers_email_key_canonical"',
        neighbour: set(`email_key = 'ada@example.com'`),
      },
      "cannot take another customer's address behind a foreign letter": {
        attack: set(`email = 'bøb@example.com', email_key = 'bob@example.com'`),
        ends: '23505 another customer is known by this',
        neighbour: set(`email = 'bøb@example.com', email_key = 'bøb@example.com'`),
      },
      'cannot write known addresses itself': {
        attack: `insert into platform.customer_emails (email_key, customer_id, is_primary) values ('x@example.com', '${ada}', false)`,
        ends: '42501 permission denied for table customer_emails',
        neighbour: set(`email = 'x@example.com'`),
      },
      'cannot hand a known address to another customer': {
        attack: `update platform.customer_emails set customer_id = '${ada}' where customer_id = '${bob}'`,
        ends: '42501 permission denied for table customer_emails',
        neighbour: `select customer_id from platform.customer_emails where email_key = 'bob@example.com'`,
      },
      'cannot forget a known address': {
        attack: `delete from platform.customer_emails`,
        ends: '42501 permission denied for table customer_emails',
        neighbour: `select from platform.customer_emails`,
      },
      'cannot mark an address as verified': {
        attack: `update platform.customer_emails set verified_at = now()`,
        ends: '42501 permission denied for table customer_emails',
        neighbour: `select verified_at from platform.customer_emails`,
      },
      'cannot write external ids itself': {
        attack: `insert into platform.customer_external_ids (app, external_id, customer_id) values ('foundation', '5', '${ada}')`,
        ends: '42501 permission denied for table customer_external_ids',
        neighbour: `select from platform.customer_external_ids`,
      },
      'cannot move or drop external ids': {
        attack: `delete from platform.customer_external_ids`,
        ends: '42501 permission denied for table customer_external_ids',
        neighbour: set(app === 'support_app' ? 'support_id = 77' : 'crm_id = 77'),
      },
    });
  }
  refuse(world, 'foundation_app', {
    "cannot give a customer another's crm_id": {
      attack: set('crm_id = 1', bob),
      ends: '23505 duplicate key value violates unique constraint "customers_crm_id_key"',
      neighbour: set('crm_id = 2', bob),
    },
  });
});

describe('erasing', () => {
  const fn = (name: string) => `42501 permission denied for function ${name}`;
  const table = (name: string) => `42501 permission denied for table ${name}`;
  const look = `select from platform.customers where id = '${ada}'`;
  for (const app of ['foundation_app', 'support_app'] as const) {
    refuse(world, app, {
      'cannot erase a person': {
        attack: `set local aether.actor = 'u-admin'; select platform.erase_customer('${ada}', 'x')`,
        ends: fn('erase_customer'),
        neighbour: look,
      },
      'cannot use a step of an erasure': {
        attack: `select platform.try_erase('${ada}', 'x')`,
        ends: fn('try_erase'),
        neighbour: look,
      },
      'cannot call a customer erased': {
        attack: set('erased_at = now()'),
        ends: customers,
        neighbour: set(`name = 'Ada L'`),
      },
      'cannot become the role that no trigger sees': {
        attack: 'set role erase_role',
        ends: '42501 permission denied to set role "erase_role"',
        neighbour: `set role ${app}`,
      },
      'cannot become the role that erases': {
        attack: 'set role privacy_role',
        ends: '42501 permission denied to set role "privacy_role"',
        neighbour: `set role ${app}`,
      },
      'cannot read who is kept away': {
        attack: 'select from platform.suppressions',
        ends: table('suppressions'),
        neighbour: look,
      },
      'cannot read the key of the list': {
        attack: 'select from platform.suppression_key',
        ends: table('suppression_key'),
        neighbour: look,
      },
      'cannot ask whether an address is kept away': {
        attack: `select platform.is_kept_away('email', 'ada@example.com')`,
        ends: fn('is_kept_away'),
        neighbour: look,
      },
      'cannot lift a suppression': {
        attack: `select platform.lift_suppression('email', 'ada@example.com', 'x')`,
        ends: fn('lift_suppression'),
        neighbour: look,
      },
      'cannot forge a receipt': {
        attack: `insert into platform.erasures (customer_id, reason, state) values ('${ada}', 'x', 'asked')`,
        ends: table('erasures'),
        neighbour: look,
      },
      'cannot erase a list of people': {
        attack: `select platform.begin_erasure_job(sha256('x'), 'x', 1)`,
        ends: fn('begin_erasure_job'),
        neighbour: look,
      },
      'cannot erase in a job of somebody else': {
        attack: `select platform.erase_in_job(gen_random_uuid(), 1, '${ada}')`,
        ends: fn('erase_in_job'),
        neighbour: look,
      },
      'cannot name the people of a job': {
        attack: `select platform.name_in_job(gen_random_uuid(), '{1}', '{1}', '{ada@example.com}', '{null}', '{null}')`,
        ends: fn('name_in_job'),
        neighbour: look,
      },
      'cannot run a job of erasures': {
        attack: 'select platform.run_erasure_job(gen_random_uuid())',
        ends: fn('run_erasure_job'),
        neighbour: look,
      },
      'cannot stop a job of erasures': {
        attack: 'select platform.stop_erasure_job(gen_random_uuid())',
        ends: fn('stop_erasure_job'),
        neighbour: look,
      },
      'cannot lift all that an erasure keeps away': {
        attack: `select platform.lift_erasure(gen_random_uuid(), 'x')`,
        ends: fn('lift_erasure'),
        neighbour: look,
      },
      'cannot look for addresses in stored files': {
        attack: `select platform.addresses_in_uploads('{ada@example.com}')`,
        ends: fn('addresses_in_uploads'),
        neighbour: look,
      },
      'cannot ask whose an erased address was': {
        attack: `select platform.find_erased('ada@example.com', null)`,
        ends: fn('find_erased'),
        neighbour: look,
      },
      'cannot end the clean-up of an erasure': {
        attack: `select platform.end_clean_up('{}')`,
        ends: fn('end_clean_up'),
        neighbour: look,
      },
      'cannot release a legal hold': {
        attack: `select platform.release_hold(gen_random_uuid(), 'x')`,
        ends: fn('release_hold'),
        neighbour: look,
      },
      'cannot write the event of an erasure': {
        attack: `select sync.capture_erasure('{${ada}}')`,
        ends: fn('capture_erasure'),
        neighbour: look,
      },
    });
  }

  test('the console and the worker cannot erase, and who erases cannot write past the functions', async () => {
    for (const login of ['console_app', 'sync_app', 'observer_app'] as const) {
      const client = await world.database.connect(login);
      for (const attack of [
        `select platform.erase_customer('${ada}', 'x')`,
        'select from platform.suppressions',
        'select from platform.erasures',
        'set role erase_role',
      ])
        expect(await attempt(client, `set local aether.actor = 'u-admin'; ${attack}`), attack).toMatch(
          /^42501 permission denied/,
        );
    }
    const privacy = await world.database.connect('privacy_app');
    for (const attack of [
      `delete from platform.customers where id = '${ada}'`,
      `update platform.customers set name = 'x'`,
      'select from support.messages',
      'select from platform.suppressions',
      'select list from platform.erasure_jobs',
      `update platform.erasure_job_places set state = 'erased'`,
      'update platform.erasure_jobs set stopped_at = null',
      'select pending from platform.erasures',
      `update platform.erasures set report = '{}'`,
      'delete from platform.legal_holds',
      'set role erase_role',
    ])
      expect(await attempt(privacy, attack), attack).toMatch(/^42501 permission denied/);
    expect(
      await attempt(privacy, `set local aether.actor = 'u-admin'; select platform.erase_customer('${ada}', 'x')`),
    ).toBe('1 row');
  });
});
