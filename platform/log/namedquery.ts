import pg from 'pg';
import { type BinaryParser, binaryParsers } from './binary.ts';
import { type Submitted, submit } from './driverquery.ts';
import { limit } from './limits.ts';
import type { DriverQuery } from './pool.ts';
import { type Parser, type RowReader, readValues } from './rows.ts';
import { formatsOf, runAgain } from './runagain.ts';

/*
 * A named statement of which a connection already knows the columns. The driver asks for their description at every run, which the server
 * writes and the driver reads again, column by column: on a busy machine a profile showed 7 µs of the client for a lone lookup, and the
 * garbage of it. The columns of a prepared statement never change: after a change of its tables PostgreSQL refuses it ("cached plan must
 * not change result type").
 */

/** The columns of a statement as the driver's result has them. */
type Columns = {
  fields: { name: string; dataTypeID: number }[];
  _parsers: Parser[] | undefined;
  _prebuiltEmptyResultObject: object | null;
};
/** Those of a statement that runs again, of which this module asks for some as the server has them. */
type KnownColumns = { asDriver: Columns; binary: (BinaryParser | undefined)[]; formats: Buffer };

/** What the driver's query and connection do beyond what the types declare. */
export interface Wire {
  parsedStatements: Record<string, string>;
  /** Those whose parsing was asked for and not yet confirmed. */
  submittedNamedStatements: Record<string, string>;
  sync(): void;
  _send(message: Buffer): void;
}
interface DriverInternals {
  name: string | undefined;
  text: string;
  values: unknown[] | undefined;
  callback: Submitted['callback'];
  _result: Columns & { addRow(row: unknown): void; _types: unknown };
  _canceledDueToError: unknown;
  prepare(wire: Wire): void;
  handleRowDescription(message: object): void;
  handleCommandComplete(message: object, wire: Wire): void;
  handleEmptyQuery(wire: Wire): void;
  handleReadyForQuery(wire: Wire): void;
  handleError(error: Error, wire: Wire): void;
}
interface DriverClient {
  connection: { stream: { destroy(): void } };
  connectionParameters: { query_timeout: number | undefined };
}
export const DriverQueryClass = pg.Query as unknown as new (text: string) => pg.Submittable & DriverInternals;

/** The columns of the statements of a connection, by their names. */
const known = new WeakMap<Wire, Map<string, KnownColumns>>();

function columnsOf(wire: Wire): Map<string, KnownColumns> {
  const columns = known.get(wire) ?? new Map<string, KnownColumns>();
  known.set(wire, columns);
  return columns;
}

const noneBinary: KnownColumns['binary'] = [];

export class NamedQuery extends DriverQueryClass implements RowReader {
  #columns: Map<string, KnownColumns> | undefined;
  #binary: KnownColumns['binary'] = noneBinary;
  readonly #isArray: boolean;

  constructor({ text, values, name, rowMode }: DriverQuery) {
    super(text);
    this.#isArray = rowMode === 'array';
    this.name = name;
    this.values = values;
  }

  /** @param isFollowed another statement follows before the next Sync */
  override prepare(wire: Wire, isFollowed = false): void {
    const name = this.name as string;
    this.#columns = columnsOf(wire);
    const columns = wire.parsedStatements[name] === this.text ? this.#columns.get(name) : undefined;
    const message = columns && runAgain(name, this.values ?? [], columns.formats, isFollowed);
    if (!message) {
      super.prepare(isFollowed ? Object.create(wire, { sync: { value: () => {} } }) : wire);
      return;
    }
    Object.assign(this._result, columns.asDriver);
    this.#binary = columns.binary;
    wire._send(message);
  }

  override handleRowDescription(message: object): void {
    super.handleRowDescription(message);
    this.#note();
  }

  override handleCommandComplete(message: object, wire: Wire): void {
    super.handleCommandComplete(message, wire);
    if (!this.#columns?.has(this.name as string)) this.#note(); // it has no columns
  }

  #note(): void {
    const { fields, _parsers, _prebuiltEmptyResultObject } = this._result;
    const binary = fields.map(({ dataTypeID }) => binaryParsers.get(dataTypeID));
    this.#columns?.set(this.name as string, {
      asDriver: { fields, _parsers, _prebuiltEmptyResultObject },
      binary,
      formats: formatsOf(binary.map((parse) => parse !== undefined)),
    });
  }

  giveUp(): void {
    const { callback } = this;
    this.callback = () => {};
    callback(new Error('Query read timeout'), undefined as never);
  }

  readRow(bytes: Buffer, start: number, end: number): void {
    if (this._canceledDueToError) return;
    const { fields, _parsers = [], _prebuiltEmptyResultObject } = this._result;
    try {
      const values = readValues(bytes, start, end, _parsers, this.#binary);
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
  const named = new NamedQuery(query);
  return inTime(client, query.query_timeout, named, () => submit(client, named));
}

/** Runs a query, and gives it up together with its connection when the answer takes too long: no later one would be answered. */
export async function inTime<T>(
  client: pg.ClientBase,
  withinMs: number | undefined,
  query: { giveUp(): void },
  run: () => Promise<T>,
): Promise<T> {
  const { connection, connectionParameters } = client as unknown as DriverClient;
  const { query_timeout: usualMs } = connectionParameters;
  const limitMs = withinMs ?? usualMs;
  connectionParameters.query_timeout = 0; // the driver starts no timer
  const answer = run();
  connectionParameters.query_timeout = usualMs;
  if (!limitMs) return answer;
  const limited = limit(limitMs, () => {
    query.giveUp();
    connection.stream.destroy();
  });
  try {
    return await answer;
  } finally {
    limited.end();
  }
}
