import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { connectPlatform, type PlatformDb } from '../index.ts';

let database: TestDatabase;
let db: PlatformDb;

beforeAll(async () => {
  database = await createTestDatabase();
  // One connection: anything left on it reaches the next caller.
  db = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: database.url('foundation_app'), PLATFORM_DB_POOL_MAX: '1' },
  });
  await db.signInUser({ subject: 'maya', email: 'maya@example.com', name: 'Maya' });
});
afterAll(() => db.close());

let unique = 0;
const newCustomer = () => ({ email: `t${++unique}@example.com`, name: 'Kept or not' });

describe('a callback that runs after the commit', () => {
  test('may fail, at once or later: the transaction is kept and reported as kept, and the other callbacks run', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const told: string[] = [];
    const given = newCustomer();
    const result = await db.transaction({}, async (tx) => {
      await db.createCustomer(given, { tx });
      tx.afterCommit(() => {
        throw new Error('at once');
      });
      tx.afterCommit(async () => {
        throw new Error('later');
      });
      tx.afterCommit(() => told.push('told'));
      return 'kept';
    });
    expect(result).toBe('kept');
    expect(told).toEqual(['told']);
    expect(await db.getCustomerByEmail(given.email)).not.toBeNull();
    expect(warn.mock.calls.map(([warning]) => (warning as Error).message).sort()).toEqual(['at once', 'later']);
    warn.mockRestore();
  });

  test('does not run for a savepoint that was rolled back, or for one within it', async () => {
    const told: string[] = [];
    await db.transaction({}, async (tx) => {
      await tx.savepoint(async () => tx.afterCommit(() => told.push('kept')));
      const undone = tx.savepoint(async () => {
        tx.afterCommit(() => told.push('undone'));
        await tx.savepoint(async () => tx.afterCommit(() => told.push('undone within')));
        throw new Error('undo');
      });
      await expect(undone).rejects.toThrow('undo');
    });
    expect(told).toEqual(['kept']);
  });
});

describe('a statement that is sent with the commit', () => {
  const rename = (name: string) => ({
    name: 'test-rename',
    text: `update platform.customers set name = ${name} where email = $1`,
  });

  test('is part of the transaction, and is not sent when the work fails', async () => {
    const given = newCustomer();
    await db.transaction({}, async (tx) => {
      await db.createCustomer(given, { tx });
      tx.endWith(rename(`'Renamed'`), [given.email]);
    });
    const failed = db.transaction({ readsFirst: true }, async (tx) => {
      tx.endWith({ ...rename(`'Never'`), name: 'test-never' }, [given.email]);
      await tx.query('select 1');
      throw new Error('undo');
    });
    await expect(failed).rejects.toThrow('undo');
    expect(await db.getCustomerByEmail(given.email)).toMatchObject({ name: 'Renamed' });
  });

  test('is not sent when the savepoint in which it was given is rolled back', async () => {
    const given = newCustomer();
    await db.transaction({}, async (tx) => {
      await db.createCustomer(given, { tx });
      const undone = tx.savepoint(async () => {
        tx.endWith({ ...rename(`'Undone'`), name: 'test-undone' }, [given.email]);
        throw new Error('undo');
      });
      await expect(undone).rejects.toThrow('undo');
      await tx.savepoint(async () => tx.endWith({ ...rename(`name || '!'`), name: 'test-kept' }, [given.email]));
    });
    expect(await db.getCustomerByEmail(given.email)).toMatchObject({ name: 'Kept or not!' });
  });

  test('undoes the transaction if it is refused, and its refusal is thrown', async () => {
    const given = newCustomer();
    const told: string[] = [];
    const refused = db.transaction({}, async (tx) => {
      await db.createCustomer(given, { tx });
      tx.afterCommit(() => told.push('told'));
      tx.endWith({ name: 'test-refused', text: 'update platform.customers set name = null where email = $1' }, [
        given.email,
      ]);
    });
    await expect(refused).rejects.toMatchObject({ code: 'invalid-field' });
    expect([await db.getCustomerByEmail(given.email), told]).toEqual([null, []]);
  });
});

test('work that begins before its transaction is answered for writes nothing when that could not begin', async () => {
  const given = newCustomer();
  const work = db.transaction({ readsFirst: true, isolation: 'no such level' as 'read committed' }, async (tx) => {
    await tx.query('select 1');
    await db.createCustomer(given, { tx });
  });
  await expect(work).rejects.toThrow('syntax error');
  expect(await db.getCustomerByEmail(given.email)).toBeNull();
});

describe('a named statement', () => {
  const value = { name: 'test-value', text: 'select $1::jsonb as value' };
  const run = (given: unknown, on = db) => on.transaction({}, (tx) => tx.run(value, [given]));

  test('works in the next transaction after one whose values could not be written', async () => {
    const circle: Record<string, unknown> = {};
    circle.itself = circle;
    await expect(run(circle)).rejects.toThrow('circular');
    expect(await run({ n: 1 })).toEqual([{ value: { n: 1 } }]);
  });

  test('fails one transaction when the connection has lost it, and works in the next', async () => {
    const variables = { PLATFORM_DB_URL: database.directUrl('foundation_app'), PLATFORM_DB_POOL_MAX: '1' };
    const direct = await connectPlatform({ app: 'foundation', variables }); // behind a pooler no statement has a name
    await run({ n: 1 }, direct);
    await direct.transaction({}, (tx) => tx.query('deallocate all'));
    await expect(run({ n: 2 }, direct)).rejects.toMatchObject({ code: '26000' });
    expect(await run({ n: 3 }, direct)).toEqual([{ value: { n: 3 } }]);
    await direct.close();
  });
});

describe('SQL that begins or ends a transaction', () => {
  test.each(['begin', 'start transaction'])(
    'is refused on the pool, and %s leaves no later caller in a transaction',
    async (sql) => {
      await expect(db.query(sql)).rejects.toThrow(/began a transaction/);
      const given = newCustomer();
      await db.query('insert into platform.customers (email, email_key, name) values ($1, $1, $2)', [
        given.email,
        given.name,
      ]);
      const other = await database.connect('support_app');
      const { rowCount } = await other.query('select from platform.customers where email = $1', [given.email]);
      expect(rowCount).toBe(1);
    },
  );

  test.each(['commit', 'rollback'])('is refused in a transaction: %s', async (sql) => {
    const given = newCustomer();
    const ended = db.transaction({}, async (tx) => {
      await tx.query(sql);
      await db.createCustomer(given, { tx });
    });
    await expect(ended).rejects.toThrow(/SQL of this transaction has ended it/);
    expect(await db.getCustomerByEmail(given.email)).toBeNull();
  });

  test('fails its transaction even if the refusal is caught', async () => {
    const given = newCustomer();
    const ended = db.transaction({}, async (tx) => {
      await db.createCustomer(given, { tx });
      await tx.query('rollback').catch(() => {});
    });
    await expect(ended).rejects.toThrow(/SQL of this transaction has ended it/);
    expect(await db.getCustomerByEmail(given.email)).toBeNull();
  });
});

test('an actor left on the connection does not act in a later transaction', async () => {
  await db.query(`select set_config('aether.actor', 'maya', false), set_config('aether.trace', 'theirs', false)`);
  const settings = `select platform.current_actor() as actor, current_setting('aether.trace') as trace`;
  const actorIn = (options: { actor?: string }) => db.transaction(options, (tx) => tx.query(settings));
  expect(await actorIn({})).toEqual([{ actor: null, trace: '' }]);
  expect(await actorIn({ actor: 'tom' })).toEqual([{ actor: 'tom', trace: '' }]);
  await db.query(`select set_config('aether.actor', '', false), set_config('aether.trace', '', false)`);
});

test('several statements in one query are refused before any of them runs', async () => {
  const both = `update platform.users set name = 'Twice'; select 1`;
  await expect(db.query(both)).rejects.toThrow(/multiple commands/);
  await expect(db.transaction({}, (tx) => tx.query(both))).rejects.toThrow(/multiple commands/);
  expect((await db.getUserById('maya'))?.name).toBe('Maya');
});

describe('named statements of one turn', () => {
  const named = (name: string, text: string) => ({ name: `turn-${name}`, text });
  const double = named('double', 'select $1::integer * 2 as twice');
  const rows = named('rows', 'select n, n::text as text from generate_series(1, $1::integer) n');
  const divide = named('divide', 'select 1 / $1::integer as part');
  const note = named('note', `select set_config('aether.trace', $1, true) as trace`);

  test('are answered each on its own, also when the server knows them', async () => {
    for (let n = 0; n < 3; n++) {
      const [twice, none, two, trace] = await db.transaction({ trace: 'first' }, (tx) =>
        Promise.all([tx.run(double, [n]), tx.run(rows, [0]), tx.run(rows, [2]), tx.run(note, ['second'])]),
      );
      expect(twice).toEqual([{ twice: n * 2 }]);
      expect(none).toEqual([]);
      expect(two).toEqual([1, 2].map((each) => ({ n: each, text: String(each) })));
      expect(trace).toEqual([{ trace: 'second' }]);
    }
  });

  test('of which one fails take those behind it along, and are known to no later transaction by mistake', async () => {
    // Through a transaction pooler each waits for the one before it.
    const direct = await connectPlatform({
      app: 'foundation',
      variables: { PLATFORM_DB_URL: database.directUrl('foundation_app'), PLATFORM_DB_POOL_MAX: '1' },
    });
    const behind = named('behind', 'select $1::integer + 1 as next');
    for (let n = 0; n < 2; n++) {
      const settled = await direct
        .transaction({}, async (tx) => {
          const all = await Promise.allSettled([tx.run(double, [4]), tx.run(divide, [0]), tx.run(behind, [1])]);
          throw Object.assign(new Error('seen'), { all });
        })
        .catch(({ all }) => all);
      expect(settled[0]).toEqual({ status: 'fulfilled', value: [{ twice: 8 }] });
      expect(settled.slice(1).map(({ reason }: PromiseRejectedResult) => String(reason))).toEqual(
        Array(2).fill(expect.stringContaining('division by zero')),
      );
    }
    const [next, part] = await direct.transaction({}, (tx) => Promise.all([tx.run(behind, [1]), tx.run(divide, [1])]));
    expect([next, part]).toEqual([[{ next: 2 }], [{ part: 1 }]]);
    await direct.close();
  });

  test('keep their place among those without a name', async () => {
    const seen = await db.transaction({}, (tx) =>
      Promise.all([
        tx.run(note, ['one']),
        tx.query(`select current_setting('aether.trace') as trace`),
        tx.run(note, ['two']),
        tx.query(`select current_setting('aether.trace') as trace`),
      ]),
    );
    expect(seen).toEqual(['one', 'one', 'two', 'two'].map((trace) => [{ trace }]));
  });

  test('undo the transaction when the last one, which goes with the commit, fails', async () => {
    const given = newCustomer();
    const ended = db.transaction({}, async (tx) => {
      await db.createCustomer(given, { tx });
      tx.endWith(divide, [0]);
    });
    await expect(ended).rejects.toThrow(/division by zero/);
    expect(await db.getCustomerByEmail(given.email)).toBeNull();
  });
});

describe('savepoints', () => {
  test('within one another are kept, except the one that fails', async () => {
    const [outer, inner, after] = [newCustomer(), newCustomer(), newCustomer()];
    await db.transaction({}, (tx) =>
      tx.savepoint(async () => {
        await db.createCustomer(outer, { tx });
        await tx
          .savepoint(async () => {
            await db.createCustomer(inner, { tx });
            await tx.query('select 1 / 0');
          })
          .catch(() => {});
        await db.createCustomer(after, { tx });
      }),
    );
    const found = await Promise.all([outer, inner, after].map(({ email }) => db.getCustomerByEmail(email)));
    expect(found.map((customer) => customer?.email)).toEqual([outer.email, undefined, after.email]);
  });

  test.each([
    ['which both succeed', async () => {}],
    ['of which one fails, which is caught', () => Promise.reject(new Error('failed'))],
  ])('at the same time are refused, and nothing is kept: two %s', async (_, end) => {
    const given = newCustomer();
    const overlapping = db.transaction({}, async (tx) => {
      const savepoint = () => tx.savepoint(() => db.createCustomer(given, { tx }).then(end, end));
      await Promise.allSettled([savepoint(), savepoint()]);
    });
    await expect(overlapping).rejects.toThrow(/savepoints of this transaction overlapped/);
    expect(await db.getCustomerByEmail(given.email)).toBeNull();
  });
});
