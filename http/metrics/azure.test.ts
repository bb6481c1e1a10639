import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { type AddressInfo, createServer as createSilentServer } from 'node:net';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AzureEndpoint, startAzureEndpoint } from '../testing.azure.ts';
import { collectLog } from '../testing.ts';
import { cleanConnectionString } from './azure.ts';
import { openMetrics } from './metrics.ts';
import { readMetricsSettings } from './settings.ts';
import { isSampled } from './spans.ts';

const key = '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0';

describe('with a connection string', () => {
  let endpoint: AzureEndpoint;
  beforeAll(async () => {
    endpoint = await startAzureEndpoint();
  });
  afterAll(() => endpoint.close());

  test('a series reaches its endpoint, also with capitals in the key and a semicolon at the end, and nothing is kept on disk', async () => {
    const { log } = collectLog();
    const kept = await readdir(tmpdir());
    const metrics = await openMetrics(
      'aether-test',
      {
        APPLICATIONINSIGHTS_CONNECTION_STRING: `InstrumentationKey=${key.toUpperCase()};IngestionEndpoint=${endpoint.url}/;`,
      },
      log,
    );
    metrics?.record('queries', 0.25, { 'aether.app': 'test', 'error.type': '' });
    metrics?.record('eventsHandled', 7, { 'aether.app': 'test', 'aether.subscription': 'test.one' });
    await metrics?.close();
    const named = (name: string) =>
      endpoint.received.find(({ data }) => data.baseData.metrics?.some((metric) => metric.name === name));
    expect(named('db.client.operation.duration')?.data.baseData.metrics).toEqual([
      expect.objectContaining({ value: 0.25, count: 1 }),
    ]);
    expect(named('aether.events.handled')?.data.baseData.properties).toEqual({
      'aether.app': 'test',
      'aether.subscription': 'test.one',
    });
    expect(named('process.memory.usage')).toMatchObject({ iKey: key, tags: { 'ai.cloud.role': 'aether-test' } });
    expect(endpoint.bodies.join()).not.toContain(process.execPath);
    expect((await readdir(tmpdir())).filter((name) => !kept.includes(name) && /azure/i.test(name))).toEqual([]);
  });

  test('telemetry that is refused is dropped, reported in the log, and not kept on disk', async () => {
    endpoint.status = 400;
    const { log, entries } = collectLog();
    const kept = await readdir(tmpdir());
    const metrics = await openMetrics(
      'aether-test',
      { APPLICATIONINSIGHTS_CONNECTION_STRING: `InstrumentationKey=${key};IngestionEndpoint=${endpoint.url}` },
      log,
    );
    await metrics?.close();
    expect(entries).toContainEqual(expect.objectContaining({ msg: expect.stringMatching(/did not reach Azure/) }));
    expect((await readdir(tmpdir())).filter((name) => !kept.includes(name) && /azure/i.test(name))).toEqual([]);
  });

  test('an endpoint that never answers holds up the end of the process for three seconds at most', async () => {
    const silent = createSilentServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const url = `https://localhost:${(silent.address() as AddressInfo).port}`;
    const { log } = collectLog();
    const metrics = await openMetrics(
      'aether-test',
      { APPLICATIONINSIGHTS_CONNECTION_STRING: `InstrumentationKey=${key};IngestionEndpoint=${url}` },
      log,
    );
    const startedAt = performance.now();
    await metrics?.close();
    expect(performance.now() - startedAt).toBeLessThan(6_000); // on a slow machine
    silent.close();
  });

  test.each([
    ['a word', 'nonsense'],
    ['no key', 'IngestionEndpoint=https://x.example'],
    ['another key than an id', 'InstrumentationKey=secret-words;IngestionEndpoint=https://x.example'],
    ['no endpoint, which would mean the global one', `InstrumentationKey=${key}`],
    ['an endpoint without TLS', `InstrumentationKey=${key};IngestionEndpoint=http://x.example`],
  ])(
    'of which the client can make nothing (%s), the app goes on without Azure and says so, without the string',
    async (_, given) => {
      const { log, entries } = collectLog();
      const metrics = await openMetrics('aether-test', { APPLICATIONINSIGHTS_CONNECTION_STRING: given }, log);
      expect(await metrics?.render()).toContain('process_memory_usage_bytes');
      await metrics?.close();
      expect(entries.map(({ msg }) => msg)).toEqual([
        expect.stringMatching(/no metrics go to Azure/),
        expect.stringMatching(/no traces go to Azure/),
      ]);
      expect(metrics?.spans).toBeUndefined();
      expect(JSON.stringify(entries)).not.toMatch(/secret-words|x\.example/);
    },
  );
});

test('a connection string is handed on whole, with the key in small letters', () => {
  expect(
    cleanConnectionString(
      ` InstrumentationKey = ${key.toUpperCase()} ; IngestionEndpoint=https://we.example/;LiveEndpoint=https://l.example/;ApplicationId=A;; `,
    ),
  ).toBe(
    `InstrumentationKey=${key};IngestionEndpoint=https://we.example/;LiveEndpoint=https://l.example/;ApplicationId=A`,
  );
});

test('a trace is sent whole or not at all, about as many of a hundred as asked for, and none that its caller does not want', () => {
  const traces = Array.from({ length: 2_000 }, () => `00-${randomBytes(16).toString('hex')}-00f067aa0ba902b7-01`);
  const sent = traces.filter((trace) => isSampled(trace, 25));
  expect(sent.length).toBeGreaterThan(350);
  expect(sent.length).toBeLessThan(650);
  expect(sent.every((trace) => isSampled(trace.replace('00f067aa0ba902b7', 'b7ad6b7169203331'), 25))).toBe(true);
  expect(traces.every((trace) => isSampled(trace, 100) && !isSampled(trace, 0))).toBe(true);
  expect(traces.some((trace) => isSampled(trace.replace(/01$/, '00'), 100))).toBe(false);
});

test('of how many traces are sent, what is no number from 0 to 100 is refused by its name', () => {
  const azure = 'InstrumentationKey=x';
  expect(readMetricsSettings({ APPLICATIONINSIGHTS_CONNECTION_STRING: azure, TRACES_PERCENT: '5' })).toMatchObject({
    tracesPercent: 5,
  });
  for (const given of ['-1', '101', 'all'])
    expect(() => readMetricsSettings({ TRACES_PERCENT: given })).toThrow(/^TRACES_PERCENT must/);
});
