import type { Writable } from 'node:stream';
import pg from 'pg';
import type { DriverQuery } from './pool.ts';

/** The driver's messages to the server, as far as a query sends them before its own. */
export type Wire = {
  /** The named statements whose parsing was asked for and not yet confirmed. */
  submittedNamedStatements: Record<string, string>;
  parse(message: { name: string; text: string; types: [] }): void;
  bind(message: { portal: string; statement: string; values: string[] }): void;
  execute(message: { portal: string; rows: number }): void;
};
export type Answer = { fields?: unknown };

/** What the driver's query does beyond what its types declare. */
interface DriverInternals {
  name: string | undefined;
  callback: (error: Error | undefined, result: pg.QueryResult) => void;
  query_timeout?: number;
  prepare(wire: Wire): void;
  handleDataRow(answer: Answer): void;
  handleCopyData(answer: { chunk: Buffer }): void;
  handleCommandComplete(answer: Answer, wire: Wire): void;
  handleError(error: Error, wire: Wire): void;
}
type DriverQueryInstance = pg.Submittable & DriverInternals;

/** The driver's query, for queries that send or take something else than it does. */
export const DriverQueryClass = pg.Query as unknown as new (query: DriverQuery) => DriverQueryInstance;

export type Submitted = pg.Submittable & Pick<DriverInternals, 'callback'>;

/** Runs a query of a class that is made from the driver's. */
export async function submit(client: pg.ClientBase, query: Submitted): Promise<pg.QueryResult> {
  const { promise, resolve, reject } = Promise.withResolvers<pg.QueryResult>();
  query.callback = (error, result) => (error ? reject(error) : resolve(result));
  client.query(query);
  try {
    return await promise;
  } catch (error) {
    if (error instanceof Error) Error.captureStackTrace(error); // the driver's own stack leads to a socket
    throw error;
  }
}

const gathering = new WeakSet<pg.ClientBase>();

/** What this connection is given until the program next waits goes to the server at once, and not statement by statement. */
export function sendTogether(client: pg.ClientBase): void {
  if (gathering.has(client)) return;
  gathering.add(client);
  const { stream } = (client as unknown as { connection: { stream: Writable } }).connection;
  stream.cork();
  process.nextTick(() => {
    gathering.delete(client);
    stream.uncork();
  });
}

/** Settles when what connections were given until now is on its way. */
export const allSent = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));
