import { beforeAll, expect, test } from 'vitest';
import { until } from '../../testing.ts';
import { startTestConsole, type TestConsole } from '../testing.ts';

let app: TestConsole;
beforeAll(async () => {
  app = await startTestConsole();
});

test('the console shows every check, the worst first, and what has reported nothing is not well', async () => {
  // The console makes the first evaluation by itself; until it is done there is nothing to show.
  await until(async () => (await app.call('GET', '/api/health')).body.checks.length > 0);
  const { status, body } = await app.call('GET', '/api/health');
  expect(status).toBe(200);
  const checks = new Map(body.checks.map((check: { slug: string }) => [check.slug, check]));
  expect(checks.get('sequencer')).toMatchObject({
    kind: 'sequencer',
    status: 'unknown',
    reason: expect.stringMatching(/^No worker leads, and none has reported\. 3 events wait for their numbers/),
    runbook: 'sequencer',
    measures: { waiting: 3, workers: 0 },
  });
  expect(checks.get('database')).toMatchObject({ status: 'ok' });
  expect(body.worst).toBe(body.checks[0].status);
  expect(body.sentence).toMatch(/ are unknown\.$/);
  expect(Date.now() - Date.parse(body.asOf)).toBeLessThan(60_000);
});

test('the console makes the checks by itself, so that a change is written down while nobody looks', async () => {
  const superuser = await app.database.connect('postgres');
  const read = async () => (await superuser.query('select evaluated_at from sync.health')).rows[0].evaluated_at;
  const before = await read();
  await until(async () => (await read()) > before);
});

test('the numbers of an hour have sixty steps, and one in which nobody measured is null', async () => {
  const { status, body } = await app.call('GET', '/api/health/series?range=hour');
  expect(status).toBe(200);
  expect(body.stepSeconds).toBe(60);
  const latency = body.series.find(
    ({ name, label }: Record<string, string>) => name === 'query_latency' && label === 'p95',
  );
  expect(latency).toMatchObject({ unit: 'ms', source: expect.stringContaining('each statement') });
  expect(latency.points).toHaveLength(60);
  expect(latency.points[0]).toEqual([Date.parse(body.from) / 1_000, null]);
  expect((await app.call('GET', '/api/health/series?range=year')).status).toBe(422);
});
