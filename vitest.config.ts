import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Whether this run is of everything: nobody named a file or a test. */
const isWhole = process.argv.slice(2).every((each) => each === 'run' || each.startsWith('--'));

/**
 * What takes longest begins first: else one worker ends alone. The tests with a browser fill one worker. The second file needs no home that was
 * started before: else its worker would wait for it. Those that mostly wait for a bus are apart from each other: at once they leave a core idle.
 */
class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const first = [
      '/e2e/',
      '/servicebus/conformance.test.ts',
      '/cli/start/start.test.ts',
      '/sync/alerts/chaos.test.ts',
      '/cli/',
      '/sync/health/checks.test.ts',
      '/servicebus/relay/orders.test.ts',
      '/sync/',
      '/servicebus/relay/relay.test.ts',
      '/servicebus/',
      '/foundation/server/replica.test.ts',
      '/platform/merging.test.ts',
      '/database/embedded/',
      '',
    ];
    const rank = ({ moduleId }: TestSpecification) => first.findIndex((part) => moduleId.includes(part));
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other));
  }
}

// Four workers on two cores: one has the tests with a browser, and the others' tests wait for limits and answers a third of the time. With two of
// these, they ended a minute after the tests with a browser. Each test file has a database of its own, on the one server that the global set-up starts.
export default defineConfig({
  test: {
    include: ['*.test.ts', '*/**/*.test.ts', ...(isWhole ? ['e2e/testing.onestack.ts'] : [])],
    exclude: ['**/node_modules/**', '.aether/**', ...(isWhole ? ['e2e/*.test.ts'] : [])],
    globalSetup: ['./cli/testing.setup.ts', './database/testing.setup.ts'],
    setupFiles: ['./database/testing.endings.ts', ...(isWhole ? ['./e2e/testing.priority.ts'] : [])],
    pool: 'forks',
    isolate: false,
    // Node runs every module here as it is, and keeps what it compiled: Vite's own runner would first transform each, for each worker.
    experimental: { viteModuleRunner: false, nodeLoader: false },
    maxWorkers: isWhole ? 4 : 2,
    sequence: { sequencer: SlowFirst },
    // Limits end what hangs. They are far above what a test takes: beside other work on a slow machine a page takes ten times as long.
    expect: { poll: { timeout: 20_000 } },
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
