import { glob, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { buildWidget } from './build.ts';

const dist = join(import.meta.dirname, 'dist');
const kibibytes = (source: Buffer) => gzipSync(source, { level: 9 }).length / 1024;
let loader: Buffer;
let panel: Buffer;
beforeAll(async () => {
  await buildWidget();
  loader = await readFile(join(dist, 'widget.js'));
  const [name, ...others] = await readdir(join(dist, 'widget'));
  expect(others).toEqual([]);
  panel = await readFile(join(dist, 'widget', name as string));
}, 60_000);

describe('the files that a host page loads', () => {
  test('are a loader of at most 2 KB, and a panel of at most 25 KB when a visitor is about to use it', () => {
    expect(kibibytes(loader)).toBeLessThanOrEqual(2);
    expect(kibibytes(panel)).toBeLessThanOrEqual(25);
  });

  test('leave no name in the page: the loader is one call', () => {
    expect(loader.toString()).toMatch(/^\(?(function|\(\)\s*=>)/);
    expect(loader.toString()).not.toMatch(/^(var|let|const|function|class) /);
    expect(panel.toString()).not.toMatch(/\b(globalThis|window|self)\.\w+\s*=[^=]/);
  });

  test('write no markup from text and run no text', async () => {
    for await (const file of glob('{*,{chat,view}/*}.{ts,tsx}', {
      cwd: import.meta.dirname,
      exclude: ['**/*.test.ts'],
    }))
      expect(await readFile(join(import.meta.dirname, file), 'utf8'), file).not.toMatch(
        /inner-?html|outer-?html|insertAdjacentHTML|document\.write|\beval\(|new Function|javascript:/i,
      );
  });
});

test('an unchanged widget is not built again', async () => {
  expect(await buildWidget()).toBe(false);
});
