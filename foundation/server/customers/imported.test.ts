import { atEnd } from '@aether/database/testing';
import { until } from '@aether/database/testing.scope';
import { applyImport, type Person, planImport, undoImport } from '@aether/importer';
import { connectPlatform, type PlatformDb } from '@aether/platform';
import { startSync } from '@aether/sync';
import { beforeAll, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

let server: TestFoundation;
let sync: Awaited<ReturnType<TestFoundation['database']['connect']>>;
/** Support, with a cache that keeps customers for a minute unless an event says otherwise. */
let support: PlatformDb;
beforeAll(async () => {
  server = await startTestFoundation();
  sync = await server.database.connect('sync_app');
  const worker = await startSync({ variables: { PLATFORM_DB_URL: server.database.url('sync_app') } });
  support = await connectPlatform({
    app: 'support',
    variables: { PLATFORM_DB_URL: server.database.url('support_app') },
    cache: { maxAgeMs: 60_000 },
  });
  atEnd(async () => {
    await support.close();
    await worker.close();
  });
});

const person = (line: number, name: string): Person => ({
  line,
  externalId: String(line),
  emails: [{ address: `${name.toLowerCase()}@zebra.example`, key: `${name.toLowerCase()}@zebra.example` }],
  phones: [{ written: `+493012345${line}0`, key: `+493012345${line}0`, extension: null, isShared: false }],
  name: `${name} Zebra`,
  firstName: null,
  lastName: null,
  company: null,
  city: null,
  birthDate: null,
  tier: 'premium',
  owner: null,
  language: null,
  timezone: null,
  createdAt: null,
  tags: [],
  notes: [],
  custom: {},
  remarks: [],
});
async function* rows() {
  yield ['Ada', 'Ben', 'Carla'].map((name, at) => {
    const each = person(at + 10, name);
    return { kind: 'person' as const, line: each.line, raw: name, person: each };
  });
}
const list = async (query: string) =>
  (await server.call('GET', `/api/customers?${query}`)).body.customers as { id: string }[];
const history = async () => (await server.foundation.query('select from crm.changes')).length;

test('imported customers are in both apps at once, and none of them shows one after the undo', {
  timeout: 60_000,
}, async () => {
  const { run } = await planImport(sync, {
    app: 'foundation',
    sources: [{ source: 'zebra', name: 'zebra.csv', sha256: null, rows: rows() }],
  });
  expect(await list('search=zebra')).toEqual([]);
  await applyImport(sync, run);
  expect(await list('search=zebra')).toHaveLength(3);
  const ada = await support.getCustomerByEmail('ada@zebra.example');
  expect(ada).toMatchObject({ name: 'Ada Zebra', account_tier: 'premium', crm_id: expect.anything() });
  // Its event has come: it is in the timeline, and in Support's cache.
  await until(async () => (await history()) === 3);
  await until(async () => {
    await support.getCustomerByEmail('ada@zebra.example');
    return (support.cacheState()?.hits ?? 0) > 0;
  });

  expect(await undoImport(sync, run)).toEqual({ removed: 3, restored: 0, kept: [] });
  for (const query of ['search=zebra', 'search=493012345', 'tier=premium', 'sort=updated', 'sort=name', 'sort=tier'])
    expect(await list(query), query).toEqual([]);
  expect((await server.call('GET', `/api/customers/${ada?.id}`)).status).toBe(404);
  await until(async () => (await support.getCustomerByEmail('ada@zebra.example')) === null);
  expect(await support.getCustomerById(String(ada?.id))).toBeNull();
  expect(await support.getCustomerContext('ada@zebra.example')).toBeNull();
  expect(await support.getCustomerByNumber('foundation', Number(ada?.crm_id))).toBeNull();
  expect(await history()).toBe(0);

  const { customer, created } = await support.findOrCreateCustomer({ email: 'Ada@zebra.example', name: 'Ada' });
  expect([created, customer.id === ada?.id]).toEqual([true, false]);
});
