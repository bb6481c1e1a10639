import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startLocal } from '@aether/database';
import { newTestFolder } from '@aether/database/testing.folder';
import { ensureTopology, readServiceBusSettings, type ServiceBusSettings } from '@aether/servicebus';
import { prepareWriters, startAndMigrate, written } from './testing.chaos.ts';
import { openAsker, withClient, writeInBulk, writeSingly } from './testing.chaos.writers.ts';
import { chanceOf, pick, startCrew } from './testing.crew.ts';

const kinds = ['broker', 'consumer', 'worker', 'postgres'] as const;
type Kind = (typeof kinds)[number] | 'consumer postgres';

export type BusChaosCounts = {
  /** Transactions that were acknowledged. */
  writes: number;
  /** Changes in the tables of the platform. */
  changes: number;
  effects: number;
  kills: Record<string, number>;
  /** Changes without an effect at the consumer. */
  lost: number;
  doubled: number;
  /** A later version of a row before an earlier one. */
  inverted: number;
  /** From the write to the effect. */
  lagMs: { p50: number; p99: number; max: number };
  seconds: number;
};

const subscription = 'chaos';
const own = 'own';
/** How soon something must have its effect again after a kill. */
const recoveryMs = 60_000;
/** Writers rest while so many changes are without their effect. */
const backlogMax = 200;

/**
 * Runs writers, workers with the relay, consumers, the broker and PostgreSQL as processes of their own, and kills one after the other at moments
 * that `seed` decides, each when the last kill is overcome: when more changes have had their effect. Then everything settles, and the
 * consumer's effects are compared with the platform's tables.
 *
 * @param hasOwnServer whether the consumer's database is on a PostgreSQL of its own, which is then killed as well
 */
export async function runBusChaos({
  kills: wanted,
  seed,
  hasOwnServer = false,
  processes = 2,
  effectsBetween = 20,
  port = 54_535,
  start = startAndMigrate,
  onKill = () => {},
}: {
  kills: number;
  seed: number;
  hasOwnServer?: boolean;
  /** Of workers, and of consumers. */
  processes?: number;
  /** How many effects there are before the next kill: with few, a long run makes a backlog and little else. */
  effectsBetween?: number;
  port?: number;
  /** Makes the server of the platform: a test has a quicker way. */
  start?: typeof startLocal;
  onKill?: (kind: Kind, number: number) => void;
}): Promise<BusChaosCounts> {
  const startedAt = performance.now();
  const folder = await newTestFolder('buschaos');
  const crew = startCrew();
  const local = await start({ folder: join(folder, 'platform'), database: 'chaos', port });
  let ofConsumer = local;
  const ofPlatform = openAsker(local.urlOf('sync_app'));
  let ofOwn = ofPlatform;
  try {
    if (hasOwnServer)
      ofConsumer = await startLocal({ folder: join(folder, 'consumer'), database: 'unused', port: port + 1 });
    await withClient(ofConsumer.server.superuserUrl('postgres'), (superuser) =>
      superuser.query(`create database ${own}`),
    );
    const ownUrl = ofConsumer.server.superuserUrl(own);
    ofOwn = openAsker(ownUrl);
    await withClient(ownUrl, (client) =>
      client.query(`create table public.effects (n bigint generated always as identity, key text, version bigint, event_id text,
        process integer, lag_ms float8)`),
    );
    const settings = await startBroker(folder, crew);
    const environment = {
      SERVICEBUS_CONNECTION_STRING: settings.connectionString ?? '',
      SERVICEBUS_ADMIN_URL: settings.adminUrl ?? '',
    };
    await ensureTopology(settings, [{ name: subscription, audiences: ['platform'] }]);
    for (let n = 1; n <= processes; n++) {
      crew.keep(`worker ${n}`, join(import.meta.dirname, 'main.ts'), [], {
        ...environment,
        PLATFORM_DB_URL: local.urlOf('sync_app'),
      });
      crew.keep(
        `consumer ${n}`,
        join(import.meta.dirname, 'testing.buschaos.consumer.ts'),
        [subscription, ownUrl],
        environment,
      );
    }

    // The relay starts with the events from now on, and must not be later than the first of them.
    await until(() =>
      withClient(local.urlOf('sync_app'), async (client) => {
        const { rowCount } = await client.query(`select from sync.subscriptions where name = 'sync.servicebus'`);
        return (rowCount ?? 0) > 0;
      }),
    );
    await prepareWriters(local);
    const chance = chanceOf(seed);
    let writes = 0;
    let isOver = false;
    let effectsSeen = 0;
    let changesSeen = 0;
    const keepPace = async () => {
      while (!isOver && changesSeen - effectsSeen > backlogMax) await wait(20);
    };
    const writer = { chance, isWriting: () => !isOver, onCommitted: () => writes++, keepPace };
    const writing = Promise.all([
      writeInBulk(local.urlOf('sync_app'), writer),
      ...[0, 1, 2].map((habit) =>
        writeSingly(local.urlOf(habit % 2 ? 'foundation_app' : 'support_app'), habit, writer),
      ),
    ]);
    const countEffects = async () => {
      const [row] = await ofOwn.ask<{ count: number }>('select count(*)::integer as count from public.effects');
      effectsSeen = row?.count ?? effectsSeen;
      return effectsSeen;
    };
    const pacing = (async () => {
      for (; !isOver; await wait(100)) {
        await countEffects().catch(() => {});
        const heads = await ofPlatform
          .ask<{ head: number }>(`select count(*)::integer as head from sync.events where audience = 'platform'`)
          .catch(() => []);
        changesSeen = heads[0]?.head ?? changesSeen;
      }
    })();
    const all: Kind[] = [...kinds, ...(hasOwnServer ? (['consumer postgres'] as const) : [])];
    const kills = Object.fromEntries(all.map((kind) => [kind, 0]));
    for (let number = 1; number <= wanted; number++) {
      const before = await untilSome(countEffects);
      await until(async () => (await countEffects()) >= before + effectsBetween);
      await wait(chance() * 300);
      // Each kind has its turn, however few the kills are.
      const kind = all[number - 1] ?? pick(all, chance);
      onKill(kind, number);
      if (kind === 'postgres' || kind === 'consumer postgres') {
        const { server } = kind === 'postgres' ? local : ofConsumer;
        await server.stop('immediate');
        await server.start();
      } else crew.kill(kind, chance);
      kills[kind] = (kills[kind] ?? 0) + 1;
    }
    isOver = true;
    await Promise.all([writing, pacing]);
    const changes = await readRows<Change>(local.server.superuserUrl('chaos'), written);
    const effectsOf = () =>
      readRows<Change & { lag_ms: number }>(ownUrl, 'select key, version, lag_ms from public.effects order by n');
    // As long as something goes on. What is lost is counted.
    for (let count = 0; count < changes.length; ) {
      const before = count;
      await until(async () => {
        count = await countEffects();
        return count > before;
      }).catch(() => {});
      if (count === before) break;
    }
    const effects = await effectsOf();
    const lags = effects.map(({ lag_ms: lag }) => lag).sort((one, other) => one - other);
    const at = (share: number) => Math.round(lags[Math.min(Math.floor(lags.length * share), lags.length - 1)] ?? 0);
    return {
      writes,
      changes: changes.length,
      effects: effects.length,
      kills,
      ...compare(changes, effects),
      lagMs: { p50: at(0.5), p99: at(0.99), max: at(1) },
      seconds: Math.round((performance.now() - startedAt) / 1000),
    };
  } finally {
    crew.end();
    await Promise.all([ofPlatform.end(), ofOwn.end()]);
    await Promise.all([...new Set([local, ofConsumer])].map(({ server }) => server.stop('immediate')));
    await rm(folder, { recursive: true, force: true });
  }
}

type Change = { key: string; version: string };

/** Pure. */
export function compare(changes: Change[], effects: Change[]): Pick<BusChaosCounts, 'lost' | 'doubled' | 'inverted'> {
  const seen = new Map<string, Set<number>>();
  const highest = new Map<string, number>();
  let doubled = 0;
  let inverted = 0;
  for (const { key, version: text } of effects) {
    const version = Number(text);
    const versions = seen.get(key) ?? new Set();
    if (versions.has(version)) doubled++;
    seen.set(key, versions.add(version));
    if (version < (highest.get(key) ?? 0)) inverted++;
    highest.set(key, Math.max(version, highest.get(key) ?? 0));
  }
  return { lost: changes.filter(({ key, version }) => !seen.get(key)?.has(Number(version))).length, doubled, inverted };
}

/** The stand-in, on ports that it keeps over its death, with a journal. */
async function startBroker(folder: string, crew: ReturnType<typeof startCrew>): Promise<ServiceBusSettings> {
  const [port, adminPort] = await Promise.all([freePort(), freePort()]);
  const script = fileURLToPath(import.meta.resolve('@aether/servicebus/standin/main'));
  const args = ['--port', String(port), '--admin-port', String(adminPort), '--journal', join(folder, 'journal')];
  crew.keep('broker', script, args, {});
  const adminUrl = `http://127.0.0.1:${adminPort}`;
  await until(() => fetch(adminUrl).then(() => true));
  return readServiceBusSettings({
    SERVICEBUS_CONNECTION_STRING: `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=stand-in;UseDevelopmentEmulator=true`,
    SERVICEBUS_ADMIN_URL: adminUrl,
  }) as ServiceBusSettings;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const readRows = <Row>(url: string, text: string): Promise<Row[]> =>
  untilSome(() => withClient(url, async (client) => (await client.query(text)).rows as Row[]));

/** What the question answers as soon as it can be asked. @throws when that takes too long */
async function untilSome<Value>(ask: () => Promise<Value>): Promise<Value> {
  let answer: { value: Value } | undefined;
  await until(async () => {
    answer = { value: await ask() };
    return true;
  });
  return (answer as unknown as { value: Value }).value;
}

/** @throws when the fact does not come in time; what cannot be asked meanwhile is asked again */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const endsAt = performance.now() + recoveryMs; performance.now() < endsAt; await wait(20))
    if (await isSo().catch(() => false)) return;
  throw new Error(
    `Within ${recoveryMs / 1000} s nothing went on: is a process unable to start? AETHER_CHAOS_OUTPUT=1 shows what they say.`,
  );
}
