import { beforeAll, expect, test } from 'vitest';
import { startTestSupport, type TestSupport, widgetKey } from './testing.ts';

const span = 'b7ad6b7169203331';
let app: TestSupport;
beforeAll(async () => {
  app = await startTestSupport();
});

test('the events of a visitor’s message name the request and no actor, those of an agent’s message both', async () => {
  const superuser = await app.database.connect('postgres');
  const eventsOf = async (id: string) =>
    (await superuser.query('select type, actor from sync.outbox where substr(trace, 4, 32) = $1 order by id', [id]))
      .rows;
  const [asked, claimed] = ['a'.repeat(32), 'b'.repeat(32)];
  const { status, body } = await app.callAnonymously(
    'POST',
    `/api/widgets/${widgetKey}/sessions`,
    { email: 'kenji@tidewater.example', name: 'Kenji' },
    { traceparent: `00-${asked}-${span}-01` },
  );
  expect([status, body]).toEqual([201, expect.anything()]);
  const opened = await eventsOf(asked);
  expect(opened.map(({ type }) => type)).toEqual(expect.arrayContaining(['customer.created', 'session.created']));
  expect(new Set(opened.map(({ actor }) => actor))).toEqual(new Set([null]));

  const { rows } = await superuser.query('select id from support.sessions');
  const claim = await app.callAs('priya')(
    'POST',
    `/api/sessions/${rows[0].id}/claim`,
    {},
    {
      traceparent: `00-${claimed}-${span}-01`,
    },
  );
  expect([claim.status, claim.body]).toEqual([200, expect.anything()]);
  const taken = await eventsOf(claimed);
  expect(taken.length).toBeGreaterThan(0);
  expect(new Set(taken.map(({ actor }) => actor))).toEqual(new Set(['priya']));
});
