import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Expected, largeFiles, smallFiles } from './testing.hostile.ts';

const heapMiB = 96;
const rssMiBMax = 400;

let folder = '';
let read: { results: Record<string, Record<string, unknown>>; rssMiB: number };

// One process reads all of them, so that what one leaves behind counts against the next.
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aether-hostile-'));
  for (const { name, bytes } of smallFiles) await writeFile(join(folder, name), bytes);
  for (const { name, write } of largeFiles) await write(join(folder, name));
  const reader = fileURLToPath(new URL('./testing.hostile.reader.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [`--max-old-space-size=${heapMiB}`, reader, folder]);
  read = JSON.parse(stdout);
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

test.each([...smallFiles, ...largeFiles].map(({ name, expected }) => [name, expected] as [string, Expected]))(
  'a file with a fault is refused clearly or read rightly: %s',
  (name, expected) => {
    const result = read.results[name];
    if ('refusal' in expected) {
      expect(result).toMatchObject(expected);
      expect(result?.message).toMatch(/^.{20,300}\.\)?$/s);
    } else {
      const { codes, ...counts } = expected;
      expect(result).toMatchObject({ rejected: 0, excluded: 0, ...counts });
      if (codes) expect(codes).toEqual(expect.arrayContaining(result?.codes as string[]));
    }
  },
);

test('forty files with faults and more are read within little memory, whatever their size', () => {
  expect(smallFiles.length + largeFiles.length).toBeGreaterThanOrEqual(40);
  expect(read.rssMiB).toBeLessThan(rssMiBMax);
});
