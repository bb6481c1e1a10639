import { setTimeout as sleep } from 'node:timers/promises';
import { openConnection, openEventBus, type Settings, type Subscription } from '@aether/platform/log';
import { type Attempt, type DeliveryNotes, deliverTo, type Hook, postTest, readKeys } from './delivering.ts';
import type { Networks } from './networks.ts';
import { openPoster } from './posting.ts';

/*
 * The webhooks of all apps, in the worker. Each is a subscription, so that several workers share the work as they share every subscription: see
 * platform/log/subscriptions.ts. This file starts and ends them as they are registered, disabled and removed, and writes down how they get on.
 */

export type Webhooks = {
  /** How the subscription of each webhook gets on in this process, by its name. */
  progress(): Record<string, ReturnType<Subscription['progress']>>;
  /** Settles within two seconds, whether or not receivers and database answer. */
  stop(): Promise<void>;
};

export const subscriptionOf = (webhook: string): string => `sync.webhook.${webhook}`;

type Running = { hook: Hook; subscription: Subscription };

const batchMax = 20;
const answerMs = 20_000;
/** Webhooks that are delivered at the same time; the others wait for their turn. */
const stepsMax = 6;
const stopWithinMs = 1_000;
/** Of those that were taken, and of those that were not, so that many good ones do not push out the bad one before them. */
const attemptsKept = 50;
/** What cannot be written down is forgotten, but for so many. */
const attemptsHeld = 2_000;
/** A success is written down so often. */
const noteEveryMs = 10_000;

export function startWebhooks({
  database,
  networks,
  everyMs = 3_000,
  firstMs,
  timeoutMs,
  onError,
}: {
  /** How to reach the platform database as sync_app, past any transaction pooler. */
  database: Settings & { directUrl: string };
  networks: Networks;
  /** How often it is looked which webhooks there are. */
  everyMs?: number;
  /** For tests: how soon a delivery is tried again, and how long a receiver has. */
  firstMs?: number;
  timeoutMs?: number;
  onError: (error: unknown) => void;
}): Webhooks {
  const stopping = new AbortController();
  const open = (poolMax: number) =>
    openConnection('sync', {
      ...database,
      url: database.directUrl,
      pooler: 'none',
      poolMax,
      queryTimeoutMs: answerMs,
      searchPath: 'sync,platform',
    });
  const connection = open(stepsMax);
  // Of its own: a step that notes something must not wait for the end of other steps.
  const beside = open(2);
  const bus = openEventBus(connection, database.directUrl);
  const poster = openPoster(networks, { timeoutMs });
  const running = new Map<string, Running>();
  /** Ended here and not disabled yet. */
  const givingUp = new Set<string>();
  /** What is not written down yet. */
  let attempts: ({ webhook: string } & Attempt)[] = [];
  const notes = takeNotes();

  /** What is under way when this process ends is cut by itself, and says nothing of the receiver. */
  const isCut = ({ outcome }: Pick<Attempt, 'outcome'>) => stopping.signal.aborted && outcome === 'unreachable';

  /** Written beside the step under way, which a failure undoes. */
  function takeNotes(): DeliveryNotes {
    const noted = new Map<string, number>();
    return {
      attempted({ name }, attempt) {
        if (isCut(attempt)) return;
        attempts.push({ webhook: name, ...attempt });
        if (attempts.length > 2 * attemptsHeld) attempts = newestOf(attempts).slice(-attemptsHeld);
      },
      async delivered({ name }) {
        if (performance.now() - (noted.get(name) ?? Number.NEGATIVE_INFINITY) < noteEveryMs) return;
        noted.set(name, performance.now());
        await beside.query(
          'update sync.webhooks set delivered_at = clock_timestamp(), failing_since = null, failure = null where name = $1',
          [name],
        );
      },
      async failed({ name }, code) {
        if (stopping.signal.aborted) return undefined; // cut by this process
        noted.delete(name); // the next success ends the failure
        const [row] = await beside.query<{ hours: number; is_over: boolean }>(
          `update sync.webhooks w set failing_since = coalesce(w.failing_since, clock_timestamp()), failure = left($2, 200)
           from sync.health_limits l where w.name = $1 and l.name = 'webhook_disable_hours'
           returning l.value as hours, w.failing_since < clock_timestamp() - make_interval(secs => l.value * 3600) as is_over`,
          [name, code],
        );
        return row?.is_over ? `Nothing could be delivered for ${Math.round(row.hours)} hours (${code}).` : undefined;
      },
    };
  }

  function begin(hook: Hook): void {
    const handle = deliverTo(hook, {
      poster,
      notes,
      onError,
      firstMs,
      giveUp: (why) => void giveUp(hook, why).catch(onError),
    });
    const subscription = bus.subscribeBatch(
      { name: subscriptionOf(hook.name), types: hook.types as never[], batchMax, onError },
      handle,
    );
    running.set(hook.name, { hook, subscription });
  }

  async function end(name: string): Promise<void> {
    const known = running.get(name);
    running.delete(name);
    await known?.subscription.stop();
  }

  /** After the step under way has ended, which holds the subscription. */
  async function giveUp({ name, url }: Hook, why: string): Promise<void> {
    if (!running.has(name)) return;
    givingUp.add(name);
    try {
      await end(name);
      // Not if somebody has corrected the address meanwhile.
      await beside.query(
        'select sync.give_webhook_up(w.name, $2) from sync.webhooks w where w.name = $1 and w.url = $3',
        [name, why, url],
      );
    } finally {
      givingUp.delete(name);
    }
  }

  /** Writes down the attempts since the last time: many at once, so that a delivery costs no write of its own. */
  async function keepAttempts(): Promise<void> {
    const kept = newestOf(attempts);
    attempts = [];
    if (kept.length === 0) return;
    await beside.query(
      `insert into sync.webhook_attempts (webhook, at, kind, position, type, outcome, code, took_ms)
       select w.name, r.at, r.kind, r.position, left(r.type, 200), r.outcome, left(r.code, 200), r.took_ms
       from rows from (jsonb_to_recordset($1) as (
           webhook text, at timestamptz, kind text, position bigint, type text, outcome text, code text, "tookMs" integer))
         with ordinality as r (webhook, at, kind, position, type, outcome, code, took_ms, place)
         join sync.webhooks w on w.name = r.webhook
       order by r.place`,
      [JSON.stringify(kept)],
    );
    await beside.query(
      `delete from sync.webhook_attempts a using (
         select k.webhook, k.id, row_number() over (partition by k.webhook, k.outcome = 'taken' order by k.id desc) as place
         from sync.webhook_attempts k where k.webhook = any ($1)) old
       where old.place > ${attemptsKept} and a.webhook = old.webhook and a.id = old.id`,
      [[...new Set(kept.map(({ webhook }) => webhook))]],
    );
  }

  /** Tries the receivers that somebody asks to try, also of webhooks that are disabled. */
  async function tryReceivers(): Promise<void> {
    const asked = await beside.query<Pick<Hook, 'name' | 'url'> & { is_late: boolean }>(
      `with asked as (select w.name, w.test_asked_at from sync.webhooks w where w.test_asked_at is not null for update skip locked)
       update sync.webhooks w set test_asked_at = null from asked a where w.name = a.name
       returning w.name, w.url, a.test_asked_at < clock_timestamp() - interval '10 minutes' as is_late`,
    );
    for (const hook of asked)
      if (!hook.is_late) void tryReceiver(hook).catch((error) => stopping.signal.aborted || onError(error));
  }

  async function tryReceiver(hook: Pick<Hook, 'name' | 'url'>): Promise<void> {
    const keys = await readKeys(beside, hook.name);
    if (keys.length === 0) return; // it was removed meanwhile: nothing is posted that is not signed
    notes.attempted(hook, await postTest(hook, { poster, keys }));
    await keepAttempts();
  }

  async function look(): Promise<void> {
    const hooks = await beside.query<Hook>(
      'select name, app, url, types from sync.webhooks where disabled_at is null order by name',
    );
    const wanted = new Map(hooks.map((hook) => [hook.name, hook]));
    for (const [name, { hook }] of running) {
      const now = wanted.get(name);
      if (now && now.url === hook.url && String(now.types) === String(hook.types)) continue;
      await end(name);
      if (!now) await beside.query('select sync.end_webhook_subscription($1)', [name]);
    }
    for (const hook of hooks)
      if (!running.has(hook.name) && !givingUp.has(hook.name) && !stopping.signal.aborted) begin(hook);
    await tryReceivers();
    await keepAttempts();
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await look().catch((error) => {
        if (!stopping.signal.aborted) onError(error);
      });
      await sleep(everyMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  }
  const looking = run();

  return {
    progress: () =>
      Object.fromEntries(
        [...running.values()].map(({ hook, subscription }) => [subscriptionOf(hook.name), subscription.progress()]),
      ),
    async stop() {
      stopping.abort();
      poster.close();
      const closed = bus
        .close()
        .then(keepAttempts)
        .catch(() => {});
      await Promise.race([closed, sleep(stopWithinMs, undefined, { ref: false })]);
      await Promise.all([connection.close(stopWithinMs / 2), beside.close(stopWithinMs / 2)]);
      await looking;
    },
  };
}

/** Those that are kept: the newest of each webhook that were taken, and that were not. In their order. Pure. */
function newestOf<Each extends Pick<Attempt, 'outcome'> & { webhook: string }>(attempts: Each[]): Each[] {
  const counts = new Map<string, number>();
  return attempts
    .toReversed()
    .filter(({ webhook, outcome }) => {
      const name = `${webhook} ${outcome === 'taken'}`;
      const count = (counts.get(name) ?? 0) + 1;
      counts.set(name, count);
      return count <= attemptsKept;
    })
    .toReversed();
}
