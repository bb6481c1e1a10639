/**
 * The stand-in as a process of its own, for benches and for tests that kill it. Its first message to its parent, or its first line, says where
 * it is: { connectionString, adminUrl }.
 *
 *   node standin/main.ts [--port 5672] [--admin-port 5300] [--journal FILE]
 */
import { parseArgs } from 'node:util';
import { startStandIn } from './broker.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'admin-port': { type: 'string', default: '0' },
    journal: { type: 'string' },
  },
});
const { connectionString, adminUrl, close } = await startStandIn({
  port: Number(values.port),
  adminPort: Number(values['admin-port']),
  journal: values.journal,
});
const place = { connectionString, adminUrl };
if (process.send) process.send(place);
else console.log(JSON.stringify(place));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => close().finally(() => process.exit(0)));
process.once('disconnect', () => process.exit(0)); // its parent is gone
