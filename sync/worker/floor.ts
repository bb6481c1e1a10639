import type { Line } from './line.ts';

/** How often the floor is raised: it costs queries of its own. */
const everyMs = 50;
/** After how many events the floor is stored: a query in between steps over at most so many deleted rows. */
const writeEvents = 5_000;

/**
 * The id below which the outbox holds no more rows. While a long transaction (a dump) is open, deleted rows stay in the outbox's index,
 * and without a floor every batch would step over all of them.
 *
 * The floor may rise to id L once every transaction that could hold an id up to L has ended and a later batch left no rows. L is read
 * before the transaction id X that vouches for it, in a statement of its own. A transaction that drew an id up to L had begun before X,
 * so
 * it has ended when X is below every running transaction.
 */
export type Floor = ReturnType<typeof createFloor>;

export function createFloor(line: Line) {
  let floor = 0;
  let written = 0;
  let mark: { id: number; xid: string; hasEnded: boolean } | undefined;
  let raisedAt = 0;

  /** For sync.outbox_age, and for the next leader. */
  async function write(): Promise<void> {
    await line.query('update sync.sequencer set floor_id = $1 where floor_id < $1', [floor]);
    written = floor;
  }

  return {
    id: () => floor,
    /** Reads it, unless the ids have begun again, as in a copy of the database made without its sequences. */
    async read(): Promise<void> {
      await line.query(
        'update sync.sequencer set floor_id = 0 where floor_id > (select last_value from sync.outbox_id)',
      );
      const [row] = await line.query<{ floor: number }>('select floor_id::float8 as floor from sync.sequencer');
      floor = written = row?.floor ?? 0;
      mark = undefined;
    },
    /** @param batch how many events were numbered, and whether there may be more */
    async raise({ moved, hasMore }: { moved: number; hasMore: boolean }): Promise<void> {
      if (performance.now() - raisedAt <= everyMs) return;
      raisedAt = performance.now();
      if (mark?.hasEnded && !hasMore) {
        floor = mark.id;
        mark = undefined;
        if (floor - written > writeEvents) await write();
      }
      if (mark) {
        const [row] = await line.query<{ ended: boolean }>(
          'select pg_snapshot_xmin(pg_current_snapshot()) > $1::xid8 as ended',
          [mark.xid],
        );
        mark.hasEnded ||= row?.ended ?? false;
      } else if (moved > 0) {
        const [last] = await line.query<{ id: number }>('select last_value::float8 as id from sync.outbox_id');
        const [current] = await line.query<{ xid: string }>('select pg_current_xact_id()::text as xid');
        if (last && current) mark = { id: last.id, xid: current.xid, hasEnded: false };
      }
    },
  };
}
