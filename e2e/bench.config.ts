import { defineConfig } from 'vitest/config';

/** `npm run bench:board`, `bench:clicks`, `bench:day` and `bench:decisions` give figures, not promises, so they are not part of `npm test`. */
export default defineConfig({
  test: {
    include: ['e2e/*.bench.ts'],
    globalSetup: ['./database/testing.setup.ts', './cli/testing.setup.ts'],
    setupFiles: ['./database/testing.endings.ts'],
    testTimeout: 240_000,
    hookTimeout: 90_000,
    disableConsoleIntercept: true,
  },
});
