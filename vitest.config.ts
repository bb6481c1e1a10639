import { defineConfig } from 'vitest/config';

// Two workers on two cores: each test file has a database of its own, on the one server that the global set-up starts.
export default defineConfig({
  test: {
    include: ['*.test.ts', '*/**/*.test.ts'],
    exclude: ['**/node_modules/**', '.aether/**'],
    globalSetup: ['./database/testing.setup.ts', './cli/testing.setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
  },
});
