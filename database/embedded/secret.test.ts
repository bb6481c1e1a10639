import { chmod, mkdtemp, readdir, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readSecret } from './secret.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aether-secret-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('a secret is made once, even by many processes at once, stays, and only its owner can read it', async () => {
  const read = await Promise.all(Array.from({ length: 20 }, () => readSecret(folder)));
  expect(new Set(read).size).toBe(1);
  expect(read[0]).toMatch(/^[\w-]{43}$/);
  expect((await stat(join(folder, 'secret'))).mode & 0o777).toBe(0o600);
  expect(await readSecret(folder)).toBe(read[0]);
  expect(await readdir(folder)).toEqual(['secret']);
});

test('a secret that was cut short is refused, because anybody could guess passwords derived from it', async () => {
  const whole = await readSecret(folder);
  for (const length of [0, 20]) {
    await truncate(join(folder, 'secret'), length);
    await expect(readSecret(folder)).rejects.toThrow(/secret is damaged.*npm start -- --reset/);
  }
  await rm(join(folder, 'secret'));
  expect(await readSecret(folder)).not.toBe(whole);
});

test.skipIf(process.getuid?.() === 0)('a secret of another user is refused with advice', async () => {
  await readSecret(folder);
  await chmod(join(folder, 'secret'), 0);
  await expect(readSecret(folder)).rejects.toThrow(/cannot be read and written by you/);
});
