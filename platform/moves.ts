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

const move: Statement = {
  name: 'move-record',
  text: 'select move, held from platform.move_record($1, $2, $3, $4)',
};
const undo: Statement = { name: 'undo-move', text: 'select kind, record, held from platform.undo_move($1)' };

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
  /**
   * Moves one record of the calling app to another customer, for a person: `actor`, or the one of `tx`. What the CRM was told about a
   * conversation or a call goes with it. A conversation is `claimed` afterwards, because its visitor has not proven to be that customer.
   *
   * @throws NotFound; CustomerMerged, CustomerErased of the customer that is to get it; MoveRefused
   */
  async function moveRecord(
    { kind, id, to, reason }: { kind: MovedKind; id: string; to: string; reason?: string | undefined },
    write: Write = {},
  ): Promise<Move> {
    if (!isUuid(id)) throw new NotFound(nameOf[kind]);
    if (!isUuid(to)) throw new NotFound('customer');
    return connection.within(write, async (tx) => {
      const [made] = await tx.run<{ move: string | null; held: string | null }>(move, [kind, id, to, reason ?? null]);
      if (!made?.held) throw new NotFound(made?.move ? 'customer' : nameOf[kind]);
      return readMove(tx, made.move as string);
    });
  }

  /**
   * Takes a move back: the latest one of its record, if the record is still where it went.
   *
   * @throws NotFound, CustomerErased, MoveRefused
   */
  async function undoMove(id: string, write: Write = {}): Promise<Move> {
    if (!isUuid(id)) throw new NotFound('move');
    return connection.within(write, async (tx) => {
      const [undone] = await tx.run<{ held: string | null }>(undo, [id]);
      if (!undone?.held) throw new NotFound('move');
      return readMove(tx, id);
    });
  }

  /** A move of the calling app's records. @throws NotFound */
  async function getMove(id: string, { tx }: InTransaction = {}): Promise<Move> {
    if (!isUuid(id)) throw new NotFound('move');
    return readMove(tx ?? connection, id);
  }

  /** The latest move of each record that has one and where it was not taken back, by the record's id. */
  async function listMoves(kind: MovedKind, ids: string[], { tx }: InTransaction = {}): Promise<Map<string, Move>> {
    if (ids.length === 0) return new Map();
    const moves = await (tx ?? connection).run<Move>(latest, [kind, ids]);
    return new Map(moves.map((each) => [each.record_id, each]));
  }

  return { moveRecord, undoMove, getMove, listMoves };
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
