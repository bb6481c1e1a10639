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
  await foundation.query(`insert into crm.pipelines (name) values ('Sales')`);
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
  // Without a row in platform.app_clients it is any machine, to which the console shows what every app may see.
  const other = await app.issuer.tokenFor('service', { azp: 'other', roles: ['events.read', 'customers.read'] });
  const shown = await read('after=0&limit=1000', { Authorization: `Bearer ${other}` });
  expect(new Set(shown.body.events.map(({ type }: { type: string }) => type.split('.')[0]))).toEqual(
    new Set(['customer']),
  );
});
