import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';

const allFiles = 'e2e/testing.onestack.ts';

/**
 * Writes to the file that AETHER_CHECKS names how many tests passed, which failed with the file that runs each alone, and how many errors
 * belong to no test: of files that cannot be loaded, of hooks, and outside of everything.
 */
export default class {
  onTestRunEnd(modules, unhandledErrors) {
    const tests = modules.flatMap((each) => [...each.children.allTests()]);
    const suites = modules.flatMap((each) => [each, ...each.children.allSuites()]);
    const failures = tests
      .filter((test) => test.result().state === 'failed')
      .map((test) => ({ name: test.fullName, file: fileOf(test) }));
    const report = {
      passed: tests.filter((test) => test.result().state === 'passed').length,
      failures,
      errors: unhandledErrors.length + suites.reduce((sum, suite) => sum + suite.errors().length, 0),
    };
    writeFileSync(process.env.AETHER_CHECKS, JSON.stringify(report));
  }
}

function fileOf(test) {
  const file = relative(process.cwd(), test.module.moduleId).replaceAll('\\', '/');
  // This one stands for the files that its first level of names is of.
  return file === allFiles ? `${test.fullName.split(' > ')[0]}.test.ts` : file;
}
