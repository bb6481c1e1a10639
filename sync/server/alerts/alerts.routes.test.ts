import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestConsole, type TestConsole } from '../testing.ts';

let app: TestConsole;
let superuser: pg.Client;
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();

beforeAll(async () => {
  app = await startTestConsole();
  superuser = await app.database.connect('postgres');
  await superuser.query(
    `insert into sync.alerts (slug, kind, status, previous, reason, since)
     select 'subscription:a', 'subscription', s, 'ok', 'As found.', clock_timestamp()
     from unnest(array['stalled', 'ok', 'parked']) with ordinality u (s, n) order by n;
     insert into sync.alert_states (slug, kind, told, sent, alert_id, gone_since)
     select 'subscription:a', 'subscription', 'parked', 'parked', max(id), null from sync.alerts`,
  );
});

describe('the list of alerts', () => {
  test('has the newest first, by pages, and says what is open and seen by nobody', async () => {
    const { body } = await app.call('GET', '/api/alerts?limit=2&slug=subscription:a');
    expect(body.alerts.map(({ status, is_open }: { status: string; is_open: boolean }) => [status, is_open])).toEqual([
      ['parked', true],
      ['ok', false],
    ]);
    expect(body).toMatchObject({ open: 1, unseen: 1, targets: [] });
    const rest = await app.call('GET', `/api/alerts?limit=2&slug=subscription:a&before=${body.next}`);
    expect(rest.body.alerts.map(({ status }: { status: string }) => status)).toEqual(['stalled']);
    expect(rest.body.next).toBeNull();
    expect((await app.call('GET', '/api/alerts?open=true')).body.alerts).toHaveLength(1);
  });

  test.each(['limit=0', 'open=maybe', 'before=x', 'kind=UP', 'slug='])('refuses %s', async (query) => {
    expect(await app.call('GET', `/api/alerts?${query}`)).toMatchObject({
      status: 422,
      body: { code: 'invalid-field' },
    });
  });
});

describe('an alert', () => {
  test('is acknowledged by an administrator, by name; the first one counts', async () => {
    const { body } = await app.call('GET', '/api/alerts?open=true');
    const path = `/api/alerts/${body.alerts[0].id}/acknowledge`;
    expect((await app.call('POST', path, {})).status).toBe(403);
    expect(await app.callAs('boss')('POST', path, {})).toMatchObject({ status: 200, body: { is_first: true } });
    expect((await app.callAs('boss')('POST', path, {})).body).toEqual({ is_first: false });
    const after = await app.call('GET', '/api/alerts?open=true');
    expect(after.body).toMatchObject({ unseen: 0, alerts: [{ acknowledged_by: 'Bo Boss' }] });
  });

  test('that does not exist is a 404', async () => {
    expect((await app.callAs('boss')('POST', '/api/alerts/999999/acknowledge', {})).status).toBe(404);
  });
});

describe('a silence', () => {
  test('is made by an administrator, listed with its author, and ended once', async () => {
    const asked = { slug: 'subscription:a', until: inAnHour(), reason: 'The target moves.' };
    expect((await app.call('POST', '/api/alerts/silences', asked)).status).toBe(403);
    const { status, body } = await app.callAs('boss')('POST', '/api/alerts/silences', asked);
    expect(status).toBe(201);
    expect((await app.call('GET', '/api/alerts/silences')).body.silences).toMatchObject([
      { id: body.id, slug: 'subscription:a', reason: 'The target moves.', author: 'Bo Boss', is_in_force: true },
    ]);
    const end = `/api/alerts/silences/${body.id}/end`;
    expect((await app.callAs('boss')('POST', end, {})).body).toEqual({ ended: true });
    expect((await app.callAs('boss')('POST', end, {})).body).toEqual({ ended: false });
    expect((await app.callAs('boss')('POST', '/api/alerts/silences/999999/end', {})).status).toBe(404);
  });

  test.each([
    ['until', { slug: 'subscription:a', until: '2020-01-01T00:00:00Z', reason: 'x' }],
    ['slug', { until: inAnHour(), reason: 'x' }],
    ['slug', { slug: 'subscription:unheard-of', until: inAnHour(), reason: 'x' }],
    ['kind', { kind: 'unheard-of', until: inAnHour(), reason: 'x' }],
    ['reason', { slug: 'subscription:a', until: inAnHour(), reason: ' ' }],
  ])('names the field %s when it is wrong', async (field, body) => {
    const answer = await app.callAs('boss')('POST', '/api/alerts/silences', body);
    expect([answer.status, answer.body.errors?.[0]?.field]).toEqual([422, field]);
  });
});

test('a test is sent by an administrator, and says where it goes', async () => {
  expect((await app.call('POST', '/api/alerts/test', {})).status).toBe(403);
  expect(await app.callAs('boss')('POST', '/api/alerts/test', {})).toMatchObject({
    status: 201,
    body: { targets: [] },
  });
});
