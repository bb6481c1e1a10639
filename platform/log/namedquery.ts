import pg from 'pg';
import { type Submitted, submit } from './driverquery.ts';
import { limit } from './limits.ts';
import type { DriverQuery } from './pool.ts';
import { type Parser, type RowReader, readValues } from './rows.ts';
import { runAgain } from './runagain.ts';

/*
 * A named statement of which a connection already knows the columns. The driver asks for their description at every run, which the server
 * writes and the driver reads again, column by column: on a busy machine a profile showed 7 µs of the client for a lone lookup, and the
 * garbage of it. The columns of a prepared statement never change: after a change of its tables PostgreSQL refuses it ("cached plan must
 * not change result type").
 */

/** The columns of a statement as the driver's result has them. */
type Columns = {
  fields: { name: string }[];
  _parsers: Parser[] | undefined;
  _prebuiltEmptyResultObject: object | null;
};

/** What the driver's query and connection do beyond what the types declare. */
interface Wire {
  parsedStatements: Record<string, string>;
  _send(message: Buffer): void;
}
interface DriverInternals {
  name: string | undefined;
  text: string;
  values: unknown[] | undefined;
  callback: Submitted['callback'];
  _result: Columns & { addRow(row: unknown): void };
  _canceledDueToError: unknown;
  prepare(wire: Wire): void;
  handleRowDescription(message: object): void;
}
interface DriverClient {
  connection: { stream: { destroy(): void } };
  connectionParameters: { query_timeout: number | undefined };
}
const DriverQueryClass = pg.Query as unknown as new (text: string) => pg.Submittable & DriverInternals;

/** The columns of the statements of a connection, by their names. */
const known = new WeakMap<Wire, Map<string, Columns>>();

function columnsOf(wire: Wire): Map<string, Columns> {
  const columns = known.get(wire) ?? new Map<string, Columns>();
  known.set(wire, columns);
  return columns;
}

class NamedQuery extends DriverQueryClass implements RowReader {
  #columns: Map<string, Columns> | undefined;
  readonly #isArray: boolean;

  constructor({ text, values, name, rowMode }: DriverQuery) {
    super(text);
    this.#isArray = rowMode === 'array';
    this.name = name;
    this.values = values;
  }

  override prepare(wire: Wire): void {
    const name = this.name as string;
    this.#columns = columnsOf(wire);
    const columns = wire.parsedStatements[name] === this.text ? this.#columns.get(name) : undefined;
    const message = columns && runAgain(name, this.values ?? []);
    if (!message) {
      super.prepare(wire);
      return;
    }
    Object.assign(this._result, columns);
    wire._send(message);
  }

  override handleRowDescription(message: object): void {
    super.handleRowDescription(message);
    const { fields, _parsers, _prebuiltEmptyResultObject } = this._result;
    this.#columns?.set(this.name as string, { fields, _parsers, _prebuiltEmptyResultObject });
  }

  giveUp(stream: { destroy(): void }): void {
    const { callback } = this;
    this.callback = () => {};
    callback(new Error('Query read timeout'), undefined as never);
    stream.destroy();
  }

  readRow(bytes: Buffer, start: number, end: number): void {
    if (this._canceledDueToError) return;
    const { fields, _parsers = [], _prebuiltEmptyResultObject } = this._result;
    try {
      const values = readValues(bytes, start, end, _parsers);
      this._result.addRow(this.#isArray ? values : toRecord(fields, values, _prebuiltEmptyResultObject));
    } catch (error) {
      this._canceledDueToError = error; // as the driver does: it ends the query with it
    }
  }
}

function toRecord(fields: { name: string }[], values: unknown[], empty: object | null): object {
  const record: Record<string, unknown> = { ...empty };
  for (let n = 0; n < fields.length; n++) record[(fields[n] as { name: string }).name] = values[n];
  return record;
}

/** Runs one named statement. @param query with a name, for a connection in pipeline mode */
export async function queryNamed(client: pg.ClientBase, query: DriverQuery): Promise<pg.QueryResult> {
  const { connection, connectionParameters } = client as unknown as DriverClient;
  const { query_timeout: usualMs } = connectionParameters;
  const named = new NamedQuery(query);
  const limitMs = query.query_timeout ?? usualMs;
  connectionParameters.query_timeout = 0; // the driver starts no timer
  const answer = submit(client, named);
  connectionParameters.query_timeout = usualMs;
  if (!limitMs) return answer;
  const limited = limit(limitMs, () => named.giveUp(connection.stream));
  try {
    return await answer;
  } finally {
    limited.end();
  }
}
