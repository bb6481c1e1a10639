import { listAlerts, listSilences, listTargets, silence, type ToldAlert, testAlert } from '@aether/sync';
import { Command, InvalidArgumentError } from 'commander';
import type pg from 'pg';
import { endWith } from './exitcodes.ts';
import { asSync, type Common, withCommon } from './syncclient.ts';
import { formatTable } from './table.ts';

const limitDefault = 50;

/** `aether alerts …`: what was told, silences, and a test of the targets, as sync_app. */
export function alertsCommand(): Command {
  const alerts = new Command('alerts').description('what was told about checks, silences, and a test of the targets');
  const add = (name: string, description: string) => withCommon(alerts.command(name).description(description));

  add('list', 'what was told, the newest first')
    .option('--open', 'only what is not well still')
    .option('--silences', 'the silences instead')
    .option('--limit <n>', 'at most so many', parseLimit, limitDefault)
    .action((options) =>
      asSync(options, (client) => (options.silences ? printSilences(client, options) : printAlerts(client, options))),
    );
  add('silence', 'record what changes, but send nothing about a check, or about all checks of a kind, for some time')
    .argument('<reason>', 'for those who wonder')
    .option('--check <slug>', 'such as subscription:support.cache')
    .option('--kind <kind>', 'such as subscription')
    .requiredOption('--for <time>', 'how long: 30m, 2h, 3d; at most 90 days', parseDuration)
    .action((reason, options) =>
      asSync(options, async (client) => {
        const { check: slug, kind } = options;
        if ((slug === undefined) === (kind === undefined)) throw new Error('Say what to silence: --check or --kind.');
        const until = new Date(Date.now() + options.for);
        const id = await silence(askOf(client), { slug, kind, until, reason }).catch((error) => {
          throw error.hint ? new Error(`${slug ?? kind} ${error.hint}`, { cause: error }) : error;
        });
        const words = `${slug ?? `Every ${kind}`} is silenced until ${until.toISOString()}.`;
        report(options, { id, slug, kind, until, reason }, words);
      }),
    );
  add('test', 'send an alert that says that it is a test to every target').action((options) =>
    asSync(options, async (client) => {
      const targets = await listTargets(askOf(client));
      if (targets.length === 0) endWith('alerts test', 'untold');
      const id = await testAlert(askOf(client));
      const words =
        targets.length === 0
          ? 'It is in the list only: no process has a target. docs/configuration.md says how to set one.'
          : `It is on its way: ${targets.join(', ')}.`;
      report(options, { id, targets }, words);
    }),
  );
  return alerts;
}

const askOf = (client: pg.Client) => async (text: string, values?: unknown[]) =>
  (await client.query(text, values)).rows;

async function printAlerts(client: pg.Client, options: Common & { open?: boolean; limit: number }): Promise<void> {
  const found = await listAlerts(askOf(client), { open: options.open, limit: options.limit });
  if (found.some((alert) => alert.is_open && alert.acknowledged_by === null)) endWith('alerts list', 'unacknowledged');
  if (options.json) for (const alert of found) console.log(JSON.stringify(alert));
  else if (found.length === 0) console.log(options.open ? 'Nothing is open.' : 'Nothing was told yet.');
  else
    console.log(
      formatTable(
        ['told at', 'check', 'status', 'before', 'sent', 'seen by', 'reason'],
        found.map((alert) => [
          alert.told_at.toISOString(),
          alert.slug,
          alert.status,
          alert.previous,
          describeSending(alert),
          alert.acknowledged_by,
          alert.reason,
        ]),
      ),
    );
}

function describeSending({ silenced, deliveries }: ToldAlert): string {
  if (deliveries.length === 0) return silenced === null ? '' : 'silenced';
  return deliveries.map(({ target, state }) => (state === 'sent' ? target : `${target}: ${state}`)).join(', ');
}

async function printSilences(client: pg.Client, options: Common): Promise<void> {
  const found = await listSilences(askOf(client));
  if (options.json) for (const each of found) console.log(JSON.stringify(each));
  else if (found.length === 0) console.log('Nothing is silenced.');
  else
    console.log(
      formatTable(
        ['id', 'what', 'until', 'by', 'reason', ''],
        found.map((each) => [
          each.id,
          each.slug ?? `every ${each.kind}`,
          each.until.toISOString(),
          each.author,
          each.reason,
          each.is_in_force ? 'in force' : 'ended',
        ]),
      ),
    );
}

function report(options: Common, record: object, words: string): void {
  console.log(options.json ? JSON.stringify(record) : words);
}

const unitsMs: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

function parseDuration(text: string): number {
  const [, amount, unit] = /^(\d{1,5})([mhd])$/.exec(text) ?? [];
  const ms = Number(amount) * (unitsMs[unit ?? ''] ?? Number.NaN);
  if (!(ms > 0 && ms <= 90 * 86_400_000)) throw new InvalidArgumentError('must be such as 30m, 2h or 3d, at most 90d.');
  return ms;
}

function parseLimit(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 1_000)
    throw new InvalidArgumentError('must be from 1 to 1000.');
  return number;
}
