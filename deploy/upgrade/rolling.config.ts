import { defineConfig } from 'vitest/config';

/** `npm run test:upgrade`: a dozen processes start and end under load, which takes longer than a test of `npm test` may. */
export default defineConfig({
  test: {
    include: ['deploy/upgrade/testing.rolling.ts'],
    globalSetup: ['./database/testing.setup.ts'],
    setupFiles: ['./database/testing.endings.ts'],
    experimental: { viteModuleRunner: false, nodeLoader: false },
    expect: { poll: { timeout: 20_000 } },
    testTimeout: 180_000,
    hookTimeout: 60_000,
  },
});
