import { beforeAll, describe, expect, test, vi } from 'vitest';
import { racing, startTestFoundation, type TestFoundation } from '../testing.ts';

let app: TestFoundation;
let superuser: Awaited<ReturnType<TestFoundation['database']['connect']>>;
let unique = 0;
beforeAll(async () => {
  app = await startTestFoundation(racing);
  superuser = await app.database.connect('postgres');
  await app.foundation.updateUser('maya', { role: 'admin' });
});

type Tier = { key: string; label: string; is_retired: boolean; version: number };
const list = async (): Promise<Tier[]> => (await app.call('GET', '/api/tiers')).body.tiers;
const keys = async () => (await list()).map(({ key }) => key);
const newTier = async (): Promise<Tier> => {
  const key = `tier-${++unique}`;
  return (await app.call('POST', '/api/tiers', { key, label: `Tier ${unique}`, colour: 'green' })).body;
};
const newCustomer = (account_tier?: string) =>
  app.call('POST', '/api/customers', { name: 'Tiered', email: `tiered${++unique}@example.com`, account_tier });

test('a new platform has tiers to begin with, in their order', async () => {
  expect(await keys()).toEqual(['free', 'basic', 'standard', 'premium', 'enterprise']);
});

describe('a customer', () => {
  test('has one of the existing tiers; a typo is refused with the list of them', async () => {
    const { body: customer } = await newCustomer('premium');
    const patch = (account_tier: string | null) => app.call('PATCH', `/api/customers/${customer.id}`, { account_tier });
    const refusal = {
      status: 422,
      body: {
        code: 'invalid-field',
        errors: [{ field: 'account_tier', message: expect.stringContaining('one of free, basic, standard, premium') }],
      },
    };
    expect(await patch('premum')).toMatchObject(refusal);
    expect(await newCustomer('premum')).toMatchObject(refusal);
    expect((await patch('enterprise')).body.account_tier).toBe('enterprise');
    expect((await patch(null)).body.account_tier).toBeNull();
  });

  test('keeps a retired tier, and no other customer gets it until it is brought back', async () => {
    const { key } = await newTier();
    const { body: customer } = await newCustomer(key);
    expect((await app.call('PATCH', `/api/tiers/${key}`, { is_retired: true })).body.is_retired).toBe(true);
    expect((await app.call('PATCH', `/api/customers/${customer.id}`, { name: 'Kept', account_tier: key })).status).toBe(
      200,
    );
    const refused = await newCustomer(key);
    expect(refused.status).toBe(422);
    expect(refused.body.errors[0].message).not.toContain(key);
    await app.call('PATCH', `/api/tiers/${key}`, { is_retired: false });
    expect((await newCustomer(key)).status).toBe(201);
  });

  test('of a won deal cannot get an unknown tier, and the deal stays open', async () => {
    const { body: customer } = await newCustomer('basic');
    const { body: deal } = await app.call('POST', '/api/deals', { customer_id: customer.id, name: 'Deal' });
    const close = (tier: string) => app.call('POST', `/api/deals/${deal.id}/close`, { outcome: 'won', tier });
    expect(await close('premum')).toMatchObject({ status: 422 });
    expect((await app.call('GET', `/api/deals/${deal.id}`)).body.status).toBe('open');
    expect((await close('premium')).status).toBe(200);
  });
});

describe('an administrator', () => {
  test('adds a tier behind the others, renames and recolours it; its key stays', async () => {
    const made = await newTier();
    expect((await keys()).at(-1)).toBe(made.key);
    const changed = await app.call('PATCH', `/api/tiers/${made.key}`, { label: `Renamed ${unique}`, colour: 'red' });
    expect(changed).toMatchObject({
      status: 200,
      body: { key: made.key, label: `Renamed ${unique}`, colour: 'red', version: made.version + 1 },
    });
  });

  test.each([
    ['a key that is taken', { key: 'premium', label: 'Another' }, 409, 'key'],
    ['a label that is taken, in whatever case', { key: 'another', label: 'PREMIUM' }, 409, 'label'],
    ['a key with blanks', { key: 'Very good', label: 'Very good' }, 422, 'key'],
    ['no label', { key: 'unlabelled', label: ' ' }, 422, 'label'],
    ['a colour of no tag', { key: 'pink', label: 'Pink', colour: 'pink' }, 422, 'colour'],
  ])('is refused %s', async (_, given, status, field) => {
    const refused = await app.call('POST', '/api/tiers', { colour: 'grey', ...given });
    expect(refused).toMatchObject({ status, body: { errors: [{ field }] } });
  });

  test('puts the tiers into an order, which must name each once', async () => {
    const before = await keys();
    const put = (wanted: string[]) => app.call('PUT', '/api/tiers/order', { keys: wanted });
    const turned = before.toReversed();
    expect((await put(turned)).body.tiers.map(({ key }: Tier) => key)).toEqual(turned);
    for (const wrong of [before.slice(1), [...before, before[0] as string], [...before.slice(1), 'nowhere']])
      expect(await put(wrong)).toMatchObject({ status: 422, body: { errors: [{ field: 'keys' }] } });
    expect(await keys()).toEqual(turned);
    await put(before);
  });

  test('succeeds in adding a tier together with nine others at once, and each tier has its own place', async () => {
    const added = await Promise.all(Array.from({ length: 10 }, newTier));
    expect((await keys()).filter((key) => added.some((tier) => tier.key === key))).toHaveLength(10);
  });

  test('removes a tier without customers, but no tier that a customer has', async () => {
    const [unused, used] = [await newTier(), await newTier()];
    await newCustomer(used.key);
    expect((await app.call('DELETE', `/api/tiers/${unused.key}`)).status).toBe(204);
    expect(await app.call('DELETE', `/api/tiers/${used.key}`)).toMatchObject({
      status: 409,
      body: { code: 'tier-in-use', detail: expect.stringContaining('Retire it') },
    });
    expect(await app.call('DELETE', `/api/tiers/${unused.key}`)).toMatchObject({ status: 404 });
  });

  test('with an older version gets a conflict and changes nothing', async () => {
    const { key, version } = await newTier();
    const patch = (label: string) => app.call('PATCH', `/api/tiers/${key}`, { label, expected_version: version });
    const answers = await Promise.all([patch(`One ${unique}`), patch(`Two ${unique}`)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(answers.find(({ status }) => status === 409)?.body).toMatchObject({
      code: 'tier-version-conflict',
      expected: version,
      actual: version + 1,
    });
  });
});

test('the removal of a tier is refused if a customer gets it meanwhile', async () => {
  const { key } = await newTier();
  const { body: customer } = await newCustomer();
  const [given, removed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const giving = app.foundation.transaction({}, async (tx) => {
    await app.foundation.updateCustomer(customer.id, { account_tier: key }, { tx });
    given.resolve();
    await removed.promise;
  });
  await given.promise;
  const removing = app.call('DELETE', `/api/tiers/${key}`);
  await vi.waitUntil(async () => {
    const { rowCount } = await superuser.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return rowCount === 1;
  });
  removed.resolve();
  await giving;
  expect(await removing).toMatchObject({ status: 409, body: { code: 'tier-in-use' } });
  expect(await keys()).toContain(key);
});

test('a customer does not get a tier whose removal is under way', async () => {
  const { key } = await newTier();
  const { body: customer } = await newCustomer();
  const [removed, waited] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const removing = app.foundation.transaction({}, async (tx) => {
    await tx.query('delete from platform.tiers where key = $1', [key]);
    removed.resolve();
    await waited.promise;
  });
  await removed.promise;
  const giving = app.foundation.updateCustomer(customer.id, { account_tier: key }).catch((error) => error);
  await vi.waitUntil(async () => {
    const { rowCount } = await superuser.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return rowCount === 1;
  });
  waited.resolve();
  await removing;
  expect(await giving).toMatchObject({ code: 'invalid-field' });
});

test('a transaction with one snapshot does not give a tier that was removed after its begin', async () => {
  const { key } = await newTier();
  const { body: customer } = await newCustomer();
  const giving = app.foundation.transaction({ isolation: 'repeatable read' }, async (tx) => {
    await tx.query('select from platform.tiers'); // takes the snapshot
    expect(await app.call('DELETE', `/api/tiers/${key}`)).toMatchObject({ status: 204 });
    await app.foundation.updateCustomer(customer.id, { account_tier: key }, { tx });
  });
  await expect(giving).rejects.toMatchObject({ code: 'transaction-conflict' });
});

test('a user who is no administrator sees all tiers and may change none', async () => {
  const { key } = await newTier();
  await app.foundation.signInUser({ subject: 'plain', email: 'plain@aether.example', name: 'Plain' });
  const call = app.callAs('plain');
  for (const [method, path, body] of [
    ['POST', '/api/tiers', { key: 'mine', label: 'Mine', colour: 'grey' }],
    ['PATCH', `/api/tiers/${key}`, { label: 'Mine' }],
    ['PUT', '/api/tiers/order', { keys: await keys() }],
    ['DELETE', `/api/tiers/${key}`, undefined],
  ] as const)
    expect(await call(method, path, body)).toMatchObject({ status: 403, body: { code: 'admin-only' } });
  expect((await call('GET', '/api/tiers')).status).toBe(200);
});

test('Support reads the tiers, and can change none of them', async () => {
  expect((await app.support.listTiers()).map(({ key }) => key)).toEqual(await keys());
  for (const write of [
    `insert into platform.tiers (key, label, position) values ('mine', 'Mine', 999)`,
    `update platform.tiers set label = 'Mine' where key = 'premium'`,
    `delete from platform.tiers where key = 'free'`,
  ])
    await expect(app.support.query(write)).rejects.toMatchObject({ code: 'field-not-owned' });
});

test('each change of a tier is an event that both apps see', async () => {
  const { key } = await newTier();
  await app.call('PATCH', `/api/tiers/${key}`, { colour: 'blue' });
  await app.call('DELETE', `/api/tiers/${key}`);
  const written = await superuser.query(
    `select type, audience, data ->> 'colour' as colour from sync.outbox where coalesce(data ->> 'key', previous ->> 'key') = $1
      order by id`,
    [key],
  );
  expect(written.rows).toEqual([
    { type: 'tier.created', audience: 'platform', colour: 'green' },
    { type: 'tier.updated', audience: 'platform', colour: 'blue' },
    { type: 'tier.deleted', audience: 'platform', colour: null },
  ]);
});
