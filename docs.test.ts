import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { createTestDatabase } from './database/testing.ts';
import { readPages } from './deploy/site/build.ts';
import { findDeadLinks } from './deploy/site/links.ts';
import { readOutline } from './deploy/site/markdown.ts';
import { foundationCodes } from './foundation/server/codes.ts';
import { houseCodes } from './http/codes.ts';
import { supportCodes } from './support/server/codes.ts';
import { consoleCodes } from './sync/server/codes.ts';

const root = import.meta.dirname;
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const sources = globSync('{platform,http,signin,files,mail,foundation,support,sync}/**/*.ts', { cwd: root })
  .filter((path) => !path.includes('node_modules') && !/(^|[./])(test|testing)\b/.test(path))
  .map(read);

const variables = (text: string) =>
  new Set(
    text.match(
      /\b(?:(?:PLATFORM|DB|FOUNDATION|SUPPORT|CONSOLE|SYNC|AETHER|SIGNIN|IDENTITY|METRICS|ALERTS|FILES|MAIL|APPLICATIONINSIGHTS)_[A-Z_]+|LOG_LEVEL)\b/g,
    ),
  );

test('docs/error-codes.md lists every code that a refusal can have, and no other', () => {
  const used = sources.flatMap((source) => [
    ...[...source.matchAll(/(?:code: |refuseBody\(\s*|super\(\s*)'([a-z]+(?:-[a-z0-9]+)*)'/g)].map((match) => match[1]),
    ...[...source.matchAll(/new VersionConflict\('([a-z]+)'/g)].map((match) => `${match[1]}-version-conflict`),
  ]);
  const listed = [...read('docs/error-codes.md').matchAll(/^\| (`.+?`) \|/gm)].flatMap((match) =>
    (match[1] as string).split(', ').map((code) => code.replaceAll('`', '')),
  );
  const isCode = (code: string | undefined) => code !== undefined && (code.includes('-') || code === 'configuration');
  expect([...new Set(listed)].sort()).toEqual([...new Set(used.filter(isCode))].sort());
});

test('docs/error-codes.md and the OpenAPI documents name the same codes with the same status', () => {
  const documented = [...read('docs/error-codes.md').matchAll(/^\| (`.+?`) \| ([\d, ]+) \|/gm)].flatMap(
    ([, codes = '', statuses = '']) =>
      codes
        .split(', ')
        .flatMap((code) => statuses.split(', ').map((status) => `${status} ${code.replaceAll('`', '')}`)),
  );
  const listed = [houseCodes, foundationCodes, supportCodes, consoleCodes].flatMap((list) =>
    Object.entries(list).flatMap(([status, codes]) => codes.map((code) => `${status} ${code}`)),
  );
  expect([...new Set(listed)].sort()).toEqual([...new Set(documented)].sort());
});

test('the example of the README runs', async () => {
  const [, example = ''] = /```ts\n(.+?)```/s.exec(read('README.md')) ?? [];
  const database = await createTestDatabase();
  const code = `${example}\nconsole.log(created, context.customer.name, context.crm.open_deals); await platformDb.close();`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module-typescript', '--eval', code], {
    cwd: join(root, 'support'),
    env: { ...process.env, PLATFORM_DB_URL: database.url('support_app') },
  });
  expect(stdout).toBe('true Ada 0\n');
});

test('every script that the docs name exists', () => {
  const { scripts } = JSON.parse(read('package.json'));
  const named = ['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md'].flatMap((path) =>
    [...read(path).matchAll(/npm run ([a-z:]+)/g)].map((match) => match[1]),
  );
  expect(Object.keys(scripts)).toEqual(expect.arrayContaining([...new Set(named)]));
});

test('every setting that the code reads is in docs/configuration.md', () => {
  const code = [
    ...sources,
    ...globSync('cli/*.ts', { cwd: root })
      .filter((path) => !path.includes('test'))
      .map(read),
  ];
  const readSettings = [...variables(code.join('\n'))].filter(
    (name) => !/_(URL|KEY|PID|LOGIN)$|_$/.test(name) || name === 'PLATFORM_DB_URL',
  );
  const documented = variables(read('docs/configuration.md') + read('docs/signin.md'));
  expect([...readSettings].filter((name) => !documented.has(name))).toEqual([]);
});

const pages = globSync(['*.md', 'docs/**/*.md', 'examples/*/*.md', 'findings/*.md'], { cwd: root }).map((path) =>
  path.replaceAll('\\', '/'),
);

test('every link of a page leads to a file, and to a heading of it if it names one', () => {
  expect(pages.length).toBeGreaterThan(40);
  expect(findDeadLinks(pages)).toEqual([]);
  const text =
    '# One\n\n## A b: `c`!\n\n[well](#a-b-c) [well](docs/events.md#a-b-c) [no](#b) [no](docs/none.md) [no](docs/events.md#x)';
  expect(
    findDeadLinks(['README.md', 'docs/events.md'], () => text)
      .map(({ link }) => link)
      .slice(0, 3),
  ).toEqual(['#b', 'docs/none.md', 'docs/events.md#x']);
});

test('every page of docs/ is at most two links away from the README', () => {
  const linked = (from: string) =>
    readOutline(read(from)).links.map((link) => posix.join(posix.dirname(from), link.split('#')[0] as string));
  const near = linked('README.md');
  const further = near.filter((page) => pages.includes(page)).flatMap(linked);
  const reached = new Set([...near, ...further]);
  // The folder itself lists the runbooks.
  const far = pages.filter((page) => page.startsWith('docs/') && !reached.has(page) && !reached.has(dirname(page)));
  expect(far).toEqual([]);
});

test('every page of docs/ has its place in the site, and none has two', () => {
  const placed = readPages().flatMap((chapter) => chapter.pages.map(({ path }) => path));
  expect(new Set(placed).size).toBe(placed.length);
  expect(placed.filter((path) => path.startsWith('docs/')).sort()).toEqual(
    pages.filter((path) => path.startsWith('docs/')).sort(),
  );
});
