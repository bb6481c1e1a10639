import { Command } from 'commander';
import { onLaptop } from '../onlaptop.ts';

/** `aether start`, which is `npm start`. */
export const startCommand = (): Command =>
  new Command('start')
    .description('run everything on this machine, on a PostgreSQL of its own (npm start)')
    .option('--reset', 'remove the data and start over', false)
    .option(
      '--with-bus',
      'also a Service Bus (a stand-in, unless SERVICEBUS_… names one), the relay, and examples/billing',
      false,
    )
    .action(async (options) => (await onLaptop(() => import('./start.ts'))).start(options)); // loaded only here: it imports the servers
