import { type AppEvent, retryDelayMs, TargetUnavailable, type Transaction } from '@aether/platform/log';
import type { Posted, Poster } from './posting.ts';
import { keyOf, signWebhook } from './signing.ts';

/*
 * The deliveries of one webhook: the handler of its subscription, which brings the order, the retries and the parked events.
 *
 * - A batch is delivered in lanes: the events that share a row or a customer one after another, four lanes at a time.
 * - What a failed step had delivered is not delivered again by this process; by another one it may be, under the same id.
 * - A receiver that does not answer, or that fails for a reason of its own, makes everything wait, up to ten minutes. If it is always the same event, that one
 *   is parked after five tries, and others pass. One that the receiver refuses because of what it is, is parked at once.
 */

export type Hook = { name: string; app: string; url: string; types: string[] };

export type Attempt = {
  at: Date;
  kind: 'event' | 'replay' | 'test';
  /** Null for a test. */
  position: number | null;
  type: string;
  outcome: Posted['kind'];
  /** The status of the answer, or why there was none. */
  code: string;
  tookMs: number;
};

export type DeliveryNotes = {
  /** Called after each attempt; it does not wait. */
  attempted(hook: Pick<Hook, 'name'>, attempt: Attempt): void;
  delivered(hook: Hook): Promise<void>;
  /** @returns why the webhook is to be given up, if it is */
  failed(hook: Hook, code: string): Promise<string | undefined>;
};

const lanesMax = 4;
/** A step ends in time for its transaction; what is left is delivered by the next one. */
const stepMs = 12_000;
const triesMax = 5;
/** More than a step has, so that one poisonous event does not make another one begin again. */
const triesKept = 1_000;
const waitFirstMs = 1_000;
const waitMaxMs = 600_000;

/** The body of a message: thin, so that nothing of a person is in it. The receiver asks for what it may know. Pure. */
export function toMessage(hook: Pick<Hook, 'name'>, event: AppEvent): { id: string; body: string } {
  const { position, id, type, key, customer, rowId, version, occurredAt, isReplay } = event;
  return {
    // A replay is meant to be handled again, so it is no repetition.
    id: isReplay ? `evt_${id}_replay_${Date.now()}` : `evt_${id}`,
    body: JSON.stringify({
      type,
      timestamp: occurredAt.toISOString(),
      data: {
        webhook: hook.name,
        position,
        id: String(id),
        key,
        customer,
        row_id: rowId,
        version,
        is_replay: isReplay,
      },
    }),
  };
}

export const testType = 'webhook.test';

/** Posts a message that says nothing, signed as those of events are. */
export async function postTest(
  hook: Pick<Hook, 'name' | 'url'>,
  { poster, keys }: { poster: Poster; keys: readonly Buffer[] },
): Promise<Attempt> {
  const at = new Date();
  const body = JSON.stringify({ type: testType, timestamp: at.toISOString(), data: { webhook: hook.name } });
  const seconds = Math.floor(at.getTime() / 1_000);
  const id = `test_${hook.name}_${at.getTime()}`;
  const began = performance.now();
  const { kind, code } = await poster.post(hook.url, { headers: signWebhook(keys, { id, seconds, body }), body });
  const tookMs = Math.round(performance.now() - began);
  return { at, kind: 'test', position: null, type: testType, outcome: kind, code, tookMs };
}

/** @param giveUp called when the webhook is to be delivered no more, with the reason */
export function deliverTo(
  hook: Hook,
  {
    poster,
    notes,
    giveUp,
    onError,
    firstMs = waitFirstMs,
  }: {
    poster: Poster;
    notes: DeliveryNotes;
    giveUp: (why: string) => void;
    /** Called when a note could not be written. */
    onError: (error: unknown) => void;
    firstMs?: number;
  },
): (events: AppEvent[], context: { tx: Transaction }) => Promise<void> {
  const done = new Set<string>();
  const tries = countTries();
  let failures = 0;
  const nameOf = ({ position, isReplay }: AppEvent) => `${position}${isReplay ? ' again' : ''}`;

  async function deliverOne(event: AppEvent, keys: readonly Buffer[]): Promise<void> {
    if (done.has(nameOf(event))) return;
    const { id, body } = toMessage(hook, event);
    const at = new Date();
    const seconds = Math.floor(at.getTime() / 1_000);
    const began = performance.now();
    const posted = await poster.post(hook.url, { headers: signWebhook(keys, { id, seconds, body }), body });
    notes.attempted(hook, {
      at,
      kind: event.isReplay ? 'replay' : 'event',
      position: event.position,
      type: event.type,
      outcome: posted.kind,
      code: posted.code,
      tookMs: Math.round(performance.now() - began),
    });
    if (posted.kind !== 'taken') return fail(event, posted);
    failures = 0;
    tries.forget(nameOf(event));
    done.add(nameOf(event));
    // What could not be written down is written with the next one.
    await notes.delivered(hook).catch(onError);
  }

  async function fail(event: AppEvent, posted: Exclude<Posted, { kind: 'taken' }>): Promise<never> {
    if (posted.kind === 'gone') {
      giveUp('Its receiver answers 410: it wants no more.');
      throw new TargetUnavailable('The receiver is gone.', { retryAfterMs: waitMaxMs });
    }
    // The receiver works, and says no to this one.
    if (posted.kind === 'refused' && posted.isOwn) throw new DeliveryRefused(posted.code);
    const why = await notes.failed(hook, posted.code).catch(onError);
    if (why) {
      giveUp(why);
      throw new TargetUnavailable('The webhook is given up.', { retryAfterMs: waitMaxMs });
    }
    if (posted.kind === 'refused' && tries.add(nameOf(event)) > triesMax) throw new DeliveryRefused(posted.code);
    failures += 1;
    const retryAfterMs = (posted.kind === 'unreachable' && posted.waitMs) || retryDelayMs(failures, firstMs, waitMaxMs);
    throw new TargetUnavailable(`The receiver does not take it (${posted.code}).`, { retryAfterMs });
  }

  return async (given, { tx }) => {
    const endsAt = performance.now() + stepMs;
    const [events, keys] = await Promise.all([seenBy(tx, hook.app, given), readKeys(tx, hook.name)]);
    const lanes = toLanes(events);
    let failure: unknown;
    const work = async () => {
      for (let lane = lanes.shift(); lane && failure === undefined; lane = lanes.shift())
        for (const event of lane) {
          if (failure !== undefined) return;
          if (performance.now() > endsAt) failure ??= new TargetUnavailable('The rest follows.', { retryAfterMs: 0 });
          else
            await deliverOne(event, keys).catch((error) => {
              failure ??= error;
            });
        }
    };
    await Promise.all(Array.from({ length: lanesMax }, work));
    if (failure !== undefined) throw failure;
    tx.afterCommit(() => done.clear());
  };
}

/**
 * Counts how often something was tried, of so many things, the latest. An event that is parked keeps its count, so that its next try holds nobody up;
 * one that somebody skips, or another process delivers, would stay for ever.
 */
export function countTries(most = triesKept) {
  const counts = new Map<string, number>();
  return {
    /** @returns how often it was tried, with this time */
    add(name: string): number {
      const tried = (counts.get(name) ?? 0) + 1;
      counts.delete(name); // the latest comes last
      counts.set(name, tried);
      if (counts.size > most) counts.delete(counts.keys().next().value as string);
      return tried;
    },
    forget: (name: string) => void counts.delete(name),
  };
}

/** The receiver answers something else than 2xx, for this event. */
export class DeliveryRefused extends Error {
  override name = 'DeliveryRefused';
}

/** The events that share a row or a customer are one lane, in their order. Pure. */
export function toLanes(events: AppEvent[]): AppEvent[][] {
  const lanes: AppEvent[][] = [];
  const laneOf = new Map<string, number>();
  for (const event of events) {
    const names = [`key ${event.key}`, ...(event.customer === null ? [] : [`customer ${event.customer}`])];
    const [first, second] = [...new Set(names.flatMap((name) => laneOf.get(name) ?? []))].sort((a, b) => a - b);
    const lane = first ?? lanes.push([]) - 1;
    if (second !== undefined) {
      lanes[lane] = [...(lanes[lane] as AppEvent[]), ...(lanes[second] as AppEvent[])].sort(
        (a, b) => a.position - b.position,
      );
      lanes[second] = [];
      for (const [name, at] of laneOf) if (at === second) laneOf.set(name, lane);
    }
    for (const name of names) laneOf.set(name, lane);
    (lanes[lane] as AppEvent[]).push(event);
  }
  return lanes.filter((lane) => lane.length > 0);
}

/** Those that the app may see. The worker's own login sees all. */
async function seenBy(tx: Transaction, app: string, events: AppEvent[]): Promise<AppEvent[]> {
  const rows = await tx.query<{ position: number }>(
    'select e.position from sync.events e where e.position = any ($1) and sync.may_read($2, e.audience)',
    [events.map(({ position }) => position), app],
  );
  const seen = new Set(rows.map(({ position }) => position));
  return events.filter(({ position }) => seen.has(position));
}

/** The newest first. */
export async function readKeys(on: Pick<Transaction, 'query'>, name: string): Promise<Buffer[]> {
  const rows = await on.query<{ secret: string }>(
    `select secret from sync.webhook_secrets where webhook = $1 and (ends_at is null or ends_at > clock_timestamp())
     order by created_at desc`,
    [name],
  );
  return rows.map(({ secret }) => keyOf(secret));
}
