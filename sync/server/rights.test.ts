import { testRights } from '@aether/signin/testing.rights';
import { beforeAll } from 'vitest';
import { consoleScopes } from './scopes.ts';
import { startTestConsole, type TestConsole } from './testing.ts';

let app: TestConsole;
beforeAll(async () => {
  app = await startTestConsole();
});

testRights('console', consoleScopes, () => app, ['GET /healthz', 'GET /readyz']);
