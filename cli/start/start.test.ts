import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { aether, type Command, newHome, readEnv, readFirstStart, startedHome, tokenOf } from '../testing.ts';

let home: string;
let running: Command[] = [];
beforeAll(async () => {
  home = await startedHome();
}, 120_000);
afterEach(async () => {
  for (const command of running) command.child.kill('SIGTERM');
  await Promise.all(running.map((command) => command.ends()));
  running = [];
});

async function start(args: string[] = [], variables: Record<string, string> = {}): Promise<Command> {
  const command = aether(home, ['start', ...args], variables);
  running.push(command);
  await command.prints(/Ctrl-C stops everything/);
  return command;
}

async function stop(command: Command, signal: NodeJS.Signals): Promise<number> {
  command.child.kill(signal);
  return command.ends();
}

const asMaya = async () => ({ Authorization: `Bearer ${await tokenOf(home, 'maya', 'foundation')}` });

const search = async (text: string) => {
  const url = `${readEnv(home).FOUNDATION_URL}/api/customers?search=${encodeURIComponent(text)}`;
  const response = await fetch(url, { headers: await asMaya() });
  return ((await response.json()) as { customers: { name: string }[] }).customers;
};

const isListening = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('close', () => socket.destroy());
  });

describe('npm start', { timeout: 60_000 }, () => {
  test('starts everything, lets the demo play, stops everything at Ctrl-C, and keeps the data', async () => {
    expect(await readFirstStart()).toMatch(/migrations \(\d+ applied\).*demo data \(loaded\)/s);
    const first = await start();
    expect(first.output()).toMatch(/migrations \(up to date\).*demo data \(there already\)/s);
    expect(await search('fjordlight')).toHaveLength(2);

    const demo = aether(home, ['demo']);
    expect([await demo.ends(), demo.output()]).toEqual([0, expect.stringContaining('All three scenarios hold.')]);

    const { FOUNDATION_URL, SUPPORT_URL, FOUNDATION_APP_URL: url = '' } = readEnv(home);
    const token = aether(home, ['token', '--as', 'priya', '--app', 'support']);
    expect(await token.ends()).toBe(0);
    const headers = { Authorization: `Bearer ${token.output().trim()}` };
    const me = await fetch(`${SUPPORT_URL}/signin/me`, { headers });
    expect(await me.json()).toMatchObject({ user: { id: 'demo-priya', name: 'Priya Nair', role: 'user' } });
    expect((await fetch(`${FOUNDATION_URL}/signin/me`, { headers })).status).toBe(401);
    expect((await fetch(`${SUPPORT_URL}/signin/me`)).status).toBe(401);
    const port = Number(new URL(url).port);
    expect(await isListening(port)).toBe(true);
    expect(await stop(first, 'SIGINT')).toBe(0);
    expect(first.output()).toMatch(/Support stopped.*Foundation stopped.*PostgreSQL stopped/s);
    expect(await isListening(port)).toBe(false);
    expect(existsSync(join(home, 'env'))).toBe(false);

    const second = await start();
    expect(await search('harbour.example')).toHaveLength(1);
    expect(await stop(second, 'SIGTERM')).toBe(0);
  });

  test('takes over the PostgreSQL that a killed start left, and --reset starts over', async () => {
    const killed = await start();
    await fetch(`${readEnv(home).FOUNDATION_URL}/api/customers`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...(await asMaya()) },
      body: JSON.stringify({ name: 'Was Here', email: 'was.here@example.com' }),
    });
    process.kill(Number(readEnv(home).AETHER_PID), 'SIGKILL');
    expect(await killed.ends()).not.toBe(0);

    const next = await start();
    expect(next.output()).toMatch(/was running still/);
    expect(await search('was.here@example.com')).toHaveLength(1);
    process.kill(Number(readEnv(home).AETHER_PID), 'SIGKILL');
    await next.ends();

    const fresh = await start(['--reset']);
    expect(fresh.output()).toMatch(/data removed.*demo data \(loaded\)/s);
    expect(await search('was.here@example.com')).toHaveLength(0);
  });

  test('runs once if started twice at the same time, one of them with --reset, and refuses the other', async () => {
    const both = [aether(home, ['start']), aether(home, ['start', '--reset'])];
    const ended = await Promise.race(both.map(async (command, index) => ({ index, code: await command.ends() })));
    const other = both[1 - ended.index] as Command;
    running.push(other);
    expect(ended.code).toBe(1);
    expect((both[ended.index] as Command).output()).toMatch(/Aether runs already|Another start or stop/);
    await other.prints(/Ctrl-C stops everything/);
    expect(await search('fjordlight')).toHaveLength(2);
  });

  test('stops everything when its output is closed', async () => {
    const command = aether(home, ['start']);
    await command.prints(/PostgreSQL \(port (\d+)/);
    const port = Number(/PostgreSQL \(port (\d+)/.exec(command.output())?.[1]);
    command.child.stdout?.destroy();
    await command.ends();
    expect(await isListening(port)).toBe(false);
  });

  test('stops at Ctrl-C while it is starting, and leaves nothing running', async () => {
    const command = aether(home, ['start']);
    await command.prints(/Aether/);
    command.child.kill('SIGINT');
    expect(await command.ends()).toBe(0);
    expect(command.output()).toMatch(/Stopping\..*PostgreSQL stopped/s);
    const { stdout: processes } = await promisify(execFile)('ps', ['-axo', 'args']);
    expect(processes.split('\n').filter((process) => process.includes(home))).toEqual([]);
  });

  test('starts despite a stale description with a reused process number, and despite a taken port', async () => {
    await writeFile(join(home, 'env'), `AETHER_PID=${process.pid}\nFOUNDATION_URL=http://127.0.0.1:1\n`);
    expect(await aether(home, ['demo']).ends()).toBe(1);
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const command = await start([], { FOUNDATION_PORT: String(port) });
    expect(command.output()).toContain(`(${port} was taken)`);
    expect(readEnv(home).FOUNDATION_URL).not.toContain(`:${port}`);
    expect(await search('fjordlight')).toHaveLength(2);
    other.close();
  });

  test('leaves sign-in to the provider that the settings name', async () => {
    const command = await start([], { SIGNIN_ISSUER: 'https://id.example', SIGNIN_CLIENT_ID: 'aether' });
    expect(command.output()).toMatch(/Sign-in +https:\/\/id\.example/);
    expect(command.output()).not.toMatch(/identity provider/);
    const token = aether(home, ['token', '--as', 'maya']);
    expect([await token.ends(), token.output()]).toEqual([
      1,
      expect.stringMatching(/only that one gives tokens.*docs\/signin\.md/),
    ]);
  });

  test('names the missing passwords if PLATFORM_DB_URL is set without them', async () => {
    const command = aether(home, ['start'], { PLATFORM_DB_URL: 'postgres://localhost:1/platform' });
    expect(await command.ends()).toBe(1);
    expect(command.output()).toMatch(
      /PLATFORM_MIGRATOR_PASSWORD, FOUNDATION_APP_PASSWORD, SUPPORT_APP_PASSWORD, SYNC_APP_PASSWORD/,
    );
  });
});

describe('the command', () => {
  test.each([
    [['demo'], /Nothing runs here/],
    [['token', '--as', 'maya'], /Nothing runs here/],
    [['migrate', 'up'], /Which database\?/],
    [['migrate', 'bootstrap'], /Which server\?/],
    [['strat'], /unknown command|did you mean/i],
  ])('aether %j without its settings ends with 1 and an explanation', async (args, sentence) => {
    const command = aether(await newHome(), args);
    expect(await command.ends()).toBe(1);
    expect(command.output()).toMatch(sentence);
    expect(command.output()).not.toMatch(/\bat .*\.ts:\d+/);
  });
});
