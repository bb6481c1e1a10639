import {
  addWebhook,
  disableWebhook,
  enableWebhook,
  listWebhooks,
  readWebhookNetworks,
  removeWebhook,
  requireWebhookUrl,
  rotateWebhook,
} from '@aether/sync';
import { Command, InvalidArgumentError } from 'commander';
import { asSync, type Common, withCommon } from './syncclient.ts';
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
        const url = requireWebhookUrl(address, readWebhookNetworks(process.env));
        const [app = ''] = name.split('.');
        const { types, reason } = options;
        const added = await addWebhook(client, { name, app, url, types, reason });
        if (options.json) return console.log(JSON.stringify(added));
        console.log(added.secret);
        console.error(`${name} is told of events after position ${added.position}. Its secret is printed this once.`);
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
