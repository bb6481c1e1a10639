import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceBusSettings } from './settings.ts';
import { readTopology } from './topology.ts';
import { giveUpMs } from './within.ts';

/*
 * How many lanes the topic has is a fact of the platform's database: workers and replays read it there. A change moves customers to other lanes, and
 * between two lanes there is no order. So it happens only while nothing of the former lanes is on the bus: the relay is paused, what waits in each
 * subscription is handled, then the number changes, and the relay goes on.
 */

type Ask = <Row>(text: string, values: unknown[]) => Promise<Row[]>;

export type LanesChange = { was: number; lanes: number };

/** The lanes could not be changed: nothing is changed, and the relay goes on. */
export class LanesBusy extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'LanesBusy';
  }
}

const relay = 'sync.servicebus';
const lookMs = 250;

/** @param ask asks the platform database as sync_app */
export async function readLanes(ask: Ask): Promise<number> {
  const [row] = await ask<{ lanes: number }>('select lanes from sync.relay', []);
  return (row as { lanes: number }).lanes;
}

/**
 * Changes the number of lanes, so that the order of each customer holds across the change.
 *
 * @param ask asks the platform database as sync_app, as an operator
 * @param options withinMs: how long the relay may take to rest, and consumers to handle what waits
 * @throws LanesBusy when a subscription is not empty in time; the database's refusal of a number, a reason or a login
 */
export async function changeLanes(
  ask: Ask,
  settings: ServiceBusSettings,
  { lanes, reason, withinMs = 60_000 }: { lanes: number; reason: string; withinMs?: number },
): Promise<LanesChange> {
  const was = await readLanes(ask);
  if (was === lanes) return { was, lanes };
  const [known] = await ask<{ is_paused: boolean }>('select is_paused from sync.subscriptions where name = $1', [
    relay,
  ]);
  const pauses = known?.is_paused === false;
  if (pauses) await ask('select sync.pause_subscription($1, $2)', [relay, reason]);
  try {
    const until = performance.now() + withinMs;
    await untilResting(ask, until);
    await untilEmpty(settings, until);
    await ask('select sync.set_lanes($1, $2)', [lanes, reason]);
  } finally {
    if (pauses) await ask('select sync.resume_subscription($1, $2)', [relay, reason]);
  }
  return { was, lanes };
}

/** What the relay read before the pause may still be under way to the broker, also of a worker that was cut off and did not give its lease up. */
async function untilResting(ask: Ask, until: number): Promise<void> {
  for (;;) {
    const [row] = await ask<{ rests: boolean }>(
      `select rests_since is not null or leased_until < clock_timestamp() - make_interval(secs => $1::float8 / 1000) as rests
       from sync.relay`,
      [giveUpMs],
    );
    if (row?.rests) return;
    if (performance.now() > until) throw new LanesBusy('The relay still sends: try again when the broker answers it.');
    await sleep(lookMs);
  }
}

async function untilEmpty(settings: ServiceBusSettings, until: number): Promise<void> {
  for (;;) {
    const { problems, subscriptions } = await readTopology(settings);
    if (problems[0] !== undefined) throw new LanesBusy(problems[0]);
    const full = subscriptions.filter(({ waiting }) => waiting > 0);
    if (full.length === 0) return;
    if (performance.now() > until) {
      const names = full.map(({ name, waiting }) => `${name} has ${waiting}`).join(', ');
      throw new LanesBusy(
        `Messages of the former lanes still wait: ${names}. Start their consumers, or give the messages up with \`aether servicebus drain\`, and try again.`,
      );
    }
    await sleep(lookMs);
  }
}
