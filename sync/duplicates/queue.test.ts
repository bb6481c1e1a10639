import { createTestDatabase, type TestDatabase, untilSomebodyWaits } from '@aether/database/testing';
import { requireUnderWay } from '@aether/database/testing.scope';
import { applyImport, planImport, type ReadRow } from '@aether/importer';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { queueNextPairs } from './fromimports.ts';
import { propose } from './testing.duplicates.ts';

let database: TestDatabase;
let superuser: pg.Client;
let sync: pg.Client;
let unique = 0;
beforeAll(async () => {
  database = await createTestDatabase();
  superuser = await database.connect('postgres');
  sync = await database.connect('sync_app');
});

async function customer(name = 'Ada King'): Promise<string> {
  const { rows } = await superuser.query(
    `insert into platform.customers (email, name, created_by_app) values ($1, $2, 'foundation') returning id`,
    [`q${++unique}@queue.example`, name],
  );
  return rows[0].id;
}
const merge = async (survivor: string, loser: string): Promise<string> =>
  (await sync.query('select platform.merge_customers($1, $2) as m', [survivor, [loser]])).rows[0].m.merges[0].merge;
const unmerge = (id: string) => sync.query('select platform.unmerge_customers($1)', [id]);
/** Whom a person is asked about beside this customer. */
async function askedWith(id: string): Promise<string[]> {
  const { rows } = await superuser.query(
    `select case customer_id when $1 then other_id else customer_id end as other from platform.review_candidates
     where is_asked and state in ('open', 'unsure') and $1 in (customer_id, other_id)`,
    [id],
  );
  return rows.map(({ other }) => other).sort();
}
const stateOf = async (id: string) =>
  (await superuser.query('select state, reason, is_asked from platform.review_candidates where id = $1', [id])).rows[0];

describe('several merges', () => {
  test('are taken back together, the newest first, and leave nobody locked while one of them has to wait', async () => {
    const [a, b, c] = [await customer('A'), await customer('B'), await customer('C')];
    const [first, second] = [await merge(a, b), await merge(a, c)];
    const holder = await database.connect('postgres');
    await holder.query('begin');
    await holder.query('select from platform.customer_emails where customer_id = $1 for update', [a]);
    const undoing = sync.query('select platform.unmerge_several($1) as reports', [[second, first]]);
    // A write of the survivor ends, although the unmerge waits for one of its addresses.
    await superuser.query(`set lock_timeout = '5s'`);
    await superuser.query(`update platform.customers set name = 'A.' where id = $1`, [a]);
    await superuser.query('reset lock_timeout');
    await holder.query('rollback');
    const { rows } = await undoing;
    expect(rows[0].reports.map(({ loser }: { loser: string }) => loser)).toEqual([c, b]);
    const live = await superuser.query('select from platform.customers where id = any ($1) and merged_into is null', [
      [a, b, c],
    ]);
    expect(live.rowCount).toBe(3);
  });

  test('are all kept if one of them was taken back already', async () => {
    const [a, b, c] = [await customer(), await customer(), await customer()];
    const [first, second] = [await merge(a, b), await merge(a, c)];
    await unmerge(first);
    await expect(sync.query('select platform.unmerge_several($1)', [[second, first]])).rejects.toMatchObject({
      message: expect.stringContaining('taken back'),
    });
    const { rows } = await superuser.query('select merged_into from platform.customers where id = $1', [c]);
    expect(rows).toEqual([{ merged_into: a }]);
    await expect(sync.query('select platform.unmerge_several($1)', [[]])).rejects.toMatchObject({ code: '22023' });
  });
});

describe('a pair', () => {
  test('goes on with the customer into which one of the two is merged, and comes back with it', async () => {
    const [a, b, c] = [await customer(), await customer(), await customer()];
    await propose(superuser, a, b);
    const id = await merge(c, a);
    expect(await askedWith(b)).toEqual([c]);
    const above = await customer();
    const next = await merge(above, c);
    expect(await askedWith(b)).toEqual([above]);
    await unmerge(id); // out of order: a comes out of c, which is in `above`
    expect(await askedWith(b)).toEqual([a]);
    await unmerge(next);
    expect(await askedWith(b)).toEqual([a]);
  });

  test('is asked once, if both of its ways into another customer were proposed', async () => {
    const [a, b, c] = [await customer(), await customer(), await customer()];
    await propose(superuser, a, b);
    await propose(superuser, b, c);
    await merge(c, a);
    expect(await askedWith(b)).toEqual([c]);
  });

  test('that was called different is never asked again: not by a proposal, not through a merge', async () => {
    const [a, b, c] = [await customer(), await customer(), await customer()];
    await propose(superuser, b, c);
    await sync.query('select platform.set_apart($1, $2)', [[a], [b]]);
    expect(await propose(superuser, a, b).then(stateOf)).toMatchObject({ state: 'different', reason: 'person' });
    const id = await merge(c, a); // c has a record now that is not b
    expect(await askedWith(b)).toEqual([]);
    expect(await propose(superuser, b, c).then(stateOf)).toMatchObject({ state: 'open', is_asked: false });
    await unmerge(id);
    expect(await askedWith(b)).toEqual([c]);
  });

  test('whose “different” is undone while one of the two is merged goes on with the survivor, and comes home with the loser', async () => {
    const [a, b, c] = [await customer(), await customer(), await customer()];
    const pair = await propose(superuser, a, b);
    const { rows } = await sync.query(`select platform.decide_candidate($1, 'different', 'open') as d`, [pair]);
    const id = await merge(c, a);
    expect(await askedWith(b)).toEqual([]);
    await sync.query('select platform.undo_decision($1)', [rows[0].d]);
    expect(await askedWith(b)).toEqual([c]);
    await unmerge(id);
    expect(await askedWith(b)).toEqual([a]);
  });

  test('that was merged is closed, and its unmerge makes it different by itself', async () => {
    const [a, b] = [await customer(), await customer()];
    const pair = await propose(superuser, a, b);
    const id = await merge(a, b);
    expect(await stateOf(pair)).toMatchObject({ state: 'merged', is_asked: false });
    await unmerge(id);
    expect(await stateOf(pair)).toMatchObject({ state: 'different', reason: 'unmerged' });
  });

  test('whose other customer is being erased does not keep the one from being merged', async () => {
    const [a, b, c] = [await customer(), await customer(), await customer()];
    await propose(superuser, a, b);
    const erasing = await database.connect('postgres');
    await erasing.query('begin');
    await erasing.query('update platform.customers set erased_at = now() where id = $1', [b]);
    const merging = merge(c, a);
    merging.catch(() => {});
    await untilSomebodyWaits(erasing);
    await erasing.query('commit');
    await merging;
    expect(await askedWith(c)).toEqual([]);
  });

  test('that is different because its merge was taken back is not called merged again by an undo of that', async () => {
    const [a, b] = [await customer(), await customer()];
    const pair = await propose(superuser, a, b);
    await unmerge(await merge(a, b));
    const { rows } = await superuser.query(
      'select id, was from platform.review_decisions where candidate = $1 order by id',
      [pair],
    );
    expect(rows.map(({ was }) => was)).toEqual(['open', 'merged']);
    await expect(sync.query('select platform.undo_decision($1)', [rows[1].id])).rejects.toMatchObject({
      code: '55000',
      message: expect.stringContaining('merge them again'),
    });
    expect(await stateOf(pair)).toMatchObject({ state: 'different' });
    await sync.query('select platform.undo_decision($1)', [rows[0].id]); // the merge is taken back: the pair is asked again
    expect(await stateOf(pair)).toMatchObject({ state: 'open', is_asked: true });
  });

  test('of an erased customer is gone, and a decision about one keeps nothing of the person', async () => {
    const [a, b, c] = [await customer(), await customer(), await customer()];
    await propose(superuser, a, b);
    const decided = await propose(superuser, a, c);
    await sync.query(`select platform.decide_candidate($1, 'different', 'open')`, [decided]);
    await superuser.query('update platform.customers set erased_at = now() where id = $1', [a]);
    const { rows } = await superuser.query(
      'select state, reasons, evidence from platform.review_candidates where $1 in (customer_id, other_id)',
      [a],
    );
    expect(rows).toEqual([{ state: 'different', reasons: [], evidence: {} }]);
  });

  test('is one row, however many propose it at once, and no app can write it or decide', async () => {
    const [a, b] = [await customer(), await customer()];
    const others = await Promise.all(Array.from({ length: 4 }, () => database.connect('postgres')));
    await Promise.all(others.map((client, n) => propose(client, n % 2 ? a : b, n % 2 ? b : a)));
    const { rows } = await superuser.query(
      'select id from platform.review_candidates where $1 in (customer_id, other_id)',
      [a],
    );
    expect(rows).toHaveLength(1);
    for (const login of ['foundation_app', 'support_app', 'console_app', 'sync_app'] as const) {
      const client = await database.connect(login);
      for (const statement of [
        `update platform.review_candidates set state = 'different', decided_at = now() where id = $1`,
        'delete from platform.review_candidates where id = $1',
        'delete from platform.review_decisions where candidate = $1',
        `select platform.propose_candidates(jsonb_build_array(jsonb_build_object('a', $1::uuid)), 'import', 'x')`,
      ])
        await expect(client.query(statement, [rows[0].id]), statement).rejects.toMatchObject({ code: '42501' });
      if (login === 'sync_app') continue;
      for (const call of ['decide_candidate($1, $2, null)', 'undo_decision(1)'])
        await expect(
          client.query(`select platform.${call}`, call.includes('$1') ? [rows[0].id, 'different'] : []),
          call,
        ).rejects.toMatchObject({ code: '42501' });
    }
  });
});

/** What a list says of one person. */
function person(line: number, name: string, more: { email?: string; phone?: string; city?: string } = {}): ReadRow {
  const { email = `line${++unique}@import.example`, phone, city = null } = more;
  return {
    kind: 'person',
    line,
    raw: `${line},${email},${name}`,
    person: {
      ...{
        line,
        name,
        city,
        externalId: null,
        firstName: null,
        lastName: null,
        company: null,
        birthDate: null,
        tier: null,
      },
      ...{ owner: null, language: null, timezone: null, createdAt: null, tags: [], notes: [], custom: {}, remarks: [] },
      emails: [{ address: email, key: email }],
      phones: phone === undefined ? [] : [{ written: phone, key: phone, extension: null, isShared: false }],
    },
  };
}
async function imported(rows: ReadRow[]): Promise<string> {
  const { run } = await planImport(sync, {
    app: 'foundation',
    sources: [
      {
        source: 'old-crm',
        name: 'old.csv',
        sha256: null,
        rows: (async function* () {
          yield rows;
        })(),
      },
    ],
  });
  await applyImport(sync, run);
  return run;
}
const queuedOf = async (run: string) =>
  (await superuser.query('select state, reasons, rules from platform.review_candidates where run = $1', [run])).rows;
const faults: Error[] = [];
const onFault = (fault: Error) => void faults.push(fault);
const line = { query: async (text: string, values?: unknown[]) => (await sync.query(text, values)).rows as never };

describe('the pairs of an import', () => {
  test('enter the queue once, with reasons and the version of the rules, and not again with the same file', async () => {
    const rows = [person(2, 'Zoe Quill', { phone: '+4930555001' }), person(3, 'Zelda Quill', { phone: '+4930555001' })];
    const run = await imported(rows);
    while (await queueNextPairs(line, onFault)) requireUnderWay();
    expect(await queuedOf(run)).toEqual([
      { state: 'open', reasons: expect.arrayContaining(['phone.equal', 'given.different']), rules: 'matching-1' },
    ]);
    await superuser.query(
      `update platform.review_candidates set state = 'different', decided_at = now() where run = $1`,
      [run],
    );
    const again = await imported(rows);
    while (await queueNextPairs(line, onFault)) requireUnderWay();
    expect(await queuedOf(again)).toEqual([]);
    expect((await queuedOf(run)).map(({ state }) => state)).toEqual(['different']);
  });

  test('are put there by one of two workers at once, and by the next one if the first is killed before it commits', async () => {
    const run = await imported([
      person(2, 'Yan Quote', { phone: '+4930555002' }),
      person(3, 'Yara Quote', { phone: '+4930555002' }),
    ]);
    const [first, second] = [await database.connect('sync_app'), await database.connect('sync_app')];
    first.on('error', () => {});
    await first.query('begin');
    await queueNextPairs({ query: async (text, values) => (await first.query(text, values)).rows as never }, onFault);
    const waiting = queueNextPairs(
      { query: async (text, values) => (await second.query(text, values)).rows as never },
      onFault,
    );
    await superuser.query('select pg_terminate_backend($1)', [(first as unknown as { processID: number }).processID]);
    await waiting;
    while (await queueNextPairs(line, onFault)) requireUnderWay();
    expect(await queuedOf(run)).toHaveLength(1);
    const { rows } = await superuser.query('select pairs from sync.queued_imports where run = $1', [run]);
    expect(rows).toEqual([{ pairs: 1 }]);
  });

  test('that cannot be queued hold up no other import, and are tried again later', async () => {
    const people = (name: string, phone: string) => [
      person(2, `Uma ${name}`, { phone }),
      person(3, `Una ${name}`, { phone }),
    ];
    const broken = await imported(people('Quirk', '+4930555003'));
    await superuser.query(
      `create function sync.break_pairs() returns trigger language plpgsql as $$ begin raise 'no room'; end $$`,
    );
    await superuser.query(
      `create trigger breaks before insert on platform.review_candidates for each row
       when (new.run = ${broken}) execute function sync.break_pairs()`,
    );
    const whole = await imported(people('Quote', '+4930555004'));
    while (await queueNextPairs(line, onFault)) requireUnderWay();
    expect([await queuedOf(broken), await queuedOf(whole)]).toEqual([[], [expect.objectContaining({ state: 'open' })]]);
    expect(faults.map(({ message }) => message)).toContain(
      `The pairs of import ${broken} could not be queued: no room.`,
    );
    await superuser.query('drop function sync.break_pairs() cascade');
    await superuser.query('update sync.queued_imports set due_at = now() where run = $1', [broken]);
    while (await queueNextPairs(line, onFault)) requireUnderWay();
    expect(await queuedOf(broken)).toHaveLength(1);
    const { rows } = await superuser.query('select faults, fault from sync.queued_imports where run = $1', [broken]);
    expect(rows).toEqual([{ faults: 0, fault: null }]);
  });
});
