import type pg from 'pg';
import { type Submitted, submit } from './driverquery.ts';
import { DriverQueryClass, inTime, NamedQuery, queryNamed, type Wire } from './namedquery.ts';
import type { DriverQuery } from './pool.ts';
import type { RowReader } from './rows.ts';

/*
 * Named statements of a transaction that are given to a connection in one turn of the program: begin, lock and read; move and commit. They go to
 * the server before one Sync, which answers them together: it sends once and this process wakes once, where it was once for each of them.
 * When one fails the server skips those behind it, as a transaction refuses them anyway, and all of them fail for the same reason.
 */

type Part = { query: DriverQuery; answer: PromiseWithResolvers<pg.QueryResult> };

class Together extends DriverQueryClass implements RowReader {
  readonly #parts: NamedQuery[];
  /** Which of them is answered next. */
  #at = 0;

  constructor(parts: NamedQuery[]) {
    super((parts[0] as NamedQuery).text);
    this.#parts = parts;
    this.name = parts[0]?.name;
  }

  get #part(): NamedQuery {
    return this.#parts[Math.min(this.#at, this.#parts.length - 1)] as NamedQuery;
  }

  override prepare(wire: Wire): void {
    const last = this.#parts.at(-1);
    for (const part of this.#parts) {
      part._result._types = this._result._types;
      part.prepare(wire, part !== last);
    }
  }

  override handleRowDescription(message: object): void {
    this.#part.handleRowDescription(message);
  }

  readRow(bytes: Buffer, start: number, end: number): void {
    this.#part.readRow(bytes, start, end);
  }

  override handleCommandComplete(message: object, wire: Wire): void {
    this.#part.handleCommandComplete(message, wire);
    this.#at++;
    // The driver notes under these which statement the server has read.
    this.name = this.#part.name;
    this.text = this.#part.text;
  }

  override handleReadyForQuery(wire: Wire): void {
    for (const part of this.#parts) part.handleReadyForQuery(wire);
    this.callback(undefined, undefined as never);
  }

  override handleError(error: Error, wire: Wire): void {
    const failed = this.#part;
    const from = this.#parts.indexOf(failed);
    for (const [n, part] of this.#parts.entries()) {
      if (n < from) part.handleReadyForQuery(wire);
      else {
        delete wire.submittedNamedStatements[part.name as string]; // it may have been skipped: it is read again the next time
        part.handleError(error, wire);
      }
    }
    this.callback(undefined, undefined as never);
  }

  giveUp(): void {
    for (const part of this.#parts) part.giveUp();
    this.callback(undefined, undefined as never);
  }
}

export type Gathering = {
  /** @param query with a name */
  add(query: DriverQuery): Promise<pg.QueryResult>;
  /** Sends what was added: before anything else goes to this connection. Otherwise that happens when the program next waits. */
  send(): void;
  isEmpty(): boolean;
};

/** For a transaction on a connection in pipeline mode. */
export function gatherFor(client: pg.ClientBase): Gathering {
  let parts: Part[] = [];

  function send(): void {
    const given = parts;
    parts = [];
    const [first] = given;
    if (!first) return;
    if (given.length === 1) {
      queryNamed(client, first.query).then(first.answer.resolve, first.answer.reject);
      return;
    }
    const queries = given.map(({ query, answer }) => {
      const part = new NamedQuery(query);
      part.callback = (error, result) => (error ? answer.reject(error) : answer.resolve(result));
      return part;
    });
    const together = new Together(queries);
    void inTime(client, undefined, together, () => submit(client, together as unknown as Submitted));
  }

  return {
    add(query) {
      const answer = Promise.withResolvers<pg.QueryResult>();
      if (parts.push({ query, answer }) === 1) process.nextTick(send);
      return answer.promise;
    },
    send,
    isEmpty: () => parts.length === 0,
  };
}
