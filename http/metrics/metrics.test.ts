import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { collectLog, readProblem, sendRaw, serveApp } from '../testing.ts';
import { measureRequests } from './measures.ts';
import { openMetrics } from './metrics.ts';
import { addMetricsRoute } from './route.ts';
import { readMetricsSettings } from './settings.ts';

const token = 'a-token-of-this-test';
const { log } = collectLog();

async function open(variables: Record<string, string>) {
  const metrics = await openMetrics('aether-test', variables, log);
  if (!metrics) throw new Error('no metrics');
  return Object.assign(metrics, { [Symbol.asyncDispose]: () => metrics.close() });
}

/** The lines of a metric in the text that Prometheus reads. */
const linesOf = (text: string, name: string) => text.split('\n').filter((line) => line.startsWith(name));

describe('requests of an app', () => {
  test('are counted by route, method and status, and a path or a query never shows', async () => {
    await using metrics = await open({ METRICS_TOKEN: token });
    await using server = await serveApp(
      (app) => {
        app.get('/api/customers/:id', (c) => c.json({}));
        app.onError((_, c) => c.text('failed', 500));
      },
      { app: { onRequest: measureRequests(metrics, 'test') } },
    );
    for (const path of ['/api/customers/ada@example.com?search=ada', '/api/customers/17', '/ada@example.com'])
      await (await fetch(`${server.url}${path}`)).text();
    await (await fetch(`${server.url}/api/customers/1`, { method: 'PROPFIND' })).text();
    const text = await metrics.render();
    const counts = linesOf(text, 'http_server_request_duration_seconds_count');
    const labels = (method: string, route: string, status: number) =>
      `http_server_request_duration_seconds_count{aether_app="test",http_request_method="${method}",http_route="${route}",http_response_status_code="${status}"}`;
    expect(counts.sort()).toEqual(
      [
        `${labels('GET', '/api/customers/:id', 200)} 2`,
        `${labels('GET', '', 404)} 1`,
        `${labels('_OTHER', '', 405)} 1`,
      ].sort(),
    );
    expect(text).not.toMatch(/ada@|search|example/);
  });
});

describe('the page of metrics', () => {
  test('is a text of Prometheus, with the unit in the names and the service instead of a path of this machine', async () => {
    await using metrics = await open({ METRICS_TOKEN: token });
    metrics.record('queries', 0.003, { 'aether.app': 'test' });
    const text = await metrics.render();
    expect(linesOf(text, '# TYPE db_client')).toEqual(['# TYPE db_client_operation_duration_seconds histogram']);
    expect(text).toMatch(/^process_memory_usage_bytes [1-9]\d{6,}$/m);
    expect(text).toMatch(/^process_cpu_time_seconds_total \d/m);
    expect(linesOf(text, 'target_info')).toEqual([expect.stringMatching(/service_name="aether-test"/)]);
    expect(text).not.toContain(process.execPath);
    expect(text).not.toMatch(/\{[^}]*\{|NaN|undefined/);
  });

  test('goes on counting after a value that is no number, and leaves that one out', async () => {
    await using metrics = await open({ METRICS_TOKEN: token });
    const labels = { 'aether.app': 'test', 'aether.subscription': 'test.one' };
    for (const value of [2, Number.NaN, Number.POSITIVE_INFINITY, -1, 3])
      metrics.record('eventsHandled', value, labels);
    expect(linesOf(await metrics.render(), 'aether_events_handled_total')).toEqual([
      'aether_events_handled_total{aether_app="test",aether_subscription="test.one"} 5',
    ]);
  });

  test('adds up what two servers of one process observe, and forgets a server that has closed', async () => {
    await using metrics = await open({ METRICS_TOKEN: token });
    await using other = await open({ METRICS_TOKEN: token });
    const ends = [metrics, other].map((each) => each.observe('streams', (tell) => tell(3, { 'aether.app': 'test' })));
    expect(linesOf(await metrics.render(), 'aether_streams_open')).toEqual([
      'aether_streams_open{aether_app="test"} 6',
    ]);
    ends[0]?.();
    expect(linesOf(await metrics.render(), 'aether_streams_open')).toEqual([
      'aether_streams_open{aether_app="test"} 3',
    ]);
    ends[1]?.();
    expect(linesOf(await metrics.render(), 'aether_streams_open')).toEqual([]);
  });

  test('is open at the port of the app for those who send the token, and for nobody else', async () => {
    await using metrics = await open({ METRICS_TOKEN: token });
    await using server = await serveApp((app) => addMetricsRoute(app, metrics));
    const get = (authorization?: string) =>
      fetch(`${server.url}/metrics`, { headers: authorization ? { Authorization: authorization } : {} });
    for (const given of [undefined, 'Bearer wrong', `Basic ${token}`, 'Bearer '])
      expect(await readProblem(await get(given))).toMatchObject({ status: 401, code: 'metrics-token' });
    const answer = await get(`Bearer ${token}`);
    expect([answer.status, answer.headers.get('content-type'), answer.headers.get('cache-control')]).toEqual([
      200,
      'text/plain; version=0.0.4; charset=utf-8',
      'no-store',
    ]);
    expect(await answer.text()).toContain('process_memory_usage_bytes');
  });

  test('has a port of its own on this machine, which answers to its name only, and has nothing else', async () => {
    await using metrics = await open({ METRICS_PORT: '0' });
    const { url = '' } = metrics;
    expect(new URL(url).hostname).toBe('127.0.0.1');
    expect(await (await fetch(url)).text()).toContain('process_memory_usage_bytes');
    expect((await fetch(new URL('/api/customers', url))).status).toBe(404);
    const foreign = await sendRaw(
      Number(new URL(url).port),
      'GET /metrics HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n',
    );
    expect(await readProblem(foreign)).toMatchObject({ status: 403, code: 'foreign-page' });
    await metrics.close();
    await expect(fetch(url)).rejects.toThrow();
  });

  test('asks for the token at a port of its own too, if there is one', async () => {
    await using metrics = await open({ METRICS_PORT: '0', METRICS_TOKEN: token });
    expect((await fetch(metrics.url ?? '')).status).toBe(401);
  });

  test('refuses to start at a port that is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    await expect(openMetrics('aether-test', { METRICS_PORT: String(port) }, log)).rejects.toThrow(
      new RegExp(`METRICS_PORT ${port} on 127.0.0.1 cannot be used`),
    );
    taken.close();
  });
});

describe('the settings', () => {
  test('ask for no metrics unless one of them is set, and then nothing is opened', async () => {
    expect(readMetricsSettings({})).toBeUndefined();
    expect(await openMetrics('aether-test', { METRICS_PORT: '', METRICS_TOKEN: '' }, log)).toBeUndefined();
  });

  test.each([
    [{ METRICS_PORT: 'x' }, /METRICS_PORT must be a port number/],
    [{ METRICS_PORT: '70000' }, /METRICS_PORT must be a port number/],
    [{ METRICS_TOKEN: 'short' }, /METRICS_TOKEN must have at least 16 characters/],
    [{ METRICS_TOKEN: 'a token with spaces in it' }, /without spaces/],
    [{ METRICS_HOST: '127.0.0.1' }, /METRICS_PORT is not set/],
    [{ METRICS_PORT: '9464', METRICS_HOST: '0.0.0.0' }, /other machines can reach: set METRICS_TOKEN/],
    [{ METRICS_PORT: '9464', METRICS_HOST: 'metrics.example' }, /other machines can reach/],
  ] as [Record<string, string>, RegExp][])('are refused when they are %o', (variables, words) => {
    expect(() => readMetricsSettings(variables)).toThrow(words);
  });

  test('let other machines read with a token', () => {
    expect(readMetricsSettings({ METRICS_PORT: '9464', METRICS_HOST: '0.0.0.0', METRICS_TOKEN: token })).toEqual({
      port: 9464,
      host: '0.0.0.0',
      token,
      azure: undefined,
      tracesPercent: 100,
    });
  });
});

test('only the files that are loaded when metrics are asked for import their libraries', () => {
  const root = join(import.meta.dirname, '..', '..');
  const sources = globSync('{platform,http,signin,foundation,support,sync,cli}/**/*.ts', { cwd: root }).filter(
    (file) => !file.includes('node_modules') && !/\.test\.ts$/.test(file),
  );
  const found = (pattern: RegExp) =>
    sources
      .filter((file) => pattern.test(readFileSync(join(root, file), 'utf8')))
      .map((file) => file.replaceAll('\\', '/'));
  expect(found(/from '@(opentelemetry|azure)\//).sort()).toEqual([
    'http/metrics/azure.ts',
    'http/metrics/azurespans.ts',
    'http/metrics/provider.ts',
  ]);
  expect(found(/^import \{[^;]*from '[^']*\/(azure|azurespans|provider)\.ts'/m)).toEqual([
    'http/metrics/azurespans.ts',
  ]);
});
