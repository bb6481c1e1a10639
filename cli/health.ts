import { setTimeout as sleep } from 'node:timers/promises';
import { evaluateHealth, type Health, type Status } from '@aether/sync';
import { Command, InvalidArgumentError } from 'commander';
import type pg from 'pg';
import { endDone, endWith } from './exitcodes.ts';
import { asSync, type Common, withCommon } from './syncclient.ts';
import { formatTable } from './table.ts';

/** As monitoring tools know it. */
const endingOf: Record<Status, 'warning' | 'critical' | 'unknown' | undefined> = {
  ok: undefined,
  paused: undefined,
  'catching-up': 'warning',
  warning: 'warning',
  unknown: 'unknown',
  parked: 'warning',
  stalled: 'critical',
  silent: 'critical',
  failing: 'critical',
};
const everyMs = 2_000;

/** `aether health`: makes every check, as sync_app, and ends with a code by the worst state. */
export function healthCommand(): Command {
  const health = withCommon(new Command('health').description('every check, the worst first'), 'one JSON object')
    .option('--watch', 'look again every two seconds, until Ctrl-C', false)
    .action((options) => show(options));
  // Their --url and --json are those of `health`.
  health
    .command('limits')
    .description('where the checks warn')
    .action((_, command) =>
      asSync(command.optsWithGlobals(), (client) => printLimits(client, command.optsWithGlobals())),
    );
  health
    .command('limit')
    .description('change where a check warns; leaves a record')
    .argument('<name>', 'one that `aether health limits` lists')
    .argument('<value>', 'its new value', parsePositive)
    .option('--reason <words>', 'for those who wonder')
    .action((name, value, { reason }, command) =>
      asSync(command.optsWithGlobals(), async (client) => {
        await client.query('select sync.set_health_limit($1, $2, $3)', [name, value, reason ?? null]);
        console.log(`${name} is ${value} from now on.`);
      }),
    );
  return health;
}

async function show(options: Common & { watch: boolean }): Promise<void> {
  // Until the database has answered, nothing is known.
  endWith('health', 'unknown');
  try {
    await asSync(options, async (client) => {
      for (;;) {
        const found = await evaluateHealth(async (text, values) => (await client.query(text, values)).rows);
        const ending = endingOf[found.worst];
        if (ending) endWith('health', ending);
        else endDone();
        print(found, options);
        if (!options.watch) return;
        await sleep(everyMs);
      }
    });
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    endWith('health', 'unknown');
  }
}

function print(health: Health, { json, watch }: Common & { watch: boolean }): void {
  if (json) {
    console.log(JSON.stringify(health));
    return;
  }
  if (watch && process.stdout.isTTY) process.stdout.write('\x1b[H\x1b[2J');
  console.log(`${health.sentence}\n`);
  console.log(
    formatTable(
      ['check', 'status', 'since', 'reason'],
      health.checks.map(({ slug, status, since, reason }) => [slug, status, since.toISOString().slice(0, 19), reason]),
    ),
  );
}

async function printLimits(client: pg.Client, { json }: Common): Promise<void> {
  const { rows } = await client.query<{ name: string; value: number; meaning: string }>(
    'select name, value, meaning from sync.health_limits order by name',
  );
  if (json) for (const row of rows) console.log(JSON.stringify(row));
  else console.log(formatTable(['limit', 'value', 'a check warns when'], rows.map(Object.values)));
}

function parsePositive(text: string): number {
  const number = Number(text);
  if (!(number > 0) || !Number.isFinite(number)) throw new InvalidArgumentError('must be a number above 0.');
  return number;
}
