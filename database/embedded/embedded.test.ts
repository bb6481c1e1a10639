import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { until } from '../testing.scope.ts';
import { findBinaries } from './binaries.ts';
import { removeEmbedded } from './embedded.ts';
import { startPostmaster } from './postmaster.ts';
import { chooseServerUser } from './serveruser.ts';
import { query, useServers } from './testing.embedded.ts';

const { start, startElsewhere, emptyPlace, stoppedPlace, copiedPlace, children } = useServers();

const pidOf = async (folder: string) => Number((await readFile(join(folder, 'postmaster.pid'), 'utf8')).split('\n')[0]);
const isAlive = (pid: number) => process.kill(pid, 0);

async function listen(port = 0): Promise<{ port: number; close(): Promise<unknown> }> {
  const server = net.createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as net.AddressInfo).port, close: () => once(server.close(), 'close') };
}

/** A process that is not a server, of the user that runs the server: the worst case of a reused process number. */
async function startBystander(folder: string): Promise<number> {
  const user = await chooseServerUser(folder);
  const bystander = spawn('sleep', ['60'], { cwd: '/', ...(user && { uid: user.uid, gid: user.gid }) });
  children.push(bystander);
  await once(bystander, 'spawn');
  return bystander.pid as number;
}

describe('a new data folder', () => {
  // Making one takes a second of a core, so all tests here look at one. A first start is killed midway. A second one follows,
  // and a third process starts the same folder as soon as the second one is at work.
  const progress: string[] = [];
  let ticks = 0;
  let afterKill: string[];
  let inTheEnd: string[];
  let facts: unknown[][];
  let here: { port: number; adopted: boolean };
  let there: { port: number; adopted: boolean };
  beforeAll(async () => {
    const folder = await emptyPlace();
    const beside = () => readdir(dirname(folder), { recursive: true });
    const killed = startElsewhere({ folder });
    await until(async () => (await beside()).some((name) => name.endsWith('PG_VERSION')));
    process.kill(-(killed.process.pid as number), 'SIGKILL');
    await once(killed.process, 'exit');
    afterKill = await beside();

    let elsewhere: ReturnType<typeof startElsewhere> | undefined;
    const clock = setInterval(() => ticks++, 10);
    const server = await start({
      folder,
      onProgress(line) {
        progress.push(line);
        elsewhere ??= startElsewhere({ folder });
      },
    });
    clearInterval(clock);
    here = server;
    there = (await elsewhere?.begun) as typeof there;
    facts = await query(
      server,
      `select current_setting('listen_addresses'), current_setting('unix_socket_directories'), current_setting('port')::int,
              pg_encoding_to_char(encoding), datlocprovider, datlocale, (select array_agg(distinct auth_method) from pg_hba_file_rules)
         from pg_database where datname = 'postgres'`,
    );
    inTheEnd = await readdir(dirname(folder));
  });

  test('is served on 127.0.0.1 alone, in UTF-8 with the builtin locale, and only with the password', () => {
    expect(progress[0]).toMatch(/making .* data folder/);
    // The last one, because the server passes over a port that another program takes at this moment.
    expect(progress.at(-1)).toBe(`starting PostgreSQL on port ${here.port}`);
    expect(ticks, 'the event loop is free meanwhile').toBeGreaterThan(10);
    expect(facts).toEqual([['127.0.0.1', '', here.port, 'UTF8', 'b', 'C.UTF-8', ['scram-sha-256']]]);
  });

  test('is made again after initdb was killed midway, and nothing is left of the first try', () => {
    expect(afterKill).not.toContain('postgres');
    expect(inTheEnd.sort()).toEqual(['postgres', 'postgres.lock', 'postgres.log']);
  });

  test('has one server if two processes start it at once: the second adopts it', () => {
    expect([here.adopted, there.adopted]).toEqual([false, true]);
    expect(there.port).toBe(here.port);
  });
});

describe('settings', () => {
  test('arrive unchanged, with any characters', async () => {
    const character = fc.constantFrom(...`'"\\\n\r\t #$=;,{}%0nbx`, 'ß', '😀');
    const values = fc.sample(fc.string({ unit: character, maxLength: 12 }), 80);
    values.push(`it's "quoted" \\ $(id) #`, 'two\nlines\r\n', '\\', "'", '');
    const settings = Object.fromEntries(values.map((value, index) => [`test.value_${index}`, value]));
    const server = await start({ folder: stoppedPlace(), settings });
    const names = Object.keys(settings);
    const sql = 'select current_setting(name) from unnest($1::text[]) with ordinality as names (name, n) order by n';
    expect((await query(server, sql, [names])).flat()).toEqual(values);
  });

  test('that PostgreSQL does not know make the start fail with the last lines of its log', async () => {
    const folder = stoppedPlace();
    await expect(start({ folder, settings: { shared_bufers: '1GB' } })).rejects.toThrow(
      /did not start.*postgres\.log.*unrecognized configuration parameter "shared_bufers"/s,
    );
    expect((await start({ folder })).adopted).toBe(false);
  });

  test.each([
    [{ listen_addresses: '*' }, /listen_addresses cannot be changed/],
    [{ PORT: '1' }, /port cannot be changed/],
    [{ "x = '1'\nfsync": 'off' }, /not the name of a setting/],
    [{ 'test.value': 'a\0b' }, /zero byte/],
  ])('that would open the server or its file are refused: %j', async (settings, message) => {
    const folder = await emptyPlace();
    await expect(start({ folder, settings: settings as Record<string, string> })).rejects.toThrow(message);
    expect(await readdir(dirname(folder))).toEqual([]);
  });
});

describe('a port in use', () => {
  test('is passed over for the next free one, but is refused if the port must be exact', async () => {
    const folder = stoppedPlace();
    const other = await listen();
    await expect(start({ folder, port: other.port, portExact: true })).rejects.toThrow(`Port ${other.port} is in use`);
    expect((await start({ folder, port: other.port })).port).toBeGreaterThan(other.port);
    await other.close();
  });

  test('is passed over even if a server takes it at the same moment', async () => {
    const [one, two] = [stoppedPlace(), await copiedPlace()];
    const [first, second] = await Promise.all([start({ folder: one }), start({ folder: two })]);
    expect(first.port).not.toBe(second.port);
    expect(await query(first, 'show data_directory')).toEqual([[one]]);
    expect(await query(second, 'show data_directory')).toEqual([[two]]);
  });

  test('is distinguished from other failures even if only PostgreSQL notices it', async () => {
    const folder = stoppedPlace();
    const other = await listen();
    const cluster = { folder, binaries: await findBinaries(), user: await chooseServerUser(folder) };
    expect(await startPostmaster(cluster, other.port)).toMatchObject({ kind: 'port' });
    await other.close();
  });
});

describe('a server that is running', () => {
  test('survives Ctrl-C in the terminal of the process that started it, and the next start adopts it', async () => {
    const folder = stoppedPlace();
    const owner = startElsewhere({ folder });
    const { port } = await owner.begun;
    process.kill(-(owner.process.pid as number), 'SIGINT');
    expect((await once(owner.process, 'exit'))[1]).toBe('SIGINT');

    const server = await start({ folder, port: port + 7 });
    expect(server).toMatchObject({ port, adopted: true });
    await server.stop();
    expect((await start({ folder })).adopted).toBe(false);
  });

  test('is not adopted with another password, and keeps running', async () => {
    const folder = stoppedPlace();
    const server = await start({ folder });
    await expect(start({ folder, password: 'another' })).rejects.toThrow(
      /made with another password.*bring that password/,
    );
    expect(await query(server, 'select 1')).toEqual([[1]]);
    await server.stop();
    await expect(start({ folder, password: 'another' })).rejects.toThrow(/made with another password/);
    expect(await readdir(folder), 'the refused start leaves no server').not.toContain('postmaster.pid');
  });

  test('is not adopted from a copy of its folder: the copy gets its own server', async () => {
    const folder = stoppedPlace();
    const server = await start({ folder });
    const copied = await copiedPlace();
    expect(await readdir(copied)).toContain('postmaster.pid');
    const copy = await start({ folder: copied });
    expect(copy.adopted).toBe(false);
    expect(copy.port).not.toBe(server.port);
    expect(await query(server, 'select 1')).toEqual([[1]]);
  });

  test.runIf(process.platform === 'linux')('is adopted after its folder was moved', async () => {
    const [folder, moved] = [await copiedPlace(), await emptyPlace()];
    const server = await start({ folder });
    await rename(folder, moved);
    expect(await start({ folder: moved })).toMatchObject({ port: server.port, adopted: true });
  });
});

describe('a pid file left behind', () => {
  test('does not keep the server from starting, and does not stop the other process that it names', async () => {
    const folder = stoppedPlace();
    const server = await start({ folder });
    const pidFile = await readFile(join(folder, 'postmaster.pid'), 'utf8');
    await server.stop('fast');
    const bystander = await startBystander(folder);
    await writeFile(join(folder, 'postmaster.pid'), pidFile.replace(/^\d+/, String(bystander)), { flag: 'wx' });

    await server.stop();
    expect(isAlive(bystander)).toBe(true);
    expect((await start({ folder })).adopted).toBe(false);
    expect(await pidOf(folder)).not.toBe(bystander);
    expect(isAlive(bystander)).toBe(true);
  });

  test('by a killed server is replaced when the last process of that server is gone', async () => {
    const folder = stoppedPlace();
    const server = await start({ folder });
    await query(server, 'create table kept_by_the_log as select 42 as answer');
    const [[straggler]] = (await query(
      server,
      `select pid from pg_stat_activity where backend_type = 'checkpointer'`,
    )) as [[number]];
    process.kill(straggler, 'SIGSTOP');
    process.kill(await pidOf(folder), 'SIGKILL');
    const starting = start({ folder });
    try {
      await expect
        .poll(() => readFile(`${folder}.log`, 'utf8'), { interval: 10, timeout: 10_000 })
        .toContain('pre-existing shared memory');
    } finally {
      process.kill(straggler, 'SIGCONT');
    }

    const again = await starting;
    expect(again.adopted).toBe(false);
    expect(await query(again, 'select answer from kept_by_the_log')).toEqual([[42]]);
  });
});

describe('stopping', () => {
  test('immediately keeps committed data, and a start brings the server back on the same port', async () => {
    const server = await start({ folder: stoppedPlace() });
    await query(server, 'create table kept as select 42 as answer');
    await server.stop('immediate');
    await expect(query(server, 'select 1')).rejects.toThrow(/ECONNREFUSED/);
    await server.start();
    await server.start();
    expect(await query(server, 'select answer from kept')).toEqual([[42]]);
  });

  test('twice, also at once, has the same effect as once', async () => {
    const folder = stoppedPlace();
    const server = await start({ folder });
    await Promise.all([server.stop(), server.stop('immediate')]);
    await server.stop();
    expect(await readdir(folder)).not.toContain('postmaster.pid');
  });

  test('gives up the port, and a later start that finds the port taken reports it', async () => {
    const server = await start({ folder: stoppedPlace() });
    await server.stop();
    const thief = await listen(server.port);
    await expect(server.start()).rejects.toThrow(`Port ${server.port} is in use`);
    await thief.close();
    await server.start();
    expect(await query(server, 'select 1')).toEqual([[1]]);
  });
});

describe('removing', () => {
  test('stops the server of the folder and leaves nothing of its data', async () => {
    const folder = await copiedPlace();
    const server = await start({ folder });
    expect(await query(server, 'select 1')).toEqual([[1]]);
    await removeEmbedded(folder);
    expect(await readdir(dirname(folder))).not.toContain('postgres');
    await expect(query(server, 'select 1')).rejects.toThrow(/ECONNREFUSED/);
    await removeEmbedded(folder);
  });

  test('leaves a folder with other files alone', async () => {
    const folder = await emptyPlace();
    await mkdir(folder);
    await writeFile(join(folder, 'letter.txt'), 'dear');
    await expect(removeEmbedded(folder)).rejects.toThrow(/not a PostgreSQL data folder/);
    expect(await readFile(join(folder, 'letter.txt'), 'utf8')).toBe('dear');
  });
});
