import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { type Lane, openLane, runSequence } from './testing.sequences.ts';

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
const sequences = Number(process.env.MERGE_SEQUENCES ?? 40);
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
