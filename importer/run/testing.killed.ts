import pg from 'pg';
import { applyImport } from './apply.ts';
import { undoImport } from './undo.ts';

/*
 * A process that is killed at a statement: `url apply|undo run statement before|during|after`. It kills itself with SIGKILL, so that nothing of it is
 * tidied up: before the statement is sent, while the server is at it, or when it was answered and nobody has taken note.
 */
const [url, work, run, at, when] = process.argv.slice(2) as [string, 'apply' | 'undo', string, string, string];
const client = new pg.Client({ connectionString: url });
await client.connect();
const die = () => process.kill(process.pid, 'SIGKILL');
const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
let statements = 0;
const dying = async (...args: unknown[]): Promise<unknown> => {
  const isLast = ++statements === Number(at);
  if (isLast && when === 'before') die();
  const answer = query(...args);
  if (isLast && when === 'during') setImmediate(die);
  const result = await answer;
  if (isLast) die();
  return result;
};
client.query = dying as typeof client.query;
await (work === 'apply' ? applyImport : undoImport)(client, run, { linesPerStep: 20 });
await client.end();
