import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { blockKeysOf, modelledMin, rulesVersion } from '@aether/importer';
import { type Asked, createModelReader, findSimilar, type ModelReader, readKnown } from '@aether/importer/similar';
import {
  type AppEvent,
  causeOf,
  DatabaseUnavailable,
  openConnection,
  openEventBus,
  type Settings,
  type Subscription,
} from '@aether/platform/log';
import { createPace } from './pace.ts';
import { createPostponed } from './postponed.ts';

/*
 * Finds duplicates while customers are made and changed: see 0032_detection.sql. The subscription looks at the customers that events tell of.
 * The walk looks at all that are there: on the first start, after a change of the rules, and when somebody asks for it. A page of it is one
 * transaction, which says how far it is, so a worker that is killed loses at most a page, and of several workers one does each.
 *
 * A company that gets another name or domain is noted by the subscription (0040_company_looks.sql), and its customers are looked at in pages
 * like those of the walk, before it.
 *
 * - The looks of a batch are read first and written last, in one statement, so its locks are short.
 * - One transaction at a time looks, be it a batch of the subscription or a page of the walk. Otherwise one that has read a customer before a change
 * could write over one that has read it afterwards, and nothing would tell of the change again.
 * - A customer that a merge or a change of a number holds for longer than half a second makes the look fail. Its event is parked and comes
 * again; so does the page.
 * - A page that fails is tried again with a quarter of its customers, at last with one. A customer whose look fails alone is kept as a finding of
 * data quality, failed.match, and the walk goes on behind it. It is tried again every ten minutes, with each of its events, and when somebody asks.
 * Such tries come before other pages, whose number has no end, and take a tenth of the time, so that neither waits for the other for ever.
 */

export type Detection = {
  /** How the subscription gets on in this process. */
  progress: Subscription['progress'];
  /** Settles within a second, whether or not the database answers. */
  stop(): Promise<void>;
};

export const detectionName = 'sync.duplicates';

const types = [
  ...['customer.created', 'customer.updated', 'customer.deleted', 'customer.merged', 'customer.unmerged'],
  'company.updated',
  ...['address.created', 'address.updated', 'address.deleted', 'phone.created', 'phone.updated', 'phone.deleted'],
] as ('customer.created' | 'customer.updated' | 'customer.merged' | 'customer.unmerged' | 'address.created')[];
/** Of a changed customer: what matching compares. Other changes cost no look. */
const compared = new Set([
  'name',
  'email',
  'email_key',
  'phone',
  'phone_key',
  'company_id',
  'merged_into',
  'erased_at',
]);
/**
 * So short that a look has a core for some milliseconds only: at 1,000 changes/s on two cores one event in a hundred came 20 to 60 ms late
 * beside looks at 400.
 */
const batchMax = 100;
/**
 * A look costs 3.7 ms of processor however few it is of and 0.15 for each customer, and who has changed several times is looked at once: one for
 * each event would cost the writers a fifth of the machine.
 */
const gatherMsDefault = 1_000;
/**
 * Looks take a quarter of the time at most, and less while events stream (pace.ts): they are put off, and are made up for afterwards. Without a
 * rest they took a fifth of what sixteen writers could do.
 */
const restFactor = 3;
const perPage = 200;
/** How long the next customer whose look has failed before waits after a try that fails, in times of that try: it may have taken the whole `answerMs`. */
const retryRestFactor = 9;
const answerMs = 20_000;
const stopWithinMs = 1_000;
const restMsMin = 20;
/** Of the advisory locks. */
const lookLock = 7_273;

export function startDetection({
  database,
  everyMs = 5_000,
  gatherMs = gatherMsDefault,
  waitFor,
  isStream = () => false,
  onError,
}: {
  /** How to reach the platform database as sync_app, past any transaction pooler. */
  database: Settings & { directUrl: string };
  /** How long events gather before a look. */
  gatherMs?: number;
  /** How often it is looked whether there is a walk or a model to make. */
  everyMs?: number;
  /** Awaited before each look and each page of the walk: what comes first. */
  waitFor?: (signal: AbortSignal) => Promise<unknown>;
  /** Whether many events come at present: then looks leave more of the time to those who write them. */
  isStream?: () => boolean;
  onError: (error: unknown) => void;
}): Detection {
  const stopping = new AbortController();
  const connection = openConnection('sync', {
    ...database,
    url: database.directUrl,
    pooler: 'none',
    poolMax: 3,
    queryTimeoutMs: answerMs,
    searchPath: 'sync,platform',
  });
  const bus = openEventBus(connection, database.directUrl);
  const readModel = createModelReader();
  const pace = createPace(isStream);
  const postponed = createPostponed([...compared]);
  const subscription = bus.subscribeBatch(
    { name: detectionName, types, batchMax, gatherMs, restFactor, waitFor: comesNext, onError },
    async (events, { tx }) => {
      const beganAt = performance.now();
      const companies = renamedOf(events);
      if (companies.length > 0) await tx.query('select sync.ask_match_looks($1)', [companies]);
      const all = customersOf(events);
      let ids = all;
      // Of fewer, hardly any event is behind them.
      if (events.length === batchMax) ids = await postponed.leaveOut(tx, all, events.at(-1)?.position as number);
      else postponed.forget(all);
      await lookAt(tx, { ids, readModel });
      pace.took(performance.now() - beganAt, events[0]?.occurredAt);
    },
  );

  async function comesNext(signal: AbortSignal): Promise<void> {
    await waitFor?.(signal);
    await pace.next(signal);
  }

  async function rest(ms: number): Promise<void> {
    await wait(ms, undefined, { signal: stopping.signal }).catch(() => {});
  }

  /** How many customers the next page has. */
  let most = perPage;
  /** Before that, no customer is tried again. */
  let retryAt = 0;

  /** One page of the walk. @returns whether there may be more */
  async function walk(): Promise<boolean> {
    const began = performance.now();
    const retries = began >= retryAt;
    let page: Page | undefined;
    try {
      await connection.transaction({ mayBeLost: true }, async (tx) => {
        page = await nextPage(tx, { most, retries });
        if (page) await lookAtPage(tx, page, readModel);
      });
      if (page && !page.isRetry) most = Math.min(most * 2, perPage);
      return page !== undefined;
    } catch (error) {
      if (!page) throw error;
      const { ids, isRetry } = page;
      const took = performance.now() - began;
      if (isRetry) retryAt = performance.now() + Math.max(everyMs, retryRestFactor * took);
      else if (!isOutage(error)) most = Math.max(1, Math.trunc(ids.length / 4));
      if (ids.length === 1 && !isOutage(error))
        await passOver(ids[0] as string, { retries, code: causeOf(error).class });
      if (!isRetry) throw error;
      // The pages that are due do not wait for it.
      onError(error);
      return true;
    }
  }

  /** Keeps that a look at a customer has failed, and goes on behind it. */
  async function passOver(id: string, { retries, code }: { retries: boolean; code: string }): Promise<void> {
    await connection.transaction({ mayBeLost: true }, async (tx) => {
      const page = await nextPage(tx, { most: 1, retries });
      if (page?.ids[0] === id) await tx.query('select sync.keep_failed_match($1, $2)', [id, code]);
      // Another worker has taken the page meanwhile: then this one is of somebody else, who has not failed.
      else if (page) await lookAtPage(tx, page, readModel);
    });
  }

  async function run(): Promise<void> {
    // What is made before it is registered is found by the walk, and what is made later by the subscription.
    await subscription.ready.catch(() => {});
    while (!stopping.signal.aborted) {
      let restMs = everyMs;
      try {
        await waitFor?.(stopping.signal);
        if (stopping.signal.aborted) break;
        await trainIfDue(connection, database.directUrl, stopping.signal);
        const began = performance.now();
        // As long as a page took, the database is left to others.
        if (await walk()) restMs = Math.max(restMsMin, performance.now() - began);
      } catch (error) {
        if (!stopping.signal.aborted) onError(error);
      }
      await rest(restMs);
    }
  }
  const running = run();

  return {
    progress: subscription.progress,
    async stop() {
      stopping.abort();
      await Promise.race([bus.close(), wait(stopWithinMs / 2, undefined, { ref: false })]);
      await connection.close(stopWithinMs / 2);
      await running;
    },
  };
}

/** Whether the database is out of reach, which is no fault of a customer. A look that takes too long is one. */
const isOutage = (error: unknown): boolean =>
  error instanceof DatabaseUnavailable && (error.cause as Error | undefined)?.message !== 'Query read timeout';

/** The customers of events whose names, addresses, numbers or companies are other ones now. */
function customersOf(events: readonly AppEvent[]): string[] {
  const ids = new Set<string>();
  for (const { type, key, customer, previous, data } of events) {
    if (type === 'company.updated') continue;
    if (type === 'customer.updated' && !Object.keys(previous).some((column) => compared.has(column))) continue;
    if (type.startsWith('customer.')) ids.add(key);
    else if (customer !== null) ids.add(customer);
    if (type === 'customer.merged' || type === 'customer.unmerged') ids.add(String((data as { loser: string }).loser));
  }
  return [...ids];
}

/** The companies of events that have another name or another domain now, which matching compares. */
function renamedOf(events: readonly AppEvent[]): string[] {
  const renamed = events.filter(
    ({ type, previous }) => type === 'company.updated' && ('name' in previous || 'domain' in previous),
  );
  return [...new Set(renamed.map(({ key }) => key))];
}

/** Looks for pairs of these customers, and keeps what it finds. @returns how many pairs are new */
export async function lookAt(
  tx: Asked,
  { ids, readModel, isWalk = false }: { ids: readonly string[]; readModel: ModelReader; isWalk?: boolean },
): Promise<number> {
  if (ids.length === 0) return 0;
  await takeTurn(tx);
  const known = await readKnown(tx, ids);
  const model = await readModel(tx);
  const beside = await listDetected(tx, ids);
  const sought = [...known.values()].map(({ id, person }) => ({ id, person }));
  const found = await findSimilar(tx, model, sought, beside);
  const looked = sought.map(({ id }, at) => ({ customer: id, keys: found[at]?.keys, cut_off: found[at]?.cutOff }));
  // Who is merged or erased by now has no keys any more.
  const gone = ids.filter((id) => !known.has(id)).map((customer) => ({ customer, keys: [], cut_off: [] }));
  const pairs = sought.flatMap(({ id }, at) =>
    (found[at]?.similar ?? []).map(({ id: other, score, reasons }) => ({ a: id, b: other, score, reasons })),
  );
  const [row] = await tx.query<{ added: number }>('select sync.keep_detected($1, $2, $3, $4) as added', [
    JSON.stringify([...looked, ...gone]),
    JSON.stringify(pairs),
    rulesVersion,
    isWalk,
  ]);
  return row?.added ?? 0;
}

/** Waits until no other transaction looks, and keeps the turn until its own ends. A page of the walk takes a fraction of a second. */
async function takeTurn(tx: Asked): Promise<void> {
  await tx.query('select pg_advisory_xact_lock($1)', [lookLock]);
}

/** With whom detection has found these before: they are compared again, whatever their keys are by now. */
async function listDetected(tx: Asked, ids: readonly string[]): Promise<Map<string, string[]>> {
  const beside = new Map<string, string[]>();
  const rows = await tx.query<{ customer_id: string; other_id: string }>('select * from sync.list_detected($1)', [ids]);
  for (const { customer_id: one, other_id: other } of rows) {
    beside.set(one, [...(beside.get(one) ?? []), other]);
    beside.set(other, [...(beside.get(other) ?? []), one]);
  }
  return beside;
}

type Page = { phase: 'keys' | 'pairs' | 'again'; ids: string[]; isRetry?: boolean };

/**
 * The next customers to be looked at, at most so many; undefined if there are none. They are the caller's until its transaction ends.
 *
 * @param retries whether a customer whose look has failed may be tried again
 */
async function nextPage(tx: Asked, { most, retries }: { most: number; retries: boolean }): Promise<Page | undefined> {
  if (retries) {
    const [again] = await tx.query<{ failed: string | null }>('select sync.next_failed_match() as failed');
    if (again?.failed) return { phase: 'again', ids: [again.failed], isRetry: true };
  }
  const [renamed] = await tx.query<{ ids: string[] | null }>('select sync.next_company_page($1) as ids', [most]);
  if (renamed?.ids) return { phase: 'again', ids: renamed.ids };
  const [page] = await tx.query<{ phase: 'keys' | 'pairs' | null; ids: string[] | null }>(
    'select * from sync.next_match_page($1, $2)',
    [rulesVersion, most],
  );
  return page?.phase && page.ids ? { phase: page.phase, ids: page.ids } : undefined;
}

async function lookAtPage(tx: Asked, { phase, ids }: Page, readModel: ModelReader): Promise<void> {
  if (phase === 'keys') await keepKeys(tx, ids);
  else await lookAt(tx, { ids, readModel, isWalk: phase === 'pairs' });
}

/** One page of the customers that are to be looked at, in the caller's transaction. @returns whether there may be more */
export async function walkPage(
  tx: Asked,
  { readModel, most = perPage }: { readModel: ModelReader; most?: number },
): Promise<boolean> {
  const page = await nextPage(tx, { most, retries: true });
  if (page) await lookAtPage(tx, page, readModel);
  return page !== undefined;
}

/** The keys of all come before the pairs of any: a key that too many have must be known as one. */
async function keepKeys(tx: Asked, ids: readonly string[]): Promise<void> {
  await takeTurn(tx);
  const known = [...(await readKnown(tx, ids)).values()];
  const keys = blockKeysOf(known.map(({ person }) => person));
  await tx.query('select sync.keep_match_keys($1)', [
    JSON.stringify(known.map(({ id }, at) => ({ customer: id, keys: keys[at]?.map(({ key }) => key), cut_off: [] }))),
  ]);
}

/** Makes the model in a thread of its own, if it is due and no other worker makes it. @throws what the thread ends with */
async function trainIfDue(on: Asked, url: string, signal: AbortSignal): Promise<void> {
  const [row] = await on.query<{ isDue: boolean }>('select sync.begin_match_model($1, $2) as "isDue"', [
    rulesVersion,
    modelledMin,
  ]);
  if (!row?.isDue || signal.aborted) return;
  const thread = new Worker(new URL('./trainingthread.ts', import.meta.url), {
    workerData: { url },
    resourceLimits: { maxOldGenerationSizeMb: 1_000 },
  });
  const end = () => void thread.terminate();
  signal.addEventListener('abort', end);
  try {
    await once(thread, 'exit');
  } finally {
    signal.removeEventListener('abort', end);
  }
}
