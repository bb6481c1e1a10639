import { addThirdApp } from '@aether/platform/testing.thirdapp';
import { testRights } from '@aether/signin/testing.rights';
import pg from 'pg';
import { beforeAll, expect, test, vi } from 'vitest';
import { consoleScopes } from './scopes.ts';
import { startTestConsole, type TestConsole } from './testing.ts';

let app: TestConsole;
beforeAll(async () => {
  app = await startTestConsole();
});

testRights('console', consoleScopes, () => app, ['GET /healthz', 'GET /readyz']);

test('the machine of a third app gets over HTTP exactly the events that its login sees in SQL, its own ones too', async () => {
  const { name, url, owner } = await addThirdApp(app.database);
  await owner.query(
    `insert into platform.app_clients (client, app, scopes) values ('m', $1, '{events.read,customers.read,companies.read,users.read}')`,
    [name],
  );
  const sql = new pg.Client({ connectionString: url });
  await sql.connect();
  const foundation = await app.database.connect('foundation_app');
  await foundation.query(`insert into platform.customers (name, email) values ('Ada', 'ada@example.com')`);
  await foundation.query(`with made as (insert into crm.pipelines (name) values ('Sales') returning id)
    insert into crm.pipeline_stages (pipeline_id, name, position, outcome)
    select id, s.name, s.position, s.outcome from made, (values ('Open', 1, 'open'), ('Won', 2, 'won')) s (name, position, outcome)`);
  // Of deals it is told what it was granted, for its audience alone; here without the amounts.
  await owner.query(`insert into platform.app_events (app, type) values ($1, 'deal.closed')`, [name]);
  await foundation.query(`with made as (
      insert into crm.deals (customer_id, pipeline_id, stage_id, name, amount)
      select c.id, s.pipeline_id, s.id, 'Secret', 1200.5 from platform.customers c, crm.pipeline_stages s
      where c.email = 'ada@example.com' and s.name = 'Open' returning id)
    insert into crm.deal_closings (deal_id, outcome) select id, 'won' from made`);
  for (const [type, to] of [
    ['paid', 'platform'],
    ['noted', 'own'],
  ])
    await sql.query('select sync.publish($1, $2, $3, $4)', [`${name}.${type}`, 'k', '{}', to]);
  await owner.query(`insert into sync.outbox (type, key, row_id, audience, app, login, data)
    values ('deal.created', 'k', 'k', 'crm', 'foundation', session_user, '{}')`);
  const sync = await app.database.connect('sync_app');
  await sync.query('begin; select from sync.sequencer for update; select sync.sequence(1000, 0); commit');
  const { rows } = await sql.query('select position, type from sync.events order by position');
  await sql.end();
  expect(rows.map(({ type }) => type)).toEqual(expect.arrayContaining([`${name}.noted`, `${name}.paid`]));

  const token = await app.issuer.tokenFor('service', {
    azp: 'm',
    roles: ['events.read', 'customers.read', 'companies.read', 'users.read'],
  });
  const read = (query: string, headers: Record<string, string>) =>
    app.callAnonymously('GET', `/api/events?${query}`, undefined, headers);
  const { body } = await read('after=0&limit=1000', { Authorization: `Bearer ${token}` });
  expect(body.events.map(({ position }: { position: number }) => position)).toEqual(
    rows.map(({ position }) => Number(position)),
  );
  const deals = body.events.filter(({ type }: { type: string }) => type.startsWith('deal.'));
  expect(deals).toMatchObject([{ type: 'deal.closed', data: { outcome: 'won', tier: null } }]);
  expect(JSON.stringify(deals)).not.toMatch(/amount|1200|Secret/);
  const { body: listed } = await app.call('GET', '/api/apps');
  const found = listed.apps.find((each: { name: string }) => each.name === name);
  expect(found).toMatchObject({
    ...{ audience: name, role: `${name}_role`, schema: { name, tables: 2 }, processes: { live: 0, silent: 0 } },
    logins: [{ name: `${name}_app`, connections_max: 40 }],
    machines: [{ client: 'm', scopes: ['events.read', 'customers.read', 'companies.read', 'users.read'] }],
    granted: [{ type: 'deal.closed', with_amounts: false }],
    sees: expect.arrayContaining(['customer.created', 'customer.merged', 'deal.closed']),
    publishes: [`${name}.noted`, `${name}.paid`],
    // It does not report, and is heard of by what it writes.
    ...{ seen_at: null, wrote_at: expect.stringMatching(/^\d{4}-/), made_for: null, subscriptions: [] },
  });
  expect(found.sees).not.toContain('deal.created');
  // Its connections are counted, although another login may not see what they do.
  const [one, two] = [new pg.Client({ connectionString: url }), new pg.Client({ connectionString: url })];
  await Promise.all([one.connect(), two.connect()]);
  const counted = (await app.call('GET', '/api/apps')).body.apps.find((each: { name: string }) => each.name === name);
  await Promise.all([one.end(), two.end()]);
  expect(counted.logins[0].connections).toBeGreaterThanOrEqual(2);
  // What its processes say of themselves is theirs: nothing of it may end the page.
  const speaker = new pg.Client({ connectionString: url });
  await speaker.connect();
  for (const said of ['1e400', '-1e400', '"63"', '{}', '1'])
    await speaker.query('select sync.beat($1, extract(epoch from clock_timestamp()) * 1000, $2)', [
      `odd${said.length}${said.charCodeAt(0)}`,
      `{"library": {"migration": ${said}}}`,
    ]);
  await speaker.end();
  const odd = await app.call('GET', '/api/apps');
  expect(odd.status).toBe(200);
  expect(odd.body.apps.find((each: { name: string }) => each.name === name)).toMatchObject({
    processes: { live: 5 },
    made_for: expect.any(Number),
  });
  // The console reports by itself, with the migration that it is made for.
  await vi.waitFor(async () => {
    const { apps, made_for } = (await app.call('GET', '/api/apps')).body;
    const console = apps.find((each: { name: string }) => each.name === 'console');
    expect(console).toMatchObject({ processes: { live: expect.any(Number) }, made_for });
    expect(console.seen_at).not.toBeNull();
  }, 20_000);
  // Without a row in platform.app_clients it is any machine, to which the console shows what every app may see.
  const other = await app.issuer.tokenFor('service', { azp: 'other', roles: ['events.read', 'customers.read'] });
  const shown = await read('after=0&limit=1000', { Authorization: `Bearer ${other}` });
  expect(new Set(shown.body.events.map(({ type }: { type: string }) => type.split('.')[0]))).toEqual(
    new Set(['customer']),
  );
});

test('an administrator registers a webhook, rotates its secret and removes it; what is wrong with it is said of its field', async () => {
  const boss = app.callAs('boss');
  const wish = { name: 'support.hook', app: 'support', url: 'https://hooks.example/a', types: ['customer.updated'] };
  for (const url of ['http://hooks.example/a', 'https://10.0.0.1/', 'https://u:p@hooks.example/'])
    expect(await boss('POST', '/api/webhooks', { ...wish, url })).toMatchObject({
      status: 422,
      body: { errors: [{ field: 'url' }] },
    });
  expect(await app.call('POST', '/api/webhooks', wish)).toMatchObject({ status: 403 });
  expect(await boss('POST', '/api/webhooks', { ...wish, types: ['deal.created'] })).toMatchObject({ status: 422 });
  const { status, body } = await boss('POST', '/api/webhooks', wish);
  expect([status, body.secret]).toEqual([201, expect.stringMatching(/^whsec_/)]);
  expect(await boss('POST', '/api/webhooks', wish)).toMatchObject({ status: 409 });

  const change = '/api/webhooks/support.hook/change';
  for (const url of ['http://hooks.example/a', 'https://169.254.169.254/'])
    expect(await boss('POST', change, { url })).toMatchObject({ status: 422, body: { errors: [{ field: 'url' }] } });
  expect(await boss('POST', change, {})).toMatchObject({ status: 422, body: { errors: [{ field: 'url' }] } });
  expect(await boss('POST', change, { types: ['deal.created'] })).toMatchObject({ status: 422 });
  expect(await boss('POST', change, { types: [] })).toMatchObject({ status: 422 });
  expect(await boss('POST', change, { url: wish.url })).toMatchObject({ status: 409 });
  expect(await app.call('POST', change, { types: ['customer.created'] })).toMatchObject({ status: 403 });
  const changed = await boss('POST', change, { types: ['customer.created'], reason: 'It needs no more.' });
  expect(changed).toMatchObject({ status: 200, body: { url_changed: false, types_changed: true } });
  expect(await boss('POST', '/api/webhooks/support.none/change', { url: wish.url })).toMatchObject({ status: 404 });

  expect(await app.call('POST', '/api/webhooks/support.hook/test', {})).toMatchObject({ status: 403 });
  expect(await boss('POST', '/api/webhooks/support.none/test', {})).toMatchObject({ status: 404 });
  const asked = await boss('POST', '/api/webhooks/support.hook/test', { reason: 'Is it there?' });
  expect(asked).toMatchObject({ status: 202, body: { operation: expect.any(Number) } });
  const one = await app.call('GET', '/api/webhooks/support.hook');
  expect(one).toMatchObject({
    status: 200,
    body: { webhook: { types: ['customer.created'], test_asked_at: expect.any(String) }, attempts: [] },
  });
  expect(await app.call('GET', '/api/webhooks/support.none')).toMatchObject({ status: 404 });
  expect(await app.call('GET', '/api/webhooks/support')).toMatchObject({ status: 422 });
  const { operations } = (await app.call('GET', '/api/operations?webhook=support.hook')).body;
  expect(operations.map(({ kind }: { kind: string }) => kind)).toEqual([
    'webhook.test',
    'webhook.change',
    'webhook.add',
  ]);
  expect(operations[1]).toMatchObject({ actor_name: 'Bo Boss', reason: 'It needs no more.' });
  const rotated = await boss('POST', '/api/webhooks/support.hook/secret', {});
  expect(rotated.body.secret).not.toBe(body.secret);
  const listed = await app.call('GET', '/api/webhooks');
  expect(listed.body.webhooks).toMatchObject([
    { name: 'support.hook', behind: 0, parked: 0, disabled_at: null, former_ends_at: expect.any(String) },
  ]);
  expect(JSON.stringify(listed.body)).not.toContain('whsec_');
  // A path or a query may be a secret: who may change it reads it, everybody else only the host.
  const keyed = `${new URL(wish.url).origin}/services/s3cret?code=s3cret&x=?y`;
  expect(await boss('POST', change, { url: keyed })).toMatchObject({ status: 200 });
  for (const [call, url] of [
    [boss, keyed],
    [app.call, `${new URL(wish.url).origin}/…`],
  ] as const) {
    const [all, one] = [await call('GET', '/api/webhooks'), await call('GET', '/api/webhooks/support.hook')];
    expect([all.body.webhooks[0].url, one.body.webhook.url]).toEqual([url, url]);
  }
  const told = JSON.stringify((await app.call('GET', '/api/operations?webhook=support.hook')).body);
  expect(told).toContain('webhook.change');
  expect(told).not.toContain('s3cret');
  await boss('POST', '/api/webhooks/support.hook/disable', { reason: 'A rest.' });
  expect((await boss('POST', '/api/webhooks/support.hook/enable', {})).body).toMatchObject({ missed: 0 });
  expect(await boss('POST', '/api/webhooks/support.hook/remove', {})).toMatchObject({ status: 200 });
  expect(await boss('POST', '/api/webhooks/support.hook/remove', {})).toMatchObject({ status: 404 });
});
