import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { findBinaries } from './binaries.ts';
import { makeDataFolder } from './datafolder.ts';
import { removeEmbedded } from './embedded.ts';
import { checkReach, chooseServerUser, findOrCreateUser, makeFolder } from './serveruser.ts';
import { isRoot, password, query, useServers } from './testing.embedded.ts';

const { start, emptyPlace, copiedPlace } = useServers();

describe('a start refuses and leaves alone', () => {
  test('data of another major version of PostgreSQL', async () => {
    const folder = await emptyPlace();
    await mkdir(join(folder, 'base'), { recursive: true });
    await writeFile(join(folder, 'PG_VERSION'), '17\n');
    await expect(start({ folder })).rejects.toThrow(/made by PostgreSQL 17, and this is PostgreSQL 18.*pg_upgrade/);
    expect(await readdir(folder)).toEqual(['PG_VERSION', 'base']);
  });

  test('a folder with other files', async () => {
    const folder = await emptyPlace();
    await mkdir(folder);
    await writeFile(join(folder, 'thesis.txt'), 'the only copy');
    await expect(start({ folder })).rejects.toThrow(/not a PostgreSQL data folder \(it holds thesis\.txt\)/);
    expect(await readFile(join(folder, 'thesis.txt'), 'utf8')).toBe('the only copy');
  });

  test('a file in place of the folder', async () => {
    const folder = await emptyPlace();
    await writeFile(folder, 'the only copy');
    await expect(start({ folder })).rejects.toThrow(/is not a folder/);
    expect(await readFile(folder, 'utf8')).toBe('the only copy');
  });

  test.each(['', 'two\nlines'])('a password that is not one line: %j', async (wrong) => {
    const folder = await emptyPlace();
    await expect(start({ folder, password: wrong })).rejects.toThrow(/must be one line/);
    expect(await readdir(dirname(folder))).toEqual([]);
  });
});

test('data of an older start, whose letters end at ASCII, is refused with the way out, and left as it was', async () => {
  const folder = await copiedPlace();
  const server = await start({ folder });
  expect(await query(server, `select datctype in ('C', 'POSIX') from pg_database`)).toEqual([
    [false],
    [false],
    [false],
  ]);
  await query(server, `update pg_database set datctype = 'C'`); // as initdb --no-locale made it
  await server.stop();
  await expect(start({ folder })).rejects.toThrow(/LC_CTYPE is C.*Nothing in it was changed.*npm start -- --reset/);
  expect(await readdir(folder)).not.toContain('postmaster.pid');
});

describe('making a data folder', () => {
  test('tries the names of a UTF-8 locale until the system knows one, and stops at any other failure', async () => {
    const folder = await emptyPlace();
    const [initdb, tried] = [`${folder}-initdb`, `${folder}-tried`];
    const write = (rest: string) =>
      writeFile(
        initdb,
        `#!/bin/sh
        for argument; do case "$argument" in
          --lc-ctype=*) locale="\${argument#--lc-ctype=}"; echo "$locale" >> '${tried}';;
          */data) folder="$argument";;
        esac; done
        if [ "$locale" = C.UTF-8 ]; then echo 'initdb: error: invalid locale name "C.UTF-8"' >&2; exit 1; fi
        ${rest}`,
        { mode: 0o755 },
      );
    const make = async () =>
      makeDataFolder(folder, { binaries: { ...(await findBinaries()), initdb }, password, durable: true });
    await write(`echo 'the disk is full' >&2; exit 1`);
    await expect(make()).rejects.toThrow(/the disk is full/);
    await write('echo > "$folder/PG_VERSION"');
    await make();
    expect((await readFile(tried, 'utf8')).trim().split('\n')).toEqual(['C.UTF-8', 'C.utf8', 'C.UTF-8', 'C.utf8']);
    expect(await readdir(folder)).toContain('PG_VERSION');
  });

  test('fills an empty folder, also one behind a symlink', async () => {
    const folder = await emptyPlace();
    await mkdir(folder);
    const link = join(dirname(folder), 'link');
    await symlink(folder, link);
    const server = await start({ folder: link });
    expect(await query(server, 'show data_directory')).toEqual([[folder]]);
  });

  test('passes initdb the password in a private file, and leaves nothing behind if initdb fails', async () => {
    const folder = await emptyPlace();
    const [initdb, seen] = [`${folder}-initdb`, `${folder}-seen`];
    const script = `#!/bin/sh
      for argument; do
        echo "argument $argument"
        case "$argument" in --pwfile=*) file="\${argument#--pwfile=}"; ls -l "$file"; echo "content $(cat "$file")";; esac
      done > '${seen}'
      echo 'the disk is full' >&2
      exit 1`;
    await writeFile(initdb, script, { mode: 0o755 });
    const binaries = { ...(await findBinaries()), initdb };

    await expect(makeDataFolder(folder, { binaries, password, durable: true })).rejects.toThrow(/the disk is full/);
    const lines = (await readFile(seen, 'utf8')).split('\n');
    expect(lines).toContain(`content ${password}`);
    expect(lines.filter((line) => line.startsWith('argument') && line.includes(password))).toEqual([]);
    expect(lines.filter((line) => line.startsWith('-rw-------'))).toHaveLength(1);
    expect((await readdir(dirname(folder))).sort()).toEqual(['postgres-initdb', 'postgres-seen']);
  });
});

describe('the system user of the server', () => {
  test('cannot be an ordinary user for another’s folder: the error names both and the repair', async () => {
    const other = (process.getuid?.() ?? 0) + 1;
    await expect(chooseServerUser(dirname(await emptyPlace()), other)).rejects.toThrow(
      /belongs to the user \S+ .*and you are .*sudo chown -R/,
    );
  });

  test('is the present user if that is an ordinary one', async () => {
    const { uid } = await stat(dirname(await emptyPlace()));
    expect(await chooseServerUser(await emptyPlace(), uid || 1000)).toBeUndefined();
  });

  test('is named, with advice, if it cannot be created', () =>
    expect(findOrCreateUser('no:such')).rejects.toThrow(/user no:such .* could not be made .*ordinary user/));
});

describe.runIf(isRoot)('as root', () => {
  const ownerOf = async (path: string) => (await stat(path)).uid;
  const handOver = (folder: string, uid: number) => promisify(execFile)('chown', ['-R', `${uid}:${uid}`, folder]);

  let moved: string | undefined;
  afterAll(async () => {
    if (moved) await rm(moved, { recursive: true, force: true });
  });

  test('new data for a folder that the server cannot enter is made elsewhere, and a link leads there', async () => {
    const closed = join(dirname(await emptyPlace()), 'closed');
    const folder = join(closed, 'open', 'postgres');
    await makeFolder(dirname(folder));
    await chmod(closed, 0o700);
    const server = await start({ folder });
    moved = dirname(server.folder);
    expect(server.folder).toBe(await realpath(folder));
    expect(server.folder).toMatch(/^\/var\/lib\/aether\//);
    expect(await readdir(folder)).toContain('PG_VERSION');
    await server.stop();
    await (await start({ folder })).stop(); // the second start goes through the link
    await removeEmbedded(folder);
    const again = await start({ folder }); // through a link to a missing folder
    expect(again.folder).toBe(server.folder);
    await again.stop();
  });

  test('existing data stays, and the error names the folder on the way that the server cannot enter', async () => {
    const folder = await copiedPlace();
    await handOver(folder, (await findOrCreateUser('postgres')).uid);
    const closed = dirname(folder);
    await chmod(closed, 0o700);
    const before = await readdir(folder);
    await expect(start({ folder })).rejects.toThrow(`may not enter ${closed}: run \`chmod o+x ${closed}\``);
    expect(await readdir(folder)).toEqual(before);
  });

  test('the error names a program that the server cannot reach, and there is none if the way is open', async () => {
    const user = await findOrCreateUser('postgres');
    const program = await emptyPlace();
    await writeFile(program, '', { mode: 0o755 });
    await checkReach(user, [program]);
    await chmod(program, 0o700);
    await expect(checkReach(user, [program])).rejects.toThrow(`may not enter ${program}`);
  });

  test('the folders that a start makes are open to the server under any umask', async () => {
    const folder = join(await emptyPlace(), 'deep');
    const before = process.umask(0o077);
    await makeFolder(folder).finally(() => process.umask(before));
    await checkReach(await findOrCreateUser('postgres'), [folder]);
  });

  test('the folder of an ordinary user is served as that user, so that the user can go on with it', async () => {
    const folder = await copiedPlace();
    await handOver(folder, 65_534);
    await start({ folder });
    expect(await ownerOf(join(folder, 'postmaster.pid'))).toBe(65_534);
    expect([await ownerOf(`${folder}.log`), await ownerOf(`${folder}.lock`)]).toEqual([65_534, 65_534]);
  });

  test('a copy that root made is given to the user postgres', async () => {
    const folder = await copiedPlace();
    await handOver(folder, 0);
    await chmod(folder, 0o755);
    await start({ folder });
    expect(await ownerOf(join(folder, 'base'))).toBe((await findOrCreateUser('postgres')).uid);
  });
});
