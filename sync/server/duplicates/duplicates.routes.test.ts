import { atEnd, untilSomebodyWaits } from '@aether/database/testing';
import { connectPlatform, type PlatformDb } from '@aether/platform';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { propose } from '../../duplicates/testing.duplicates.ts';
import { startTestConsole, type TestConsole } from '../testing.ts';

let app: TestConsole;
let foundation: PlatformDb;
let superuser: pg.Client;
let boss: TestConsole['call'];
let unique = 0;
beforeAll(async () => {
  app = await startTestConsole();
  boss = app.callAs('boss');
  superuser = await app.database.connect('postgres');
  foundation = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: app.database.url('foundation_app') },
  });
  atEnd(foundation.close);
});

const newCustomer = async (name: string, more: Record<string, unknown> = {}) =>
  (await foundation.createCustomer({ name, email: `c${++unique}@duplicates.example`, ...more })).id;
const newPair = async (more: Record<string, unknown> = {}) => {
  const [a, b] = [await newCustomer('Ada King'), await newCustomer('A. King')];
  return { a, b, id: await propose(superuser, a, b, more) };
};
const stateOf = async (id: string) => (await boss('GET', `/api/duplicates/${id}`)).body.pair?.state;
const open = (id: string) => [{ id, state: 'open' }];
const unknown = '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b';

describe('the queue', () => {
  test('lists pairs by their score, page by page, with counts and filters', async () => {
    await superuser.query('delete from platform.review_candidates');
    const pairs = [await newPair({ score: 0.7 }), await newPair({ score: 0.95 }), await newPair({ score: 0.8 })];
    await boss('POST', '/api/duplicates/assignments', { pairs: [pairs[2]?.id], to: 'boss' });
    const first = await boss('GET', '/api/duplicates?limit=2');
    expect(first.body).toMatchObject({
      pairs: [
        { id: pairs[1]?.id, score: 0.95, reasons: ['the last name is the same'], source: 'import', assigned_to: null },
        { id: pairs[2]?.id, assigned_to: 'boss', assigned_name: 'Bo Boss' },
      ],
      counts: { open: 3, unsure: 0, merged: 0, different: 0 },
    });
    const rest = await boss('GET', `/api/duplicates?limit=2&cursor=${encodeURIComponent(first.body.next_cursor)}`);
    expect(rest.body).toMatchObject({ pairs: [{ id: pairs[0]?.id }], next_cursor: null });
    const ids = async (query: string) =>
      (await boss('GET', `/api/duplicates?${query}`)).body.pairs.map(({ id }: { id: string }) => id);
    expect(await ids('assigned=boss')).toEqual([pairs[2]?.id]);
    expect(await ids('assigned=nobody&score=0.9')).toEqual([pairs[1]?.id]);
    expect(await ids('source=verified_claim')).toEqual([]);
    expect((await boss('GET', '/api/duplicates?score=2')).status).toBe(422);
  });

  test('shows a cluster with the fields and last entries of its customers, and names its bridges', async () => {
    const { a, b, id } = await newPair();
    const c = await newCustomer('Ada Kingsley', { phone: '+4930901820' });
    const bridge = await propose(superuser, b, c, { score: 0.6 });
    const sibling = await propose(superuser, a, c, { score: 0.6 });
    const d = await newCustomer('Ada Knight');
    const last = await propose(superuser, c, d, { score: 0.5 });
    await superuser.query(
      `insert into crm.activities (customer_id, type, description, created_by_app) values ($1, 'note', 'Called back', 'foundation')`,
      [b],
    );
    const { body } = await boss('GET', `/api/duplicates/${id}`);
    expect(body.pairs.map((pair: { id: string }) => pair.id).sort()).toEqual([id, bridge, sibling, last].sort());
    expect(body.members).toHaveLength(4);
    expect(body.members.find((member: { id: string }) => member.id === b)).toMatchObject({
      activities: 1,
      timeline: [{ app: 'foundation', what: 'note', text: 'Called back' }],
    });
    expect(body.bridges).toEqual([{ pair: last, left: expect.arrayContaining([a, b, c]), right: [d] }]);
    expect(body.survivor).toBe(b);
  });
});

describe('a decision', () => {
  test('that two are different is kept, cannot be made twice, and its undo asks again', async () => {
    const { a, b, id } = await newPair();
    const decided = await boss('POST', '/api/duplicates/decisions', { pairs: open(id), decision: 'different' });
    expect(decided.status).toBe(200);
    expect(await stateOf(id)).toBe('different');
    expect(await boss('POST', '/api/duplicates/decisions', { pairs: open(id), decision: 'unsure' })).toMatchObject({
      status: 409,
      body: { code: 'not-possible', detail: 'Bo Boss has decided about this pair meanwhile: different.' },
    });
    await propose(superuser, a, b, { score: 1 });
    expect(await stateOf(id)).toBe('different');
    expect((await boss('GET', '/api/duplicates/decisions')).body.acts[0]).toMatchObject({
      act: decided.body.act,
      became: 'different',
      pairs: [{ id, was: 'open' }],
    });
    expect((await boss('POST', `/api/duplicates/decisions/${decided.body.act}/undo`, {})).status).toBe(200);
    expect(await stateOf(id)).toBe('open');
    expect(await boss('POST', `/api/duplicates/decisions/${decided.body.act}/undo`, {})).toMatchObject({
      status: 409,
      body: { detail: 'This decision was undone already.' },
    });
  });

  test('to merge merges with the choices of the preview, and its undo takes the merge apart', async () => {
    const { a, b, id } = await newPair();
    const wish = { survivor: a, losers: [b], pairs: open(id) };
    const merged = await boss('POST', '/api/duplicates/merges', wish);
    expect(merged).toMatchObject({ status: 201, body: { survivor: a, merges: [expect.any(String)] } });
    expect((await foundation.getCustomerById(b))?.id).toBe(a);
    expect((await boss('GET', `/api/duplicates/${id}`)).body.pair).toMatchObject({
      state: 'merged',
      merge: merged.body.merges[0],
      decided_name: 'Bo Boss',
    });
    expect((await boss('POST', '/api/duplicates/merges', wish)).status).toBe(409);
    expect((await boss('POST', `/api/duplicates/decisions/${merged.body.act}/undo`, {})).status).toBe(200);
    expect((await foundation.getCustomerById(b))?.id).toBe(b);
    expect((await boss('GET', `/api/duplicates/${id}`)).body).toMatchObject({
      pair: { state: 'open', source: 'import', merge: null, decided_by: null },
      members: [{}, {}],
    });
  });

  test('about a cluster leaves one out and merges the rest, and both are undone', async () => {
    const { a, b, id } = await newPair();
    const c = await newCustomer('Adam King');
    const other = await propose(superuser, b, c);
    const out = await boss('POST', '/api/duplicates/splits', { left: [c], right: [a, b] });
    expect(out.status).toBe(200);
    expect(await stateOf(other)).toBe('different');
    expect((await superuser.query('select sync.are_different($1, $2) as are', [a, c])).rows[0].are).toBe(true);
    const all = { survivor: a, losers: [b, c], pairs: open(id) };
    expect(await boss('POST', '/api/duplicates/merges', all)).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('different people') },
    });
    const merged = await boss('POST', '/api/duplicates/merges', { ...all, losers: [b] });
    expect(merged.status).toBe(201);
    for (const { body } of [merged, out])
      expect((await boss('POST', `/api/duplicates/decisions/${body.act}/undo`, {})).status).toBe(200);
    expect([await stateOf(id), await stateOf(other)]).toEqual(['open', 'open']);
    expect((await superuser.query('select sync.are_different($1, $2) as are', [a, c])).rows[0].are).toBe(false);
  });

  test('to merge makes way for somebody who is writing rows of one of the customers', async () => {
    const { a, b, id } = await newPair();
    const newActivity = async (client: pg.Client) =>
      (
        await client.query(
          `insert into crm.activities (customer_id, type, description, created_by_app)
           values ($1, 'note', 'Called', 'foundation') returning id`,
          [b],
        )
      ).rows[0].id;
    const known = await newActivity(superuser);
    const writer = await app.database.connect('postgres');
    await writer.query(`begin; set local lock_timeout = '800ms'`); // less than it takes to find a deadlock
    await writer.query(`update crm.activities set description = 'Called twice' where id = $1`, [known]);
    const merging = boss('POST', '/api/duplicates/merges', { survivor: a, losers: [b], pairs: open(id) });
    await untilSomebodyWaits(writer);
    await newActivity(writer);
    await writer.query('commit');
    expect(await merging).toMatchObject({ status: 201, body: { survivor: a } });
  });

  test('can be undone from the list of those of a person, unless it is that two are different because their merge was taken back', async () => {
    const { a, b, id } = await newPair();
    const merged = await boss('POST', '/api/duplicates/merges', { survivor: a, losers: [b], pairs: open(id) });
    const list = async () => (await boss('GET', '/api/duplicates/decisions')).body.acts;
    expect((await boss('POST', `/api/merges/${merged.body.merges[0]}/undo`, {})).status).toBe(200);
    expect(await stateOf(id)).toBe('different');
    expect((await list())[0]).toMatchObject({ act: merged.body.act, became: 'merged', pairs: [{ id, was: 'open' }] });
    // What the worker does for the same person is no decision at the console.
    const worker = await app.database.connect('sync_app');
    const { id: other } = await newPair();
    await worker.query(`begin; set local aether.actor = 'boss'`);
    await worker.query(`select platform.decide_candidate($1, 'different', 'open')`, [other]);
    await worker.query('commit');
    expect((await list())[0].act).toBe(merged.body.act);
    expect((await boss('POST', `/api/duplicates/decisions/${merged.body.act}/undo`, {})).status).toBe(200);
    expect(await stateOf(id)).toBe('open');
  });

  test('that nobody is sure puts a pair aside, where it can still be decided', async () => {
    const { id } = await newPair();
    expect((await boss('POST', '/api/duplicates/decisions', { pairs: open(id), decision: 'unsure' })).status).toBe(200);
    expect(await stateOf(id)).toBe('unsure');
    const seen = [{ id, state: 'unsure' }];
    expect((await boss('POST', '/api/duplicates/decisions', { pairs: seen, decision: 'unsure' })).status).toBe(409);
    expect((await boss('POST', '/api/duplicates/decisions', { pairs: seen, decision: 'different' })).status).toBe(200);
  });

  test('of two stewards at once about one pair is made by one of them, and the other is told', async () => {
    await foundation.updateUser('maya', { role: 'steward' });
    const pairs: Awaited<ReturnType<typeof newPair>>[] = [];
    for (let n = 0; n < 8; n++) pairs.push(await newPair());
    const answers = await Promise.all(
      pairs.map(async ({ a, b, id }, n) => {
        const [one, other] = await Promise.all([
          boss('POST', '/api/duplicates/decisions', { pairs: open(id), decision: 'different' }),
          n % 2 === 0
            ? app.call('POST', '/api/duplicates/merges', { survivor: a, losers: [b], pairs: open(id) })
            : app.call('POST', '/api/duplicates/decisions', { pairs: open(id), decision: 'unsure' }),
        ]);
        return [one.status, other.status].map((status) => status < 300);
      }),
    );
    await foundation.updateUser('maya', { role: 'user' });
    for (const [one, other] of answers) expect(one).not.toBe(other);
  });

  test('is for data stewards, about pairs that are there, and to people who can decide', async () => {
    const { id, a, b } = await newPair();
    const bodies: [path: string, body: Record<string, unknown>][] = [
      ['/api/duplicates/decisions', { pairs: open(id), decision: 'different' }],
      ['/api/duplicates/merges', { survivor: a, losers: [b], pairs: open(id) }],
      ['/api/duplicates/splits', { left: [a], right: [b] }],
      ['/api/duplicates/assignments', { pairs: [id], to: null }],
      ['/api/duplicates/decisions/1/undo', {}],
    ];
    for (const [path, body] of bodies)
      expect(await app.call('POST', path, body)).toMatchObject({ status: 403, body: { code: 'steward-only' } });
    expect((await app.call('GET', '/api/duplicates')).status).toBe(403);
    expect((await boss('GET', `/api/duplicates/${unknown}`)).status).toBe(404);
    expect((await boss('POST', '/api/duplicates/decisions/987654321/undo', {})).status).toBe(404);
    expect((await boss('POST', '/api/duplicates/splits', { left: [a], right: [a] })).status).toBe(422);
    expect((await boss('POST', '/api/duplicates/assignments', { pairs: [id], to: 'maya' })).status).toBe(422);
    expect(
      (await boss('POST', '/api/duplicates/decisions', { pairs: open(unknown), decision: 'different' })).status,
    ).toBe(404);
    expect(await stateOf(id)).toBe('open');
  });
});
