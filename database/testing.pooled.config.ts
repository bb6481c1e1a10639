import { defineConfig } from 'vitest/config';

/** The suites of `npm run test:pooled`. Those of the embedded server, of `npm start` and of the browser have no pooler before their apps. */
export default defineConfig({
  test: {
    include: [
      '{platform,http,signin,identity,foundation,support,sync,importer}/**/*.test.ts',
      'platform/testing.pooled.ts',
    ],
    exclude: ['**/node_modules/**', 'sync/*chaos.test.ts'],
    globalSetup: ['./database/testing.setup.ts', './cli/testing.setup.ts'],
    setupFiles: ['./database/testing.endings.ts'],
    pool: 'forks',
    isolate: false,
    experimental: { viteModuleRunner: false, nodeLoader: false },
    maxWorkers: 2,
    expect: { poll: { timeout: 10_000 } },
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
