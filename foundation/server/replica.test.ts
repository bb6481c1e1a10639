import { chmod, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type LocalServer, startLocal } from '@aether/database';
import { atEnd } from '@aether/database/testing';
import { newTestFolder } from '@aether/database/testing.folder';
import { startMigrated } from '@aether/database/testing.local';
import { newTestPort } from '@aether/database/testing.port';
import { startReplica, type TestReplica } from '@aether/database/testing.replica';
import { sample } from '@aether/database/testing.sample';
import { createLog } from '@aether/http';
import { callerOf } from '@aether/http/testing';
import {
  becauseOf,
  type CacheOptions,
  ConfigurationError,
  type Customer,
  connectPlatform,
  type PlatformDb,
  type ReplicaState,
  readCause,
} from '@aether/platform';
import { startTestLine } from '@aether/platform/testing.line';
import { startTestPooler } from '@aether/platform/testing.pooler';
import { type SignedCalls, signCalls, startTestIssuer, testTenant } from '@aether/signin/testing';
import { startSync } from '@aether/sync';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startFoundation } from './index.ts';

const settings = { fsync: 'off', shared_buffers: '32MB', autovacuum: 'off', io_method: 'sync', jit: 'off' };
const ageMaxMs = 700;

let folder: string;
let primary: LocalServer;
let replica: TestReplica;
let db: PlatformDb;
let ada: Customer;
let before: ReplicaState;
let unique = 0;

beforeAll(async () => {
  folder = await newTestFolder('replica');
  await chmod(folder, 0o755);
  primary = await startMigrated({
    folder: join(folder, 'primary'),
    database: 'platform',
    settings: { ...settings, wal_keep_size: '256MB', scram_iterations: '1', checkpoint_timeout: '1h' },
  });
  atEnd(async () => {
    await primary.server.stop('immediate');
    await rm(folder, { recursive: true, force: true });
  });
  replica = await startReplica(primary, {
    folder: join(folder, 'replica'),
    settings: { ...settings, max_standby_streaming_delay: '50ms' },
  });
  atEnd(() => replica.close());
  db = await connect();
  atEnd(() => db.close());
});
beforeEach(async () => {
  await replica.resume();
  ada = await db.createCustomer({ email: `ada${++unique}@example.com`, name: 'Ada' });
  await replica.caughtUp();
  await comesFromReplica();
  before = structuredClone(db.replicaState() as ReplicaState);
});

const urlOf = () => primary.urlOf('foundation_app');
const connect = (variables: Record<string, string> = {}, cache?: CacheOptions) =>
  connectPlatform({
    app: 'foundation',
    ...(cache && { cache }),
    variables: {
      PLATFORM_DB_URL: urlOf(),
      PLATFORM_DB_REPLICA_URL: replica.urlOf(urlOf()),
      PLATFORM_DB_REPLICA_AGE_MAX_MS: `${ageMaxMs}`,
      ...variables,
    },
  });

/** Somebody whose reads say what the earlier ones have shown. */
function caller(of = () => db) {
  let seen: string | undefined;
  return {
    async read<T>(work: () => Promise<T>): Promise<{ result: T; ageMs: number | undefined }> {
      const { result, ageMs, seen: by } = await of().readAs(seen, work);
      seen = by ?? seen;
      return { result, ageMs };
    },
    async write(name: string, id = ada.id): Promise<number> {
      const { version } = await of().updateCustomer(id, { name });
      seen = await of().seenNow();
      return version;
    },
    /** What another process is given. */
    seen: () => seen,
  };
}

/** How many reads the replica has answered in this test; and how many the primary instead, for this reason. */
const answered = () => (db.replicaState() as ReplicaState).answered - before.answered;
const fellBack = (reason: keyof ReplicaState['fellBack']) =>
  (db.replicaState() as ReplicaState).fellBack[reason] - before.fellBack[reason];
const read = (id = ada.id) => db.getCustomerById(id);
const listed = (id = ada.id) =>
  db.reads.query<{ name: string; here: boolean }>(
    'select name, pg_is_in_recovery() as here from platform.customers where id = $1',
    [id],
  );

/** Waits until a stranger's reads come from the replica. */
const comesFromReplica = () =>
  expect.poll(async () => (await caller().read(listed)).result[0]?.here, { interval: 20 }).toBe(true);

describe('a caller', () => {
  test('reads back what they have written, although the replica has not replayed it; another caller may see it a little later', async () => {
    await replica.pause();
    const [maya, tom] = [caller(), caller()];
    const version = await maya.write('Ada Lovelace');
    expect((await maya.read(read)).result).toMatchObject({ name: 'Ada Lovelace', version });
    expect((await maya.read(listed)).result).toEqual([{ name: 'Ada Lovelace', here: false }]);
    expect(fellBack('unseen')).toBe(2);
    const late = await tom.read(read);
    expect(late.result).toMatchObject({ name: 'Ada', version: version - 1 });
    expect(late.ageMs).toBeLessThan(ageMaxMs);
    expect(answered()).toBe(1);
    await replica.resume();
    await expect
      .poll(async () => (await maya.read(listed)).result, { interval: 20 })
      .toEqual([{ name: 'Ada Lovelace', here: true }]);
  });

  test('who asks for the present is answered by the primary, and told how far it was', async () => {
    await replica.pause();
    await caller().write('Present');
    const { result, seen } = await db.readAs('now', async () => [(await read())?.name, (await listed())[0]?.here]);
    expect([result, seen]).toEqual([['Present', false], expect.stringMatching(/^[0-9A-F]+\/[0-9A-F]+$/)]);
  });

  test('who goes on at another process is shown what the first one has shown', async () => {
    const other = await connect();
    await replica.pause();
    const maya = caller();
    const version = await maya.write('Countess');
    const { result } = await other.readAs(maya.seen(), () => other.getCustomerById(ada.id));
    expect(result).toMatchObject({ name: 'Countess', version });
    await other.close();
  });

  test('who was shown something by the primary is not shown less by the replica', async () => {
    await replica.pause();
    await caller().write('Newer');
    const tom = caller();
    expect(
      (await tom.read(() => db.query('select name from platform.customers where id = $1', [ada.id]))).result,
    ).toEqual([{ name: 'Newer' }]);
    expect((await tom.read(read)).result?.name).toBe('Newer');
  });

  test('finds at once a customer whom somebody else has just made, as only the primary says that there is none', async () => {
    await replica.pause();
    const made = await db.createCustomer({ email: `new${++unique}@example.com`, name: 'New' });
    for (const find of [
      () => db.getCustomerById(made.id),
      () => db.getCustomerByEmail(made.email),
      async () => (await db.getCustomerContextById(made.id))?.customer,
    ])
      expect((await caller().read(find)).result?.id).toBe(made.id);
    expect(await db.listAddresses(made.id)).toHaveLength(1);
    expect((await caller().read(() => db.listAddresses(made.id))).result).toHaveLength(1);
    expect((await caller().read(() => db.getCustomerByEmail('nobody@example.com'))).result).toBeNull();
  });

  test('who is shown a customer by the primary, as the replica knows none, is shown no older parts of that customer', async () => {
    await replica.pause();
    const made = await db.createCustomer({ email: `parts${++unique}@example.com`, name: 'Parts' });
    await db.addPhone(made.id, '+49 30 123456');
    const open = async () => {
      const found = await db.getCustomerContextById(made.id);
      return [found?.customer.version, (await db.listPhones(made.id)).length];
    };
    const present = await open();
    expect(present).toEqual([expect.any(Number), 1]);
    expect((await caller().read(open)).result).toEqual(present);
    expect(
      (await caller().read(async () => [(await db.listAddresses(made.id)).length, (await listed(made.id)).length]))
        .result,
    ).toEqual([1, 1]);
  });

  test('who is shown a customer by the cache is shown nothing older, neither in that answer nor in the next one', async () => {
    const worker = await startSync({ variables: { PLATFORM_DB_URL: primary.urlOf('sync_app') } });
    const cached = await connect({ PLATFORM_DB_REPLICA_AGE_MAX_MS: '60000' }, { maxAgeMs: 60_000 });
    const place = async () =>
      (await cached.readAs(undefined, () => cached.reads.query('select pg_is_in_recovery() as here'))).result;
    await expect.poll(place, { interval: 20 }).toEqual([{ here: true }]);
    await replica.pause();
    await db.addPhone(ada.id, '+49 30 654321');
    const { version } = (await db.getCustomerById(ada.id)) as Customer;
    const open = async () => [
      (await cached.getCustomerById(ada.id))?.version,
      (await cached.listPhones(ada.id)).length,
    ];
    const stranger = await cached.readAs(undefined, () => cached.listPhones(ada.id));
    expect(stranger.result).toHaveLength(0);
    const hits = () => cached.cacheState()?.hits as number;
    let tom = caller(() => cached);
    // The cache drops what it has when the event of the number arrives, which may be late.
    const hitsOfNext = async () => {
      const before = hits();
      tom = caller(() => cached);
      expect((await tom.read(open)).result).toEqual([version, 1]);
      return hits() - before;
    };
    await expect.poll(hitsOfNext, { interval: 20 }).toBe(1);
    expect((await tom.read(() => cached.listPhones(ada.id))).result).toHaveLength(1);
    await Promise.all([cached.close(), worker.close()]);
  });

  test('who shares the query of a tick with somebody that has written gets an answer that suits both', async () => {
    await replica.pause();
    const [maya, tom] = [caller(), caller()];
    await maya.write('Shared');
    const [hers, his] = await Promise.all([maya.read(read), tom.read(read)]);
    expect([hers.result?.name, his.result?.name]).toEqual(['Shared', 'Shared']);
  });

  test('who was shown a change by the replica before the primary shows it is shown nothing older by the primary', async () => {
    // A commit that waits for a standby: on the disk and at the replica, and not yet there for others on the primary.
    const setStandbys = async (names: string) => {
      await replica.askPrimary('postgres', `alter system set synchronous_standby_names = '${names}'`);
      await replica.askPrimary('postgres', 'select pg_reload_conf()');
      await expect
        .poll(() => replica.askPrimary('postgres', 'show synchronous_standby_names'))
        .toEqual([{ synchronous_standby_names: names }]);
    };
    const waiting = `from pg_stat_activity where wait_event = 'SyncRep'`;
    const endWait = () => replica.askPrimary('postgres', `select pg_cancel_backend(pid) ${waiting}`);
    await setStandbys('nobody');
    try {
      for (const seen of ['FFFFFFF/0', 'now']) {
        const name = `Committed before ${seen}`;
        // Of another login: its number is all that an app may see of its transaction.
        const writing = replica.askPrimary(
          'platform',
          `update platform.customers set name = '${name}' where id = '${ada.id}'`,
        );
        await expect.poll(() => replica.askPrimary('postgres', `select ${waiting}`)).toHaveLength(1);
        await expect.poll(async () => (await caller().read(read)).result?.name).toBe(name);
        expect((await read())?.name).not.toBe(name);
        const asked = db.readAs(seen, () => Promise.all([read(), listed()]));
        await endWait();
        expect((await asked).result).toMatchObject([{ name }, [{ name, here: false }]]);
        await writing;
      }
    } finally {
      await setStandbys('');
      await endWait();
    }
  });

  test('outside of `readAs` reads from the primary', async () => {
    await replica.pause();
    await db.updateCustomer(ada.id, { name: 'Present' });
    expect((await read())?.name).toBe('Present');
    expect(await listed()).toEqual([{ name: 'Present', here: false }]);
    expect(answered()).toBe(0);
  });
});

describe('a read', () => {
  test('is never older than the bound: then it comes from the primary', async () => {
    await replica.pause();
    await db.updateCustomer(ada.id, { name: 'Later' });
    const writtenAt = performance.now();
    for (let isLate = false; !isLate; ) {
      const askedAt = performance.now();
      const { result, ageMs } = await caller().read(read);
      isLate = result?.name === 'Later';
      if (isLate) expect(ageMs).toBeUndefined();
      else {
        expect(askedAt - writtenAt).toBeLessThan(ageMaxMs);
        // The bound counts from when it is asked, and the age that is told from when the answer is there.
        expect(ageMs).toBeLessThan(ageMaxMs + performance.now() - askedAt);
      }
    }
    expect(fellBack('old')).toBeGreaterThan(0);
  });

  test('comes from the replica of a primary where nothing happens: that is no lag', async () => {
    const endsAt = performance.now() + 2 * ageMaxMs;
    while (performance.now() < endsAt) {
      const { result, ageMs } = await caller().read(listed);
      expect(result).toMatchObject([{ here: true }]);
      expect(ageMs).toBeLessThan(ageMaxMs);
      await new Promise((next) => setTimeout(next, 10)); // as fast as it can, it would only keep a core busy
    }
  });

  test('that writes is run on the primary, and one that is wrong is refused in the primary’s words', async () => {
    const take = () => db.reads.query(`select platform.next_customer_number('foundation') as number`);
    expect((await caller().read(take)).result).toEqual([{ number: expect.any(Number) }]);
    expect(fellBack('writes')).toBe(1);
    await expect(caller().read(() => db.reads.query(`select 'x'::integer`))).rejects.toMatchObject({
      code: 'invalid-field',
    });
    await expect(caller().read(() => db.reads.query('select nothing from nowhere'))).rejects.toMatchObject({
      code: '42P01',
    });
    expect(db.replicaState()).toMatchObject({ isUp: true });
  });

  test('that is in the way of what the replica has to replay is answered by the primary', async () => {
    const slow = () =>
      db.reads.query(
        `select (select count(*) from platform.customers)::integer > 0 as found,
           pg_sleep(case when pg_is_in_recovery() then 20 else 0 end)`,
      );
    const asked = caller().read(slow);
    await expect
      .poll(() => replica.askReplica('platform', `select from pg_stat_activity where wait_event = 'PgSleep'`))
      .toHaveLength(1);
    await db.updateCustomer(ada.id, { name: 'Ada the second' });
    await replica.askPrimary('platform', 'vacuum platform.customers');
    expect((await asked).result).toMatchObject([{ found: true }]);
    expect(fellBack('conflict')).toBe(1);
  });

  test('carries its actor and its trace there as well', async () => {
    const who = () =>
      db.reads.query(
        `select platform.current_actor() as actor, platform.current_app() as app, pg_is_in_recovery() as here`,
      );
    const { result } = await caller().read(() => becauseOf({ ...readCause(), actor: 'maya' }, who));
    expect(result).toEqual([{ actor: 'maya', app: 'foundation', here: true }]);
  });
});

describe('over HTTP', () => {
  let one: SignedCalls;
  let other: SignedCalls;
  beforeAll(async () => {
    for (const name of ['maya', 'tom'])
      await db.signInUser({
        subject: name,
        email: `${name}@aether.example`,
        name,
        tenantId: testTenant,
        objectId: name,
      });
    const issuer = await startTestIssuer();
    const log = createLog('test');
    log.level = 'silent';
    const serve = async () => {
      const server = await startFoundation({
        variables: {
          PLATFORM_DB_URL: urlOf(),
          PLATFORM_DB_REPLICA_URL: replica.urlOf(urlOf()),
          PLATFORM_DB_REPLICA_AGE_MAX_MS: '20000',
          ...issuer.variables,
        },
        port: 0,
        log,
        withoutSubscriptions: true,
      });
      atEnd(() => server.close());
      return signCalls(issuer, callerOf(server.url));
    };
    [one, other] = await Promise.all([serve(), serve()]);
  });

  const rename = (name: string) => one.call('PATCH', `/api/customers/${ada.id}`, { name });
  const find = async (by: SignedCalls, who: string, headers = {}) => {
    const {
      status,
      body,
      headers: given,
    } = await by.callAs(who)('GET', `/api/customers?search=${encodeURIComponent(ada.email)}`, undefined, headers);
    expect(status).toBe(200);
    return { name: body.customers[0]?.name, seen: given.get('aether-seen'), age: given.get('aether-age') };
  };
  // A server that has begun while the replica was behind finds that it has caught up with its next look.
  beforeEach(async () => {
    for (const by of [one, other])
      await expect.poll(async () => (await find(by, 'whoever')).seen, { interval: 20 }).toBeNull();
  });

  test('a person finds what they have changed, by the header at every process, and at the same process without it; others may a little later', async () => {
    await replica.pause();
    const changed = await rename('Ada Lovelace');
    const seen = changed.headers.get('aether-seen') as string;
    expect(seen).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/);
    expect(await find(other, 'maya', { 'Aether-Seen': seen })).toMatchObject({ name: 'Ada Lovelace' });
    expect(await find(one, 'maya')).toMatchObject({ name: 'Ada Lovelace' });
    expect(await find(one, 'tom')).toMatchObject({ name: 'Ada', seen: null });
    expect(await find(other, 'tom', { 'Aether-Seen': 'nonsense' })).toMatchObject({ name: 'Ada' });
  });

  test('whoever was told of a change asks for the present, and is not shown less afterwards', async () => {
    await replica.pause();
    await rename('Told');
    const told = await find(other, 'tom', { 'Aether-Seen': 'now' });
    expect(told).toMatchObject({ name: 'Told', seen: expect.any(String) });
    expect(await find(other, 'tom')).toMatchObject({ name: 'Told' });
  });

  test('an answer says how old it may be once that is more than a second', async () => {
    expect(await find(one, 'tom')).toMatchObject({ age: null });
    await replica.pause();
    await rename('Aged');
    await expect.poll(async () => (await find(other, 'nora')).age, { interval: 50 }).toMatch(/^[12]$/);
    expect((await find(other, 'nora')).name).toBe('Ada');
  });
});

describe('a replica that fails', () => {
  test('or is behind, and comes back, again and again under load, costs no error, and nobody is shown less than before', async () => {
    const customers = await Promise.all(
      Array.from({ length: sample(4, 2) }, () =>
        db.createCustomer({ email: `load${++unique}@example.com`, name: 'Load' }),
      ),
    );
    const other = await connect();
    let isOver = false;
    let [reads, fromReplica] = [0, 0];
    const moreOf = async (count: () => number) => {
      const enough = count() + sample(15, 6);
      await expect.poll(count, { interval: 10 }).toBeGreaterThan(enough);
    };
    const lost: string[] = [];
    /** Reads and writes by turns at two processes, as a load balancer has it. */
    async function work({ id, email }: Customer, isWriter: boolean): Promise<void> {
      let at = db;
      const own = caller(() => at);
      let version = 0;
      for (let n = 0; !isOver; n++) {
        at = n % 3 ? db : other;
        if (isWriter && n % 2) version = await own.write(`Load ${n}`, id);
        const { result: found, ageMs } = await own.read(() =>
          n % 5 ? at.getCustomerById(id) : at.getCustomerByEmail(email),
        );
        if (ageMs !== undefined) fromReplica += 1;
        reads += 1;
        if (found && found.version < version) lost.push(`${found.version} after ${version}`);
        version = Math.max(version, found?.version ?? 0);
      }
    }
    const working = Promise.all(customers.flatMap((each) => [work(each, true), work(each, false), work(each, false)]));
    working.catch(() => {});
    for (const isSoft of [false, true]) {
      await moreOf(() => fromReplica);
      if (isSoft) await replica.server.stop('fast');
      else await replica.kill();
      await moreOf(() => reads);
      await replica.restart();
      await moreOf(() => fromReplica);
      await replica.pause();
      await moreOf(() => reads);
      await replica.resume();
    }
    await moreOf(() => fromReplica);
    isOver = true;
    await working;
    expect(lost).toEqual([]);
    await other.close();
  });

  test('in silence holds nobody up for longer than its limit, and is used again when it answers', async () => {
    const line = await startTestLine(replica.urlOf(urlOf()));
    const behind = await connect({ PLATFORM_DB_REPLICA_URL: line.url });
    const ask = () => behind.readAs(undefined, () => behind.getCustomerById(ada.id));
    await expect.poll(async () => (await ask()).ageMs, { interval: 20 }).toBeDefined();
    line.silence();
    const startedAt = performance.now();
    expect((await ask()).result?.id).toBe(ada.id);
    expect(performance.now() - startedAt).toBeLessThan(4_000);
    await expect.poll(() => behind.replicaState()).toMatchObject({ isUp: false });
    const againAt = performance.now();
    expect((await ask()).result?.id).toBe(ada.id);
    expect(performance.now() - againAt).toBeLessThan(500);
    line.restore();
    await expect.poll(async () => (await ask()).ageMs, { interval: 20 }).toBeDefined();
    await behind.close();
    await line.close();
  });

  test('when the app starts is a warning, and is used as soon as it is there', async () => {
    await replica.kill();
    const early = await connect();
    expect(early.warnings).toContainEqual(expect.stringMatching(/PLATFORM_DB_REPLICA_URL is not used.*ECONNREFUSED/));
    const ask = () => early.readAs(undefined, () => early.getCustomerById(ada.id));
    expect(await ask()).toMatchObject({ result: { id: ada.id }, ageMs: undefined });
    await replica.restart();
    await expect.poll(async () => (await ask()).ageMs, { interval: 20 }).toBeDefined();
    await early.close();
  });
});

describe('an address is refused, with what to do,', () => {
  const refusal = async (url: string): Promise<string> => {
    const error = await connect({ PLATFORM_DB_REPLICA_URL: url }).then(
      (opened) => opened.close().then(() => 'taken'),
      (error) => error,
    );
    expect(error).toBeInstanceOf(ConfigurationError);
    return error.message;
  };
  const changed = (change: Partial<URL>) => Object.assign(new URL(replica.urlOf(urlOf())), change).href;

  test('that is the primary’s own', async () => {
    expect(await refusal(urlOf())).toMatch(/PLATFORM_DB_REPLICA_URL leads to a server that takes changes itself/);
  });
  test('of a server with other data', async () => {
    // Not that of the other tests: the primary is a copy of it.
    const other = await startLocal({
      folder: join(folder, 'other'),
      database: 'platform',
      port: newTestPort(),
      settings,
    });
    atEnd(() => other.server.stop('immediate'));
    expect(await refusal(other.urlOf('foundation_app'))).toMatch(
      /other data \(system identifier \d+.*streaming replica/,
    );
  });
  test('of another database, or another login', async () => {
    expect(await refusal(replica.server.superuserUrl('platform'))).toMatch(
      /the login postgres.*foundation_app.*same login/,
    );
    expect(await refusal(replica.server.superuserUrl('template1'))).toMatch(/another database/);
    expect(await refusal(changed({ password: 'wrong' }))).toMatch(/PLATFORM_DB_REPLICA_URL: .*refuses the login/);
    expect(await refusal(changed({ pathname: '/nowhere' }))).toMatch(
      /no database of the name in PLATFORM_DB_REPLICA_URL/,
    );
  });
  test('that leads through a pooler', async () => {
    const pooler = await startTestPooler(replica.urlOf(urlOf()));
    expect(await refusal(pooler.url)).toMatch(/a connection pooler.*the replica itself/);
    expect(await refusal(changed({ search: '?pooler=transaction' }))).toMatch(/must lead to the replica itself/);
    await pooler.close();
  });
  test('that is none, and so is a bound beyond its limits', async () => {
    expect(await refusal('replica.example.com')).toMatch(/PLATFORM_DB_REPLICA_URL/);
    await expect(connect({ PLATFORM_DB_REPLICA_AGE_MAX_MS: '10' })).rejects.toThrow(/from 500 to 60000/);
  });
});

test('a replica that was promoted answers nothing any more, and the operator is told', async () => {
  await replica.askReplica('platform', 'select pg_promote()');
  await expect.poll(() => db.replicaState()).toMatchObject({ isUp: false, trouble: expect.stringMatching(/promoted/) });
  const answers = answered();
  expect((await caller().read(read)).result?.id).toBe(ada.id);
  expect(answered()).toBe(answers);
});
