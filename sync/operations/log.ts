import { rowsOf, type Sql } from '../sql.ts';

/** A row of sync.events, as operators see it. */
export type LoggedEvent = {
  position: number;
  id: number;
  type: string;
  key: string;
  customer: string | null;
  row_id: string;
  version: number | null;
  /** `platform`, or the audience of one app: `crm`, `support`. */
  audience: string;
  app: string;
  actor: string | null;
  login: string;
  data: Record<string, unknown>;
  previous: Record<string, unknown>;
  trace: string | null;
  occurred_at: Date;
  sequenced_at: Date;
};

/** Positions and ids are far below 2^53: as numbers they can be compared and printed. */
export const loggedColumns = `e.position::float8 as position, e.id::float8 as id, e.type, e.key, e.customer, e.row_id,
  e.version::float8 as version, e.audience, e.app, e.actor, e.login, e.data, e.previous, e.trace, e.occurred_at, e.sequenced_at`;

/** How long the oldest committed event has waited for its number. */
export async function readWaitingSeconds(client: Sql): Promise<number> {
  const [row] = await rowsOf<{ seconds: number }>(
    client,
    'select coalesce(extract(epoch from sync.outbox_age()), 0)::float8 as seconds',
  );
  return row?.seconds ?? 0;
}

/** The newest position. */
export async function readHead(client: Sql): Promise<number> {
  const [row] = await rowsOf<{ head: number }>(client, 'select sync.head()::float8 as head');
  return row?.head ?? 0;
}

export async function showEvent(client: Sql, position: number): Promise<LoggedEvent | undefined> {
  const [row] = await rowsOf<LoggedEvent>(client, `select ${loggedColumns} from sync.events e where e.position = $1`, [
    position,
  ]);
  return row;
}
