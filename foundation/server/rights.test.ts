import { testRights } from '@aether/signin/testing.rights';
import { beforeAll } from 'vitest';
import { foundationScopes } from './scopes.ts';
import { startTestFoundation, type TestFoundation } from './testing.ts';

let app: TestFoundation;
beforeAll(async () => {
  app = await startTestFoundation();
});

testRights('foundation', foundationScopes, () => app, ['GET /healthz', 'GET /readyz']);
