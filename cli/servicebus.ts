import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceBusSettings } from '@aether/servicebus';
import { readServiceBusSettings } from '@aether/servicebus/settings';
import { type ConsumerAct, listConsumers, type OrderScope, orderOfConsumer, readOrder } from '@aether/sync';
import { Command, InvalidArgumentError } from 'commander';
import { endWith } from './exitcodes.ts';
import { readRunning } from './start/running.ts';
import { asSync, type Common, withCommon } from './syncclient.ts';
import { formatTable } from './table.ts';

type Json = { json?: boolean };
/** What a consumer is told by command: `resubmit` works on the bus itself. */
type Order = Exclude<ConsumerAct, 'resubmit'>;

/**
 * `aether servicebus …`: makes the topic and its subscriptions, shows them, and works on dead letters. SERVICEBUS_… says
 * in which namespace.
 */
export function serviceBusCommand(): Command {
  const bus = new Command('servicebus').description(
    'the topic of Azure Service Bus, its subscriptions and their dead letters',
  );
  const add = (name: string, description: string) =>
    bus.command(name).description(description).option('--json', 'one JSON object per line');

  add(
    'ensure',
    'make the topic and the subscriptions of these apps, and correct their rules; needs the right to manage',
  )
    .argument('[subscriptions...]', 'the names of the apps')
    .option('--audiences <list>', 'whose events they get, with commas between', parseList, ['platform'])
    .option('--types <list>', 'only events of these types, with commas between', parseList)
    .action(async (names: string[], { audiences, types, json }) => {
      const { ensureTopology } = await import('@aether/servicebus');
      const changes = await ensureTopology(
        requireSettings(),
        names.map((name) => ({ name, audiences, types })),
      );
      print({ json }, changes, ['what', 'change']);
    });
  add('status', 'subscriptions, what waits in them, and what is not as it must be').action(async ({ json }: Json) => {
    const { readTopology } = await import('@aether/servicebus');
    const { topic, problems, subscriptions } = await readTopology(requireSettings());
    const rows = subscriptions.map(({ name, waiting, deadLetters }) => ({ subscription: name, waiting, deadLetters }));
    const found = [...problems, ...subscriptions.flatMap((each) => each.problems)];
    if (json) console.log(JSON.stringify({ topic, problems: found, subscriptions: rows }));
    else {
      print({}, rows, ['subscription', 'waiting', 'deadLetters']);
      for (const problem of found) console.error(problem);
    }
    if (found.length > 0 || subscriptions.some(({ deadLetters }) => deadLetters > 0))
      endWith('servicebus status', 'problem');
  });
  add('dead', 'the dead letters of a subscription: what its consumer could not read')
    .argument('<subscription>')
    .option('--limit <n>', 'at most so many', parseWhole, 100)
    .action(async (subscription, { limit, json }) => {
      const { listDeadLetters } = await import('@aether/servicebus');
      const letters = await listDeadLetters(requireSettings(), subscription, limit);
      print({ json }, letters, ['number', 'messageId', 'type', 'session', 'reason', 'description']);
    });
  add('resubmit', 'send dead letters to their own subscription again, each under a new id')
    .argument('<subscription>')
    .option('--number <n...>', 'only these', (text: string, before: string[] = []) => [
      ...before,
      String(parseWhole(text)),
    ])
    .action(async (subscription, { number, json }) => {
      const { resubmitDeadLetters } = await import('@aether/servicebus');
      const sent = await resubmitDeadLetters(requireSettings(), subscription, number);
      report({ json }, { subscription, sent }, `${sent} dead letters were sent again.`);
    });
  add('drain', 'remove dead letters for good, or all that waits; asks for --yes')
    .argument('<subscription>')
    .option('--messages', 'what waits to be handled, and not the dead letters', false)
    .option('--yes', 'do it: nothing brings them back but a replay', false)
    .action(async (subscription, { messages, yes, json }) => {
      if (!yes)
        throw new Error(
          `This removes ${messages ? 'all messages' : 'all dead letters'} of ${subscription} for good: add --yes.`,
        );
      const { drainSubscription } = await import('@aether/servicebus');
      const removed = await drainSubscription(requireSettings(), subscription, messages ? 'messages' : 'dead letters');
      report({ json }, { subscription, removed }, `${removed} removed.`);
    });
  withCommon(bus.command('replay').description('send events of the log again, to one subscription alone'))
    .argument('<subscription>')
    .option('--audiences <list>', 'whose events it gets, with commas between', parseList, ['platform'])
    .option('--since <time>', 'from this time on, 2026-01-31T12:00:00Z', parseTime)
    .option('--from-position <n>', 'from this one on', parseWhole)
    .option('--customer <id>', 'only of this customer')
    .option('--key <key>', 'only of this row')
    .option('--types <list>', 'only these, with commas between', parseList)
    .option('--run <name>', 'go on with a replay that was cut short')
    .action((subscription, options) => replay(subscription, options));
  withCommon(
    bus
      .command('lanes')
      .description(
        'how many sessions share all customers; with a number, change it as soon as nothing waits on the bus',
      ),
    'one JSON object',
  )
    .argument('[number]', '1 to 128; 0: each customer has a session of its own', parseWhole)
    .option('--reason <text>', 'kept with the change', 'by command')
    .option('--within <seconds>', 'how long consumers may take to handle what waits', parseWhole, 60)
    .action((wanted, options) => lanes(wanted, options));
  const order = (act: Order, description: string) =>
    withCommon(bus.command(act).description(description), 'one JSON object').argument('<consumer>');
  withCommon(bus.command('parked').description('what waits in the database of a consumer, as it reports it'))
    .argument('<consumer>')
    .action(showParked);
  order('retry', 'let a consumer try its dead events again: all, or those of one session')
    .option('--session <session>', 'the customer’s, as `parked` lists it')
    .option('--reason <text>', 'kept with the order', 'by command')
    .action((consumer, { session, ...options }) => command(consumer, 'retry', { session }, options));
  order('skip', 'let a consumer give up the first parked event of a session, so that those behind it go on')
    .argument('<session>')
    .argument('<event>', 'its id: another one is not given up')
    .requiredOption('--reason <text>', 'kept with the order')
    .action((consumer, session, event, options) => command(consumer, 'skip', { session, event }, options));
  order('pause', 'stop all processes of a consumer; the bus keeps the messages')
    .argument('<reason>')
    .action((consumer, reason, options) => command(consumer, 'pause', {}, { ...options, reason }));
  order('resume', 'let a consumer go on')
    .option('--reason <text>', 'kept with the order', 'by command')
    .action((consumer, options) => command(consumer, 'resume', {}, options));
  return bus;
}

async function showParked(consumer: string, options: Common): Promise<void> {
  await asSync(options, async (client) => {
    const [found] = await listConsumers(client, consumer);
    if (!found)
      throw new Error(`There is no consumer ${consumer}: \`aether servicebus status\` lists the subscriptions.`);
    print(options, found.parked, ['event', 'type', 'session', 'state', 'attempts', 'error', 'at']);
    if (found.parked.some(({ state }) => state === 'dead')) endWith('servicebus parked', 'dead');
  });
}

const answerWithinMs = 130_000;

/** Orders it over the worker that relays, and waits for what came of it. */
async function command(
  consumer: string,
  act: Order,
  scope: OrderScope,
  { reason, ...options }: Common & { reason: string },
): Promise<void> {
  await asSync(options, async (client) => {
    const { order } = await orderOfConsumer(client, { consumer, act, scope, reason });
    const until = performance.now() + answerWithinMs;
    for (;;) {
      const found = await readOrder(client, order);
      if (found && !['waiting', 'sent'].includes(found.state)) {
        const { state, outcome } = found;
        if (state !== 'done') endWith(`servicebus ${act}`, 'refused');
        const words =
          state === 'done' ? `${consumer}: ${act} is done` : `${consumer}: ${outcome?.refused ?? 'nobody answered'}`;
        report(options, { order, state, ...outcome }, `${words}${outcome?.count ? `, ${outcome.count} events` : ''}.`);
        return;
      }
      if (performance.now() > until)
        throw new Error(`No worker has taken order ${order}: does one run, with SERVICEBUS_… set?`);
      await sleep(100);
    }
  });
}

/** Shows how many lanes the topic has, or changes it. */
async function lanes(wanted: number | undefined, options: Common & { reason: string; within: number }): Promise<void> {
  const settings = requireSettings();
  const { changeLanes, readLanes } = await import('@aether/servicebus');
  const say = (count: number) => (count === 0 ? 'a session for each customer' : `${count} lanes`);
  await asSync(options, async (client) => {
    const ask = async (text: string, values: unknown[]) => (await client.query(text, values)).rows as never;
    if (wanted === undefined) {
      const count = await readLanes(ask);
      report(options, { lanes: count }, `The topic has ${say(count)}.`);
      return;
    }
    const { reason, within } = options;
    const change = await changeLanes(ask, settings, { lanes: wanted, reason, withinMs: within * 1_000 });
    const words = change.was === change.lanes ? 'as before' : `before: ${say(change.was)}`;
    report(options, change, `The topic has ${say(change.lanes)} (${words}).`);
  });
}

type ReplayOptions = Common & {
  audiences: string[];
  since?: Date;
  fromPosition?: number;
  customer?: string;
  key?: string;
  types?: string[];
  run?: string;
};

async function replay(subscription: string, options: ReplayOptions): Promise<void> {
  const { audiences, since, fromPosition, customer, key, types, run } = options;
  if ([since, fromPosition, customer, key].every((each) => each === undefined))
    throw new Error('Say what to replay: --since, --from-position, --customer or --key.');
  const settings = requireSettings();
  const { replayToConsumer } = await import('@aether/servicebus');
  await asSync(options, async (client) => {
    const ask = async (text: string, values: unknown[]) => (await client.query(text, values)).rows as never;
    const wish = { subscription, audiences, since, fromPosition, customer, key, types, run };
    const done = await replayToConsumer(ask, settings, wish);
    const left = done.tooLarge > 0 ? ` ${done.tooLarge} were not, because they are too large for the namespace.` : '';
    report(
      options,
      { subscription, ...done },
      `${done.sent} events were sent to ${subscription}, as ${done.run}.${left}`,
    );
  });
}

/** Those of the environment, or of what `npm start -- --with-bus` runs. @throws when no namespace is named */
function requireSettings(): ServiceBusSettings {
  const settings = readServiceBusSettings(process.env) ?? readServiceBusSettings(readRunning() ?? {});
  if (settings) return settings;
  throw new Error(
    'Which Service Bus? Set SERVICEBUS_CONNECTION_STRING, or SERVICEBUS_NAMESPACE with Entra; or run npm start -- --with-bus.',
  );
}

function print<Row extends object>({ json }: Json, rows: Row[], columns: (keyof Row & string)[]): void {
  if (json) for (const row of rows) console.log(JSON.stringify(row));
  else
    console.log(
      formatTable(
        columns,
        rows.map((row) => columns.map((column) => String(row[column] ?? ''))),
      ),
    );
}

function report({ json }: Json, object: object, sentence: string): void {
  console.log(json ? JSON.stringify(object) : sentence);
}

const parseList = (text: string): string[] => text.split(',').map((each) => each.trim());

function parseWhole(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) throw new InvalidArgumentError('must be a whole number.');
  return number;
}

function parseTime(text: string): Date {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) throw new InvalidArgumentError('must be a time, such as 2026-01-31T12:00:00Z.');
  return time;
}
