import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'aether-checks-'));
const reportFile = join(folder, 'tests.json');
let passed = 0;
let failed = 0;

function run(title, command, args) {
  console.log(`\n— ${title}`);
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
  return status === 0;
}

function count(isPassed) {
  if (isPassed) passed += 1;
  else failed += 1;
}

count(run('format and lint', 'npm', ['run', '--silent', 'lint']));
count(run('types', 'npm', ['run', '--silent', 'types']));
count(run('promises of the packages', 'npm', ['run', '--silent', 'api', '--', '--check']));
count(run('schema drift', 'npm', ['run', '--silent', 'schema', '--', '--check']));

const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`];
const isGreen = run('tests', 'npm', ['--silent', 'test', '--', ...reporters]);
try {
  const report = JSON.parse(readFileSync(reportFile, 'utf8'));
  passed += report.numPassedTests;
  failed += report.numFailedTests;
  // A file that cannot be loaded, or an error outside of a test, fails the run without a failed test.
  if (!isGreen && report.numFailedTests === 0) failed += 1;
} catch {
  failed += 1;
}
rmSync(folder, { recursive: true, force: true });

console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
