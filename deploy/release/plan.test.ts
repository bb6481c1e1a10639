import { expect, test } from 'vitest';
import { changedFiles, planRelease, type Release, type Repository } from './plan.ts';

const changelog = `# Changelog

## 0.2.0 — unreleased

- New.

## 0.1.0 — 2026-01-02

- First.
`;
const json = (value: unknown) => `${JSON.stringify(value, undefined, 2)}\n`;
const repository: Repository = {
  branch: 'main',
  changed: [],
  tags: ['v0.1.0'],
  changelog,
  manifests: {
    'package.json': json({ name: 'aether-sync', version: '0.1.0', devDependencies: { vitest: '5.1.1' } }),
    'http/package.json': json({
      name: '@aether/http',
      version: '0.1.0',
      dependencies: { '@aether/platform': '0.1.0', hono: '0.1.0' },
    }),
    'package-lock.json': json({
      name: 'aether-sync',
      version: '0.1.0',
      packages: {
        '': { name: 'aether-sync', version: '0.1.0' },
        http: { name: '@aether/http', version: '0.1.0', dependencies: { '@aether/platform': '0.1.0' } },
        'node_modules/hono': { version: '0.1.0' },
      },
    }),
  },
};

test('a release takes the version of the unreleased section, dates it, and gives every package the version', () => {
  const { version, tag, notes, files } = planRelease(repository, '2026-11-29') as Release;
  expect([version, tag, notes]).toEqual(['0.2.0', 'v0.2.0', '- New.']);
  expect(files['CHANGELOG.md']).toBe(changelog.replace('unreleased', '2026-11-29'));
  expect(JSON.parse(files['package.json'] ?? '')).toEqual({
    name: 'aether-sync',
    version: '0.2.0',
    devDependencies: { vitest: '5.1.1' },
  });
  expect(JSON.parse(files['http/package.json'] ?? '').dependencies).toEqual({
    '@aether/platform': '0.2.0',
    hono: '0.1.0',
  });
  const { version: locked, packages } = JSON.parse(files['package-lock.json'] ?? '');
  expect([locked, packages[''].version, packages.http.version, packages['node_modules/hono'].version]).toEqual([
    '0.2.0',
    '0.2.0',
    '0.2.0',
    '0.1.0',
  ]);
});

test.each<[string, Partial<Repository>, RegExp]>([
  ['another branch', { branch: 'mine' }, /This is mine: releases are made of main/],
  ['no branch', { branch: '' }, /This is no branch/],
  ['what is not committed', { changed: ['a.ts'] }, /not committed: a\.ts/],
  ['a tag that is there', { tags: ['v0.2.0'] }, /v0\.2\.0 is there already/],
  ['an empty section', { changelog: changelog.replace('- New.', '') }, /0\.2\.0 of CHANGELOG\.md is empty/],
  ['a changelog without news', { changelog: '# Changelog\n' }, /does not begin with a section/],
  ['what was released', { changelog: changelog.replace('unreleased', '2026-02-03') }, /does not begin with a section/],
  [
    'a version that is not above the last',
    { changelog: changelog.replace('0.2.0', '0.1.0') },
    /0\.1\.0 does not come after 0\.1\.0/,
  ],
  ['two unreleased sections', { changelog: changelog.replace('2026-01-02', 'unreleased') }, /two unreleased sections/],
])('%s is refused', (_, change, words) => {
  const plan = planRelease({ ...repository, ...change }, '2026-11-29');
  expect((plan as { problems: string[] }).problems.join('\n')).toMatch(words);
});

test('what is not committed is named whole, also the first file of the list', () => {
  expect(changedFiles('M CHANGELOG.md\n M docs/a b.md\n?? new.ts\n')).toEqual([
    'CHANGELOG.md',
    'docs/a b.md',
    'new.ts',
  ]);
  expect(changedFiles('')).toEqual([]);
});

test('0.10.0 comes after 0.9.0', () => {
  const later = changelog.replace('0.2.0', '0.10.0').replace('0.1.0', '0.9.0');
  expect(planRelease({ ...repository, changelog: later }, '2026-11-29')).toMatchObject({ tag: 'v0.10.0' });
});
