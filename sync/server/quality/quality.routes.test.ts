import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestConsole, type TestConsole } from '../testing.ts';

let app: TestConsole;
let superuser: pg.Client;
beforeAll(async () => {
  app = await startTestConsole();
  superuser = await app.database.connect('postgres');
});

const person = async (email: string, name = 'Ada Lovelace') =>
  (
    await superuser.query(
      `insert into platform.customers (email, name, created_by_app, crm_id)
       values ($1, $2, 'foundation', nextval('crm.customer_number')) returning id`,
      [email, name],
    )
  ).rows[0].id as string;
const check = (...ids: string[]) => superuser.query(`select sync.check_subjects('customer', $1)`, [ids]);
const countOf = async (finding: string) =>
  (await app.call('GET', '/api/quality')).body.findings.find((each: { finding: string }) => each.finding === finding)
    .count;

describe('the board of data quality', () => {
  test('shows a pair with both customers to everybody, and repairs are for administrators', async () => {
    const first = await person('pair@acme.org');
    const second = await person('pair+x@acme.org', '=cmd()');
    await check(first, second);
    expect(await countOf('duplicate.address')).toBe(1);
    const { body } = await app.call('GET', '/api/quality/findings/duplicate.address?limit=1');
    expect(body.rows).toEqual([
      expect.objectContaining({
        customer: expect.objectContaining({ id: second, email: 'pair+x@acme.org' }),
        other: expect.objectContaining({ id: first }),
      }),
    ]);
    const refused = await app.call('POST', '/api/quality/repairs', { ids: [body.rows[0].id] });
    expect([refused.status, refused.body.code]).toEqual([403, 'admin-only']);
    const nothing = await app.callAs('boss')('POST', '/api/quality/repairs', { ids: [body.rows[0].id] });
    expect(nothing.body.outcomes).toEqual([expect.objectContaining({ outcome: 'refused' })]);
    const csv = await fetch(`${app.url}/api/quality/findings/duplicate.address/csv`, {
      headers: { Authorization: `Bearer ${await app.issuer.tokenFor('maya')}` },
    });
    expect(await csv.text()).toContain(`,'=cmd(),pair+x@acme.org,`);
    expect((await app.call('GET', '/api/quality/findings/no.such')).status).toBe(422);
  });

  test.each([
    ['drift.order', 'delete from crm.customer_order where customer_id = $1'],
    ['drift.activity', 'insert into crm.customer_activity (customer_id, last_at) values ($1, now())'],
  ])('a repair of %s has the person and the reason in its record', async (finding, breakIt) => {
    const id = await person(`${finding}@acme.org`);
    await superuser.query(breakIt, [id]);
    await check(id);
    const { body } = await app.call('GET', `/api/quality/findings/${finding}`);
    const done = await app.callAs('boss')('POST', '/api/quality/repairs', {
      ids: [body.rows[0].id],
      reason: 'after the restore',
    });
    expect(done.body.outcomes).toEqual([{ id: body.rows[0].id, outcome: 'mended' }]);
    const { rows } = await superuser.query(
      `select * from sync.operations where kind = 'quality.repair' order by id desc limit 1`,
    );
    expect(rows[0]).toMatchObject({
      actor: 'boss',
      login: 'console_app',
      reason: 'after the restore',
      outcome: { mended: 1 },
    });
    expect(await countOf(finding)).toBe(0);
  });

  test('a correction takes the key that the platform makes, and is undone by its record once', async () => {
    const id = await person('ada@shop.test');
    await check(id);
    const { body } = await app.call('GET', '/api/quality/findings/address.unreachable');
    const [found] = body.rows;
    expect(found).toMatchObject({ address: 'ada@shop.test', customer: { id } });
    const boss = app.callAs('boss');
    const correction = `/api/quality/addresses/${id}/${found.part}/correction`;
    expect((await boss('POST', correction, {})).status).toBe(409);
    expect((await boss('POST', correction, { replacement: 'nowhere' })).body.code).toBe('invalid-email');
    const { body: done } = await boss('POST', correction, { replacement: ' Ada@Acme.org ' });
    expect((await app.console.getCustomerById(id))?.email).toBe('Ada@acme.org');
    expect((await boss('DELETE', `/api/quality/corrections/${done.operation}`)).status).toBe(204);
    expect((await app.console.getCustomerById(id))?.email).toBe('ada@shop.test');
    expect((await boss('DELETE', `/api/quality/corrections/${done.operation}`)).body.code).toBe('addresses-changed');
  });

  test('a whole round is asked for once', async () => {
    const boss = app.callAs('boss');
    const ask = () => boss('POST', '/api/quality/rounds', {});
    expect([(await ask()).body, (await ask()).body]).toEqual([{ already_running: false }, { already_running: true }]);
    const { body } = await app.call('GET', '/api/quality');
    expect(body.scans.every(({ askedAt }: { askedAt: string | null }) => askedAt !== null)).toBe(true);
  });
});

describe('a customer as of a moment', () => {
  test('is found by an address, a number or a name, and deals are for administrators', async () => {
    const id = await person('find@acme.org', 'Findable Person');
    await superuser.query(
      `update platform.customers set phone = '+49 30 1234567', phone_key = '+49301234567' where id = $1`,
      [id],
    );
    await superuser.query(`
      insert into crm.pipelines (name) values ('Sales');
      insert into crm.pipeline_stages (pipeline_id, name, position) values (1, 'New', 1);
      insert into crm.deals (customer_id, pipeline_id, stage_id, name) values ('${id}', 1, 1, 'Secret deal')`);
    for (const search of ['FIND@acme.org', id, 'Findable', '030 1234567', '+49 30 1234567'])
      expect((await app.call('GET', `/api/customers?search=${encodeURIComponent(search)}`)).body.customers).toEqual([
        expect.objectContaining({ id }),
      ]);
    const { body: shown } = await app.call('GET', `/api/customers/${id}/as-of`);
    expect(shown).toMatchObject({
      state: 'there',
      customer: { name: 'Findable Person' },
      deals: [],
      hidden: { data: true },
    });
    const { body: whole } = await app.callAs('boss')('GET', `/api/customers/${id}/as-of`);
    expect(whole).toMatchObject({ deals: [{ name: 'Secret deal' }], names: { stages: { 1: 'New' } } });
    const { body: before } = await app.call('GET', `/api/customers/${id}/as-of?at=2020-01-01T00:00:00Z`);
    expect(before).toMatchObject({ state: 'not yet', customer: null });
    expect(JSON.stringify(before)).not.toContain('Secret deal');
    expect((await app.call('GET', '/api/customers/00000000-0000-7000-8000-000000000000/as-of')).status).toBe(404);
  });
});

describe('access', () => {
  test('the matrix says what the tables, columns and policies of each login are', async () => {
    const { body } = await app.call('GET', '/api/access');
    const cell = (table: string, column: string | null, login: string) =>
      body.rows.find(
        (row: { schema: string; table: string; column: string | null }) =>
          `${row.schema}.${row.table}` === table && row.column === column,
      ).cells[login];
    expect([
      cell('platform.customers', 'account_tier', 'foundation_app'),
      cell('platform.customers', 'account_tier', 'support_app'),
      cell('crm.activities', 'description', 'support_app'),
      cell('crm.deals', null, 'foundation_app'),
      cell('crm.pipelines', null, 'foundation_app'),
      cell('support.messages', 'body', 'foundation_app'),
      cell('platform.customers', null, 'support_app'),
      cell('support.messages', null, 'foundation_app'),
    ]).toEqual(['Siu', 'S', 'si', 'Siu', 'SiuD', '', 'Siu', '']);
    expect(body.logins.map(({ login }: { login: string }) => login)).toEqual(
      expect.arrayContaining(['console_app', 'foundation_app', 'simulator_app', 'support_app', 'sync_app']),
    );
    expect(body.logins.map(({ login }: { login: string }) => login)).not.toContain('postgres');
  });

  test('may Support change the tier of this customer? It is tried, and answered in words with the reason', async () => {
    const id = await person('tier@acme.org');
    const ask = async (login: string, column: string, value: string) =>
      (
        await app.callAs('boss')('POST', '/api/access/trials', {
          login,
          table: 'platform.customers',
          verb: 'update',
          column,
          row: id,
          value,
        })
      ).body;
    expect(await ask('support_app', 'account_tier', 'premium')).toEqual({
      isAllowed: false,
      by: 'grant',
      name: 'support_role',
      sentence:
        'support_app may not update account_tier of platform.customers: neither support_role nor a role that it is in has that grant.',
      why: 'Foundation owns this field: it has one writer.',
    });
    expect(await ask('foundation_app', 'account_tier', 'premium')).toMatchObject({
      isAllowed: true,
      by: 'grant',
      name: 'foundation_role',
    });
    expect(await ask('foundation_app', 'account_tier', 'gold')).toMatchObject({ isAllowed: false, by: 'trigger' });
    const refused = await app.call('POST', '/api/access/trials', { login: 'support_app' });
    expect(refused.status).toBe(403);
    expect(await ask('support_app', 'no_such', 'x')).toMatchObject({ code: 'not-found' });
  });
});
