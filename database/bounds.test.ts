import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase } from './testing.ts';

let superuser: pg.Client;
let foundation: pg.Client;
let support: pg.Client;
beforeAll(async () => {
  const database = await createTestDatabase();
  superuser = await database.connect('postgres');
  foundation = await database.connect('foundation_app');
  support = await database.connect('support_app');
});

let count = 0;
const addCustomer = async (by: pg.Client, column: string, value: string) =>
  (
    await by.query(`insert into platform.customers (email, name, ${column}) values ($1, 'Ada', $2) returning *`, [
      `bounds-${++count}@example.com`,
      value,
    ])
  ).rows[0];

/** The columns of this type that an app may write, read as the owner. */
async function writableColumns(type: string): Promise<{ table: string; column: string }[]> {
  const { rows } = await superuser.query(
    `select distinct a.attrelid::regclass::text as table, a.attname::text as column
     from pg_attribute a join pg_class c on c.oid = a.attrelid, aclexplode(coalesce(a.attacl, c.relacl)) e
     where a.attnum > 0 and a.atttypid = $1::regtype and c.relnamespace::regnamespace::text in ('platform', 'crm', 'support')
       and e.privilege_type in ('INSERT', 'UPDATE')
         and e.grantee in ('app_role'::regrole, 'foundation_role'::regrole, 'support_role'::regrole)
     order by 1, 2`,
    [type],
  );
  return rows;
}
const boundsOf = async (table: string, column: string) =>
  (
    await superuser.query(
      `select k.conname, pg_get_constraintdef(k.oid) as definition from pg_constraint k
       where k.conrelid = $1::regclass and k.contype = 'c'
         and k.conkey = array[(select attnum from pg_attribute where attrelid = $1::regclass and attname = $2)]`,
      [table, column],
    )
  ).rows.map(({ definition }) => definition as string);

describe('times', () => {
  test('every time that an app may write is bounded', async () => {
    const columns = await writableColumns('timestamptz');
    expect(columns.length).toBeGreaterThan(15);
    for (const { table, column } of columns)
      expect(await boundsOf(table, column), `${table}.${column}`).toContain(`CHECK (platform.is_time(${column}))`);
    for (const { table, column } of await writableColumns('date'))
      expect(await boundsOf(table, column), `${table}.${column}`).toContain(`CHECK (platform.is_day(${column}))`);
  });

  test.each(['0044-03-15 BC', '-infinity', 'infinity', '1899-12-31 23:59:59Z', '3000-01-01 00:00:00Z'])(
    'no app can write an activity at %s',
    async (at) => {
      const { id } = await addCustomer(foundation, 'account_tier', 'premium');
      for (const [by, type] of [
        [foundation, 'note'],
        [support, 'support_chat'],
      ] as const) {
        const insert = `insert into crm.activities (customer_id, type, description, occurred_at, created_by_app)
          values ($1, $2, 'A', $3, $4)`;
        await expect(by.query(insert, [id, type, at, by === support ? 'support' : 'foundation'])).rejects.toMatchObject(
          { code: by === support && /^(inf|3)/.test(at) ? '42501' : '23514' },
        );
      }
    },
  );

  test('the first and the last time that both apps can show are accepted', async () => {
    const { id } = await addCustomer(foundation, 'account_tier', 'premium');
    for (const at of ['1900-01-01 00:00:00Z', '2999-12-31 23:59:59Z'])
      await foundation.query(
        `insert into crm.activities (customer_id, type, description, occurred_at) values ($1, 'note', 'A', $2)`,
        [id, at],
      );
  });
});

describe('numbers', () => {
  test('of customers stay within the whole numbers of JavaScript', async () => {
    for (const [by, column] of [
      [foundation, 'crm_id'],
      [support, 'support_id'],
    ] as const) {
      await expect(addCustomer(by, column, '9007199254740992')).rejects.toMatchObject({ code: '23514' });
      expect(Number((await addCustomer(by, column, '9007199254740991'))[column])).toBe(Number.MAX_SAFE_INTEGER);
    }
  });

  test('of a deal’s amount are finite', async () => {
    const { id } = await addCustomer(foundation, 'account_tier', 'premium');
    const { rows } = await foundation.query(
      `with p as (insert into crm.pipelines (name, is_default) values ('Sales', true) returning id)
       insert into crm.pipeline_stages (pipeline_id, name, position) select id, 'Open', 1 from p returning id, pipeline_id`,
    );
    const add = (amount: string) =>
      foundation.query(
        `insert into crm.deals (customer_id, pipeline_id, stage_id, name, amount) values ($1, $2, $3, 'Deal', $4)`,
        [id, rows[0].pipeline_id, rows[0].id, amount],
      );
    await expect(add('NaN')).rejects.toMatchObject({ code: '23514' });
    await add('0.01');
  });
});

describe('the last activity of a customer', () => {
  test('is in the past: a meeting of next week does not count', async () => {
    const { id } = await addCustomer(foundation, 'account_tier', 'premium');
    const last = async () =>
      (await support.query('select last_activity_type as type from crm.customer_context where id = $1', [id])).rows[0]
        .type;
    const add = (type: string, at: string) =>
      foundation.query(
        `insert into crm.activities (customer_id, type, description, occurred_at) values ($1, $2, 'A', now() + $3::interval)`,
        [id, type, at],
      );
    await add('meeting', '7 days');
    expect(await last()).toBe(null);
    await add('call', '-1 hour');
    expect(await last()).toBe('call');
  });
});

describe('the checks of a customer', () => {
  test('run whenever an update changes a column that they read', async () => {
    const { rows } = await superuser.query<{ checks: string; compares: string; columns: string }>(
      `select p.prosrc as checks, f.prosrc as compares, t.tgattr::text as columns
       from pg_trigger t join pg_proc f on f.oid = t.tgfoid join pg_proc p on p.oid = 'platform.customer_violation'::regproc
       where t.tgrelid = 'platform.customers'::regclass and t.tgname = 'b_check'`,
    );
    const { checks, compares, columns } = rows[0] as (typeof rows)[0];
    expect(columns).toBe(''); // it fires for all
    const read = new Set([...checks.matchAll(/\bc\.(\w+)/g)].map(([, column]) => column));
    for (const side of ['new', 'old']) {
      const compared = new Set(
        [...compares.matchAll(new RegExp(`\\b${side}\\.(\\w+)`, 'g'))].map(([, column]) => column),
      );
      for (const counted of ['version', 'updated_at']) compared.delete(counted);
      expect([...compared].sort()).toEqual([...read].sort());
    }
  });

  test.each([
    ['name', `' A'`, 'name_check'],
    ['email', `'a@b.example' || chr(10)`, 'email_well_formed'],
    ['phone', `repeat('1', 41)`, 'phone_check'],
    ['created_by_app', `'nobody'`, 'created_by_app_check'],
    ['crm_id', '0', 'crm_id_check'],
    ['support_id', '9007199254740992', 'support_id_check'],
    ['preferred_language', `'e'`, 'preferred_language_check'],
    ['timezone', `'?'`, 'timezone_check'],
    ['merged_into', 'id', 'merged_into_check'],
  ])('refuse a bad %s, also from the owner of the database', async (column, value, constraint) => {
    const { id } = await addCustomer(foundation, 'account_tier', 'premium');
    const phone = column === 'phone' ? `, phone_key = '+4930123456'` : '';
    await expect(
      superuser.query(`update platform.customers set ${column} = ${value}${phone} where id = $1`, [id]),
    ).rejects.toMatchObject({ code: '23514', table: 'customers', constraint: `customers_${constraint}` });
  });
});
