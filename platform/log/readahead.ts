import pg from 'pg';
import { type Ahead, aheadMax, type ReadShares, reachAfter, spanOf } from './batch.ts';
import type { Connection } from './connection.ts';
import { copiedColumns, eventsOf, nameOf, positionOf } from './copiedevents.ts';
import { CopiedRows } from './copying.ts';
import { pageBytesMax } from './events.ts';

/** How many positions a page looks at: first, and at most. Of some shares more positions, for as many events. */
const pageFirst = 2_000;
const pageMax = 8_000;
/** How many pages are read, or wait, while another one is handed out. */
const pagesMax = 2;

/** What is read: the events of these shares, up to the newest position that is known. `before`: what the events before them took. */
export type AheadOf = { head: number; shares: ReadShares | null; before?: Sized | undefined };
type Sized = { positions: number; bytes: number };

/** How many positions hold half of what a page may have, if events are of that size: others may be larger. */
const fittingOf = ({ positions, bytes }: Sized): number =>
  Math.max(1, Math.floor((positions * pageBytesMax) / 2 / bytes));

/** The positions behind `after` and up to `until`, which follow those of the page before it. */
type Page = { after: number; until: number; rows: Promise<CopiedRows | undefined> };

/**
 * Reads the backlog of a subscription page by page over a connection of its own, while the handler works: the server is never idle
 * because of the handler, nor the handler because of the server. A page is larger than most batches, which are cut from it. Three pages are held
 * at most: one that is handed out, and the next two, of which the server has the second one before it has answered the first.
 *
 * Pages are as long as events of the size of the last ones allow. One that takes more than a page may is cut here, which costs the server nothing
 * as long as it does not happen: the connection is closed then, and what followed the cut is read again over another one.
 *
 * What it read may not be what the log has later: a crash may undo the newest positions. Therefore `renewBatch` checks the end of each
 * batch, and the caller forgets all pages when that check or a step fails. When other shares are wanted it begins again.
 * It never fails: a page that cannot be read leaves the reading to the caller.
 */
export function createReadAhead(connection: Pick<Connection, 'copier'>, types: string[] | undefined) {
  const copy = connection.copier();
  /** The page that is handed out, as bytes: only what lives for a short time costs the garbage collector little. */
  let held: CopiedRows | undefined;
  let used = 0;
  const pages: Page[] = [];
  /** The next event that is handed out follows this position; undefined while nothing is read. */
  let from: number | undefined;
  /** The condition of the shares that it reads, as SQL. */
  let wanted = '';
  let spanMax = pageMax;
  let span = pageFirst;
  /** How many positions hold half of what a page may have, by the last page, also of another reading: what is cut off was read in vain. */
  let fitting = Number.POSITIVE_INFINITY;
  let head = 0;
  /** The next page follows this position. */
  let next = 0;
  /** Up to here it is known that no event has to wait for one of another share. */
  let untied = 0;
  let reach = aheadMax;
  /** The pages that are being read, also those that nobody wants any more. */
  const reading = new Set<Promise<unknown>>();
  const spare: CopiedRows[] = [];

  function read(until: number): void {
    const into = spare.pop() ?? new CopiedRows(pageBytesMax);
    const rows = copy(pageOfPositions(next, until, types, wanted), into).catch(() => undefined);
    const done = rows.finally(() => reading.delete(done));
    reading.add(done);
    pages.push({ after: next, until, rows });
    next = until;
  }

  /** Small pages, at the end of the log, are read only when there are no others: more will have come by then. */
  function readOn(): void {
    while (pages.length < pagesMax && (next + span <= head || (pages.length === 0 && next < head)))
      read(Math.min(next + span, head));
  }

  /** Also the space of pages: a subscription that has caught up keeps none. */
  function forget(): void {
    held = undefined;
    used = 0;
    pages.length = 0;
    spare.length = 0;
    from = undefined;
    untied = 0;
    reach = aheadMax;
  }

  /** The next page, if it has events. */
  async function turn(): Promise<void> {
    if (held) spare.push(held.clear());
    used = 0;
    const page = pages.shift();
    held = await page?.rows;
    if (!page || !held?.length) return forget();
    let until = page.until;
    if (held.isCut) {
      pages.length = 0;
      next = until = endOf(held);
    }
    fitting = fittingOf({ positions: until - page.after, bytes: held.size });
    span = Math.min(fitting, span * 2, spanMax);
    readOn();
  }

  return {
    /** Begins to read after a position, or reads on, unless it still reads pages that it has forgotten. */
    begin(after: number, { head: newest, shares, before }: AheadOf): void {
      head = newest;
      const condition = shares
        ? ` and sync.share_of(key, customer, ${pg.escapeLiteral(shares.layoutBy)}, ${shares.layout}) = any (array[${shares.front}])`
        : '';
      if (from !== after || condition !== wanted) {
        forget();
        if (reading.size > 0) return;
        from = next = after;
        wanted = condition;
        spanMax = spanOf(pageMax, shares);
        if (before && before.bytes > 0) fitting = fittingOf(before);
        span = Math.min(spanOf(pageFirst, shares), fitting);
      }
      readOn();
    },

    /** Drops every page: the log may have changed, or the subscription is elsewhere. */
    forget,

    /** The next events after a position, at most so many. Undefined when none are read there. */
    async take(after: number, limit: number): Promise<Ahead | undefined> {
      if (from !== after) forget();
      if (from === undefined) return undefined;
      if (!held || used === held.length) await turn();
      if (!held) return undefined;
      const rows = held;
      const first = used;
      const end = Math.min(first + limit, rows.length);
      const last = nameOf(rows, end - 1);
      used = end;
      from = last.position;
      return {
        after,
        last,
        events: () => eventsOf(rows, first, end),
        pageEnd: endOf(rows),
        isUntied: from <= untied,
        reach,
      };
    },

    /** The events that were taken last are handled up to a position only: those behind it are taken once more. */
    giveBack(takenUntil: number, position: number): void {
      if (from !== takenUntil || !held) {
        forget();
        return;
      }
      while (used > 0 && positionOf(held, used - 1) > position) used--;
      from = position;
    },

    /** It was found that no event up to here has to wait for one of another share; or that the one behind it has to. */
    noteUntied(until: number, isTied: boolean): void {
      untied = until;
      reach = reachAfter(reach, isTied);
    },

    /** Settles when nothing is being read. */
    async stop(): Promise<void> {
      await Promise.all(reading);
      forget();
    },
  };
}

const endOf = (page: CopiedRows): number => positionOf(page, page.length - 1);

/** COPY takes no parameters, so that the values are written into it. */
function pageOfPositions(after: number, until: number, types: string[] | undefined, condition: string): string {
  const ofTypes = types
    ? ` and type = any (array[${types.map((type) => pg.escapeLiteral(type)).join(', ')}]::text[])`
    : '';
  return `copy (select ${copiedColumns} from sync.events e
    where e.position > ${after} and e.position <= ${until}${ofTypes}${condition} order by e.position) to stdout with (format binary)`;
}
