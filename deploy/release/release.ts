/**
 * `npm run release`: makes a release of what CHANGELOG.md calls unreleased. It runs all checks, writes the version and the day, commits and tags.
 * It pushes nothing. `npm run release -- --check` says what would be refused, and changes nothing.
 */
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../production/lock.ts';
import { requireLicences } from '../production/papers.ts';
import { describeProduction } from '../production/production.ts';
import { changedFiles, planRelease, type Repository } from './plan.ts';

const isCheck = process.argv.includes('--check');
const git = (...args: string[]) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
const read = (path: string) => readFileSync(join(root, path), 'utf8');

function readRepository(): Repository {
  const { workspaces } = JSON.parse(read('package.json')) as { workspaces: string[] };
  const examples = globSync('examples/*/package.json', { cwd: root });
  const manifests = [
    'package.json',
    'package-lock.json',
    ...workspaces.map((room) => `${room}/package.json`),
    ...examples,
  ];
  return {
    branch: git('branch', '--show-current'),
    changed: changedFiles(git('status', '--porcelain')),
    tags: git('tag', '--list').split('\n'),
    changelog: read('CHANGELOG.md'),
    manifests: Object.fromEntries(manifests.map((path) => [path, read(path)])),
  };
}

try {
  const release = planRelease(readRepository(), new Date().toISOString().slice(0, 10));
  if ('problems' in release) throw new Error(release.problems.join('\n'));
  requireLicences(describeProduction());
  const { version, tag, notes, files } = release;
  if (isCheck) {
    console.log(
      `${tag} can be released: it changes ${Object.keys(files).join(', ')}. The checks of .ci/run come before that.`,
    );
  } else {
    execFileSync('sh', ['.ci/run'], { cwd: root, stdio: 'inherit' });
    for (const [path, text] of Object.entries(files)) writeFileSync(join(root, path), text);
    git('commit', '--all', '--message', `Release ${version}`);
    git('tag', '--annotate', tag, '--cleanup=verbatim', '--message', `${version}\n\n${notes}\n`);
    console.log(`${tag} is committed and tagged. To give it to others: git push --follow-tags`);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
