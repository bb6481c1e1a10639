import { testRights } from '@aether/signin/testing.rights';
import { beforeAll } from 'vitest';
import { supportScopes } from './scopes.ts';
import { startTestSupport, type TestSupport } from './testing.ts';

let app: TestSupport;
beforeAll(async () => {
  app = await startTestSupport();
});

testRights('support', supportScopes, () => app, [
  'GET /healthz',
  'GET /readyz',
  'GET /api/widgets/{key}/config',
  'POST /api/widgets/{key}/sessions',
  'GET /api/mail-files/{token}/{file}', // the token of a mail is its proof
]);
