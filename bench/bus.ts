import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bootstrap, type LocalServer, migrate, startLocal } from '@aether/database';
import { people } from '@aether/importer/testing.people';
import {
  ensureTopology,
  lanesDefault,
  openAdmin,
  openClient,
  openSender,
  readServiceBusSettings,
  type ServiceBusSettings,
  toMessage,
} from '@aether/servicebus';
import pg from 'pg';
import { median, quantile } from './measure.ts';
import { settleWorker } from './settle.ts';

/*
 * The bus beside a plain loop with the bare SDK, on one broker (the stand-in, a process of its own) in the same run: commit → handled in
 * another process, and a backlog. The plain loop sends when it has committed, and reads with subscribe(), one hundred messages at once, without
 * order, inbox or outbox: what is lost between commit and send is lost, and what comes twice is handled twice.
 *
 *   npm run bench:bus
 *   npm run bench:bus -- --brief
 *   npm run bench:bus -- --backlog 20000 --seconds 4 --rounds 3 --drains 3 --rates 20,200 --effects none,row --only latency,drain
 */
const whole = { backlog: '100000', seconds: '5', rounds: '2', drains: '1', rates: '20,200', effects: 'none,row' };
/** About a minute. */
const brief = { ...whole, backlog: '20000', rounds: '1', effects: 'none' };
const text = { type: 'string' } as const;
const { values: given } = parseArgs({
  options: {
    ...{ backlog: text, seconds: text, rounds: text, drains: text, rates: text, effects: text },
    only: { type: 'string', default: 'latency,drain' },
    brief: { type: 'boolean', default: false },
  },
});
const options = { ...(given.brief ? brief : whole), ...given };
const backlog = Number(options.backlog);
const rounds = Number(options.rounds);
const drains = Number(options.drains);
/** What is not there by then counts as so late, and the bench goes on. */
const lateMs = 30_000;
const drainLimitMs = 120_000;
const effects = options.effects.split(',');
/** Of the last minute: the bench itself is about two. */
const load = () => loadavg()[0]?.toFixed(1);
const customersCount = 2_000;
/** A change for which the worker makes no search for duplicates: that would keep a core busy beside the bus, and not beside the plain loop. */
const changeTier = `update platform.customers set account_tier = case account_tier when 'standard' then 'premium' else 'standard' end
  where id = $1 returning version`;
const warmRate = 200;
const warmMs = 1_500;
const modes = ['plain', 'ours'] as const;
type Mode = (typeof modes)[number];
/** Of the plain loop's own sends. */
const plainTopic = 'plain';
const subscriptionOf = { plain: 'plain', ours: 'billing' };
const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

/** Of events that this process makes itself. */
let ids = 0;
const goals: string[] = [];
const goal = (words: string, isReached: boolean, figure: string) =>
  goals.push(`- ${isReached ? 'reached' : 'MISSED'}: ${words} (${figure})`);

const folder = await mkdtemp(join(tmpdir(), 'aether-bench-'));
await chmod(folder, 0o755);
const children: ChildProcess[] = [];
let local: LocalServer | undefined;
try {
  local = await startLocal({
    folder,
    database: 'bench',
    port: 54_545,
    settings: { shared_buffers: '512MB', max_wal_size: '4GB' },
  });
  await bootstrap(local.adminUrl, { database: 'bench', passwords: {} });
  await migrate(local.urlOf('platform_migrator'));
  const ownUrl = await makeOwnDatabase(local);
  const settings = await startBroker();
  await makeEntities(settings);
  if (options.only.includes('latency')) await measureLatency(local, settings, ownUrl);
  if (options.only.includes('drain')) await measureDrain(settings, ownUrl);
  console.log(`\nGoals\n\n${goals.join('\n')}`);
} finally {
  for (const child of children) child.kill('SIGKILL');
  await local?.server.stop('immediate');
  await rm(folder, { recursive: true, force: true });
}

async function makeOwnDatabase({ server }: LocalServer): Promise<string> {
  const superuser = new pg.Client({ connectionString: server.superuserUrl('postgres') });
  await superuser.connect();
  await superuser.query('create database own');
  await superuser.end();
  const own = new pg.Client({ connectionString: server.superuserUrl('own') });
  await own.connect();
  await own.query('create table public.copies (key text primary key, version bigint not null, data jsonb not null)');
  await own.end();
  return server.superuserUrl('own');
}

async function startBroker(): Promise<ServiceBusSettings> {
  const child = fork(fileURLToPath(import.meta.resolve('@aether/servicebus/standin/main')));
  children.push(child);
  const [{ connectionString, adminUrl }] = await once(child, 'message');
  return readServiceBusSettings({
    SERVICEBUS_CONNECTION_STRING: connectionString,
    SERVICEBUS_ADMIN_URL: adminUrl,
  }) as ServiceBusSettings;
}

/** The topic of the relay, and a plain one for the plain loop's own sends. */
async function makeEntities(settings: ServiceBusSettings): Promise<void> {
  await ensureTopology(settings, []);
  const admin = openAdmin(settings);
  await admin.createTopic(plainTopic);
  await admin.createSubscription(plainTopic, subscriptionOf.plain);
}

async function startConsumer(
  mode: Mode,
  {
    settings,
    topic,
    url,
    effect,
    report,
  }: { settings: ServiceBusSettings; topic: string; url: string; effect: string; report: 'each' | 'count' },
): Promise<ChildProcess> {
  const child = fork(here('./busconsumer.ts'), [mode, topic, subscriptionOf[mode], url, effect, report], {
    env: environmentOf(settings),
  });
  children.push(child);
  await once(child, 'message');
  return child;
}

/** Customers of one name would all be compared with each other. */
function namesOfPeople(count: number): string[] {
  const found = new Set<string>();
  for (const { name, firstName, lastName } of people({ seed: 18 })) {
    const written = (name ?? [firstName, lastName].filter(Boolean).join(' ')).trim().slice(0, 200);
    if (written !== '') found.add(written);
    if (found.size === count) break;
  }
  return [...found];
}

function environmentOf({ connectionString = '', adminUrl = '' }: ServiceBusSettings) {
  return {
    ...process.env,
    SERVICEBUS_CONNECTION_STRING: connectionString,
    SERVICEBUS_ADMIN_URL: adminUrl,
    LOG_LEVEL: 'warn',
  };
}

async function stopChild(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

type Sample = { p50: number; p99: number };

async function measureLatency(server: LocalServer, settings: ServiceBusSettings, url: string): Promise<void> {
  const connect = async (url: string) => {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => {}); // the query under way fails with the same error
    await client.connect();
    return client;
  };
  const writers = await Promise.all(Array.from({ length: 8 }, () => connect(server.urlOf('foundation_app'))));
  const { rows: customers } = await (writers[0] as pg.Client).query<{ id: string }>(
    `insert into platform.customers (email, name) select 'bench' || n || '@example.com', name
     from unnest($1::text[]) with ordinality a (name, n) returning id`,
    [namesOfPeople(customersCount)],
  );
  const owner = await connect(server.urlOf('platform_migrator'));
  await owner.query('set role platform_owner');
  const worker = fork(fileURLToPath(import.meta.resolve('@aether/sync/main')), {
    env: { ...environmentOf(settings), PLATFORM_DB_URL: server.urlOf('sync_app') },
  });
  children.push(worker);
  const relayed = async () => {
    const sync = await connect(server.urlOf('sync_app'));
    const { rows } = await sync.query(
      `select coalesce((select position from sync.subscriptions where name = 'sync.servicebus'), -1) >= sync.head()
         and sync.outbox_age() is null as is_done`,
    );
    await sync.end();
    return rows[0].is_done as boolean;
  };
  while (!(await relayed())) await wait(100);
  await settleWorker(server);
  // Not before: it would begin with the events of all customers.
  await ensureTopology(settings, [{ name: subscriptionOf.ours, audiences: ['platform'] }]);
  // Not through openSender, which has one batch under way at a time: the plain loop sends each for itself.
  const plainSender = openClient(settings).createSender(plainTopic);

  async function write(rate: number, forMs: number, publish?: (id: string, version: number) => Promise<unknown>) {
    const committed = new Map<string, bigint>();
    const startedAt = performance.now();
    let next = 0;
    const sends: Promise<unknown>[] = [];
    await Promise.all(
      writers.map(async (client) => {
        for (;;) {
          const number = next++;
          const dueAt = startedAt + (number / rate) * 1_000;
          if (dueAt - startedAt > forMs) return;
          await wait(Math.max(0, dueAt - performance.now()));
          const { id } = customers[(number * 7) % customers.length] as { id: string };
          const { rows } = await client.query({
            name: 'bench-update',
            text: changeTier,
            values: [id],
          });
          const version = Number(rows[0].version);
          committed.set(`${id} ${version}`, process.hrtime.bigint());

          if (publish) sends.push(publish(id, version));
        }
      }),
    );
    await Promise.all(sends);
    return committed;
  }

  async function measureOne(mode: Mode, rate: number, effect: string): Promise<Sample> {
    await owner.query(`alter table platform.customers ${mode === 'ours' ? 'enable' : 'disable'} trigger z_capture`);
    const topic = mode === 'ours' ? settings.topic : plainTopic;
    const consumer = await startConsumer(mode, { settings, topic, url, effect, report: 'each' });
    const handledAt = new Map<string, bigint>();
    let onBegun = () => {};
    const begun = new Promise<void>((settle) => {
      onBegun = settle;
    });
    consumer.on(
      'message',
      ({ begun: isBegun, handled = [] }: { begun?: boolean; handled?: [string, number, string][] }) => {
        if (isBegun) onBegun();
        for (const [key, version, at] of handled) handledAt.set(`${key} ${version}`, BigInt(at));
      },
    );
    consumer.send('begin');
    await begun;
    const publish =
      mode === 'plain'
        ? (id: string, version: number) => plainSender.sendMessages(plainMessage(id, version))
        : undefined;
    const writeAndWait = async (rate: number, forMs: number) => {
      const committed = await write(rate, forMs, publish);
      const endsAt = performance.now() + lateMs;
      const missing = () => [...committed.keys()].filter((change) => !handledAt.has(change)).length;
      while (missing() > 0 && performance.now() < endsAt) await wait(50);
      if (missing() > 0) console.error(`${mode}: ${missing()} changes were not handled within ${lateMs / 1_000} s.`);
      return committed;
    };
    // Connections, plans and code are warm, and each lane has had an event: from then on it is open.
    await writeAndWait(warmRate, warmMs);
    const committed = await writeAndWait(rate, Number(options.seconds) * 1_000);
    await stopChild(consumer);
    const latencies = [...committed]
      .map(([change, at]) => Number((handledAt.get(change) ?? at + BigInt(lateMs) * 1_000_000n) - at) / 1e6)
      .sort((a, b) => a - b);
    return { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) };
  }

  console.log(
    [
      `Commit → handled, in another process; medians of ${rounds} rounds of ${options.seconds} s, both ways by turns`,
      '',
      '| writes/s | the handler | plain loop: p50 ms | p99 ms | over the bus: p50 ms | p99 ms | p50 | p99 | load |',
      '|--:|---|--:|--:|--:|--:|--:|--:|--:|',
    ].join('\n'),
  );
  for (const effect of effects)
    for (const rate of options.rates.split(',').map(Number)) {
      const samples: Record<Mode, Sample[]> = { plain: [], ours: [] };
      for (let round = 0; round < rounds; round++)
        for (const mode of modes) samples[mode].push(await measureOne(mode, rate, effect));
      const of = (mode: Mode, which: keyof Sample) => median(samples[mode].map((sample) => sample[which]));
      const [p50, p99] = (['p50', 'p99'] as const).map((which) => of('ours', which) / of('plain', which)) as [
        number,
        number,
      ];
      const cells = modes.flatMap((mode) => (['p50', 'p99'] as const).map((which) => of(mode, which).toFixed(1)));
      const does = effect === 'row' ? 'writes a row' : 'does nothing';
      console.log(`| ${rate} | ${does} | ${cells.join(' | ')} | ${p50.toFixed(1)}× | ${p99.toFixed(1)}× | ${load()} |`);
      goal(
        `at ${rate}/s, if the handler ${does}: p50 ≤ 3× and p99 ≤ 3×`,
        p50 <= 3 && p99 <= 3,
        `${p50.toFixed(1)}×, ${p99.toFixed(1)}×`,
      );
    }
  await stopChild(worker);
  await Promise.all([owner.end(), ...writers.map((writer) => writer.end())]);
}

/** As large as ours, and read by the same code. */
function plainMessage(customer: string, version: number) {
  const { sessionId: _session, ...message } = toMessage(eventOf(customer, version), lanesDefault);
  return message;
}

function eventOf(customer: string, version: number) {
  ids++;
  return {
    id: ids,
    position: ids,
    type: 'customer.updated',
    key: customer,
    customer,
    rowId: customer,
    version,
    app: 'foundation',
    actor: 'bench',
    audience: 'platform',
    occurredAt: new Date(),
    data: {
      id: customer,
      name: `Bench ${version}`,
      email: `${customer}@example.com`,
      account_tier: 'standard',
      version,
    },
    previous: { name: `Bench ${version - 1}`, version: version - 1 },
    trace: null,
  };
}

async function measureDrain(settings: ServiceBusSettings, url: string): Promise<void> {
  const topic = 'backlog';
  const of = { ...settings, topic };
  await ensureTopology(of, [{ name: subscriptionOf.ours, audiences: ['platform'] }]);
  await openAdmin(settings).createSubscription(topic, subscriptionOf.plain);
  const sender = openSender(() => openClient(settings), topic);
  const customers = Array.from({ length: customersCount }, () => randomUUID());
  let version = 0;
  async function fill(): Promise<number> {
    const startedAt = performance.now();
    for (let made = 0; made < backlog; made += customers.length) {
      version++;
      const { error } = await sender.send(
        customers.slice(0, backlog - made).map((customer) => toMessage(eventOf(customer, version), lanesDefault)),
      );
      if (error) throw error;
    }
    return (backlog / (performance.now() - startedAt)) * 1_000;
  }
  async function drain(mode: Mode, effect: string): Promise<number> {
    const consumer = await startConsumer(mode, { settings, topic, url, effect, report: 'count' });
    let count = 0;
    const drained = new Promise<void>((settle) => {
      consumer.on('message', (message: { count?: number }) => {
        count = message.count ?? count;
        if (count >= backlog) settle();
      });
    });
    const startedAt = performance.now();
    consumer.send('begin');
    await Promise.race([drained, wait(drainLimitMs, undefined, { ref: false })]);
    const perSecond = (Math.min(count, backlog) / (performance.now() - startedAt)) * 1_000;
    if (count < backlog) console.error(`${mode}: ${backlog - count} were left after ${drainLimitMs / 1_000} s.`);
    await wait(500); // what is handled is completed
    await stopChild(consumer);
    return perSecond;
  }
  console.log(
    `\nDraining ${backlog.toLocaleString('en')} events of ${customersCount.toLocaleString('en')} customers; ` +
      `medians of ${drains} rounds\n\n| the handler | plain loop: events/s | over the bus | | load |\n|---|--:|--:|--:|--:|`,
  );
  for (const effect of effects) {
    const rates: Record<Mode, number[]> = { plain: [], ours: [] };
    for (let round = 0; round < drains; round++) {
      await fill();
      for (const mode of round % 2 ? modes : modes.toReversed()) rates[mode].push(await drain(mode, effect));
    }
    const [plain, ours] = modes.map((mode) => median(rates[mode])) as [number, number];
    const does = effect === 'row' ? 'writes a row' : 'does nothing';
    const figure = `${(ours / plain).toFixed(2)}×`;
    console.log(
      `| ${does} | ${Math.round(plain).toLocaleString('en')} | ${Math.round(ours).toLocaleString('en')} | ${figure} | ${load()} |`,
    );
    goal(`drain ≥ 0.8× of the plain loop if the handler ${does}`, ours / plain >= 0.8, figure);
  }
  await sender.close();
}
