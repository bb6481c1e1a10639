import fc from 'fast-check';
import type pg from 'pg';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { bootstrap } from './bootstrap.ts';
import { giveBack, listBehind } from './restored.ts';
import { compareSnapshot, describeDifference, describeSchema, readSnapshot } from './snapshot.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

const hint =
  'The migrations make something else than database/schema.sql says. If that is meant: npm run schema, and commit it.';

let database: TestDatabase;
let superuser: pg.Client;
let owner: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  superuser = await database.connect('postgres');
  owner = await connectAsOwner(database);
});

async function connectAsOwner({ connect }: TestDatabase): Promise<pg.Client> {
  const client = await connect('platform_migrator');
  await client.query('set role platform_owner; set search_path = pg_catalog, pg_temp');
  return client;
}

const asOwner = (sql: string) => owner.query(sql);

/** A new database, as on a new server before its first migration. */
async function createFromNothing(): Promise<TestDatabase> {
  const made = await createTestDatabase({ template: 'template0' });
  await bootstrap(inject('aetherServer').adminUrl, { database: made.name, passwords: {} });
  return made;
}

const othersGranted = 'description, metadata, occurred_at, created_by_app, idempotency_key';

describe('the committed snapshot', () => {
  test('agrees with what the migrations make', async () => {
    expect(await compareSnapshot(database.url('platform_migrator')), hint).toBeUndefined();
  });

  test('agrees for every login', async () => {
    const described = await describeSchema(superuser);
    for (const login of ['aether_admin', 'support_app', 'observer_app'] as const) {
      expect(await describeSchema(await database.connect(login))).toBe(described);
    }
  });

  test('agrees with a dump that was restored: what is made again from its printed form, once the functions have their owners back', async () => {
    const restored = await createTestDatabase();
    const [url, client] = [restored.url('platform_migrator'), await restored.connect('postgres')];
    // As pg_dump prints them, and as psql and pg_restore make them as platform_owner.
    await client.query(`do $$ declare f record; begin
      for f in select oid::regprocedure as name, pg_get_functiondef(oid) as made, prosqlbody is not null as is_printed, proowner
        from pg_proc where pronamespace::regnamespace::text in ('platform', 'crm', 'support', 'sync') and prokind = 'f'
      loop
        if f.is_printed then execute f.made; end if;
        if pg_get_userbyid(f.proowner) <> 'platform_owner' then
          execute format('alter function %s owner to platform_owner', f.name);
        end if;
      end loop;
      for f in select t.tgname as name, t.tgrelid::regclass as relation, pg_get_triggerdef(t.oid) as made from pg_trigger t
        where not t.tgisinternal and t.tgqual is not null and t.tgparentid = 0
      loop execute format('drop trigger %I on %s', f.name, f.relation); execute f.made; end loop;
    end $$`);
    expect(await describeSchema(client)).toContain('::text AS text');
    const told = (await compareSnapshot(url))?.split('\n').filter((line) => /^[-+]/.test(line)) ?? [];
    expect(told.filter((line) => !/^- (alter function|grant execute)/.test(line))).toEqual([]);
    expect(told.length).toBeGreaterThan(5);
    expect((await giveBack(url)).length).toBeGreaterThan(5);
    expect(await compareSnapshot(url)).toBeUndefined();
    expect(await giveBack(url)).toEqual([]);
  });

  test('of a restored database says too which sequence would give a number again: of a column, of a default, of the log', async () => {
    const restored = await createTestDatabase();
    const [url, client] = [restored.url('platform_migrator'), await restored.connect('postgres')];
    const app = await restored.connect('foundation_app');
    await app.query(`insert into platform.customers (email, name) values ('ada@example.com', 'Ada')`);
    expect(await listBehind(url)).toEqual([]);
    const { rows } = await client.query('select max(id)::text as id from sync.outbox');
    await client.query(`select setval('sync.outbox_id', 1, false)`);
    expect(await listBehind(url)).toEqual([
      { sequence: 'sync.outbox_id', next: '1', column: 'sync.outbox.id', highest: rows[0].id },
    ]);
    await client.query(`select setval('sync.outbox_id', ${rows[0].id})`);
    expect(await listBehind(url)).toEqual([]);
  });

  test('differs from an empty database', async () => {
    const empty = await createFromNothing();
    const difference = await compareSnapshot(empty.url('platform_migrator'));
    expect(difference).toContain('- create table platform.customers (');
    expect(difference).not.toMatch(/^\+ /m);
  });

  test('holds every table, view, function, trigger, policy and index that people made', async () => {
    const text = await readSnapshot();
    const { rows } = await superuser.query(`
      select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname in ('platform', 'crm', 'support') and c.relkind in ('r', 'v')
      union all select format('%I.%I', n.nspname, p.proname) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where n.nspname in ('platform', 'crm', 'support')
      union all select tgname from pg_trigger where not tgisinternal
      union all select policyname from pg_policies
      union all select indexname from pg_indexes where schemaname in ('platform', 'crm', 'support')`);
    expect(rows.length).toBeGreaterThan(100);
    for (const { name } of rows) expect(text).toContain(name);
  });
});

type Drift = [name: string, drift: string, undo: string, object: string, lines: string[]];
type Told = { object: string; number: number; line: string };

/** Each line of a difference, with its object and its line number in schema.sql. */
function toldLines(difference: string | undefined): Told[] {
  const told: Told[] = [];
  let [object, number] = ['', 0];
  for (const line of difference?.split('\n') ?? []) {
    const heading = /^schema\.sql:(\d+), (.*)$/.exec(line);
    if (heading) [number, object] = [Number(heading[1]), heading[2] ?? ''];
    else told.push({ object, number: line.startsWith('-') ? number++ : number, line });
  }
  return told;
}

/** The object of a line: the first line of an object names that object, every other line belongs to the drift's object. */
const expectedPlace = (object: string, line: string) =>
  line.startsWith(object, 2) ? line.slice(2).replace(/[ (;]+$/, '') : object;

// All drifts that do not touch the same line are made at once, because reading the catalogue is what takes time.
describe('a drift is reported with its object and line', () => {
  const deals = 'create table crm.deals';
  const drifts: Drift[] = [
    [
      'an additional column',
      'alter table crm.deals add colour text',
      'alter table crm.deals drop colour',
      deals,
      ['+   colour text,'],
    ],
    [
      'a default',
      `alter table crm.deals alter currency set default 'USD'`,
      `alter table crm.deals alter currency set default 'EUR'`,
      deals,
      [
        `-   currency text collate "C" default 'EUR'::text not null,`,
        `+   currency text collate "C" default 'USD'::text not null,`,
      ],
    ],
    [
      'a type',
      'alter table support.calls alter duration_seconds type bigint',
      'alter table support.calls alter duration_seconds type integer',
      'create table support.calls',
      ['-   duration_seconds integer,', '+   duration_seconds bigint,'],
    ],
    [
      'a column that accepts null',
      'alter table crm.deals alter name drop not null',
      'alter table crm.deals alter name set not null',
      deals,
      ['-   name text collate platform.people not null,', '+   name text collate platform.people,'],
    ],
    [
      'a constraint',
      'alter table crm.deals drop constraint deals_amount_check',
      'alter table crm.deals add constraint deals_amount_check check (amount >= 0)',
      deals,
      ['-   constraint deals_amount_check CHECK ((amount >= (0)::numeric)),'],
    ],
    [
      'an index',
      'drop index crm.deals_customer',
      'create index deals_customer on crm.deals (customer_id, status, currency)',
      deals,
      ['- CREATE INDEX deals_customer ON crm.deals USING btree (customer_id, status, currency);'],
    ],
    [
      'a trigger that is switched off',
      'alter table crm.deals disable trigger count_version',
      'alter table crm.deals enable trigger count_version',
      deals,
      [
        `- CREATE TRIGGER count_version BEFORE UPDATE ON crm.deals FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.count_version();`,
        `+ CREATE TRIGGER count_version BEFORE UPDATE ON crm.deals FOR EACH ROW WHEN ((CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[]))) EXECUTE FUNCTION platform.count_version(); -- enabled: D`,
      ],
    ],
    [
      'row level security',
      'alter table crm.deals no force row level security',
      'alter table crm.deals force row level security',
      deals,
      [
        '- alter table crm.deals enable row level security, force row level security;',
        '+ alter table crm.deals enable row level security, no force row level security;',
      ],
    ],
    [
      'a policy',
      'alter policy foundation_all on crm.deals using (amount > 0)',
      'alter policy foundation_all on crm.deals using (true)',
      deals,
      [
        '- create policy foundation_all on crm.deals for all to foundation_role using (true) with check (true);',
        '+ create policy foundation_all on crm.deals for all to foundation_role using ((amount > (0)::numeric)) with check (true);',
      ],
    ],
    [
      'a grant',
      'grant delete on crm.deals to foundation_role',
      'revoke delete on crm.deals from foundation_role',
      deals,
      ['+ grant delete on crm.deals to foundation_role;'],
    ],
    [
      'a grant of one column',
      'grant insert (deal_id) on crm.activities to support_role',
      'revoke insert (deal_id) on crm.activities from support_role',
      'create table crm.activities',
      [
        `- grant insert (customer_id, type, ${othersGranted}) on crm.activities to support_role;`,
        `+ grant insert (customer_id, deal_id, type, ${othersGranted}) on crm.activities to support_role;`,
      ],
    ],
    [
      'a grant that may be passed on',
      'grant select on crm.deals to foundation_role with grant option',
      'revoke grant option for select on crm.deals from foundation_role',
      deals,
      [
        '- grant select on crm.deals to foundation_role;',
        '+ grant select on crm.deals to foundation_role with grant option;',
      ],
    ],
    [
      'a comment',
      `comment on column crm.deals.name is 'short'`,
      'comment on column crm.deals.name is null',
      deals,
      [`+ comment on column crm.deals.name is 'short';`],
    ],
    [
      'a function body',
      `create or replace function platform.current_actor() returns text language sql stable return current_setting('aether.actor', true)`,
      `create or replace function platform.current_actor() returns text language sql stable return nullif(current_setting('aether.actor',
        true), '')`,
      'CREATE OR REPLACE FUNCTION platform.current_actor()',
      [
        `- RETURN NULLIF(current_setting('aether.actor'::text, true), ''::text);`,
        `+ RETURN current_setting('aether.actor'::text, true);`,
      ],
    ],
    [
      'a function that is no longer a definer',
      'alter function platform.record_known_by() security invoker',
      'alter function platform.record_known_by() security definer',
      'CREATE OR REPLACE FUNCTION platform.record_known_by()',
      ['-  SECURITY DEFINER'],
    ],
    [
      'a function that PUBLIC may call',
      'grant execute on function platform.count_version() to public',
      'revoke execute on function platform.count_version() from public',
      'CREATE OR REPLACE FUNCTION platform.count_version()',
      ['+ grant execute on function platform.count_version() to public;'],
    ],
    [
      'a comment on a function',
      `comment on function platform.count_version() is 'n + 1'`,
      'comment on function platform.count_version() is null',
      `comment on function platform.count_version() is 'n + 1'`,
      [`+ comment on function platform.count_version() is 'n + 1';`],
    ],
    [
      'a sequence',
      'alter sequence crm.customer_number increment 2',
      'alter sequence crm.customer_number increment 1',
      'create sequence crm.customer_number',
      [
        '- create sequence crm.customer_number as bigint start 1000 increment 1 minvalue 1 maxvalue 9223372036854775807 cache 1;',
        '+ create sequence crm.customer_number as bigint start 1000 increment 2 minvalue 1 maxvalue 9223372036854775807 cache 1;',
      ],
    ],
    [
      'the sequence of an identity column',
      'alter sequence crm.deals_id_seq increment 7',
      'alter sequence crm.deals_id_seq increment 1',
      'alter sequence crm.deals_id_seq start 1 increment 7 minvalue 1 maxvalue 9223372036854775807 cache 1',
      ['+ alter sequence crm.deals_id_seq start 1 increment 7 minvalue 1 maxvalue 9223372036854775807 cache 1;'],
    ],
    [
      'a view',
      'alter view crm.customer_context set (security_invoker = true)',
      'alter view crm.customer_context reset (security_invoker)',
      'create view crm.customer_context',
      ['- create view crm.customer_context as', '+ create view crm.customer_context with (security_invoker=true) as'],
    ],
    [
      'an additional table',
      'create table crm.added ()',
      'drop table crm.added',
      'create table crm.added',
      [
        '+ create table crm.added (',
        '+ );',
        '+ alter table crm.added disable row level security, no force row level security;',
      ],
    ],
    [
      'an additional type',
      `create type crm.colour as enum ('red')`,
      'drop type crm.colour',
      '-- also: type crm.colour',
      ['+ -- also: type crm.colour'],
    ],
    [
      'a default privilege',
      'alter default privileges in schema crm grant select on tables to support_role',
      'alter default privileges in schema crm revoke select on tables from support_role',
      'alter default privileges for role platform_owner in schema crm grant select on tables to support_role',
      ['+ alter default privileges for role platform_owner in schema crm grant select on tables to support_role;'],
    ],
  ];

  const sameLines: Drift[] = [
    [
      'a column that accepted null for a while',
      'alter table crm.deals alter name drop not null; alter table crm.deals add constraint n not null name not valid',
      'alter table crm.deals drop constraint n; alter table crm.deals alter name set not null',
      deals,
      ['-   name text collate platform.people not null,', '+   name text collate platform.people not null not valid,'],
    ],
    [
      'a grant on the sequence of an identity column',
      'grant update on sequence crm.deals_id_seq to support_role',
      'revoke update on sequence crm.deals_id_seq from support_role',
      'alter sequence crm.deals_id_seq start 1 increment 1 minvalue 1 maxvalue 9223372036854775807 cache 1',
      [
        '+ alter sequence crm.deals_id_seq start 1 increment 1 minvalue 1 maxvalue 9223372036854775807 cache 1;',
        '+ grant update on sequence crm.deals_id_seq to support_role;',
      ],
    ],
  ];

  describe.each([
    ['first', drifts],
    ['second', sameLines],
  ])('%s drifts', (_, made) => {
    let told: Told[];
    let committed: string[];
    let afterUndo: string | undefined;
    beforeAll(async () => {
      committed = (await readSnapshot()).split('\n');
      for (const [, drift] of made) await asOwner(drift);
      told = toldLines(await compareSnapshot(database.url('platform_migrator')));
      for (const [, , undo] of made.toReversed()) await asOwner(undo);
      afterUndo = await compareSnapshot(database.url('platform_migrator'));
    });

    test.each(made)('%s', (_name, _drift, _undo, object, lines) => {
      const isMine = (each: Told) => lines.includes(each.line) && each.object === expectedPlace(object, each.line);
      const mine = told.filter(isMine);
      // If two lines changed places, either may be reported first.
      expect(mine.map((each) => each.line).sort()).toEqual([...lines].sort());
      for (const { line, number } of mine.filter((each) => each.line.startsWith('- ')))
        expect(committed[number - 1]).toBe(line.slice(2));
    });

    test('nothing else is reported', () => {
      const expected = made.flatMap(([, , , object, lines]) =>
        lines.map((line) => `${expectedPlace(object, line)}: ${line}`),
      );
      expect(told.map(({ object, line }) => `${object}: ${line}`).sort()).toEqual(expected.sort());
    });

    test('no drift is left after all of them are undone', () => {
      expect(afterUndo).toBeUndefined();
    });
  });

  test('an owner', async () => {
    await superuser.query('alter table crm.deals owner to postgres');
    const told = await compareSnapshot(database.url('platform_migrator'));
    await superuser.query('alter table crm.deals owner to platform_owner');
    expect(told).toContain('+ alter table crm.deals owner to postgres;');
  });

  test('a database that PUBLIC may use', async () => {
    await superuser.query(`grant temporary on database ${database.name} to public`);
    const told = await compareSnapshot(database.url('platform_migrator'));
    await superuser.query(`revoke temporary on database ${database.name} from public`);
    expect(told).toContain('+ grant temporary on database to public;');
  });
});

describe('partitions that are made and dropped at run time', () => {
  test('are not a drift, for any number of events', async () => {
    const { url, connect } = await createTestDatabase();
    const [sync, owner] = [await connect('sync_app'), await connect('postgres')];
    // A million events later the partitions begin at another position, have another size, and the oldest one is
    // dropped.
    const insert = `insert into sync.events (position, id, type, key, row_id, audience, app, login, data, previous, occurred_at,
      sequenced_at)
      values ($1, $1, 't', 'k', 'r', 'platform', 'sync', 'sync_app', '{}', '{}', $2, $2)`;
    await owner.query(insert, [1, '2026-01-01']);
    await owner.query(insert, [1_000_000, '2026-06-01']);
    await sync.query('select sync.add_partitions(); select sync.add_partitions(1200000)');
    const { rows } = await sync.query(`select outcome from sync.drop_oldest_partition('1 day')`);
    expect(rows).toEqual([{ outcome: 'dropped' }]);
    expect(
      (await sync.query('select first::integer from sync.list_partitions()')).rows.map((row) => row.first),
    ).toEqual([1_000_000, 2_000_000]);
    expect(await compareSnapshot(url('platform_migrator')), hint).toBeUndefined();
  });

  test('are a drift if one differs from the others', async () => {
    await asOwner('create index mine on sync.events_p0 (app); grant select on sync.events_p1000000 to support_role');
    const told = toldLines(await compareSnapshot(database.url('platform_migrator')));
    await asOwner('drop index sync.mine; revoke select on sync.events_p1000000 from support_role');
    expect(told.map(({ object, line }) => [object, line])).toEqual([
      ['create table sync.events_p…', '+ CREATE INDEX mine ON sync.events_p… USING btree (app);'],
      ['create table sync.events_p…', '+ grant select on sync.events_p… to support_role;'],
    ]);
    expect(await compareSnapshot(database.url('platform_migrator'))).toBeUndefined();
  });

  test('are told apart from constraints that always exist', async () => {
    await asOwner(`create table crm.parted (n integer) partition by list (n); create table crm.parted_one partition of crm.parted
      for values in (1);
      create table crm.numbers_p1 (n integer)`);
    const told = await compareSnapshot(database.url('platform_migrator'));
    await asOwner('drop table crm.parted, crm.numbers_p1');
    expect(told).toContain('+ alter table crm.parted_one attach to crm.parted FOR VALUES IN (1);');
    expect(told).toContain('+ create table crm.numbers_p1 (');
  });
});

describe('the order in which things were made', () => {
  test('does not change the text', async () => {
    const steps = [
      `create table crm.one (n integer, m integer)`,
      `create table crm.two (n integer)`,
      `create function platform.three() returns integer language sql return 3`,
    ];
    const parts = [
      'create index one_n on crm.one (n)',
      'create index one_m on crm.one (m)',
      'create policy p on crm.one to support_role, foundation_role using (true)',
      'create policy a on crm.one to foundation_role, support_role using (true)',
      'alter table crm.one add constraint one_n_check check (n > 0)',
      'alter table crm.one add constraint one_a_check check (m > 0)',
      'grant select, update (m) on crm.one to support_role, foundation_role',
      'grant update (n) on crm.one to support_role',
      `comment on table crm.two is 'two'`,
      `comment on column crm.one.m is 'm'`,
      'grant execute on function platform.three() to support_role',
    ];
    const [forward, backward] = [await createTestDatabase(), await createTestDatabase()];
    await (await connectAsOwner(forward)).query([...steps, ...parts].join(';'));
    await (await connectAsOwner(backward)).query([...steps.toReversed(), ...parts.toReversed()].join(';'));
    const described = await describeSchema(await backward.connect('postgres'));
    expect(described).toBe(await describeSchema(await forward.connect('postgres')));
    expect(described).not.toBe(await readSnapshot());
  });
});

describe('the difference between two texts', () => {
  const line = fc.constantFrom(
    '',
    'create table a (',
    '  n integer',
    ');',
    'create index i on a (n);',
    'create schema s;',
    'grant select on a to b;',
  );
  const text = fc.array(line, { maxLength: 20 }).map((lines) => lines.join('\n'));

  test('is empty exactly if both are equal', () => {
    fc.assert(
      fc.property(text, text, (one, other) => {
        expect(describeDifference(one, one)).toBeUndefined();
        expect(describeDifference(one, other) === undefined).toBe(one === other);
      }),
    );
  });

  test('lists every missing line under its number', () => {
    fc.assert(
      fc.property(text, text, (committed, actual) => {
        let number = 0;
        for (const told of (describeDifference(committed, actual) ?? '').split('\n')) {
          const heading = /^schema\.sql:(\d+), /.exec(told);
          if (heading) number = Number(heading[1]);
          else if (told.startsWith('-')) {
            expect(committed.split('\n')[number - 1]).toBe(told.slice(2));
            number += 1;
          }
        }
      }),
    );
  });

  test('ignores line ends, but not a blank', () => {
    const committed = 'create table a (\n  n integer\n);\n';
    expect(describeDifference(committed.replaceAll('\n', '\r\n'), committed)).toBeUndefined();
    expect(describeDifference(committed, committed.replaceAll('\n', '\r\n'))).toBeUndefined();
    expect(describeDifference(committed, committed.replace('integer', 'integer '))).toBeDefined();
  });
});
