import { NotFound } from './errors.ts';
import { isUuid } from './fields.ts';
import type { Connection } from './log/connection.ts';
import type { Queryable, Statement } from './log/query.ts';
import type { InTransaction, Write } from './log/transaction.ts';

/** What can be moved to another customer, one by one. Support moves its sessions and calls, Foundation its activities. */
export type MovedKind = 'session' | 'call' | 'activity';

/** A move of a record, as it is kept. */
export type Move = {
  id: string;
  kind: MovedKind;
  record_id: string;
  /** Where it was and where it went. The names are the present ones, those of survivors after a merge; an erased customer has none. */
  from: { id: string; name: string | null };
  to: { id: string; name: string | null };
  reason: string | null;
  /** The user who moved it; null if the user is deleted. */
  actor: { id: string; name: string } | null;
  moved_at: Date;
  undone_at: Date | null;
};

/** What a move of a record would take along and what would stay, in words for the person who moves it. */
export type MovePreview = {
  from: { id: string; name: string };
  /** Null: nobody is chosen yet. */
  to: { id: string; name: string } | null;
  goes: { what: string; count: number }[];
  stays: { what: string; why: string }[];
};

const preview: Statement = {
  name: 'preview-move',
  text: 'select present as "from", target as "to", goes, stays from platform.preview_move($1, $2, $3)',
};
const move: Statement = {
  name: 'move-record',
  text: 'select move, held from platform.move_record($1, $2, $3, $4)',
};
const undo: Statement = { name: 'undo-move', text: 'select platform.undo_move($1, $2, $3) as held' };

const columns = `m.id, m.kind, m.record_id, m.reason, m.moved_at, m.undone_at,
  jsonb_build_object('id', f.id, 'name', case when f.erased_at is null then f.name end) as "from",
  jsonb_build_object('id', t.id, 'name', case when t.erased_at is null then t.name end) as "to",
  case when u.id is not null then jsonb_build_object('id', u.id, 'name', u.name) end as actor`;
const tables = `platform.moves m
  join platform.customers o on o.id = m.from_id join platform.customers f on f.id = coalesce(o.merged_into, o.id)
  join platform.customers n on n.id = m.to_id join platform.customers t on t.id = coalesce(n.merged_into, n.id)
  left join platform.users u on u.id = m.actor`;
const byId: Statement = { name: 'move-by-id', text: `select ${columns} from ${tables} where m.id = $1` };
const latest: Statement = {
  name: 'latest-moves',
  text: `select ${columns} from ${tables}
    where m.kind = $1 and m.record_id = any ($2::uuid[]) and m.undone_at is null
      and not exists (select from platform.moves l
        where l.kind = m.kind and l.record_id = m.record_id and l.undone_at is null and l.id > m.id)`,
};

export type MoveCalls = ReturnType<typeof moveCalls>;

/** The calls of platformDb about records that belong to another customer. */
export function moveCalls(connection: Connection) {
  async function previewMove(
    { kind, id, to }: { kind: MovedKind; id: string; to?: string | undefined },
    write: Write = {},
  ): Promise<MovePreview> {
    requireIds(kind, id, to);
    return connection.within(write, async (tx) => {
      const [seen] = await tx.run<MovePreview | { from: null }>(preview, [kind, id, to ?? null]);
      if (!seen?.from) throw new NotFound(nameOf[kind]);
      if (to !== undefined && !seen.to) throw new NotFound('customer');
      return seen;
    });
  }

  async function moveRecord(
    { kind, id, to, reason }: { kind: MovedKind; id: string; to: string; reason?: string | undefined },
    write: Write = {},
  ): Promise<Move> {
    requireIds(kind, id, to);
    return connection.within(write, async (tx) => {
      const [made] = await tx.run<{ move: string | null; held: string | null }>(move, [kind, id, to, reason ?? null]);
      if (!made?.held) throw new NotFound(made?.move ? 'customer' : nameOf[kind]);
      return readMove(tx, made.move as string);
    });
  }

  async function undoMove(
    { kind, id, move }: { kind: MovedKind; id: string; move: string },
    write: Write = {},
  ): Promise<Move> {
    if (!isUuid(id) || !isUuid(move)) throw new NotFound('move');
    return connection.within(write, async (tx) => {
      const [undone] = await tx.run<{ held: string | null }>(undo, [move, kind, id]);
      if (!undone?.held) throw new NotFound('move');
      return readMove(tx, move);
    });
  }

  async function listMoves(kind: MovedKind, ids: string[], { tx }: InTransaction = {}): Promise<Map<string, Move>> {
    if (ids.length === 0) return new Map();
    const moves = await (tx ?? connection).run<Move>(latest, [kind, ids]);
    return new Map(moves.map((each) => [each.record_id, each]));
  }

  return {
    /**
     * What a move of one record of the calling app would do, for a person; without `to` what can be said before somebody is chosen. It throws
     * what the move would throw.
     */
    previewMove,
    /**
     * Moves one record of the calling app to another customer, for a person: `actor`, or the one of `tx`. What the CRM was told about a
     * conversation or a call goes with it. A conversation is `claimed` afterwards, because its visitor has not proven to be that customer.
     * A merged customer stands for its survivor.
     *
     * @throws NotFound; CustomerErased of the customer that is to get it; MoveRefused
     */
    moveRecord,
    /**
     * Takes a move of this record back: the latest one, if the record is still where it went.
     *
     * @throws NotFound, CustomerErased, MoveRefused
     */
    undoMove,
    /** The latest move of each record that has one and where it was not taken back, by the record's id. */
    listMoves,
  };
}

function requireIds(kind: MovedKind, id: string, to: string | undefined): void {
  if (!isUuid(id)) throw new NotFound(nameOf[kind]);
  if (to !== undefined && !isUuid(to)) throw new NotFound('customer');
}

const nameOf: Record<MovedKind, string> = {
  session: 'session',
  call: 'call',
  activity: 'activity that a person wrote',
};

async function readMove(on: Queryable, id: string): Promise<Move> {
  const [found] = await on.run<Move>(byId, [id]);
  if (!found) throw new NotFound('move');
  return found;
}
