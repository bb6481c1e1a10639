import type pg from 'pg';
import type { Person } from './person.ts';
import { type Known, type Row, redact } from './redaction.ts';

/** The rows of a table that belong to the person, as an export shows them, so many at a time. */
export type ReadRows = (table: string) => AsyncGenerator<Row[]>;
/** A piece of a file, and how many rows it holds. */
export type Piece = { text: string | Uint8Array; rows: number };

/** Rows that the database sends at a time. */
const fetchRows = 500;

/** Reads the rows of one person. @param client as privacy_app, in a transaction; one table after the other */
export async function rowsOfPerson(client: pg.ClientBase, person: Person): Promise<ReadRows> {
  const known = await readKnown(client, person);
  return async function* read(table) {
    const opened = await client.query('select platform.open_held($1, $2)::text as cursor', [person, table]);
    const cursor = `"${opened.rows[0].cursor.replaceAll('"', '""')}"`;
    for (;;) {
      const { rows } = await client.query<{ row: Row }>(`fetch ${fetchRows} from ${cursor}`);
      if (rows.length === 0) break;
      yield rows.map(({ row }) => redact(row, known));
    }
    await client.query(`close ${cursor}`);
  };
}

async function readKnown(client: pg.ClientBase, person: Person): Promise<Known> {
  const { rows } = await client.query<{ agent: string; name: string }>('select * from platform.name_agents_of($1)', [
    person,
  ]);
  return { person, agents: new Map(rows.map(({ agent, name }) => [agent, name])) };
}
