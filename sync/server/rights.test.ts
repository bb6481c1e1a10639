import { addThirdApp } from '@aether/platform/testing.thirdapp';
import { testRights } from '@aether/signin/testing.rights';
import pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
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
  const rotated = await boss('POST', '/api/webhooks/support.hook/secret', {});
  expect(rotated.body.secret).not.toBe(body.secret);
  const listed = await app.call('GET', '/api/webhooks');
  expect(listed.body.webhooks).toMatchObject([{ name: 'support.hook', behind: 0, parked: 0, disabled_at: null }]);
  expect(JSON.stringify(listed.body)).not.toContain('whsec_');
  await boss('POST', '/api/webhooks/support.hook/disable', { reason: 'A rest.' });
  expect((await boss('POST', '/api/webhooks/support.hook/enable', {})).body).toMatchObject({ missed: 0 });
  expect(await boss('POST', '/api/webhooks/support.hook/remove', {})).toMatchObject({ status: 200 });
  expect(await boss('POST', '/api/webhooks/support.hook/remove', {})).toMatchObject({ status: 404 });
});
