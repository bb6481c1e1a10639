import pg from 'pg';
import { type Submitted, submit } from './driverquery.ts';
import type { DriverQuery } from './pool.ts';

/*
 * A named statement of which a connection already knows the columns. The driver asks for their description at every run, which the server
 * writes and the driver reads again, column by column: on a busy machine a profile showed 7 µs of the client for a lone lookup, and the
 * garbage of it. The columns of a prepared statement never change: after a change of its tables PostgreSQL refuses it ("cached plan must
 * not change result type").
 */

/** The columns of a statement as the driver's result has them. */
type Columns = { fields: unknown[]; _parsers: unknown[] | undefined; _prebuiltEmptyResultObject: object | null };

/** What the driver's query and connection do beyond what the types declare. */
interface Wire {
  parsedStatements: Record<string, string>;
  describe(message: object): void;
}
interface DriverInternals {
  name: string | undefined;
  text: string;
  values: unknown[] | undefined;
  callback: Submitted['callback'];
  query_timeout?: number;
  _result: Columns;
  _accumulateRows: boolean;
  prepare(wire: Wire): void;
  handleRowDescription(message: object): void;
}
const DriverQueryClass = pg.Query as unknown as new (text: string) => pg.Submittable & DriverInternals;

/** A connection of which the same messages go out, but for the request for a description; and the columns that are known. */
type Known = { wire: Wire; columns: Map<string, Columns> };
const knownOf = new WeakMap<Wire, Known>();

class NamedQuery extends DriverQueryClass {
  #known: Known | undefined;

  constructor({ text, values, name, query_timeout }: DriverQuery) {
    super(text);
    this.name = name;
    this.values = values;
    if (query_timeout !== undefined) this.query_timeout = query_timeout;
  }

  override prepare(wire: Wire): void {
    const name = this.name as string;
    let known = knownOf.get(wire);
    if (!known) {
      known = { wire: Object.create(wire, { describe: { value: () => {} } }), columns: new Map() };
      knownOf.set(wire, known);
    }
    this.#known = known;
    const columns = wire.parsedStatements[name] === this.text ? known.columns.get(name) : undefined;
    if (!columns) {
      super.prepare(wire);
      return;
    }
    Object.assign(this._result, columns);
    this._accumulateRows = true;
    super.prepare(known.wire);
  }

  override handleRowDescription(message: object): void {
    super.handleRowDescription(message);
    const { fields, _parsers, _prebuiltEmptyResultObject } = this._result;
    this.#known?.columns.set(this.name as string, { fields, _parsers, _prebuiltEmptyResultObject });
  }
}

/** Runs one named statement. @param query with a name, and without `rowMode` */
export function queryNamed(client: pg.ClientBase, query: DriverQuery): Promise<pg.QueryResult> {
  return submit(client, new NamedQuery(query));
}
