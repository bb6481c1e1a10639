import { beforeAll, describe, expect, test } from 'vitest';
import { startTestSupport, type TestSupport, widgetKey } from '../testing.ts';

let app: TestSupport;
let asPriya: TestSupport['call'];
let unique = 0;
beforeAll(async () => {
  app = await startTestSupport();
  asPriya = app.callAs('priya');
});

const newCustomer = async (name: string): Promise<string> =>
  (await app.foundation.createCustomer({ name, email: `c${++unique}@moves.example` })).id;

/** A conversation of this customer, which another person held while they used the customer's address. */
async function chatOf(name: string): Promise<{ id: string; customer: string; token: string }> {
  const email = `v${++unique}@moves.example`;
  const { body } = await app.call('POST', `/api/widgets/${widgetKey}/sessions`, { email, name });
  return {
    id: body.session_id,
    token: body.visitor_token,
    customer: (await app.support.getCustomerByEmail(email))?.id ?? '',
  };
}

/** Where everything is that belongs to the conversation: itself, and its activity in the CRM. */
async function placesOf(id: string) {
  const [session] = await app.support.query('select customer_id, identity from support.sessions where id = $1', [id]);
  const [activity] = await app.foundation.query<{ customer_id: string; metadata: { identity: string } }>(
    `select customer_id, metadata from crm.activities where idempotency_key = $1`,
    [`session:${id}`],
  );
  return { ...session, told: activity && [activity.customer_id, activity.metadata.identity] };
}
const moveTo = (id: string, customer_id: string, reason?: string) =>
  asPriya('POST', `/api/sessions/${id}/moves`, { customer_id, ...(reason && { reason }) });
const undo = (id: string, move: string) => asPriya('POST', `/api/sessions/${id}/moves/${move}/undo`, {});

describe('a conversation of the wrong person', () => {
  test('goes to the right one with its activity, is unverified there, keeps who moved it and why, and comes back as it was', async () => {
    const { id, customer } = await chatOf('Ada');
    await app.support.query(`update support.sessions set identity = 'verified' where id = $1`, [id]);
    await asPriya('POST', `/api/sessions/${id}/end`, { resolved: true });
    const right = await newCustomer('Ben');
    const before = await placesOf(id);
    const { status, body } = await moveTo(id, right, 'It was Ben at her computer');
    expect([status, body.move]).toMatchObject([
      200,
      {
        from: { id: customer, name: 'Ada' },
        to: { id: right, name: 'Ben' },
        actor: { name: 'Priya Nair' },
        undone_at: null,
      },
    ]);
    expect(await placesOf(id)).toEqual({ customer_id: right, identity: 'claimed', told: [right, 'claimed'] });
    const shown = (await asPriya('GET', `/api/sessions/${id}`)).body;
    expect(shown.entries.at(-1)).toMatchObject({
      kind: 'moved',
      agent: { name: 'Priya Nair' },
      body: 'It was Ben at her computer',
      move: { id: body.move.id, from: { name: 'Ada' }, to: { name: 'Ben' }, is_latest: true },
    });

    expect((await undo(id, body.move.id)).body.move.undone_at).not.toBeNull();
    expect(await placesOf(id)).toEqual(before);
    const { entries } = (await asPriya('GET', `/api/sessions/${id}`)).body;
    expect(entries.slice(-2)).toMatchObject([
      { kind: 'moved', move: { is_latest: false } },
      { kind: 'moved_back', agent: { name: 'Priya Nair' }, move: { from: { name: 'Ada' }, to: { name: 'Ben' } } },
    ]);
    expect(await undo(id, body.move.id)).toMatchObject({ status: 409, body: { code: 'move-refused' } });
  });

  test('has a preview that names what goes along and what stays, and is refused as the move would be', async () => {
    const { id, customer } = await chatOf('Ada');
    await app.support.query(`update support.sessions set identity = 'verified' where id = $1`, [id]);
    const right = await newCustomer('Ben');
    const preview = (to?: string) =>
      asPriya('GET', `/api/sessions/${id}/moves/preview${to ? `?customer_id=${to}` : ''}`);
    await asPriya('POST', `/api/sessions/${id}/replies`, { client_id: 'r1', body: 'Hello Ada' });
    expect((await preview()).body).toMatchObject({ from: { id: customer, name: 'Ada' }, to: null });
    await asPriya('POST', `/api/sessions/${id}/end`, { resolved: true });
    const { status, body } = await preview(right);
    expect([status, body]).toMatchObject([
      200,
      {
        to: { id: right, name: 'Ben' },
        goes: expect.arrayContaining([
          { what: 'messages', count: 1 },
          { what: 'entries of the timeline', count: 1 },
        ]),
        stays: [
          { what: expect.stringMatching(/^The address v\d+@moves\.example$/), why: expect.stringContaining('Ada') },
          { what: 'The proof of who the visitor is', why: expect.stringContaining('unverified') },
        ],
      },
    ]);
    expect(await placesOf(id)).toMatchObject({ customer_id: customer, identity: 'verified' });
    expect(await preview(customer)).toMatchObject({ status: 409, body: { code: 'move-refused' } });
    expect(await preview('019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b')).toMatchObject({ status: 404 });
    expect((await app.callAs('maya')('GET', `/api/sessions/${id}/moves/preview`)).body.code).toBe('agent-only');
  });

  test('stays when the customer is unknown, erased or the same, and goes to the survivor of a merged one', async () => {
    const { id, customer } = await chatOf('Ada');
    const [right, erased, loser] = [await newCustomer('Ben'), await newCustomer('Gone'), await newCustomer('Twice')];
    const owner = await app.database.connect('platform_migrator');
    await owner.query('set role platform_owner');
    await owner.query('update platform.customers set erased_at = now() where id = $1', [erased]);
    await owner.query('update platform.customers set merged_into = $2 where id = $1', [loser, right]);
    for (const [to, status, code] of [
      ['019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b', 404, 'not-found'],
      [erased, 410, 'customer-erased'],
      [customer, 409, 'move-refused'],
      ['Ben', 422, 'invalid-field'],
    ] as const)
      expect(await moveTo(id, to)).toMatchObject({ status, body: { code } });
    expect(await placesOf(id)).toMatchObject({ customer_id: customer });
    expect((await moveTo(id, loser)).body.move.to).toEqual({ id: right, name: 'Ben' });
  });

  test('comes back only from where the move took it: not after another move, nor after its visitor proved to be there', async () => {
    const { id } = await chatOf('Ada');
    const [one, two] = [await newCustomer('One'), await newCustomer('Two')];
    const first = (await moveTo(id, one)).body.move.id;
    const second = (await moveTo(id, two)).body.move.id;
    expect(await undo(id, first)).toMatchObject({ status: 409, body: { code: 'move-refused' } });
    expect(await undo(id, '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b')).toMatchObject({ status: 404 });
    await app.support.query(`update support.sessions set identity = 'verified' where id = $1`, [id]);
    expect((await undo(id, second)).body.detail).toContain('has proven');
    await app.support.query(`update support.sessions set identity = 'claimed' where id = $1`, [id]);
    expect((await undo(id, second)).status).toBe(200);
    expect((await undo(id, first)).status).toBe(200);
  });

  test('comes home from a move with the one who came out of a merge since, and otherwise with the survivor', async () => {
    const merging = await app.database.connect('sync_app');
    const merge = async (survivor: string, loser: string): Promise<string> =>
      (await merging.query('select platform.merge_customers($1, $2) as m', [survivor, [loser]])).rows[0].m.merges[0]
        .merge;
    for (const isApart of [true, false]) {
      const { id, customer } = await chatOf('Ada');
      const [survivor, top, right] = [await newCustomer('Ada B'), await newCustomer('Ada C'), await newCustomer('Ben')];
      const first = await merge(survivor, customer);
      await merge(top, survivor);
      const { move } = (await moveTo(id, right)).body;
      if (isApart) await merging.query('select platform.unmerge_customers($1)', [first]);
      expect(await placesOf(id)).toMatchObject({ customer_id: right });
      expect((await undo(id, move.id)).status).toBe(200);
      expect(await placesOf(id)).toMatchObject({ customer_id: isApart ? customer : top });
      if (isApart) continue;
      // The merges have their claim again.
      await merging.query('select platform.unmerge_customers($1)', [first]);
      expect(await placesOf(id)).toMatchObject({ customer_id: customer });
    }
  });

  test('moves once when two agents move it at once, and Support’s login cannot move one without a trace', async () => {
    const { id, customer } = await chatOf('Ada');
    const targets = [await newCustomer('One'), await newCustomer('Two')];
    const moves = await Promise.all(targets.map((to) => moveTo(id, to)));
    expect(moves.map(({ status }) => status)).toEqual([200, 200]); // one after the other: the second moves it on
    const froms = moves.map(({ body }) => body.move.from.id);
    expect(froms).toContain(customer);
    expect(new Set(froms).size).toBe(2);
    await expect(
      app.support.query('update support.sessions set customer_id = $2 where id = $1', [id, customer]),
    ).rejects.toMatchObject({ code: 'field-not-owned' });
  });

  test('is moved by people who may read it alone, and a call in the same way with its activity', async () => {
    const { id, customer } = await chatOf('Ada');
    const right = await newCustomer('Ben');
    expect((await app.callAs('maya')('POST', `/api/sessions/${id}/moves`, { customer_id: right })).body.code).toBe(
      'agent-only',
    );
    const call = await asPriya('POST', '/api/calls', {
      ...{ client_id: 'c1', direction: 'inbound', number: '+4930901820', customer_id: customer, outcome: 'resolved' },
      ...{ started_at: '2026-03-01T10:00:00Z', duration_seconds: 60 },
    });
    const path = `/api/calls/${call.body.call.id}/moves`;
    const told = async () =>
      (
        await app.foundation.query('select customer_id from crm.activities where idempotency_key = $1', [
          `call:${call.body.call.id}`,
        ])
      )[0]?.customer_id;
    expect((await app.callAs('maya')('POST', path, { customer_id: right })).body.code).toBe('agent-only');
    const { move } = (await asPriya('POST', path, { customer_id: right })).body;
    expect([move.from.id, await told()]).toEqual([customer, right]);
    const { calls } = (await asPriya('GET', `/api/calls?customer_id=${right}`)).body;
    expect(calls).toMatchObject([{ move: { id: move.id, from: { name: 'Ada' } } }]);
    // The path says whose right is asked for: the move of a call is not undone as that of a conversation.
    expect((await undo(id, move.id)).status).toBe(404);
    expect((await asPriya('POST', `${path}/${move.id}/undo`, {})).status).toBe(200);
    expect(await told()).toBe(customer);
  });
});
