import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { startTestLine } from '@aether/platform/testing.line';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from './testing.ts';

let database: TestDatabase;
let sync: pg.Client;
const children: ChildProcess[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  sync = await database.connect('sync_app');
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

type Process = { child: ChildProcess; text: { stdout: string; stderr: string }; ended: Promise<number | null> };

/** Runs the worker as a process, as an operator does. */
function run(variables: Record<string, string>): Process {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, ...variables },
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

/** What it has said of its leadership. Its other messages, as of a retention that found a table locked, may come at any moment. */
const sayings = ({ text }: Process): string[] =>
  text.stdout
    .split('\n')
    .filter((row) => row.startsWith('{'))
    .map((row) => JSON.parse(row).msg.split(':')[0])
    .filter((said) => ['leads', 'stands by', 'yields'].includes(said));
const urlWith = (change: (url: URL) => void) => {
  const url = new URL(database.url('sync_app'));
  change(url);
  return url.href;
};

// The sentences for the other settings that the worker refuses are in settings.test.ts.
test('the process ends with one sentence and exit code 1 when it is given a wrong password', async () => {
  const worker = run({ PLATFORM_DB_URL: database.url('sync_app'), DB_PASSWORD: 'wrong' });
  expect(await worker.ended, worker.text.stderr).toBe(1);
  expect(worker.text.stderr).toMatch(/^The platform database refuses the login/);
  expect(worker.text.stderr.trim().split('\n')).toHaveLength(1);
  expect(worker.text.stdout).toBe('');
});

// A process costs a second of a core, so all tests here look at the same two.
describe('of two workers', () => {
  type Seen = { exitCode: number | null; sayings: string[] };
  let first: Seen;
  let second: Seen;
  let terms: { whileStopped: number; afterwards: number };
  let endingMs: number;
  beforeAll(async () => {
    const { username, password } = new URL(database.url('sync_app'));
    const one = run({
      PLATFORM_DB_URL: urlWith((url) => {
        url.username = 'somebody';
        url.password = 'else';
      }),
      DB_USER: decodeURIComponent(username),
      DB_PASSWORD: decodeURIComponent(password),
      DB_ROLE: 'sync_role',
    });
    await until(() => sayings(one).includes('leads'));
    const line = await startTestLine(database.url('sync_app'));
    const other = run({ PLATFORM_DB_URL: line.url });
    await until(() => sayings(other).includes('stands by'));

    const readTerm = async (): Promise<number> =>
      (await sync.query('select term::integer from sync.sequencer')).rows[0].term;
    one.child.kill('SIGSTOP');
    await until(() => sayings(other).includes('leads'));
    const whileStopped = await readTerm();
    one.child.kill('SIGCONT');
    await until(() => sayings(one).includes('stands by'));
    terms = { whileStopped, afterwards: await readTerm() };

    line.silence();
    await until(() => sayings(other).includes('yields'));
    await until(() => sayings(one).filter((each) => each === 'leads').length === 2);
    const askedAt = performance.now();
    other.child.kill('SIGTERM');
    second = { exitCode: await other.ended, sayings: sayings(other) };
    endingMs = performance.now() - askedAt;
    await line.close();

    one.child.kill('SIGTERM');
    first = { exitCode: await one.ended, sayings: sayings(one) };
  });

  test('one uses DB_USER and DB_PASSWORD instead of those in its address, checks DB_ROLE, and yields at SIGTERM', () => {
    expect(first.exitCode).toBe(0);
    expect(first.sayings[0]).toBe('leads');
    expect(first.sayings.at(-1)).toBe('yields');
  });

  test('a leader that the machine had stopped has lost its lease to the other, and finds that out when it continues', () => {
    expect(terms.afterwards).toBe(terms.whileStopped);
    expect(second.sayings.slice(0, 2)).toEqual(['stands by', 'leads']);
  });

  test('one whose line has gone silent yields to the other, and SIGTERM ends it', () => {
    expect(second.exitCode).toBe(0);
    // Its own limit is two seconds.
    expect(endingMs).toBeLessThan(6_000);
    expect(second.sayings).toContain('yields');
    expect(first.sayings.filter((each) => each === 'leads')).toHaveLength(2);
  });
});
