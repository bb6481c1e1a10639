import { atEnd, createTestDatabase } from '@aether/database/testing';
import { connectPlatform, type PlatformDb } from '@aether/platform';
import fc from 'fast-check';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import type { CustomerFile } from './customerfile.ts';
import { type Moment, moment, rewind } from './replay.ts';

let sync: pg.Client;
let superuser: pg.Client;
let foundation: PlatformDb;
let support: PlatformDb;
beforeAll(async () => {
  const database = await createTestDatabase();
  [sync, superuser] = await Promise.all([database.connect('sync_app'), database.connect('postgres')]);
  const connect = async (app: 'foundation' | 'support') => {
    const db = await connectPlatform({ app, variables: { PLATFORM_DB_URL: database.url(`${app}_app`) } });
    atEnd(() => db.close());
    return db;
  };
  [foundation, support] = await Promise.all([connect('foundation'), connect('support')]);
});

/** Numbers what is committed. @returns the newest position */
async function sequence(): Promise<number> {
  const results = (await sync.query(
    'begin; select from sync.sequencer for update; select * from sync.sequence(1000, 0); commit; select sync.head()::integer as head',
  )) as unknown as pg.QueryResult[];
  return results.at(-1)?.rows[0].head;
}
const fileOf = async (id: string): Promise<CustomerFile> =>
  (await sync.query('select sync.customer_file($1) as file', [id])).rows[0].file;

type Snapshot = { position: number; version: number; customer: object; addresses: unknown[]; phones: unknown[] };

/** The customer as the tables have it now. */
async function snapshot(id: string): Promise<Snapshot> {
  const position = await sequence();
  const { rows } = await superuser.query(
    `select to_jsonb(c) - 'email_key' - 'version' - 'updated_at' as customer, c.version::integer,
       (select coalesce(jsonb_agg(jsonb_build_array(a.email, a.is_primary) order by a.is_primary desc, a.email collate "C"), '[]')
        from platform.customer_emails a where a.customer_id = c.id) as addresses,
       (select coalesce(jsonb_agg(jsonb_build_array(p.phone, p.is_primary) order by p.is_primary desc, p.phone_key collate "C"), '[]')
        from platform.customer_phones p where p.customer_id = c.id) as phones
     from platform.customers c where c.id = $1`,
    [id],
  );
  return { position, ...rows[0] };
}
const shown = ({ customer, version, addresses, phones }: Moment): Omit<Snapshot, 'position'> => {
  const { version: _, updated_at: __, ...fields } = customer as Record<string, unknown>;
  return {
    customer: fields,
    version: version as number,
    addresses: addresses.map((row) => [row.email, row.is_primary]),
    phones: phones.map((row) => [row.phone, row.is_primary]),
  };
};

let made = 0;
const address = (n: number) => `a${n}@acme.org`;
const number = (n: number) => `+49 30 90000${n}`;

type Act = { act: string; n: number };
/** What people do to a customer. An act that the database refuses changes nothing. */
const acts: Record<string, (id: string, n: number) => Promise<unknown>> = {
  rename: (id, n) => foundation.updateCustomer(id, { name: `Name ${n}` }),
  raise: (id, n) =>
    foundation.updateCustomer(id, { account_tier: (['basic', 'premium', null] as const)[n % 3] ?? null }),
  translate: (id, n) => support.updateCustomer(id, { preferred_language: `d${'abc'[n % 3]}` }),
  call: (id, n) => foundation.updateCustomer(id, { phone: n === 0 ? null : number(n) }),
  addPhone: (id, n) => support.addPhone(id, number(n)),
  primePhone: async (id, n) => foundation.makePhonePrimary(id, (await pick('customer_phones', id, n)) as string),
  removePhone: async (id, n) => foundation.removePhone(id, (await pick('customer_phones', id, n)) as string),
  restorePhone: async (id, n) => foundation.restorePhone(id, (await pick('removed_phones', id, n)) as string),
  write: (id, n) => foundation.updateCustomer(id, { email: `${made}-${address(n)}` }),
  respell: (id) => foundation.query('update platform.customers set email = upper(email) where id = $1', [id]),
  addAddress: (id, n) => support.addAddress(id, `${made}-${address(n)}`),
  primeAddress: async (id, n) => foundation.makeAddressPrimary(id, (await pick('customer_emails', id, n)) as string),
  removeAddress: async (id, n) => foundation.removeAddress(id, (await pick('customer_emails', id, n)) as string),
  restoreAddress: async (id, n) => foundation.restoreAddress(id, (await pick('removed_emails', id, n)) as string),
};
async function pick(table: string, id: string, n: number): Promise<string | undefined> {
  const { rows } = await superuser.query(`select id from platform.${table} where customer_id = $1 order by id`, [id]);
  return rows[n % Math.max(rows.length, 1)]?.id ?? '00000000-0000-7000-8000-000000000000';
}

describe('a customer as of a past moment', () => {
  test('is at each version exactly what the tables had then', async () => {
    let changes = 0;
    const act = fc.record({ act: fc.constantFrom(...Object.keys(acts)), n: fc.nat(4) });
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 8, maxLength: 14 }), async (script: Act[]) => {
        made += 1;
        const { id } = await foundation.createCustomer({ email: `p${made}@acme.org`, name: 'Ada', phone: number(9) });
        const states = [await snapshot(id)];
        for (const { act, n } of script) {
          await acts[act]?.(id, n).catch(() => {});
          states.push(await snapshot(id));
        }
        changes += (states.at(-1) as Snapshot).version - 1;
        const file = await fileOf(id);
        for (const { position, ...state } of states) expect(shown(rewind(file, { position }))).toEqual(state);
      }),
      {
        numRuns: 12,
        examples: [
          // An address that went, came back, and went again; a number that came back, and was written over.
          ['write', 'removeAddress', 'restoreAddress', 'rename', 'removeAddress'],
          ['removePhone', 'addPhone', 'restorePhone', 'primePhone', 'call', 'rename'],
        ].map((names) => [names.map((act) => ({ act, n: act === 'call' ? 1 : 0 }))]),
      },
    );
    expect(changes).toBeGreaterThan(40); // an act that is refused proves nothing
  });

  test('says what changed since, by whom and by which request', async () => {
    const { id } = await foundation.createCustomer({ email: 'since@acme.org', name: 'Ada' });
    const { position } = await snapshot(id);
    const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await foundation.transaction({ actor: 'maya', trace }, (tx) =>
      foundation.updateCustomer(id, { name: 'Bea' }, { tx }),
    );
    await support.addAddress(id, 'since2@acme.org');
    const { since } = rewind(await fileOf(id), { position }); // not numbered yet, and told all the same
    expect(since.map(({ type, app, actor }) => [type, app, actor])).toEqual([
      ['customer.updated', 'support', null],
      ['address.created', 'support', null],
      ['customer.updated', 'foundation', 'maya'],
    ]);
    expect(since[2]).toMatchObject({ trace, version: 2, fields: [{ name: 'name', old: 'Ada', new: 'Bea' }] });
  });

  test('has the deals that were open then, and no customer before it was made', async () => {
    await superuser.query(
      `with p as (insert into crm.pipelines (name, is_default) values ('Sales', true) returning id)
       insert into crm.pipeline_stages (pipeline_id, name, position, outcome)
       select p.id, s.name, s.position, s.outcome from p, (values ('Open', 1, 'open'), ('Won', 2, 'won')) s (name, position, outcome)`,
    );
    const before = new Date().toISOString();
    const { id } = await foundation.createCustomer({ email: 'deals@acme.org', name: 'Ada' });
    const made = await snapshot(id);
    await foundation.query(
      `insert into crm.deals (customer_id, pipeline_id, stage_id, name)
       select $1, pipeline_id, id, 'Deal' from crm.pipeline_stages where outcome = 'open'`,
      [id],
    );
    const open = await snapshot(id);
    await foundation.query(`update crm.deals set status = 'won' where customer_id = $1`, [id]);
    await sequence();
    const file = await fileOf(id);
    const deals = (position: number) => rewind(file, { position }).deals.map(({ name, status }) => [name, status]);
    expect([deals(made.position), deals(open.position), deals(2 ** 40)]).toEqual([
      [],
      [['Deal', 'open']],
      [['Deal', 'won']],
    ]);
    expect(rewind(file, { at: before })).toMatchObject({ state: 'not yet', customer: null });
  });

  test('is not told of a time before a merge or an unmerge, whose events do not say which rows moved', async () => {
    const survivor = (await foundation.createCustomer({ email: 'goes-on@acme.org', name: 'Go' })).id;
    const loser = (await foundation.createCustomer({ email: 'is-merged@acme.org', name: 'Me', phone: number(7) })).id;
    const before = await snapshot(survivor);
    const { rows } = await sync.query(
      `select platform.merge_customers($1, array[$2]::uuid[]) -> 'merges' -> 0 ->> 'merge' as id`,
      [survivor, loser],
    );
    const merged = await snapshot(survivor);
    await foundation.updateCustomer(survivor, { name: 'Go On' });
    const renamed = await snapshot(survivor);
    const whole = await fileOf(survivor);
    for (const { position, ...state } of [merged, renamed]) expect(shown(rewind(whole, { position }))).toEqual(state);
    const unknown = { state: 'unknown', knowledge: 'nothing', customer: null, phones: [] };
    expect(rewind(whole, { position: before.position })).toMatchObject(unknown);
    expect(rewind(await fileOf(loser), { position: before.position })).toMatchObject(unknown);
    await sync.query('select platform.unmerge_customers($1)', [rows[0].id]);
    const apart = await snapshot(survivor);
    const { position, ...state } = apart;
    expect(shown(rewind(await fileOf(survivor), { position }))).toEqual(state);
    for (const id of [survivor, loser])
      expect(rewind(await fileOf(id), { position: renamed.position })).toMatchObject(unknown);
  });

  test('is the merged customer itself before the merge, and the survivor after it', async () => {
    const loser = (await foundation.createCustomer({ email: 'loser@acme.org', name: 'Lo' })).id;
    const survivor = (await foundation.createCustomer({ email: 'survivor@acme.org', name: 'Su' })).id;
    const before = await snapshot(loser);
    await superuser.query('begin');
    await superuser.query(
      `update platform.customer_emails set customer_id = $1, is_primary = false where customer_id = $2`,
      [survivor, loser],
    );
    await superuser.query('update platform.customers set merged_into = $1 where id = $2', [survivor, loser]);
    await superuser.query('commit');
    const after = await snapshot(survivor);
    const file = await fileOf(loser);
    const then = rewind(file, { position: before.position });
    expect([then.subjectId, then.customer?.name, then.addresses.map((row) => row.email)]).toEqual([
      loser,
      'Lo',
      ['loser@acme.org'],
    ]);
    const now = rewind(file, { position: after.position });
    expect([now.subjectId, now.customer?.name, now.addresses.map((row) => row.email)]).toEqual([
      survivor,
      'Su',
      ['survivor@acme.org', 'loser@acme.org'],
    ]);
  });

  test('of an erased customer is nothing, neither its fields nor what changed', async () => {
    const { id } = await foundation.createCustomer({ email: 'erased@acme.org', name: 'Gone' });
    const { position } = await snapshot(id);
    await superuser.query('update platform.customers set erased_at = now() where id = $1', [id]);
    const file = await fileOf(id);
    expect(JSON.stringify(file)).not.toMatch(/Gone|erased@/);
    expect(rewind(file, { position })).toMatchObject({ state: 'erased', customer: null, since: [] });
  });

  test('from before the log is what the history kept, and says so; before the history nothing is known', async () => {
    const { id } = await foundation.createCustomer({ email: 'old@acme.org', name: 'Ada' });
    const created = await snapshot(id);
    await foundation.updateCustomer(id, { name: 'Bea' });
    const renamed = await snapshot(id);
    await foundation.updateCustomer(id, { account_tier: 'premium' });
    const tiered = await snapshot(id);
    const file = await fileOf(id);
    const timeOf = (position: number) =>
      file.events.find((event) => event.position === position)?.occurred_at as string;
    const change = (position: number, kind: string) => {
      const event = file.events.find((each) => each.position === position) as CustomerFile['events'][number];
      return { ...event, event_id: event.id, change: kind };
    };
    const afterRetention: CustomerFile = {
      ...file,
      events: file.events.filter(({ position }) => position === tiered.position),
      log_begins: { position: tiered.position, at: timeOf(tiered.position) },
      changes: [change(renamed.position, 'edited'), change(created.position, 'created')],
    };
    expect(rewind(afterRetention, { at: timeOf(renamed.position) })).toMatchObject({
      state: 'there',
      knowledge: 'partly',
      version: null,
      customer: { name: 'Bea', account_tier: null },
    });
    const first = rewind(afterRetention, { at: timeOf(created.position) });
    expect(first).toMatchObject({ knowledge: 'partly', customer: { name: 'Ada' } });
    expect(first.since.map(({ version }) => version)).toEqual([3, null]);
    const withoutHistory = { ...afterRetention, changes: [] };
    expect(rewind(withoutHistory, { at: timeOf(renamed.position) })).toMatchObject({
      state: 'unknown',
      knowledge: 'nothing',
      customer: null,
      wholeSince: timeOf(tiered.position),
    });
    // An event that is missing in the middle: nothing before the one after it is known.
    const holed = { ...file, events: file.events.filter(({ position }) => position !== renamed.position) };
    expect(rewind(holed, { at: timeOf(created.position) })).toMatchObject({
      state: 'unknown',
      wholeSince: timeOf(tiered.position),
    });
  });

  test('a time is compared by its microseconds', () => {
    expect(moment('2026-01-01T00:00:00.000002+00:00') - moment('2026-01-01T00:00:00+00:00')).toBe(2);
    expect(moment('2026-01-01T01:00:00+01:00')).toBe(moment('2026-01-01T00:00:00.000Z'));
  });
});
