import { atEnd } from '@aether/database/testing';
import { connectPlatform, type PlatformDb } from '@aether/platform';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestConsole, type TestConsole } from '../testing.ts';

let app: TestConsole;
let foundation: PlatformDb;
let asBoss: TestConsole['call'];
let unique = 0;
beforeAll(async () => {
  app = await startTestConsole();
  asBoss = app.callAs('boss');
  foundation = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: app.database.url('foundation_app') },
  });
  atEnd(foundation.close);
});

const newCustomer = (name: string, more: Record<string, unknown> = {}) =>
  foundation.createCustomer({ name, email: `c${++unique}@merges.example`, ...more });
const unknown = '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b';

describe('the console', () => {
  test('previews a merge, merges, says what was done by whom and why, and takes it back', async () => {
    const survivor = await newCustomer('Ada', { phone: '+4930901820' });
    const loser = await newCustomer('Ada King', { account_tier: 'premium' });
    const question = { survivor: survivor.id, losers: [loser.id], fields: { name: 'loser' } };
    const previewed = await asBoss('POST', '/api/merges/preview', question);
    expect(previewed).toMatchObject({
      status: 200,
      body: { previews: [{ survivor: { name: 'Ada' }, loser: { name: 'Ada King' }, refused: null }] },
    });
    const [preview] = previewed.body.previews;
    const field = (name: string) => preview.fields.find((each: { field: string }) => each.field === name);
    expect(field('name')).toMatchObject({
      survivor: { value: 'Ada', source: 'foundation', at: expect.any(String) },
      loser: { value: 'Ada King' },
      chosen: 'loser',
      by: 'choice',
    });
    expect(field('account_tier')).toMatchObject({ survivor: null, chosen: 'loser', by: 'rule' });
    expect(preview.moves).toContainEqual(expect.objectContaining({ table: 'platform.customer_emails', rows: 1 }));

    const merged = await asBoss('POST', '/api/merges', {
      ...question,
      reason: 'The same person',
      expected_versions: { [survivor.id]: survivor.version, [loser.id]: loser.version },
    });
    expect(merged).toMatchObject({ status: 201, body: { survivor: survivor.id, merges: [{ loser: loser.id }] } });
    const { merge } = merged.body.merges[0];
    expect(await foundation.getCustomerById(loser.id)).toMatchObject({ id: survivor.id, name: 'Ada King' });
    expect((await asBoss('GET', `/api/merges/${merge}`)).body).toMatchObject({
      ...{ survivor: { name: 'Ada King' }, loser: { name: 'Ada King' }, actor: 'boss', actor_name: 'Bo Boss' },
      ...{ reason: 'The same person', undone_at: null, moved: { 'platform.customer_emails': 1 } },
    });
    for (const id of [survivor.id, loser.id])
      expect((await app.call('GET', `/api/customers/${id}/merges`)).body.merges).toMatchObject([{ id: merge }]);
    expect((await asBoss('GET', '/api/merges')).body.merges[0]).toMatchObject({ id: merge });

    expect((await asBoss('GET', `/api/merges/${merge}/undo/preview`)).body).toMatchObject({
      refused: null,
      fieldsBack: expect.arrayContaining(['name', 'account_tier']),
      ambiguous: [],
    });
    expect((await asBoss('POST', `/api/merges/${merge}/undo`, {})).body).toMatchObject({ loser: loser.id });
    expect(await foundation.getCustomerById(loser.id)).toMatchObject({ id: loser.id, merged_into: null });
    expect((await asBoss('GET', `/api/merges/${merge}`)).body).toMatchObject({ undone_by_name: 'Bo Boss' });
  });

  test('says why it does not merge or unmerge', async () => {
    const [one, other, third] = [await newCustomer('One'), await newCustomer('Other'), await newCustomer('Third')];
    const merge = (losers: string[], more = {}) => asBoss('POST', '/api/merges', { survivor: one.id, losers, ...more });
    expect(await merge([one.id])).toMatchObject({ status: 422, body: { code: 'same-customer' } });
    expect(await merge([unknown])).toMatchObject({ status: 404, body: { code: 'not-found' } });
    expect(await merge([])).toMatchObject({ status: 422, body: { errors: [{ field: 'losers' }] } });
    expect(await merge([other.id], { fields: { phone: 'loser' } })).toMatchObject({
      status: 422,
      body: { errors: [{ field: 'phone' }] },
    });
    expect(await merge([other.id], { expected_versions: { [other.id]: 7 } })).toMatchObject({
      status: 409,
      body: { code: 'customer-version-conflict', expected: 7, actual: other.version },
    });
    const made = await merge([other.id]);
    expect(await asBoss('POST', '/api/merges', { survivor: third.id, losers: [other.id] })).toMatchObject({
      status: 409,
      body: { code: 'customer-merged', survivor: one.id },
    });
    const { merge: id } = made.body.merges[0];
    expect((await asBoss('POST', `/api/merges/${id}/undo`, { choices: { x: 'away' } })).status).toBe(422);
    await asBoss('POST', `/api/merges/${id}/undo`, {});
    expect(await asBoss('POST', `/api/merges/${id}/undo`, {})).toMatchObject({
      status: 409,
      body: { code: 'merge-undone' },
    });
    for (const path of [`/api/merges/${unknown}`, `/api/merges/${unknown}/undo/preview`])
      expect((await asBoss('GET', path)).status).toBe(404);
  });

  test('lets stewards merge, and shows everybody else only which customers were merged', async () => {
    const [one, other] = [await newCustomer('One'), await newCustomer('Other')];
    const question = { survivor: one.id, losers: [other.id] };
    for (const [path, body] of [
      ['/api/merges', question],
      ['/api/merges/preview', question],
      [`/api/merges/${unknown}/undo`, {}],
    ] as const)
      expect(await app.call('POST', path, body)).toMatchObject({ status: 403, body: { code: 'steward-only' } });
    await foundation.updateUser('maya', { role: 'steward' });
    expect((await app.call('POST', '/api/merges', question)).status).toBe(201);
    await foundation.updateUser('maya', { role: 'user' });
    expect((await app.call('GET', `/api/customers/${one.id}/merges`)).body.merges).toMatchObject([
      { loser: { name: 'Other' }, actor_name: 'Maya Okafor' },
    ]);
  });
});
