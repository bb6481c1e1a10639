import { setTimeout as sleep } from 'node:timers/promises';
import {
  countDead,
  countedMax,
  type LoggedEvent,
  listParked,
  listSubscriptions,
  outcomes,
  pause,
  readEvents,
  readHead,
  readWaitingSeconds,
  redrive,
  remove,
  replay,
  resume,
  type SubscriptionStatus,
  showEvent,
  skip,
} from '@aether/sync';
import { Command, InvalidArgumentError } from 'commander';
import type pg from 'pg';
import { addBulkCommands } from './bulk.ts';
import { endWith } from './exitcodes.ts';
import { asSync, type Common, withCommon } from './syncclient.ts';
import { formatTable } from './table.ts';

/** `aether events …`: shows the log of events and repairs failed ones, as sync_app. */
export function eventsCommand(): Command {
  const events = new Command('events').description('the log of events and who reads it');
  const add = (name: string, description: string) => withCommon(events.command(name).description(description));

  add('tail', 'the latest events, and those that come')
    .option('--types <types>', 'only these, with commas between', parseList)
    .option('--key <key>', 'only of this row, or of a session its messages')
    .option('--customer <id>', 'only of this customer', parseUuid)
    .option('--since <time>', 'from this time on: 10m, 2h, 3d, or 2026-01-31T12:00:00Z', parseTime)
    .option('--after <position>', 'from behind this position', parseWhole)
    .option('--limit <n>', 'events to begin with, of the latest', parseWhole, 20)
    .option('--no-follow', 'end when there are no more')
    .action((options) => asSync(options, (client) => tail(client, options)));
  add('show', 'one event, whole')
    .argument('<position>', 'its number', parseWhole)
    .action((position, options) => asSync(options, (client) => show(client, position, options)));
  add('subscriptions', 'who reads, how far, and what is in the way').action((options) =>
    asSync(options, (client) => printSubscriptions(client, options)),
  );
  add('lag', 'how far subscriptions are behind')
    .option('--max-events <n>', 'allowed lag in events', parseWhole)
    .option('--max-seconds <s>', 'allowed lag in seconds', parseWhole)
    .action((options) => asSync(options, (client) => printLag(client, options)));
  add('parked', 'what failed and waits, and what waits behind it')
    .option('--subscription <name>', 'only of this one')
    .option('--state <state>', 'only retrying, waiting or dead', parseState)
    .option('--limit <n>', 'at most so many', parseWhole, 100)
    .action((options) => asSync(options, (client) => printParked(client, options)));
  add('redrive', 'try again what is dead, in order, and say what came of it')
    .argument('<subscription>')
    .option('--position <n...>', 'only these', collectWhole)
    .option('--wait <s>', 'seconds to wait for the outcome', parseWhole, 30)
    .option('--reason <why>', 'for the record')
    .action((name, options) => asSync(options, (client) => redriveAndWait(client, name, options)));
  add('skip', 'give up an event that failed, so that those that wait behind it go on')
    .argument('<subscription>')
    .argument('<position>', 'its number', parseWhole)
    .option('--reason <why>', 'for the record')
    .action((subscription, position, options) =>
      asSync(options, async (client) => {
        await skip(client, { subscription, position, reason: options.reason });
        report(
          options,
          { subscription, position, skipped: true },
          `Skipped ${position}: ${subscription} goes on behind it.`,
        );
      }),
    );
  addBulkCommands(add, { whole: parseWhole, uuid: parseUuid });
  add('replay', 'let a paused subscription handle events again, marked as a replay, when it is resumed')
    .argument('<subscription>')
    .option('--from-position <n>', 'from this one on', parseWhole)
    .option('--since <time>', 'from this time on', parseTime)
    .option('--key <key>', 'only of this row, or of a session its messages')
    .option('--customer <id>', 'only of this customer', parseUuid)
    .option('--types <types>', 'only these, with commas between', parseList)
    .option('--reason <why>', 'for the record')
    .action((subscription, options) =>
      asSync(options, async (client) => {
        const { fromPosition, since, key, customer, types, reason } = options;
        if ([fromPosition, since, key, customer].every((each) => each === undefined))
          throw new Error('Say what to replay: --from-position, --since, --key or --customer.');
        const wish = { subscription, fromPosition, since, key, customer, types, reason };
        const { events: count, is_whole: isWhole } = await replay(client, wish);
        const words = `${isWhole ? count : `At least ${count}`} events will be handled again, after \`aether events resume ${subscription}\`.`;
        report(options, { subscription, events: count, is_whole: isWhole }, words);
      }),
    );
  add('pause', 'stop a subscription where it is')
    .argument('<subscription>')
    .argument('<reason>', 'for those who wonder')
    .action((name, reason, options) =>
      asSync(options, async (client) => {
        await pause(client, name, reason);
        report(options, { name, paused: true, reason }, `${name} is paused.`);
      }),
    );
  add('resume', 'let a subscription go on')
    .argument('<subscription>')
    .argument('[reason]', 'for the record')
    .action((name, reason, options) =>
      asSync(options, async (client) => {
        await resume(client, name, reason);
        report(options, { name, paused: false }, `${name} goes on.`);
      }),
    );
  add('remove', 'remove a subscription that no app runs any more, with all that it has parked')
    .argument('<subscription>')
    .argument('[reason]', 'for the record')
    .action((name, reason, options) =>
      asSync(options, async (client) => {
        const { parked } = await remove(client, name, reason);
        const words = `${name} is removed${parked > 0 ? `, with ${parked} parked events` : ''}.`;
        report(options, { name, removed: true, parked }, words);
      }),
    );
  return events;
}

type TailOptions = Common & {
  types?: string[];
  key?: string;
  customer?: string;
  since?: Date;
  after?: number;
  limit: number;
  follow: boolean;
};

const pageMax = 500;

async function tail(client: pg.Client, options: TailOptions): Promise<void> {
  const { types, key, customer, since, after, limit, follow } = options;
  let sign = Promise.withResolvers<void>();
  if (follow) {
    client.on('notification', () => sign.resolve());
    await client.query('listen sync_events');
  }
  let position = await readHead(client); // read before the first page, so that later events follow
  const print = (events: LoggedEvent[]) => {
    for (const event of events) console.log(options.json ? JSON.stringify(event) : describe(event));
    position = Math.max(position, events.at(-1)?.position ?? 0);
  };
  if (since === undefined && after === undefined) print(await readEvents(client, { types, key, customer, limit }));
  else
    for (
      let from = after, page: LoggedEvent[] | undefined;
      !page || page.length === pageMax;
      from = page.at(-1)?.position
    ) {
      page = await readEvents(client, { types, key, customer, since, after: from, limit: pageMax });
      print(page);
    }
  while (follow) {
    sign = Promise.withResolvers();
    const head = await readHead(client);
    const found = await readEvents(client, { types, key, customer, after: position, limit: pageMax });
    print(found);
    if (found.length > 0) continue;
    position = Math.max(position, head); // no wanted event is before it
    await Promise.race([sign.promise, sleep(1_000)]);
  }
}

function describe(event: LoggedEvent): string {
  const changed = Object.keys(event.previous).join(', ');
  const time = event.occurred_at.toISOString();
  return `${event.position}  ${time}  ${event.type.padEnd(20)}  ${event.key}  ${event.app}${event.actor ? ` (${event.actor})` : ''}${changed ? `  ${changed}` : ''}`;
}

async function show(client: pg.Client, position: number, { json }: Common): Promise<void> {
  const event = await showEvent(client, position);
  if (!event) throw new Error(`There is no event ${position}.`);
  console.log(JSON.stringify(event, null, json ? undefined : 2));
}

async function printSubscriptions(client: pg.Client, options: Common): Promise<void> {
  const subscriptions = await listSubscriptions(client);
  if (options.json) {
    for (const each of subscriptions) console.log(JSON.stringify(each));
    return;
  }
  console.log(
    formatTable(
      ['subscription', 'app', 'position', 'behind', 'seconds', 'retrying', 'waiting', 'dead', 'shares', 'paused'],
      subscriptions.map((each) => [
        each.name,
        each.app,
        each.position,
        describeCount(each.lag_events, each.lag_is_partial),
        each.lag_seconds.toFixed(1),
        describeCount(each.retrying),
        describeCount(each.waiting),
        describeCount(each.dead),
        describeShares(each),
        each.pause_reason ?? '',
      ]),
    ),
  );
}

/** "4 by 2 processes, 120 apart": how far its shares are from each other is what one of them keeps the others waiting for. */
function describeShares({ shares, readers, share_positions: each }: SubscriptionStatus): string {
  if (shares === 1) return '1';
  const positions = each.map(({ position }) => position);
  const apart = Math.max(0, ...positions) - Math.min(...positions, Number.POSITIVE_INFINITY);
  const processes = `${readers} ${readers === 1 ? 'process' : 'processes'}`;
  return `${shares} by ${processes}${apart > 0 ? `, ${apart} apart` : ''}`;
}

/** "10,000+" for more than is counted. */
function describeCount(count: number, isPartial = false): string {
  return count > countedMax ? `${countedMax.toLocaleString('en')}+` : `${count}${isPartial ? '+' : ''}`;
}

async function printLag(
  client: pg.Client,
  options: Common & { maxEvents?: number; maxSeconds?: number },
): Promise<void> {
  const subscriptions = await listSubscriptions(client);
  const { maxEvents = Number.POSITIVE_INFINITY, maxSeconds = Number.POSITIVE_INFINITY } = options;
  const waitingSeconds = await readWaitingSeconds(client);
  const isStuck = waitingSeconds > maxSeconds;
  if (isStuck) endWith('events lag', 'behind');
  const words = `not numbered yet: ${waitingSeconds.toFixed(1)} s${isStuck ? '  too long: is a sequencer running?' : ''}`;
  report(options, { not_numbered_seconds: waitingSeconds, is_over: isStuck }, words);
  for (const { name, lag_events, lag_seconds, lag_is_partial } of subscriptions) {
    const isOver = lag_events > maxEvents || lag_seconds > maxSeconds;
    if (isOver) endWith('events lag', 'behind');
    const count = describeCount(lag_events, lag_is_partial);
    const words = `${name}: ${count} events, ${lag_seconds.toFixed(1)} s${isOver ? '  too far' : ''}`;
    report(options, { name, lag_events, lag_seconds, is_over: isOver }, words);
  }
}

async function printParked(
  client: pg.Client,
  options: Common & { subscription?: string; state?: 'retrying' | 'waiting' | 'dead'; limit: number },
): Promise<void> {
  const parked = await listParked(client, options);
  if ((await countDead(client, options.subscription)) > 0) endWith('events parked', 'dead');
  if (options.json) for (const each of parked) console.log(JSON.stringify(each));
  else if (parked.length === 0) console.log('Nothing is parked.');
  else
    console.log(
      formatTable(
        ['subscription', 'position', 'key', 'state', 'attempts', 'again at', 'error'],
        parked.map((each) => [
          each.subscription,
          each.position,
          each.key,
          each.state,
          each.attempts,
          each.attempt_at?.toISOString() ?? '',
          each.error?.split('\n')[0] ?? '',
        ]),
      ),
    );
}

async function redriveAndWait(
  client: pg.Client,
  subscription: string,
  options: Common & { position?: number[]; wait: number; reason?: string },
): Promise<void> {
  const positions = await redrive(client, { subscription, positions: options.position, reason: options.reason });
  for (const position of options.position ?? []) {
    if (positions.includes(position)) continue;
    endWith('events redrive', 'unhandled');
    report(options, { position, state: 'not failed' }, `${position}: has not failed there, and was left as it is`);
  }
  if (positions.length === 0) {
    report(options, { subscription, redriven: 0 }, 'Nothing is dead there.');
    return;
  }
  const endsAt = performance.now() + options.wait * 1_000;
  let results = await outcomes(client, { subscription, positions });
  while (results.some((each) => each.state !== 'handled' && each.attempts === 0) && performance.now() < endsAt) {
    await sleep(100);
    results = await outcomes(client, { subscription, positions });
  }
  for (const each of results) {
    if (each.state !== 'handled') endWith('events redrive', 'unhandled');
    report(options, each, `${each.position}: ${each.state}${each.error ? ` (${each.error.split('\n')[0]})` : ''}`);
  }
}

function report(options: Common, record: object, words: string): void {
  console.log(options.json ? JSON.stringify(record) : words);
}

function parseWhole(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) throw new InvalidArgumentError('must be a whole number.');
  return number;
}

function collectWhole(text: string, before: number[] | undefined): number[] {
  return [...(before ?? []), parseWhole(text)];
}

function parseList(text: string): string[] {
  return text.split(',').filter(Boolean);
}

function parseUuid(text: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text))
    throw new InvalidArgumentError('must be the id of a customer.');
  return text;
}

function parseState(text: string): string {
  if (!['retrying', 'waiting', 'dead'].includes(text))
    throw new InvalidArgumentError('must be retrying, waiting or dead.');
  return text;
}

const unitsMs: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function parseTime(text: string): Date {
  const [, amount, unit] = /^(\d+)([smhd])$/.exec(text) ?? [];
  const time = amount && unit ? new Date(Date.now() - Number(amount) * (unitsMs[unit] as number)) : new Date(text);
  if (Number.isNaN(time.getTime()))
    throw new InvalidArgumentError('must be such as 10m, 2h, 3d or 2026-01-31T12:00:00Z.');
  return time;
}
