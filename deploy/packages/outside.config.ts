import { defineConfig } from 'vitest/config';

/** `npm run test:packages` installs packages, which takes longer than the tests of `npm test` may. `.ci/run` runs it after them. */
export default defineConfig({
  test: {
    include: ['deploy/packages/testing.outside.ts', 'deploy/packages/testing.openapi.ts'],
    globalSetup: ['./database/testing.setup.ts'],
    setupFiles: ['./database/testing.endings.ts'],
    experimental: { viteModuleRunner: false, nodeLoader: false },
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
});
