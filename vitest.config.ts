import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What starts everything, or lets time pass, takes longest, and begins first: else one worker ends alone. */
class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isSlow = ({ moduleId }: TestSpecification) => /\/((e2e|cli)\/.+|sync\/chaos\.test\.ts)$/.test(moduleId);
    const sorted = await super.sort(files);
    return [...sorted.filter(isSlow), ...sorted.filter((file) => !isSlow(file))];
  }
}

// Two workers on two cores: with a third, the tests that drive a browser or start everything take twice as long. Each test
// file has a database of its own, on the one server that the global set-up starts.
export default defineConfig({
  test: {
    include: ['*.test.ts', '*/**/*.test.ts'],
    exclude: ['**/node_modules/**', '.aether/**'],
    globalSetup: ['./database/testing.setup.ts', './cli/testing.setup.ts'],
    setupFiles: ['./database/testing.endings.ts'],
    pool: 'forks',
    isolate: false,
    maxWorkers: 2,
    sequence: { sequencer: SlowFirst },
    expect: { poll: { timeout: 10_000 } },
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
