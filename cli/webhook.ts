import {
  addWebhook,
  changeWebhook,
  disableWebhook,
  enableWebhook,
  listAttempts,
  listWebhooks,
  readWebhookNetworks,
  removeWebhook,
  requireWebhookUrl,
  rotateWebhook,
  testWebhook,
} from '@aether/sync';
import { Command, InvalidArgumentError } from 'commander';
import { asSync, type Common, settingsOf, withCommon } from './syncclient.ts';
import { formatTable } from './table.ts';

type Why = Common & { reason?: string };

/** `aether webhook`: apps elsewhere that are told of events by signed requests. docs/webhooks.md */
export function webhookCommand(): Command {
  const webhook = new Command('webhook').description(
    'apps elsewhere that are told of events by signed requests: docs/webhooks.md',
  );
  const act = (name: string, description: string, json = 'one JSON object') =>
    withCommon(webhook.command(name).description(description), json);
  act('list', 'the webhooks of all apps, and how they get on', 'one JSON object per line').action(list);
  act('add', 'register one, which begins with the events from now on; prints its secret')
    .argument('<name>', 'the app’s name, a dot, and a name: billing.tiers')
    .argument('<address>', 'where the worker posts to, with https')
    .requiredOption('--types <types>', 'types of events with commas between them', readList)
    .option('--reason <words>', 'kept with the record')
    .action((name, address, options: Why & { types: string[] }) =>
      asSync(options, async (client) => {
        const url = requireWebhookUrl(address, readWebhookNetworks(settingsOf(options)));
        const [app = ''] = name.split('.');
        const { types, reason } = options;
        const added = await addWebhook(client, { name, app, url, types, reason });
        if (options.json) return console.log(JSON.stringify(added));
        console.log(added.secret);
        console.error(`${name} is told of events after position ${added.position}. Its secret is printed this once.`);
      }),
    );
  act('change', 'give one another address, other types, or both; it goes on at the same place')
    .argument('<name>')
    .option('--address <address>', 'where the worker posts to from now on')
    .option('--types <types>', 'all types that it is told of from now on, with commas between them', readList)
    .option('--reason <words>', 'kept with the record')
    .action((name, options: Why & { address?: string; types?: string[] }) =>
      asSync(options, async (client) => {
        const { address, types, reason } = options;
        if (!address && !types) throw new Error('Say what changes: --address, --types, or both.');
        const url = address && requireWebhookUrl(address, readWebhookNetworks(settingsOf(options)));
        const done = await changeWebhook(client, name, { url, types, reason });
        console.log(options.json ? JSON.stringify(done) : `${name} is changed. The worker takes it up within seconds.`);
      }),
    );
  act('attempts', 'the last messages to one, and how they were answered', 'one JSON object per line')
    .argument('<name>')
    .action((name, options: Common) => asSync(options, (client) => showAttempts(client, name, options)));
  act('test', 'let the worker post a message that says nothing; `attempts` has what came of it')
    .argument('<name>')
    .option('--reason <words>', 'kept with the record')
    .action((name, options: Why) =>
      asSync(options, async (client) => {
        const done = await testWebhook(client, name, options.reason);
        if (options.json) return console.log(JSON.stringify(done));
        console.log(`The worker tries it within seconds: aether webhook attempts ${name}`);
      }),
    );
  act('rotate', 'a new secret; messages carry a signature by the former one, too, for a day')
    .argument('<name>')
    .option('--former <seconds>', 'how long the former one is used as well', readSeconds, 86_400)
    .option('--reason <words>', 'kept with the record')
    .action((name, options: Why & { former: number }) =>
      asSync(options, async (client) => {
        const { former: formerSeconds, reason } = options;
        const rotated = await rotateWebhook(client, name, { formerSeconds, reason });
        if (options.json) return console.log(JSON.stringify(rotated));
        console.log(rotated.secret);
        console.error(`The former secret is used until ${rotated.former_ends_at} as well.`);
      }),
    );
  act('disable', 'deliver nothing more; the log is not held for it')
    .argument('<name>')
    .argument('<reason>', 'kept with the record, and shown')
    .action((name, reason, options: Common) =>
      asSync(options, async (client) => {
        const done = await disableWebhook(client, name, reason);
        console.log(options.json ? JSON.stringify(done) : `${name} is disabled, after position ${done.position}.`);
      }),
    );
  act('enable', 'go on where it was disabled, as far as the log reaches back')
    .argument('<name>')
    .option('--reason <words>', 'kept with the record')
    .action((name, options: Why) =>
      asSync(options, async (client) => {
        const done = await enableWebhook(client, name, options.reason);
        if (options.json) return console.log(JSON.stringify(done));
        console.log(`${name} goes on after position ${done.position}.`);
        if (done.missed > 0)
          console.log(`The log has dropped ${done.missed} positions since: let the receiver start from a snapshot.`);
      }),
    );
  act('remove', 'remove one, with its secrets and what waits for it')
    .argument('<name>')
    .option('--reason <words>', 'kept with the record')
    .action((name, options: Why) =>
      asSync(options, async (client) => {
        const done = await removeWebhook(client, name, options.reason);
        console.log(options.json ? JSON.stringify(done) : `${name} is removed.`);
      }),
    );
  return webhook;
}

const list = (options: Common): Promise<void> =>
  asSync(options, async (client) => {
    const webhooks = await listWebhooks(client);
    if (options.json) for (const each of webhooks) console.log(JSON.stringify(each));
    else
      console.log(
        formatTable(
          ['webhook', 'address', 'types', 'behind', 'parked', 'state'],
          webhooks.map(({ name, url, types, behind, parked, ...state }) => [
            name,
            url,
            types.join(','),
            behind,
            parked,
            sayState(state),
          ]),
        ),
      );
  });

async function showAttempts(client: Parameters<typeof listAttempts>[0], name: string, { json }: Common): Promise<void> {
  const [known] = await listWebhooks(client, name);
  if (!known) throw new Error(`There is no webhook ${name}: \`aether webhook list\` lists them.`);
  const attempts = await listAttempts(client, name);
  if (json) for (const each of attempts) console.log(JSON.stringify(each));
  else
    console.log(
      formatTable(
        ['time', 'what', 'type', 'position', 'answer', 'took'],
        attempts.map(({ at, kind, type, position, outcome, code, took_ms }) => [
          at.toISOString().slice(0, 19),
          kind,
          type,
          position,
          outcome === 'taken' ? code : `${code}, ${outcome}`,
          `${took_ms} ms`,
        ]),
      ),
    );
}

function sayState({
  disabled_reason: disabled,
  failing_since: failing,
  failure,
  delivered_at: delivered,
}: {
  disabled_reason: string | null;
  failing_since: Date | null;
  failure: string | null;
  delivered_at: Date | null;
}): string {
  if (disabled !== null) return `disabled: ${disabled}`;
  if (failing) return `takes nothing since ${failing.toISOString().slice(0, 19)} (${failure})`;
  return delivered ? `delivered ${delivered.toISOString().slice(0, 19)}` : 'nothing delivered yet';
}

const readList = (text: string): string[] => text.split(',').map((each) => each.trim());

function readSeconds(text: string): number {
  const seconds = Number(text);
  if (!Number.isInteger(seconds) || seconds < 0 || seconds > 30 * 86_400)
    throw new InvalidArgumentError('must be a whole number of seconds, up to thirty days.');
  return seconds;
}
