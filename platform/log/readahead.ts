import pg from 'pg';
import { type Ahead, ofShares, type ReadShares, spanOf } from './batch.ts';
import type { Connection } from './connection.ts';
import { readFields } from './copying.ts';
import { copiedColumns, type EventRow, pageOf, rowOfFields } from './events.ts';

/** How many positions a page looks at, and so the most events that it has; of some shares more positions, for as many events. */
const pageMax = 2_000;

/**
 * Reads the backlog of a subscription page by page over a connection of its own, while the handler works: the server is never idle
 * because of the handler, nor the handler because of the server. A page is larger than most batches, which are cut from it. It holds two
 * pages at most: the one that is handed out and the next. It reads one page at a time.
 *
 * What it read may not be what the log has later: a crash may undo the newest positions. Therefore `renewBatch` checks the end of each
 * batch, and the caller forgets all pages when that check or a step fails. When other shares are wanted it begins again.
 * It never fails: a page that cannot be read leaves the reading to the caller.
 */
export function createReadAhead(connection: Pick<Connection, 'copy'>, types: string[] | undefined) {
  // As lines, because only what lives for a short time costs the garbage collector little.
  let held: string[] = [];
  let used = 0;
  /** The next event that is handed out follows this position; undefined while nothing is read. */
  let from: number | undefined;
  /** The condition of the shares that it reads, as SQL. */
  let wanted = '';
  let span = pageMax;
  /** Up to here it is known that no event has to wait for one of another share. */
  let untied = 0;
  let coming: Promise<string[]> | undefined;
  /** The page that is being read, also when nobody wants it any more. */
  let reading: Promise<string[]> | undefined;

  function read(after: number): void {
    const page = connection
      .copy(pageAfter(after, span, types, wanted))
      .catch(() => [])
      .finally(() => {
        reading = undefined;
      });
    coming = reading = page;
  }
  const rowOf = (line: string): EventRow => rowOfFields(readFields(line));

  function forget(): void {
    held = [];
    used = 0;
    from = undefined;
    untied = 0;
    coming = undefined;
  }

  return {
    /** Begins to read after a position, unless it has read or reads there already, or still reads a page that it has forgotten. */
    begin(after: number, shares?: ReadShares | null): void {
      const condition = shares
        ? ` and ${ofShares(pg.escapeLiteral(shares.layoutBy), String(shares.layout), `array[${shares.front}]`)}`
        : '';
      if (from === after && condition === wanted) return;
      forget();
      if (reading) return;
      from = after;
      wanted = condition;
      span = spanOf(pageMax, shares);
      read(after);
    },

    /** Drops every page: the log may have changed, or the subscription is elsewhere. */
    forget,

    /** The next events after a position, at most so many. Undefined when none are read there. */
    async take(after: number, limit: number): Promise<Ahead | undefined> {
      if (from !== after) return undefined;
      if (used === held.length) {
        held = (await coming) ?? [];
        used = 0;
        const last = held.at(-1);
        if (!last) {
          forget();
          return undefined;
        }
        read(positionOf(last));
      }
      const rows = held.slice(used, used + limit).map(rowOf);
      used += rows.length;
      from = rows.at(-1)?.position as number;
      return { after, rows, pageEnd: positionOf(held.at(-1) as string), isUntied: from <= untied };
    },

    /** The events that were taken last are handled up to a position only: those behind it are taken once more. */
    giveBack(takenUntil: number, position: number): void {
      if (from !== takenUntil) return forget();
      while (used > 0 && positionOf(held[used - 1] as string) > position) used--;
      from = position;
    },

    /** It was found that no event up to here has to wait for one of another share. */
    noteUntied(until: number): void {
      untied = until;
    },

    /** Settles when nothing is being read. */
    async stop(): Promise<void> {
      await reading;
      forget();
    },
  };
}

const positionOf = (line: string): number => Number(line.slice(0, line.indexOf('\t')));

/** COPY takes no parameters, so that the values are written into it. */
function pageAfter(after: number, span: number, types: string[] | undefined, condition: string): string {
  const ofTypes = types
    ? ` and type = any (array[${types.map((type) => pg.escapeLiteral(type)).join(', ')}]::text[])`
    : '';
  return `copy (${pageOf(
    `select * from sync.events where position > ${after} and position <= ${after + span}${ofTypes}${condition} order by position`,
    copiedColumns,
  )}) to stdout with (null '')`;
}
