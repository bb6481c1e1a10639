import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * What starts everything, or lets time pass, takes longest, and begins first: else one worker ends alone. The first file makes the home that the
 * tests with a browser copy, and the second one needs none: else its worker would wait for that home.
 */
class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const first = ['/cli/start/start.test.ts', '/sync/chaos.test.ts', '/e2e/', '/cli/', ''];
    const rank = ({ moduleId }: TestSpecification) => first.findIndex((part) => moduleId.includes(part));
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other));
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
