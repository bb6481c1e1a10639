import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { sample } from '@aether/database/testing.sample';
import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { applyImport } from './apply.ts';
import { person, planRows } from './testing.run.ts';
import { type Lane, openLane, runSequence } from './testing.sequences.ts';
import { undoImport } from './undo.ts';

let database: TestDatabase;
let superuser: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = await database.connect('postgres');
  await superuser.query(`
    insert into platform.users (id, email, name, role) values ('tom', 'tom@example.com', 'Tom', 'steward');
    insert into crm.custom_fields (record, key, label, type) values
      ('customer', 'colour', 'Colour', 'text'), ('customer', 'size', 'Size', 'text');
    insert into crm.pipelines (name) values ('Sales');
    insert into crm.pipeline_stages (pipeline_id, name, position) values (1, 'New', 1);
    insert into support.widgets (key, name) values ('widget-1', 'Shop')`);
});

/** How many sequences; the first seed. */
const sequences = Number(process.env.MERGE_SEQUENCES ?? sample(20, 8));
const firstSeed = Number(process.env.MERGE_SEED ?? 1);
const lanes = 4;

test(`after any sequence of merges, unmerges, edits, chats, deals, calls, imports and undos, taking all merges back leaves each customer as if nobody had merged`, async () => {
  const wrong: string[] = [];
  let next = firstSeed;
  const work = async (lane: Lane) => {
    while (next < firstSeed + sequences && wrong.length < 5) {
      const seed = next++;
      const { problems, log } = await runSequence(lane, seed).catch((error) => ({
        problems: [String(error.stack)],
        log: [],
      }));
      if (problems.length > 0) wrong.push([`seed ${seed}`, ...problems, ...log].join('\n  '));
    }
  };
  await Promise.all(Array.from({ length: lanes }, async (_, number) => work(await openLane(database, number))));
  expect(wrong).toEqual([]);
  const { rows } = await superuser.query(
    `select count(*)::integer as left from platform.customers where merged_into is not null`,
  );
  expect(rows).toEqual([{ left: 0 }]);
}, 3_600_000);

test.each(['loser', 'survivor'] as const)(
  'the undo of an import keeps a customer that is the %s of a merge, says so, and takes it after the unmerge',
  async (role) => {
    const lane = await openLane(database, 9);
    const email = `made-${role}@undo.example`;
    const other = `other-${role}@undo.example`;
    const idOf = async (address: string) =>
      (await superuser.query('select customer_id as id from platform.customer_emails where email_key = $1', [address]))
        .rows[0]?.id;
    await lane.foundation.query('insert into platform.customers (email, name) values ($1, $2)', [other, 'Ada']);
    const { run } = await planRows(lane.worker, [person(2, { email, name: 'Ben', timezone: 'Europe/Rome' })], {
      source: role,
    });
    await applyImport(lane.worker, run);
    const [made, known] = [await idOf(email), await idOf(other)];
    const [survivor, loser] = role === 'loser' ? [known, made] : [made, known];
    const { rows } = await lane.console.query(
      `select platform.merge_customers($1, array[$2]::uuid[]) -> 'merges' -> 0 ->> 'merge' as merge`,
      [survivor, loser],
    );
    await undoImport(lane.worker, run);
    const kept = await lane.worker.query('select field from sync.import_kept where run = $1 and customer = $2', [
      run,
      made,
    ]);
    expect(kept.rows.map(({ field }) => field)).toContain(role === 'loser' ? 'merged' : 'platform.customers');
    await lane.console.query('select platform.unmerge_customers($1)', [rows[0].merge]);
    await undoImport(lane.worker, run);
    expect((await superuser.query('select from platform.customers where id = $1', [made])).rowCount).toBe(0);
    expect(await idOf(email)).toBeUndefined();
    expect(await idOf(other)).toBe(known);
    // The ledger outlives the customer.
    expect(
      (await superuser.query('select from platform.merges where id = $1 and undone_at is not null', [rows[0].merge]))
        .rowCount,
    ).toBe(1);
  },
);
