import { defineConfig } from 'vitest/config';

/** `npm run bench:board` gives figures, not promises, so it is not part of `npm test`. */
export default defineConfig({
  test: {
    include: ['e2e/*.bench.ts'],
    globalSetup: ['./database/testing.setup.ts'],
    testTimeout: 240_000,
    hookTimeout: 90_000,
    disableConsoleIntercept: true,
  },
});
