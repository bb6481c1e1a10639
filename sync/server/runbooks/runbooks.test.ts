import { beforeAll, expect, test } from 'vitest';
import { startTestConsole, type TestConsole } from '../testing.ts';

let app: TestConsole;
beforeAll(async () => {
  app = await startTestConsole();
});

test.each(['no-such-check', 'a'.repeat(60)])('a runbook that the docs lack is a 404: %s', async (kind) => {
  expect(await app.call('GET', `/api/runbooks/${kind}`)).toMatchObject({ status: 404, body: { code: 'not-found' } });
});

test.each(['..%2Fsignin', 'README.md', 'UP', '%00'])(
  'no name of a runbook leads out of its folder: %s',
  async (kind) => {
    expect([404, 422, 400]).toContain((await app.call('GET', `/api/runbooks/${kind}`)).status);
  },
);
