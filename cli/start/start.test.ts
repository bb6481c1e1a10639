import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { atEnd, createTestDatabase } from '@aether/database/testing';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { mallocOfStart } from '../launch.mjs';
import {
  aether,
  aetherHere,
  type Command,
  newHome,
  readEnv,
  readFirstStart,
  startedHome,
  tokenOf,
} from '../testing.ts';

// A start costs five seconds of a core, so each one here is the start of several tests.
let home: string;
let running: Command[] = [];
beforeAll(async () => {
  home = await startedHome();
  atEnd(stopAll);
}, 120_000);

async function stopAll(): Promise<void> {
  for (const command of running) command.child.kill('SIGTERM');
  await Promise.all(running.map((command) => command.ends()));
  running = [];
}

function run(args: string[], variables: Record<string, string> = {}, folder = home): Command {
  const command = aether(folder, args, variables);
  running.push(command);
  return command;
}

const untilReady = (command: Command) => command.prints(/Ctrl-C stops everything/);
const codeAndOutput = async (command: Command) => [await command.ends(), command.output()];

/** What a command that only asks what runs, or is refused, ends with. */
const ask = async (folder: string, args: string[], variables: Record<string, string> = {}) => {
  const { code, output } = await aetherHere(folder, args, variables);
  return [code, output];
};

async function kill(command: Command): Promise<void> {
  process.kill(Number(readEnv(home).AETHER_PID), 'SIGKILL');
  expect(await command.ends()).not.toBe(0);
}

const asMaya = async () => ({ Authorization: `Bearer ${await tokenOf(home, 'maya', 'foundation')}` });

const search = async (text: string) => {
  const url = `${readEnv(home).FOUNDATION_URL}/api/customers?search=${encodeURIComponent(text)}`;
  const response = await fetch(url, { headers: await asMaya() });
  return ((await response.json()) as { customers: { name: string }[] }).customers;
};

const addCustomer = async (email: string) => {
  const response = await fetch(`${readEnv(home).FOUNDATION_URL}/api/customers`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...(await asMaya()) },
    body: JSON.stringify({ name: 'Was Here', email }),
  });
  expect(response.status).toBe(201);
};

const isReady = async () => (await fetch(`${readEnv(home).FOUNDATION_URL}/readyz`)).status === 200;

const isListening = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('close', () => socket.destroy());
  });

const portOfPostgres = () => Number(new URL(readEnv(home).FOUNDATION_APP_URL ?? '').port);

async function expectNoProcess(): Promise<void> {
  const { stdout: processes } = await promisify(execFile)('ps', ['-axo', 'args']);
  expect(processes.split('\n').filter((process) => process.includes(home))).toEqual([]);
}

/** The passwords of the logins of the tests' server, as settings. */
const passwords = () =>
  Object.fromEntries(
    Object.entries(inject('aetherServer').urls).map(([login, url]) => [
      `${login.toUpperCase()}_PASSWORD`,
      decodeURIComponent(new URL(url).password),
    ]),
  );

test('npm start makes the database and the demo data at the first start', async () => {
  expect(await readFirstStart()).toMatch(/migrations \(\d+ applied\).*demo data \(loaded\)/s);
});

describe('while npm start runs', { timeout: 60_000 }, () => {
  let command: Command;
  let takenPort: number;
  let demoBefore: unknown[];
  beforeAll(async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    atEnd(() => once(other.close(), 'close'));
    takenPort = (other.address() as { port: number }).port;
    await writeFile(join(home, 'env'), `AETHER_PID=${process.pid}\nFOUNDATION_URL=http://127.0.0.1:1\n`);
    demoBefore = await ask(home, ['demo']);
    command = run(['start'], { FOUNDATION_PORT: String(takenPort), ...mallocOfStart, MALLOC_PERTURB_: '0' });
    await untilReady(command);
  }, 60_000);

  test('the data of an earlier start is there, and is not made again', async () => {
    expect(command.output()).toMatch(/migrations \(up to date\).*demo data \(there already\)/s);
    expect(await search('fjordlight')).toHaveLength(2);
  });

  test('a stale description with a reused process number neither stops a start nor passes for one', async () => {
    expect(demoBefore).toEqual([1, expect.stringContaining('Nothing runs here')]);
    expect(readEnv(home).FOUNDATION_URL).not.toBe('http://127.0.0.1:1');
    expect(await isReady()).toBe(true);
  });

  test.runIf(process.platform === 'linux')(
    'what spares the memory of this process is not for its PostgreSQL, whose statements it would slow down',
    async () => {
      const { stdout } = await promisify(execFile)('ps', ['-axo', 'pid=,args=']);
      const [server] = stdout.split('\n').filter((line) => line.includes(home) && /postgres\S* -D/.test(line));
      const environment = await readFile(`/proc/${Number.parseInt(server as string, 10)}/environ`, 'utf8');
      expect(environment.split('\0').filter((each) => each.startsWith('MALLOC_'))).toEqual(['MALLOC_PERTURB_=0']);
    },
  );

  test('a taken port is named, and passed over', async () => {
    expect(command.output()).toContain(`(${takenPort} was taken)`);
    expect(readEnv(home).FOUNDATION_URL).not.toContain(`:${takenPort}`);
  });

  test('the demo over the bus is refused where no bus runs, and says how to start one', async () => {
    expect(await ask(home, ['demo', '--bus'])).toEqual([1, expect.stringContaining('npm start -- --with-bus')]);
    expect(await ask(home, ['servicebus', 'status'])).toEqual([1, expect.stringContaining('Which Service Bus?')]);
  });

  test('the demo plays its three scenarios', async () => {
    expect(await ask(home, ['demo'])).toEqual([0, expect.stringContaining('All three scenarios hold.')]);
    expect(await search('harbour.example')).toHaveLength(1);
  });

  // The page asks for curl and a shell, which are not everywhere.
  const hasCurl = spawnSync('bash', ['-c', 'curl --version']).status === 0;
  test.skipIf(!hasCurl)('the commands of docs/tutorial.md print what the page says', async () => {
    const root = join(import.meta.dirname, '..', '..');
    const page = await readFile(join(root, 'docs', 'tutorial.md'), 'utf8');
    const [[, , start] = [], ...blocks] = page.matchAll(/^```(sh|text)\n(.*?)^```$/gms);
    expect(start).toBe('npm start\n');
    const said = blocks.filter(([, kind]) => kind === 'text').map(([, , text = '']) => text.trimEnd().split('\n'));
    // Each text is what the commands since the one before have printed.
    const commands = blocks.map(([, kind, text]) => (kind === 'sh' ? text : `echo '-- next'\n`)).join('\n');
    // npx takes longer than the command that it finds, so that only the first one of the page goes by it.
    const [before = '', ...more] = commands.split('npx aether ');
    const script = `${before}npx aether ${more.join('"$NODE" cli/main.ts ')}`;
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: root,
      env: { ...process.env, NODE: process.execPath, AETHER_HOME: home },
    });
    const printed = stdout.split('-- next\n');
    expect(said.length).toBeGreaterThan(4);
    for (const [at, lines] of said.entries()) for (const line of lines) expect(printed[at]).toContain(line);
  });

  test('a token that the command prints signs its person in at the app that it is for, and at no other', async () => {
    const { FOUNDATION_URL, SUPPORT_URL } = readEnv(home);
    const [code, token] = await ask(home, ['token', '--as', 'priya', '--app', 'support']);
    expect(code).toBe(0);
    const headers = { Authorization: `Bearer ${String(token).trim()}` };
    const me = await fetch(`${SUPPORT_URL}/signin/me`, { headers });
    expect(await me.json()).toMatchObject({ user: { id: 'demo-priya', name: 'Priya Nair', role: 'user' } });
    expect((await fetch(`${FOUNDATION_URL}/signin/me`, { headers })).status).toBe(401);
    expect((await fetch(`${SUPPORT_URL}/signin/me`)).status).toBe(401);
  });

  test.each([[['start']], [['start', '--reset']]])(
    'aether %j on the same data is refused, and disturbs nothing',
    async (args) => {
      expect(await ask(home, args)).toEqual([1, expect.stringContaining('Aether runs already')]);
      expect(await isReady()).toBe(true);
    },
  );

  test('the connection strings are in a file that only its owner can read', async () => {
    const { FOUNDATION_APP_URL, SUPPORT_APP_URL, PLATFORM_MIGRATOR_URL, AETHER_PID } = readEnv(home);
    expect(
      [FOUNDATION_APP_URL, SUPPORT_APP_URL, PLATFORM_MIGRATOR_URL].map((url) => new URL(url as string).username),
    ).toEqual(['foundation_app', 'support_app', 'platform_migrator']);
    expect(Number(AETHER_PID)).toBeGreaterThan(0);
    expect((await stat(join(home, 'env'))).mode & 0o777).toBe(0o600);
    expect(await ask(home, ['migrate', 'check'])).toEqual([0, expect.stringContaining('is the one of')]);
  });

  test('a receiver of webhooks on this machine is registered by the command, as by the console; one of another network is refused', async () => {
    const add = (address: string) =>
      ask(home, ['webhook', 'add', 'support.here', address, '--types', 'customer.created']);
    expect(await add('http://127.0.0.1:9/hook')).toEqual([0, expect.stringContaining('whsec_')]);
    expect(await ask(home, ['webhook', 'remove', 'support.here'])).toEqual([0, expect.anything()]);
    expect(await add('https://10.0.0.1/hook')).toEqual([1, expect.stringContaining('SYNC_WEBHOOK_NETWORKS')]);
  });

  test('the demo names the server that did not answer, and the request', async () => {
    const env = await readFile(join(home, 'env'), 'utf8');
    await writeFile(join(home, 'env'), `${env}SUPPORT_URL=http://127.0.0.1:2\n`);
    expect(await ask(home, ['demo'])).toEqual([
      1,
      expect.stringMatching(
        /Support at http:\/\/127\.0\.0\.1:2 did not answer \(\w+\), when it came to: Ada Okonkwo starts a chat/,
      ),
    ]);
    await writeFile(join(home, 'env'), env);
  });

  describe('and is killed', { timeout: 60_000 }, () => {
    // Two starts at once: whichever is refused runs after the other one was killed as well.
    const commands = [['start'], ['start', '--reset']];
    let refused: unknown[];
    const after: { found: number; output: string }[] = [];
    let last: Command;
    beforeAll(async () => {
      await addCustomer('was.here.first@example.com');
      await kill(command);
      const both = commands.map((args) => run(args));
      const index = await Promise.race(both.map(async (each, index) => each.ends().then(() => index)));
      refused = await codeAndOutput(both[index] as Command);
      const winner = both[1 - index] as Command;
      await untilReady(winner);
      after[1 - index] = { found: (await search('was.here.first')).length, output: winner.output() };
      await addCustomer('was.here.then@example.com');
      await kill(winner);
      last = run([...(commands[index] as string[]), '--with-bus']);
      await untilReady(last);
      after[index] = { found: (await search('was.here.then')).length, output: last.output() };
    }, 120_000);

    test('one of two starts at the same moment runs, though one has --reset, and the other one is refused', () => {
      expect(refused).toEqual([1, expect.stringMatching(/Aether runs already|Another start or stop/)]);
    });

    test('the next start takes over the PostgreSQL that is left, with its data', () => {
      expect(after[0]).toEqual({ found: 1, output: expect.stringMatching(/was running still/) });
    });

    test('--reset removes its data, and starts over', async () => {
      expect(after[1]).toEqual({ found: 0, output: expect.stringMatching(/data removed.*demo data \(loaded\)/s) });
      expect(await search('fjordlight')).toHaveLength(2);
    });

    test('with the bus, a tier that is raised in Foundation arrives in billing, on a server of its own', async () => {
      const { BILLING_DB_URL = '', FOUNDATION_APP_URL = '', BILLING_URL } = readEnv(home);
      expect(new URL(BILLING_DB_URL).port).not.toBe(new URL(FOUNDATION_APP_URL).port);
      expect(last.output()).toContain(`Billing      ${BILLING_URL}`);
      await expect
        .poll(() => ask(home, ['servicebus', 'status']), { timeout: 60_000 })
        .toEqual([0, expect.stringMatching(/billing +0 +0/)]);
      expect(await ask(home, ['demo', '--bus'])).toEqual([
        0,
        expect.stringMatching(/billing has enterprise: \d+ ms from the change.*All four scenarios hold\./s),
      ]);
    });

    test('Ctrl-C stops everything that a later start runs', async () => {
      const port = portOfPostgres();
      expect(await isListening(port)).toBe(true);
      last.child.kill('SIGINT');
      expect(await last.ends()).toBe(0);
      for (const server of ['Billing', 'Support', 'Foundation', 'Console'])
        expect(last.output()).toMatch(new RegExp(`${server} stopped.*PostgreSQL stopped`, 's'));
      expect(await isListening(port)).toBe(false);
      expect(existsSync(join(home, 'env'))).toBe(false);
      await expectNoProcess();
    });
  });
});

describe('npm start', { timeout: 60_000 }, () => {
  test('stops everything when its output is closed', async () => {
    await stopAll();
    const command = run(['start']);
    await command.prints(/PostgreSQL \(port (\d+)/);
    const port = Number(/PostgreSQL \(port (\d+)/.exec(command.output())?.[1]);
    command.child.stdout?.destroy();
    await command.ends();
    expect(await isListening(port)).toBe(false);
  });

  test('stops at Ctrl-C while it is starting, and leaves nothing running', async () => {
    await stopAll();
    const command = run(['start']);
    await command.prints(/Aether/);
    command.child.kill('SIGINT');
    expect(await command.ends()).toBe(0);
    expect(command.output()).toMatch(/Stopping\..*PostgreSQL stopped/s);
    await expectNoProcess();
  });

  test('names the missing passwords if PLATFORM_DB_URL is set without them', async () => {
    expect(await ask(home, ['start'], { PLATFORM_DB_URL: 'postgres://localhost:1/platform' })).toEqual([
      1,
      expect.stringMatching(
        /PLATFORM_MIGRATOR_PASSWORD, FOUNDATION_APP_PASSWORD, SUPPORT_APP_PASSWORD, CONSOLE_APP_PASSWORD, SYNC_APP_PASSWORD/,
      ),
    ]);
  });
});

describe('npm start with another server and another identity provider', { timeout: 60_000 }, () => {
  let elsewhere: string;
  let command: Command;
  beforeAll(async () => {
    const { url } = await createTestDatabase();
    elsewhere = join(await newHome(), 'not', 'there', 'yet');
    const variables = {
      ...passwords(),
      PLATFORM_DB_URL: url('platform_migrator'),
      SIGNIN_ISSUER: 'https://id.example',
      SIGNIN_CLIENT_ID: 'aether',
    };
    command = run(['start'], variables, elsewhere);
    await untilReady(command);
  }, 60_000);

  test('leaves sign-in to the provider that the settings name', async () => {
    expect(command.output()).toMatch(/Sign-in +https:\/\/id\.example/);
    expect(command.output()).not.toMatch(/identity provider/);
    expect(await ask(elsewhere, ['token', '--as', 'maya'])).toEqual([
      1,
      expect.stringMatching(/only that one gives tokens.*docs\/signin\.md/),
    ]);
  });

  test('uses the server of PLATFORM_DB_URL without demo data, and stops only what it started', async () => {
    expect((await fetch(`${readEnv(elsewhere).FOUNDATION_URL}/readyz`)).status).toBe(200);
    expect(await ask(elsewhere, ['demo'])).toEqual([1, expect.stringContaining('--widget <key>')]);
    command.child.kill('SIGTERM');
    expect(await command.ends()).toBe(0);
    expect(command.output()).not.toMatch(/PostgreSQL stopped|demo data|aether demo/);
  });
});

describe('the command', () => {
  test.each([
    [['demo'], /Nothing runs here/],
    [['token', '--as', 'maya'], /Nothing runs here/],
    [['migrate', 'up'], /Which database\?/],
    [['migrate', 'bootstrap'], /Which server\?/],
  ])('aether %j without its settings ends with 1 and an explanation', async (args, sentence) => {
    expectRefused(await ask(await newHome(), args), sentence);
  });

  test('that does not exist ends with 1 and an explanation', async () => {
    expectRefused(await codeAndOutput(aether(await newHome(), ['strat'])), /unknown command|did you mean/i);
  });
});

function expectRefused([code, output]: unknown[], sentence: RegExp): void {
  expect(code).toBe(1);
  expect(output).toMatch(sentence);
  expect(output).not.toMatch(/\bat .*\.ts:\d+/);
}
