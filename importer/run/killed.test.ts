import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { sample } from '@aether/database/testing.sample';
import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import type { ReadRow } from '../person.ts';
import { abandonImport } from './abandon.ts';
import { applyImport } from './apply.ts';
import { outcomes } from './records.ts';
import { readRun } from './runs.ts';
import { countEvents, person, planRows, readAll, rejected } from './testing.run.ts';
import { undoImport } from './undo.ts';
import { verifyImport } from './verify.ts';

let database: TestDatabase;
let sync: pg.Client;
let superuser: pg.Client;
let foundation: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  sync = await database.connect('sync_app');
  superuser = await database.connect('postgres');
  foundation = await database.connect('foundation_app');
});

async function killAt(work: 'apply' | 'undo', run: string, statement: number, when: string): Promise<unknown> {
  const file = join(import.meta.dirname, 'testing.killed.ts');
  const child = spawn(process.execPath, [file, database.url('sync_app'), work, run, String(statement), when], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [, signal] = await once(child, 'exit');
  return signal;
}

const linesOf = (run: string): Promise<Record<string, number>> =>
  superuser
    .query('select outcome, count(*)::integer as lines from sync.import_rows where run = $1 group by 1', [run])
    .then(({ rows }) => Object.fromEntries(rows.map(({ outcome, lines }) => [outcome, lines])));

/** What everybody can see, without what differs from run to run: ids, numbers and times. */
async function readShape(domain: string): Promise<unknown> {
  const { rows } = await superuser.query(
    `select c.email, c.name, c.phone, c.timezone, replace(o.name, $2, '') as company, c.version, c.crm_id is not null as has_number,
       (select count(*) from platform.customer_emails e where e.customer_id = c.id) as addresses,
       (select count(*) from crm.activities a where a.customer_id = c.id) as notes,
       (select count(*) from sync.outbox x where x.customer = c.id) as events
     from platform.customers c left join platform.companies o on o.id = c.company_id
     where c.email like $1 order by replace(c.email, $2, '')`,
    [`%@${domain}`, domain],
  );
  return rows.map(({ email, ...row }) => ({ email: email.replace(domain, ''), ...row }));
}

/** 200 lines: people, some of them twice, some with notes and companies, some known before, some that cannot be read. */
function linesFor(domain: string): ReadRow[] {
  return Array.from({ length: 200 }, (_, n) => {
    const email = `p${n % 150}@${domain}`;
    if (n % 37 === 36) return rejected(n + 2);
    if (n % 41 === 40) return person(n + 2, { name: `No address ${n}` });
    return person(n + 2, {
      email,
      name: `Person ${n % 150}`,
      ...(n % 3 === 0 && { phone: `+4930${String(1_000_000 + (n % 150))}` }),
      ...(n % 10 === 0 && { notes: [`Note ${n}`] }),
      ...(n % 20 === 0 && { company: { externalId: null, name: `Company ${n % 150} of ${domain}`, domain: null } }),
      timezone: 'Europe/Berlin',
    });
  });
}
const prepare = (domain: string) =>
  foundation.query(
    `insert into platform.customers (email, name) select 'p' || n || '@${domain}', 'Person ' || n from generate_series(0, 149, 15) n`,
  );

/** In `npm test` two of these moments, other ones each time: each takes a process. */
const some = (moments: [number, string][]): [number, string][] => {
  const left = [...moments];
  while (left.length > sample(moments.length, 2)) left.splice(Math.floor(Math.random() * left.length), 1);
  return left;
};

test('a run that is killed at any statement ends the same as an unbroken one, and so does its undo', {
  timeout: 120_000,
}, async () => {
  await prepare('whole.example');
  const whole = await planRows(sync, linesFor('whole.example'), { source: 'whole' });
  const applied = await applyImport(sync, whole.run);

  await prepare('killed.example');
  const before = await readAll(superuser, { versions: false });
  const killed = await planRows(sync, linesFor('killed.example'), { source: 'killed' });
  expect(killed.counts).toEqual(whole.counts);
  for (const [statement, when] of some([
    [3, 'before'],
    [7, 'during'],
    [9, 'after'],
    [6 + Math.floor(Math.random() * 6), ['before', 'during', 'after'][Math.floor(Math.random() * 3)] as string],
  ])) {
    expect(await killAt('apply', killed.run, statement, when), `${statement} ${when}`).toBe('SIGKILL');
    // At every moment each line has one outcome.
    expect(Object.values(await linesOf(killed.run)).reduce((sum, lines) => sum + lines)).toBe(200);
  }
  const resumed = await applyImport(sync, killed.run, { linesPerStep: 20 });
  expect(resumed).toMatchObject({ state: 'applied', counts: applied.counts, planned: applied.planned, changed: {} });
  expect(await linesOf(killed.run)).toEqual(
    Object.fromEntries(outcomes.map((each) => [each, resumed.counts[each]]).filter(([, lines]) => lines !== 0)),
  );
  expect(await readShape('killed.example')).toEqual(await readShape('whole.example'));
  expect(await verifyImport(sync, killed.run)).toMatchObject({ isRight: true });

  for (const [statement, when] of some([
    [4, 'during'],
    [6, 'after'],
    [7, 'before'],
  ]))
    expect(await killAt('undo', killed.run, statement, when)).toBe('SIGKILL');
  const { rows: made } = await superuser.query(
    `select count(*)::integer as customers from sync.import_rows where run = $1 and outcome = 'created' and lead = n`,
    [killed.run],
  );
  // The report is of the whole run, and not of the process that came last.
  const undone = await undoImport(sync, killed.run);
  expect(undone).toMatchObject({ kept: [], removed: made[0].customers });
  const ledger = await superuser.query(
    `select count(*)::integer as writes from sync.import_writes w join sync.import_rows p on p.run = w.run and p.n = w.n
     where w.run = $1 and p.outcome = 'updated'`,
    [killed.run],
  );
  expect(undone.restored).toBe(ledger.rows[0].writes);
  expect(await readAll(superuser, { versions: false })).toEqual(before);
  expect((await readRun(sync, killed.run)).state).toBe('undone');
});

test('a plan that is cut off leaves nothing, and the next plan clears it away', async () => {
  const [everything, events] = [await readAll(superuser), await countEvents(superuser)];
  const other = await database.connect('sync_app');
  const failing = planRows(other, [
    ...linesFor('cut.example'),
    {
      get kind(): 'person' {
        throw new Error('the disk is gone');
      },
    } as ReadRow,
  ]);
  await expect(failing).rejects.toThrow('the disk is gone');
  expect(await readAll(superuser)).toEqual(everything);
  expect(await countEvents(superuser)).toBe(events);
  const { run } = await planRows(sync, linesFor('cut.example'));
  const { rows } = await superuser.query(
    `select id, state from sync.import_runs where state in ('reading', 'abandoned')`,
  );
  expect(rows.filter(({ state }) => state === 'reading')).toEqual([]);
  expect((await readRun(sync, run)).state).toBe('planned');
});

test('a plan is given up: its lines go, the run stays with who and why, and the same file can be planned again', async () => {
  const lines = linesFor('given-up.example');
  const { run, counts } = await planRows(sync, lines, { source: 'given-up' });
  await abandonImport(sync, run, { reason: 'the wrong list', actor: 'command:ann' });
  const found = await readRun(sync, run);
  expect(found).toMatchObject({ state: 'abandoned', counts, goesAt: null });
  expect(found.steps.at(-1)).toMatchObject({ step: 'abandon', actor: 'command:ann', reason: 'the wrong list' });
  const { rows } = await superuser.query('select count(*)::integer as lines from sync.import_rows where run = $1', [
    run,
  ]);
  expect(rows).toEqual([{ lines: 0 }]);
  await expect(applyImport(sync, run)).rejects.toThrow('It is abandoned: only a planned run is applied.');
  await expect(abandonImport(sync, run, { reason: 'again' })).rejects.toThrow(`Run ${run} is abandoned already`);
  expect((await planRows(sync, lines, { source: 'given-up' })).counts).toEqual(counts);
});

test('a run that is partly applied cannot be given up: it goes on, or is undone', async () => {
  const { run } = await planRows(sync, linesFor('partly.example'), { source: 'partly' });
  await sync.query('select sync.apply_import($1, 20)', [run]);
  const refused = abandonImport(sync, run, { reason: 'no' });
  await expect(refused).rejects.toThrow(/^Run \d+ is applied up to line 20 of 200: go on with that, or undo it\.$/);
  await undoImport(sync, run, { reason: 'never mind' });
  expect((await readRun(sync, run)).steps.at(-1)).toMatchObject({ step: 'undo', reason: 'never mind' });
  await expect(abandonImport(sync, run, { reason: 'no' })).rejects.toThrow('is undone already');
  await expect(abandonImport(sync, run, { reason: ' ' })).rejects.toThrow('a reason has 1 to 500 characters');
});

test('a plan that nobody applies is given up when its time is over, and says before when that is', async () => {
  const { run } = await planRows(sync, linesFor('old.example'), { source: 'old' });
  const days = (from: Date) => ((from.getTime() - Date.now()) / 86_400_000).toFixed(1);
  expect(days((await readRun(sync, run)).goesAt as Date)).toBe('30.0');
  await sync.query(`select sync.set_health_limit('import_plan_keep_days', 2, 'a test')`);
  expect(days((await readRun(sync, run)).goesAt as Date)).toBe('2.0');
  await superuser.query(`update sync.import_runs set used_at = now() - interval '47 hours' where id = $1`, [run]);
  await sync.query('select sync.trim_import_files()');
  expect((await readRun(sync, run)).state).toBe('planned');
  await superuser.query(`update sync.import_runs set used_at = now() - interval '49 hours' where id = $1`, [run]);
  await sync.query('select sync.trim_import_files()');
  expect(await readRun(sync, run)).toMatchObject({
    state: 'abandoned',
    steps: [{ step: 'plan' }, { step: 'abandon', reason: 'Nobody has applied it within 2 days.' }],
  });
});
