import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { startTestLine } from '@aether/platform/testing.line';
import type pg from 'pg';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { until } from './testing.ts';

let database: TestDatabase;
let sync: pg.Client;
const children: ChildProcess[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  sync = await database.connect('sync_app');
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

type Process = { child: ChildProcess; text: { stdout: string; stderr: string }; ended: Promise<number | null> };

/** Runs the worker as a process, as an operator does. */
function run(variables: Record<string, string>): Process {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], {
    env: { PATH: process.env.PATH, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8');
    child[name]?.on('data', (chunk) => {
      text[name] += chunk;
    });
  }
  return { child, text, ended: once(child, 'close').then(([code]) => code) };
}

const sayings = ({ text }: Process): string[] =>
  text.stdout
    .split('\n')
    .filter((row) => row.startsWith('{'))
    .map((row) => JSON.parse(row).msg.split(':')[0]);
const urlWith = (change: (url: URL) => void) => {
  const url = new URL(database.url('sync_app'));
  change(url);
  return url.href;
};

test.each([
  [
    'a wrong password',
    () => ({ PLATFORM_DB_URL: database.url('sync_app'), DB_PASSWORD: 'wrong' }),
    /^The platform database refuses the login/,
  ],
  [
    'an address that cannot be read',
    () => ({ PLATFORM_DB_URL: 'localhost/platform' }),
    /^PLATFORM_DB_URL is not a PostgreSQL address/,
  ],
] as [string, () => Record<string, string>, RegExp][])(
  'the process ends with one sentence and exit code 1 when it is given %s',
  async (_what, variables, words) => {
    const worker = run(variables());
    expect(await worker.ended, worker.text.stderr).toBe(1);
    expect(worker.text.stderr).toMatch(words);
    expect(worker.text.stderr.trim().split('\n')).toHaveLength(1);
    expect(worker.text.stdout).toBe('');
  },
);

test('DB_USER and DB_PASSWORD are used instead of those in the address, and DB_ROLE is checked', async () => {
  const { username, password } = new URL(database.url('sync_app'));
  const worker = run({
    PLATFORM_DB_URL: urlWith((url) => {
      url.username = 'somebody';
      url.password = 'else';
    }),
    DB_USER: decodeURIComponent(username),
    DB_PASSWORD: decodeURIComponent(password),
    DB_ROLE: 'sync_role',
  });
  await until(() => sayings(worker).includes('leads'));
  worker.child.kill('SIGTERM');
  expect(await worker.ended).toBe(0);
  expect(sayings(worker)).toEqual(['leads', 'yields']);
});

test('a leader that the machine had stopped has lost its lease to another, and finds that out when it continues', async () => {
  const url = database.url('sync_app');
  const first = run({ PLATFORM_DB_URL: url });
  await until(() => sayings(first).includes('leads'));
  const second = run({ PLATFORM_DB_URL: url });
  await until(() => sayings(second).includes('stands by'));
  first.child.kill('SIGSTOP');
  await until(() => sayings(second).includes('leads'));
  const { rows } = await sync.query('select term::integer from sync.sequencer');
  first.child.kill('SIGCONT');
  await until(() => sayings(first).includes('stands by'));
  expect((await sync.query('select term::integer from sync.sequencer')).rows).toEqual(rows);
  expect(sayings(second)).toEqual(['stands by', 'leads']);
});

test('SIGTERM ends a worker whose line has gone silent', async () => {
  const line = await startTestLine(database.url('sync_app'));
  const worker = run({ PLATFORM_DB_URL: line.url });
  await until(() => sayings(worker).includes('leads'));
  line.silence();
  await until(() => sayings(worker).includes('yields'));
  const beganAt = performance.now();
  worker.child.kill('SIGTERM');
  expect(await worker.ended).toBe(0);
  // Its own limit is two seconds.
  expect(performance.now() - beganAt).toBeLessThan(6_000);
  await line.close();
});
