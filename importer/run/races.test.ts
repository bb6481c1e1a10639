import { createTestDatabase, type TestDatabase, untilSomebodyWaits } from '@aether/database/testing';
import { isUnderWay } from '@aether/database/testing.scope';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { applyImport } from './apply.ts';
import { person, planRows } from './testing.run.ts';
import { undoImport } from './undo.ts';
import { verifyImport } from './verify.ts';

let database: TestDatabase;
let sync: pg.Client;
let other: pg.Client;
let superuser: pg.Client;
let foundation: pg.Client;
let support: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  [sync, other, superuser, foundation, support] = (await Promise.all(
    (['sync_app', 'sync_app', 'postgres', 'foundation_app', 'support_app'] as const).map((login) =>
      database.connect(login),
    ),
  )) as [pg.Client, pg.Client, pg.Client, pg.Client, pg.Client];
});

const people = (domain: string, count: number, facts: Parameters<typeof person>[1] = {}) =>
  Array.from({ length: count }, (_, n) => person(n + 2, { email: `p${n}@${domain}`, name: `Person ${n}`, ...facts }));
const sum = (counts: object) => Object.values(counts).reduce((all: number, each) => all + Number(each), 0);
const customersAt = async (domain: string) =>
  Number(
    (await superuser.query(`select count(*) from platform.customers where email like $1`, [`%@${domain}`])).rows[0]
      .count,
  );

describe('two runs at once', () => {
  test('with the same people make each of them once, and each run says what it did', async () => {
    const first = await planRows(sync, people('twice.example', 120), { source: 'first' });
    const second = await planRows(other, people('twice.example', 120, { timezone: 'Europe/Rome' }).reverse(), {
      source: 'second',
    });
    expect([first.counts.created, second.counts.created]).toEqual([120, 120]);
    const runs = await Promise.all([
      applyImport(sync, first.run, { linesPerStep: 7 }),
      applyImport(other, second.run, { linesPerStep: 11 }),
    ]);
    expect(await customersAt('twice.example')).toBe(120);
    expect(runs[0].counts.created + runs[1].counts.created).toBe(120);
    for (const { id, counts, changed, planned } of runs) {
      expect(sum(counts)).toBe(120);
      expect(changed['address-taken-since'] ?? 0).toBe(planned.created - counts.created);
      expect(await verifyImport(sync, id)).toMatchObject({ isRight: true });
    }
    // Each takes back its own, in either order.
    await undoImport(sync, first.run);
    await undoImport(sync, second.run);
    await undoImport(sync, first.run);
    expect(await customersAt('twice.example')).toBe(0);
  });

  test('two processes that apply one run do it once', async () => {
    const { run } = await planRows(sync, people('shared.example', 100));
    const [one, two] = await Promise.all([sync, other].map((client) => applyImport(client, run, { linesPerStep: 9 })));
    expect(one?.counts).toEqual(two?.counts);
    expect(await customersAt('shared.example')).toBe(100);
    const { rows } = await superuser.query(
      `select count(*)::integer as events from sync.outbox where trace = $1 and type = 'customer.created'`,
      [`import:${run}`],
    );
    expect(rows).toEqual([{ events: 100 }]);
  });
});

test('a plan that was cut off is cleared away without waiting for those who read lines', async () => {
  const { rows } = await superuser.query(
    `insert into sync.import_runs (app, rules, state) values ('foundation', 'cut', 'reading') returning id`,
  );
  const { id } = rows[0];
  await superuser.query(`set role platform_owner;
    create table sync.import_rows_p${id} partition of sync.import_rows for values in (${id}); reset role`);
  const there = () =>
    superuser.query('select to_regclass($1) is not null as there', [`sync.import_rows_p${id}`]).then((r) => r.rows[0]);
  await superuser.query('begin; select from sync.import_rows limit 1');
  const began = performance.now();
  await planRows(sync, people('waits.example', 1));
  expect(performance.now() - began).toBeLessThan(5_000);
  expect(await there()).toEqual({ there: true });
  await superuser.query('commit');
  await planRows(sync, people('waits.example', 1));
  expect(await there()).toEqual({ there: false });
});

test('two plans that begin at once and clear away what an earlier one has staged do not get in each other’s way', async () => {
  const { run } = await planRows(sync, people('staged.example', 1));
  // As an application leaves it that could not drop what was staged.
  await superuser.query(`update sync.import_runs set state = 'applied' where id = $1`, [run]);
  await superuser.query('begin');
  await superuser.query(`drop table staging.import_lines_p${run}, staging.import_groups_p${run}`);
  const planned = planRows(sync, people('staged.example', 2));
  await untilSomebodyWaits(superuser);
  await superuser.query('commit');
  const { counts } = await planned;
  expect(counts).toMatchObject({ created: 2 });
});

describe('a run while both apps write', () => {
  test('gives way to them, and says what changed since the plan', async () => {
    const { run, counts } = await planRows(sync, people('busy.example', 150, { phone: '+49301234567' }));
    expect(counts.created).toBe(150);
    let isOver = false;
    const writing = [foundation, support].map(async (app, place) => {
      for (let n = place; n < 150 && !isOver; n += 6)
        await app.query('select platform.find_or_create_customer($1, $1, $2)', [
          `p${149 - n}@busy.example`,
          'Somebody Else',
        ]);
      while (isUnderWay() && !isOver)
        await app.query(
          `update platform.customers set name = case when name like '%.' then rtrim(name, '.') else name || '.' end where email = $1`,
          [`p${place}@busy.example`],
        );
    });
    const applied = await applyImport(sync, run, { linesPerStep: 10 });
    isOver = true;
    await Promise.all(writing);
    expect(sum(applied.counts)).toBe(150);
    expect(await customersAt('busy.example')).toBe(150);
    const taken = applied.changed['address-taken-since'] ?? 0;
    expect(applied.counts.created).toBe(150 - taken);
    // A customer that an app made meanwhile keeps its name, gets the number, and the line lists the other name.
    const { rows } = await superuser.query(
      `select r.outcome, c.phone, r.planned from sync.import_rows r join platform.customers c on c.id = r.customer
       where r.run = $1 and r.code = 'address-taken-since'`,
      [run],
    );
    expect(rows).toHaveLength(taken);
    for (const row of rows) expect(row).toEqual({ outcome: 'updated', phone: '+49301234567', planned: 'created' });
    expect(await verifyImport(sync, run)).toMatchObject({ isRight: true });
  });

  test('a customer whose field was cleared or filled since the plan is compared again under its lock', async () => {
    await foundation.query(`insert into platform.customers (email, name) values ('late@late.example', 'Late')`);
    const { run, counts } = await planRows(sync, [person(2, { email: 'late@late.example', phone: '+49301234567' })]);
    expect(counts.updated).toBe(1);
    await foundation.query(
      `update platform.customers set phone = '+49307654321', phone_key = '+49307654321' where email = 'late@late.example'`,
    );
    expect(await applyImport(sync, run)).toMatchObject({
      counts: { unchanged: 1 },
      changed: { 'nothing-new-since': 1 },
    });
    expect(
      (await superuser.query(`select phone from platform.customers where email = 'late@late.example'`)).rows,
    ).toEqual([{ phone: '+49307654321' }]);
  });
});
