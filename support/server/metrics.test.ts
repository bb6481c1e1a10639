import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { atEnd } from '@aether/database/testing';
import { testCertificate, trustTestCertificate } from '@aether/database/testing.tls';
import { collectLog } from '@aether/http/testing';
import { beforeAll, expect, test } from 'vitest';
import { startSupport } from './index.ts';
import { startTestSupport, type TestSupport, widgetKey } from './testing.ts';

/** Words that appear nowhere else: what leaves the process is searched for them. */
const canary = {
  email: 'canary.quillfeather@example.com',
  name: 'Canary Quillfeather',
  phone: '+49 30 7654321',
  text: 'my secret is a hippogriff',
  search: 'zanzibarquest',
};
const hidden = [/canary/i, /quillfeather/i, /7654321/, /hippogriff/i, /zanzibarquest/i];
const token = 'a-token-of-this-test';

let support: TestSupport;
let text: string;
let entries: ReturnType<typeof collectLog>['entries'];
const sent: string[] = [];

beforeAll(async () => {
  support = await startTestSupport();
  atEnd(async () => distrust());
  const distrust = trustTestCertificate();
  const azure = createServer(testCertificate, async (request, response) => {
    const body = await buffer(request);
    sent.push(String(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body));
    response.end(JSON.stringify({ itemsReceived: 1, itemsAccepted: 1, errors: [] }));
  }).listen(0, '127.0.0.1');
  await once(azure, 'listening');
  const collected = collectLog();
  entries = collected.entries;
  const server = await startSupport({
    variables: {
      PLATFORM_DB_URL: support.database.url('support_app'),
      PLATFORM_DB_POOL_MAX: '4',
      SUPPORT_RATE_FACTOR: '1000',
      METRICS_TOKEN: token,
      APPLICATIONINSIGHTS_CONNECTION_STRING: `InstrumentationKey=${randomUUID()};IngestionEndpoint=https://localhost:${(azure.address() as AddressInfo).port}`,
      ...support.issuer.variables,
    },
    port: 0,
    log: collected.log,
  });
  const staff = { Authorization: `Bearer ${await support.issuer.tokenFor('priya')}` };
  const ask = async (path: string, init: RequestInit & { json?: object } = {}) => {
    const { json, ...rest } = init;
    const headers = { ...rest.headers, ...(json && { 'Content-Type': 'application/json' }) } as Record<string, string>;
    const answer = await fetch(`${server.url}${path}`, {
      ...rest,
      headers,
      ...(json && { body: JSON.stringify(json) }),
    });
    return { status: answer.status, text: await answer.text() };
  };
  const opened = await ask(`/api/widgets/${widgetKey}/sessions`, {
    method: 'POST',
    json: { email: canary.email, name: canary.name },
  });
  expect(opened.status, opened.text).toBe(201);
  const session = JSON.parse(opened.text);
  const said = await ask(`/api/sessions/${session.session_id}/messages`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${session.visitor_token}` },
    json: { client_id: randomUUID(), body: canary.text },
  });
  expect(said.status, said.text).toBe(201);
  // What people type in addresses, and what is refused.
  for (const path of [
    `/api/search?q=${canary.search}`,
    `/api/customers/context?email=${encodeURIComponent(canary.email)}`,
    `/api/customers/context?email=${encodeURIComponent(`${canary.search}@example.com`)}`,
    `/api/customers/${canary.search}`,
    `/api/sessions/${canary.search}/messages`,
    `/${canary.email}`,
    `/customers/${canary.search}`,
  ])
    await ask(path, { headers: staff });
  await ask('/api/calls', {
    method: 'POST',
    headers: staff,
    json: { client_id: randomUUID(), number: canary.phone, note: canary.text },
  });
  await ask('/api/calls', { method: 'POST', headers: staff, json: { [canary.search]: canary.name } });
  text = (await ask('/metrics', { headers: { Authorization: `Bearer ${token}` } })).text;
  await server.close(); // sends the rest to Azure
  azure.close();
});

test('requests, queries, the pool and lookups of a server are in its metrics', () => {
  const value = (pattern: RegExp) => Number(pattern.exec(text)?.[1]);
  expect(text).toMatch(
    /^http_server_request_duration_seconds_count\{aether_app="support",http_request_method="POST",http_route="\/api\/widgets\/:key\/sessions"/m,
  );
  expect(
    value(/^db_client_operation_duration_seconds_count\{aether_app="support",error_type=""\} (\d+)/m),
  ).toBeGreaterThan(5);
  expect(value(/^db_client_connection_max\{db_client_connection_pool_name="support"\} (\d+)/m)).toBe(4);
  expect(
    value(
      /^db_client_connection_count\{db_client_connection_pool_name="support",db_client_connection_state="idle"\} (\d+)/m,
    ),
  ).toBeGreaterThan(0);
  expect(value(/^aether_lookups_asked_total\{aether_app="support"\} (\d+)/m)).toBeGreaterThan(0);
});

test('nothing personal that people type leaves the process: neither in metrics, nor to Azure, nor in the log', () => {
  expect(sent.join()).toContain('http.server.request.duration');
  expect(entries.filter(({ msg }) => msg === 'request').length).toBeGreaterThan(8);
  for (const [where, what] of [
    ['/metrics', text],
    ['Azure', sent.join('\n')],
    ['the log', JSON.stringify(entries)],
  ] as const)
    for (const pattern of hidden) expect(what, where).not.toMatch(pattern);
});
