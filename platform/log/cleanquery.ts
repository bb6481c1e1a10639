import type pg from 'pg';
import { type Answer, DriverQueryClass, submit, type Wire } from './driverquery.ts';
import type { DriverQuery } from './pool.ts';

/** Settings that hold for one transaction, by their names. */
export type LocalSettings = Record<string, string>;

/**
 * A query that first makes settings for itself alone. Both go to the server together, before one Sync, and are therefore one
 * transaction and one round trip: settings left on the connection have no effect, and none are left behind.
 */
class CleanQuery extends DriverQueryClass {
  readonly #settings: LocalSettings;
  readonly #name: string | undefined;
  #isOurs = true;

  constructor(query: DriverQuery, settings: LocalSettings) {
    super(query);
    if (query.query_timeout !== undefined) this.query_timeout = query.query_timeout;
    this.#settings = settings;
    this.#name = query.name;
  }

  override prepare(wire: Wire): void {
    const names = Object.keys(this.#settings);
    const calls = names.map((name, index) => `set_config('${name}', $${index + 1}, true)`);
    wire.parse({ name: '', text: `select ${calls.join(', ')}`, types: [] });
    wire.bind({ portal: '', statement: '', values: Object.values(this.#settings) });
    wire.execute({ portal: '', rows: 0 });
    super.prepare(wire);
    // The driver takes the first confirmed parsing for that of the name. The first is the settings', so the name is put back after it.
    this.name = undefined;
  }

  /** The first row and the first completion belong to the settings. */
  override handleDataRow(answer: Answer): void {
    if (!this.#isOurs) super.handleDataRow(answer);
  }

  override handleCommandComplete(answer: Answer, wire: Wire): void {
    if (!this.#isOurs) super.handleCommandComplete(answer, wire);
    this.#isOurs = false;
    this.name = this.#name;
  }

  override handleError(error: Error, wire: Wire): void {
    if (this.#isOurs && this.#name !== undefined) delete wire.submittedNamedStatements[this.#name];
    super.handleError(error, wire);
  }
}

/** Runs one statement with these settings. @param query with queryMode extended, or a name */
export function queryCleanly(
  client: pg.ClientBase,
  query: DriverQuery,
  settings: LocalSettings,
): Promise<pg.QueryResult> {
  return submit(client, new CleanQuery({ ...query, queryMode: 'extended' }, settings));
}
