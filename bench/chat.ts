import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bootstrap, type LocalServer, migrate, startLocal } from '@aether/database';
import { connectPlatform } from '@aether/platform';
import pg from 'pg';
import { hangUp, Listeners, post } from './chatclient.ts';
import { startIssuer } from './issuer.ts';
import { median, quantile } from './measure.ts';
import { keepOldFiles } from './oldfiles.ts';
import { settleWorker } from './settle.ts';

/*
 * Open widgets, and messages to them: how long each takes from the sender to the other side, and the cost of an open
 * connection. For comparison, a chat written by hand: INSERT and NOTIFY, and a server that passes messages on.
 *
 *   npm run bench:chat
 *   npm run bench:chat -- --connections 500 --rate 100 --seconds 10 --rounds 5 --only turns
 *
 * The row with a goal and the one by hand take turns, and the table has the medians of their rounds: the p99 of one round is its tenth slowest
 * message, which a single hiccup of the machine decides. Of two sides only one runs: the processes of the other are stopped (SIGSTOP), so
 * that neither pays for what the other does by the clock.
 *
 * Servers, sequencer, PostgreSQL (fsync on) and this client share the machine. Each visitor has a different address. All servers, the one
 * by hand too, run as npm start runs them: with small spaces for new objects (--max-semi-space-size=2), because otherwise the growth of
 * those spaces, and not what a connection holds, is most of the memory; and with a thread of the engine for each other core
 * (--v8-pool-size=0). For the memory's sake each collects its garbage before it is read. The messages begin when the worker has looked at
 * the new customers once: the first row would have that beside it, and the last one not. The server has old files of its log to write
 * into, as one has that has run for a while.
 */
const { values: options } = parseArgs({
  options: {
    connections: { type: 'string', default: '500' },
    rate: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '5' },
    only: { type: 'string' },
  },
});
const [connections, rate, seconds, rounds] = [options.connections, options.rate, options.seconds, options.rounds].map(
  Number,
) as [number, number, number, number];
if (options.only !== undefined && options.only !== 'turns') throw new Error('--only takes "turns".');
/** Messages before each row that are not counted. */
const warmUp = rate * 2;
const widgetKey = 'bench-widget';
const tenant = 'bench-tenant';

type Session = { id: string; token: string };
/** How long each message took, sorted. */
type Took = number[];
type Server = { url: string; pid: number; child: ChildProcess };

const folder = await mkdtemp(join(tmpdir(), 'aether-bench-'));
await chmod(folder, 0o755);
let local: LocalServer | undefined;
const children: ChildProcess[] = [];
const issuer = await startIssuer(tenant);
try {
  local = await startLocal({ folder, database: 'bench', port: 54520 });
  await bootstrap(local.adminUrl, { database: 'bench', passwords: {} });
  await migrate(local.urlOf('platform_migrator'));
  await prepare(local);
  await runForAWhile(local);
  const worker = await startChild(fileURLToPath(import.meta.resolve('@aether/sync/main')), {
    PLATFORM_DB_URL: local.urlOf('sync_app'),
  });
  const [one, other] = [await startSupport(local), await startSupport(local)];
  const agent = await issuer.tokenFor('priya');

  const sessions = await openSessions(one);
  await settleWorker(local);
  const before = await heldKb(one);
  const listeners = new Listeners();
  await byTwenty((n) => {
    const { id, token } = sessions[n] as Session;
    return listeners.open(`${one.url}/api/sessions/${id}/stream?after=0`, {
      Authorization: `Bearer ${token}`,
      'X-Forwarded-For': addressOf(n),
    });
  });
  const perConnectionKb = ((await heldKb(one)) - before) / connections;
  const ours = [worker, one.child, other.child];

  const peer = await startPeer(local);
  const peerBefore = await heldKb(peer);
  const raw = new Listeners();
  await byTwenty((n) => raw.open(`${peer.url}/sessions/${sessions[n]?.id}/stream`, {}));
  const peerKb = ((await heldKb(peer)) - peerBefore) / connections;

  const staff = { Authorization: `Bearer ${agent}` };
  const reply = (server: Server) => (n: number, clientId: string) =>
    post(
      `${server.url}/api/sessions/${sessions[n % connections]?.id}/replies`,
      { client_id: clientId, body: 'It is on its way.' },
      staff,
    );
  const write = (n: number, clientId: string) => {
    const { id, token } = sessions[n % connections] as Session;
    return post(
      `${one.url}/api/sessions/${id}/messages`,
      { client_id: clientId, body: 'Where is my parcel?' },
      { Authorization: `Bearer ${token}`, 'X-Forwarded-For': addressOf(n % connections) },
    );
  };
  const byHand = (n: number, clientId: string) =>
    post(
      `${peer.url}/sessions/${sessions[n % connections]?.id}/messages`,
      { client_id: clientId, body: 'It is on its way.' },
      {},
    );

  console.log(
    `${connections} open widgets, ${rate} messages/s for ${seconds} s, rounds ${rounds}. Node ${process.version}.\n`,
  );
  // Once for each conversation. By hand there is nothing like it, so that it is a row of its own; as many warm up the other side.
  const first = { count: Math.max(connections - warmUp, rate) };
  const answered = await runAlone(ours, [peer.child], () => measure('the first answer', reply(one), listeners, first));
  await runAlone([peer.child], ours, () => measure('by hand', byHand, raw, first));
  const turns: Record<'ours' | 'byHand', Took[]> = { ours: [], byHand: [] };
  for (let round = 0; round < rounds; round++) {
    turns.ours.push(
      await runAlone(ours, [peer.child], () => measure('agent → visitor, both on one server', reply(one), listeners)),
    );
    turns.byHand.push(await runAlone([peer.child], ours, () => measure('by hand', byHand, raw)));
  }
  console.log('| message | delivered | p50 ms | p99 ms | slowest ms |\n|---|--:|--:|--:|--:|');
  report('the first answer, which gives the agent the conversation', [answered]);
  report('agent → visitor, both on one server', turns.ours);
  raw.close();
  peer.child.kill('SIGKILL');
  for (const child of ours) child.kill('SIGCONT');
  let loadedKb: number | undefined;
  if (options.only !== 'turns') {
    const between = 'agent → visitor, on two servers';
    report(between, [await measure(between, reply(other), listeners)]);
    const feed = new Listeners();
    await feed.open(`${other.url}/api/events?types=message.created`, staff);
    const written = 'visitor → agent’s console, on two servers';
    report(written, [await measure(written, write, feed)]);
    loadedKb = ((await heldKb(one)) - before) / connections;
    feed.close();
  }
  listeners.close();
  report('by hand: INSERT, NOTIFY, one server, no rights, no retries', turns.byHand);
  const ms = (took: Took[], fraction: number) => took.map((each) => quantile(each, fraction).toFixed(1)).join(', ');
  for (const [name, took] of [
    ['On one server', turns.ours],
    ['By hand', turns.byHand],
  ] as const)
    console.log(
      `${name === 'By hand' ? '' : '\n'}${name}, round by round: p50 ${ms(took, 0.5)}; p99 ${ms(took, 0.99)}.`,
    );
  console.log(
    `\nMemory per open connection: ${perConnectionKb.toFixed(0)} kB${loadedKb === undefined ? '' : `, ${loadedKb.toFixed(0)} kB after the messages`}; by hand ${peerKb.toFixed(0)} kB.`,
  );
} finally {
  for (const child of children) child.kill('SIGKILL');
  issuer.close();
  await local?.server.stop('immediate');
  await rm(folder, { recursive: true, force: true });
}

/** One address per visitor, in the header that a proxy sets. */
function addressOf(n: number): string {
  return `10.0.${Math.floor(n / 250)}.${(n % 250) + 1}`;
}

async function prepare(server: LocalServer): Promise<void> {
  const db = await connectPlatform({ app: 'support', variables: { PLATFORM_DB_URL: server.urlOf('support_app') } });
  await db.signInUser({
    subject: 'priya',
    email: 'priya@aether.example',
    name: 'Priya',
    tenantId: tenant,
    objectId: 'priya',
  });
  await db.query(`insert into support.agents (user_id) values ('priya')`);
  await db.query('insert into support.widgets (key, name) values ($1, $2)', [widgetKey, 'Bench']);
  await db.close();
}

/** Otherwise the messages of 50 ms wait for each new file of the database's log: ours more often than those by hand, because they write more. */
async function runForAWhile({ server }: LocalServer): Promise<void> {
  const superuser = new pg.Client({ connectionString: server.superuserUrl('bench') });
  await superuser.connect();
  await keepOldFiles(superuser);
  await superuser.end();
}

async function startChild(script: string, variables: Record<string, string>): Promise<ChildProcess> {
  const child = fork(script, {
    execArgv: [
      '--max-semi-space-size=2',
      '--v8-pool-size=0',
      '--import',
      fileURLToPath(new URL('./collect.ts', import.meta.url)),
    ],
    env: { ...process.env, LOG_LEVEL: 'info', ...variables },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  children.push(child);
  child.stdout?.resume(); // otherwise it waits once the pipe is full
  return child;
}

/** Starts a Support in another process and waits until it answers. */
async function startSupport(server: LocalServer): Promise<Server> {
  const port = await freePort();
  const child = await startChild(fileURLToPath(import.meta.resolve('@aether/support/main')), {
    ...issuer.variables,
    PLATFORM_DB_URL: server.urlOf('support_app'),
    SUPPORT_PORT: `${port}`,
    SUPPORT_PROXY_HOPS: '1',
    SUPPORT_RATE_FACTOR: '100000', // the limits have their own tests; here all requests come from one client
  });

  const url = `http://127.0.0.1:${port}`;
  for (let n = 0; n < 200; n++) {
    const answer = await fetch(`${url}/readyz`).catch(() => undefined);
    if (answer?.ok) return { url, pid: child.pid as number, child };
    await wait(100);
  }
  throw new Error('Support did not start within 20 s.');
}

async function startPeer(server: LocalServer): Promise<Server> {
  const admin = new pg.Client({ connectionString: server.adminUrl });
  await admin.connect();
  await admin.query('create database peer_chat');
  await admin.end();
  const url = Object.assign(new URL(server.adminUrl), { pathname: '/peer_chat' }).href;
  const child = await startChild(fileURLToPath(new URL('./chatpeer.ts', import.meta.url)), { PEER_DB_URL: url });
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return { url: `http://127.0.0.1:${port}`, pid: child.pid as number, child };
}

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net');
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await once(server.close(), 'close');
  return port;
}

async function openSessions(server: Server): Promise<Session[]> {
  const sessions: Session[] = [];
  await byTwenty(async (n) => {
    const opened = await post(
      `${server.url}/api/widgets/${widgetKey}/sessions`,
      { email: `visitor${n}@post.example`, name: `Visitor ${n}` },
      { 'X-Forwarded-For': addressOf(n) },
    );
    sessions[n] = { id: opened.session_id as string, token: opened.visitor_token as string };
  });
  return sessions;
}

/** Does it for each connection, twenty at a time: five hundred at once would leave the garbage of a rush in the figures of memory. */
async function byTwenty(open: (n: number) => Promise<void>): Promise<void> {
  for (let n = 0; n < connections; n += 20)
    await Promise.all(Array.from({ length: Math.min(20, connections - n) }, (_, at) => open(n + at)));
}

/** Runs it while these go on and those are stopped. */
async function runAlone<T>(running: ChildProcess[], stopped: ChildProcess[], run: () => Promise<T>): Promise<T> {
  hangUp(); // a server that goes on closes the connections that were idle for too long meanwhile
  for (const child of stopped) child.kill('SIGSTOP');
  for (const child of running) child.kill('SIGCONT');
  return run();
}

/**
 * Warms up for two seconds, then sends at the rate for the given time, or so many, and waits until all messages have arrived.
 *
 * @returns how long each took, sorted.
 * @throws Error if one has not arrived within half a minute.
 */
async function measure(
  what: string,
  send: (n: number, clientId: string) => Promise<unknown>,
  listeners: Listeners,
  { count = rate * seconds } = {},
): Promise<Took> {
  const sentAt = new Map<string, number>();
  const startedAt = performance.now();
  const sending: Promise<unknown>[] = [];
  const run = Math.random().toString(36).slice(2, 8);
  for (let n = 0; n < warmUp + count; n++) {
    const dueAt = startedAt + (n / rate) * 1_000;
    if (dueAt > performance.now()) await wait(dueAt - performance.now());
    const clientId = `${run}-${n}`;
    if (n >= warmUp) sentAt.set(clientId, performance.now());
    sending.push(send(n, clientId));
  }
  await Promise.all(sending);
  const giveUpAt = performance.now() + 30_000;
  const missing = () => [...sentAt.keys()].filter((id) => !listeners.heardAt.has(id)).length;
  while (missing() > 0 && performance.now() < giveUpAt) await wait(50);
  if (missing() > 0) throw new Error(`${missing()} of ${count} messages did not arrive: ${what}`);
  return [...sentAt].map(([id, at]) => (listeners.heardAt.get(id) as number) - at).sort((a, b) => a - b);
}

/** Prints a row: the medians of its rounds, and the slowest message of all. */
function report(what: string, took: Took[]): void {
  const ms = (value: number | undefined) => (value ?? Number.NaN).toFixed(1);
  const of = (fraction: number) => ms(median(took.map((each) => quantile(each, fraction))));
  const delivered = took.reduce((sum, { length }) => sum + length, 0).toLocaleString('en');
  console.log(
    `| ${what} | ${delivered} | ${of(0.5)} | ${of(0.99)} | ${ms(Math.max(...took.map((each) => each.at(-1) ?? 0)))} |`,
  );
}

/** The memory of a server once it is quiet and has collected its garbage. Linux only. */
async function heldKb({ pid, child }: Server): Promise<number> {
  await wait(2_000);
  const collected = once(child, 'message');
  child.send('collect');
  await collected;
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
