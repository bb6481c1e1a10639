import { writeSync } from 'node:fs';
import pg from 'pg';
import { connectPlatform } from './index.ts';

/*
 * A process of the console that is killed at a statement: `url merge SURVIVOR LOSER statement` or `url unmerge MERGE - statement`. It kills itself
 * with SIGKILL while the server is at the statement, so that nothing of it is tidied up. It prints the process of the server that has its
 * connection.
 */
const [url = '', work, first = '', second = '', at] = process.argv.slice(2);
const db = await connectPlatform({ app: 'console', variables: { PLATFORM_DB_URL: url } });
const die = () => process.kill(process.pid, 'SIGKILL');
type Sending = { processID: number };
const send = pg.Client.prototype.query as unknown as (this: Sending, ...args: unknown[]) => unknown;
let statements = 0;
pg.Client.prototype.query = function dying(this: Sending, ...args: unknown[]) {
  const isLast = ++statements === Number(at);
  if (isLast) writeSync(1, `${this.processID}\n`);
  const sent = send.apply(this, args);
  if (isLast) setImmediate(die);
  return sent;
} as never;
if (work === 'merge') await db.mergeCustomers(first, [second], { actor: 'tom' });
else await db.unmergeCustomers(first, { actor: 'tom' });
await db.close();
