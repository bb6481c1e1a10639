import { createTestDatabase, type TestDatabase, untilSomebodyWaits } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { until } from '../testing.ts';
import { cleanUp } from './erasing.ts';
import { beginJob, eraseList, runJob } from './erasingmany.ts';
import { listJobs, listLines, readJob, stopJob } from './jobs.ts';
import { readList } from './lists.ts';
import { listReceipts } from './receipts.ts';

/** A clean-up builds dozens of indexes again. */
const cleanUpMaxMs = 120_000;

let database: TestDatabase;
let superuser: pg.Client;
let privacy: pg.Client;
let other: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  superuser = await database.connect('postgres');
  [privacy, other] = [await connectPrivacy('tom'), await connectPrivacy('mia')];
});

async function connectPrivacy(actor: string): Promise<pg.Client> {
  const client = await database.connect('privacy_app');
  await client.query(`select set_config('aether.actor', $1, false)`, [actor]);
  return client;
}

/** Makes so many customers. @returns their addresses */
async function addPeople(name: string, count: number): Promise<string[]> {
  const foundation = await database.connect('foundation_app');
  const { rows } = await foundation.query<{ email: string }>(
    `insert into platform.customers (email, name)
     select $1 || n || '@job.example', $1 || n from generate_series(1, $2::integer) n returning email`,
    [name, count],
  );
  return rows.map(({ email }) => email);
}

test('a job that somebody stops ends soon, and goes on without its list by what it has written down', async () => {
  const people = await addPeople('stopped', 30);
  const list = readList(`# nobody\n${people.join('\n')}\nnobody@job.example\n`);
  const job = await beginJob(privacy, list, 'They asked');
  // The fourth person is held by somebody, so that it is under way when it is stopped.
  await superuser.query('begin');
  await superuser.query('select from platform.customers where email_key = $1 for update', [people[3]]);
  const running = runJob(privacy, job, { list });
  await untilSomebodyWaits(superuser);
  expect(await readJob(other, job)).toMatchObject({
    ...{ isRunning: true, people: 31, erased: 3, open: 27, unread: 0, left: 27, refused: { unknown: 1 } },
    perSecond: expect.any(Number),
    runBy: 'tom',
  });
  expect([await stopJob(other, job), await stopJob(other, job)]).toEqual([true, false]);
  await superuser.query('commit');
  expect(await running).toEqual({ isStopped: true });
  const stopped = await readJob(other, job);
  // Who was under way is erased, and nobody after that.
  expect(stopped).toMatchObject({ isRunning: false, stoppedBy: 'mia', perSecond: null, erased: 4, open: 26 });

  expect(await runJob(other, job)).toEqual({ isStopped: false });
  expect(await readJob(other, job)).toMatchObject({
    ...{ erased: 30, open: 0, left: 0, stoppedAt: null, runBy: 'mia', isCleaning: true },
    refused: { unknown: 1 },
  });
  const lines = await listLines(other, job);
  expect(lines.map(({ line }) => line)).toEqual(list.map(({ line }) => line));
  expect(lines.at(-1)).toMatchObject({ state: 'refused', refusal: 'unknown', customer: null, erasure: null });
  expect(await listLines(other, job, { state: 'refused' })).toHaveLength(1);
  expect((await listJobs(other)).map(({ id }) => id)).toEqual([job]);
  expect(await listJobs(other, { before: job })).toEqual([]);
  await expect(stopJob(other, '01890000-0000-7000-8000-000000000000')).rejects.toThrow('no such job');
  await expect(runJob(other, '01890000-0000-7000-8000-000000000000')).rejects.toThrow('no such job');
});

test('a job that was cut off before it had read its list says for how many lines the list is needed again', async () => {
  const people = await addPeople('unread', 2);
  const list = readList(people.join('\n'));
  const job = await beginJob(privacy, list, 'They asked');
  expect(await runJob(privacy, job)).toEqual({ isStopped: false });
  expect(await readJob(privacy, job)).toMatchObject({ open: 2, unread: 2, erased: 0, isRunning: false });
  const { lines } = await eraseList(privacy, list, { reason: 'They asked' });
  expect(lines.map(({ state }) => state)).toEqual(['erased', 'erased']);
  expect(await readJob(privacy, job)).toMatchObject({ open: 0, unread: 0, erased: 2 });
});

test('where two people are needed, a job tells its asker from who may confirm it', async () => {
  const people = await addPeople('two', 2);
  await privacy.query('select platform.set_privacy(true, null)');
  try {
    const { job } = await eraseList(privacy, readList(people.join('\n')), { reason: 'They asked' });
    expect(await readJob(privacy, job)).toMatchObject({ asked: 2, confirmable: 0, left: 0 });
    await runJob(privacy, job);
    expect(await readJob(other, job)).toMatchObject({ asked: 2, confirmable: 2, erased: 0 });
    await runJob(other, job);
    expect(await readJob(other, job)).toMatchObject({ asked: 0, confirmable: 0, erased: 2 });
  } finally {
    await privacy.query('select platform.set_privacy(false, null)');
  }
});

test(
  'the clean-up of a job reads the stored files once for all of its people, and removes those that name one of them',
  async () => {
    const people = await addPeople('files', 60);
    const [seventh = '', last = ''] = [people[6], people.at(-1)];
    const add = async (...parts: string[]) => {
      const { rows } = await superuser.query(
        `insert into sync.import_uploads (name, size, state) values ('old.csv', 100, 'recognised') returning id::integer`,
      );
      for (const [place, text] of parts.entries())
        await superuser.query(
          `insert into sync.import_chunks (upload, place, bytes) values ($1, $2, convert_to($3, 'UTF8'))`,
          [rows[0].id, place, text],
        );
      return rows[0].id as number;
    };
    const named = await add(`name,mail\nAda,<${seventh.toUpperCase()}>;\n`);
    const cut = await add(`a@b.example,${last.slice(0, 9)}`, `${last.slice(9)}\n@`);
    const both = await add(`${seventh} ${last}`);
    const others = await add('@ unfiles7@jobs.example files7@job.exampl files@job.example', 'a@job.example');

    // Few addresses are looked for one by one, and many beside each @: both find the same.
    const find = async (addresses: string[]) =>
      (await superuser.query('select distinct * from platform.addresses_in_uploads($1) order by 1, 2', [addresses]))
        .rows;
    const decoys = Array.from({ length: 50 }, (_, n) => `decoy${n}@d${n}.example`);
    const few = await find([seventh, last]);
    expect(few).toHaveLength(4);
    expect(await find([seventh, last, ...decoys])).toEqual(few);

    await eraseList(privacy, readList(people.join('\n')), { reason: 'They asked' });
    const scans = async () => {
      await privacy.query('select pg_stat_force_next_flush()');
      const { rows } = await superuser.query(
        `select (coalesce(seq_scan, 0) + coalesce(idx_scan, 0))::integer as scans from pg_stat_user_tables
         where schemaname = 'sync' and relname = 'import_chunks'`,
      );
      return rows[0].scans as number;
    };
    const before = await scans();
    await privacy.query(
      `select platform.erase_files_of(array(select id from platform.erasures where state = 'erased'))`,
    );
    await until(async () => (await scans()) > before);
    // Once to look, and once to remove: for each of sixty people it would be sixty times.
    expect((await scans()) - before).toBeLessThan(20);
    const { rows: left } = await superuser.query(
      `select id::integer, state from sync.import_uploads where id = any ($1) order by id`,
      [[named, cut, both, others]],
    );
    expect(left).toEqual([
      ...[named, cut, both].map((id) => ({ id, state: 'removed' })),
      { id: others, state: 'recognised' },
    ]);
    const receipts = await listReceipts(privacy, { limit: 60 });
    expect(receipts.map(({ files }) => files).sort()).toEqual([...Array(58).fill(0), 2, 2]);
    expect(await cleanUp(privacy, { waitMs: 20_000 })).toMatchObject({ open: 0 });
  },
  cleanUpMaxMs,
);
