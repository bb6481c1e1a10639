import { Command } from 'commander';
import { asSync, type Common, withCommon } from './syncclient.ts';

type Walk = {
  phase: 'keys' | 'pairs' | 'done';
  looked_at: number;
  customers: number;
  pairs: number;
  began_at: Date;
  ended_at: Date | null;
};

/** `aether duplicates`: asks the worker to look through all customers, and says how far it is. */
export function duplicatesCommand(): Command {
  const command = new Command('duplicates').description('customers that may be one person');
  command.addCommand(
    withCommon(
      new Command('find').description(
        'look through all customers again; the worker does it, and goes on after a restart',
      ),
      'one JSON object',
    ).action((options: Common) =>
      asSync(options, async (client) => {
        await client.query('select sync.begin_match_walk()');
        if (options.json) console.log(JSON.stringify({ begun: true }));
        else console.log('The worker looks through all customers. npx aether duplicates status says how far it is.');
      }),
    ),
  );
  command.addCommand(
    withCommon(new Command('status').description('how far that is'), 'one JSON object').action((options: Common) =>
      asSync(options, async (client) => {
        const { rows } = await client.query<Walk>(
          `select w.phase, w.looked_at::float8, w.pairs::float8, w.began_at, w.ended_at, sync.about_customers()::float8 as customers
           from sync.match_walk w`,
        );
        const [walk] = rows as [Walk];
        console.log(options.json ? JSON.stringify(walk) : sayWalk(walk));
      }),
    ),
  );
  return command;
}

function sayWalk({ phase, looked_at, customers, pairs, ended_at }: Walk): string {
  const found = `${pairs.toLocaleString('en')} new ${pairs === 1 ? 'pair' : 'pairs'}`;
  if (phase === 'done')
    return `${looked_at.toLocaleString('en')} customers were looked through until ${ended_at?.toISOString()}: ${found}.`;
  const step = phase === 'keys' ? '1 of 2: their keys' : '2 of 2: their pairs';
  return `Step ${step}. ${looked_at.toLocaleString('en')} of about ${customers.toLocaleString('en')} customers: ${found}.`;
}
