import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test, vi } from 'vitest';
import databaseToken from './databasetoken.mjs';

test('the token of the managed identity is the password; it is asked for again before it ends', async () => {
  const asked: (string | undefined)[] = [];
  const ends = [Date.now() / 1_000 + 60, Date.now() / 1_000 + 3_600];
  const endpoint = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers['x-identity-header']}`);
    if (asked.length === 1) response.writeHead(500).end();
    else
      response.end(
        JSON.stringify({ access_token: `token ${asked.length}`, expires_on: String(ends[asked.length - 2]) }),
      );
  }).listen(0, '127.0.0.1');
  await once(endpoint, 'listening');
  await expect(databaseToken()).rejects.toThrow('no managed identity');
  vi.stubEnv('IDENTITY_ENDPOINT', `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/token`);
  vi.stubEnv('IDENTITY_HEADER', 'this process');
  vi.stubEnv('AZURE_CLIENT_ID', 'one of two');
  await expect(databaseToken()).rejects.toThrow('gave no token: 500');
  expect([await databaseToken(), await databaseToken(), await databaseToken()]).toEqual([
    'token 2',
    'token 3',
    'token 3',
  ]);
  expect(asked[2]).toBe(
    '/token?resource=https%3A%2F%2Fossrdbms-aad.database.windows.net&api-version=2019-08-01&client_id=one+of+two this process',
  );
  vi.unstubAllEnvs();
  endpoint.close();
});
