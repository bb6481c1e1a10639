import { act } from '../operations/acting.ts';
import { rowsOf, type Sql } from '../sql.ts';

/** Rows of one table that a rule removes next: up to 10,000 of them, 10,001 says that there are more. */
export type Aged = { table: string; rows: number; oldest: string | null };

export type RetentionRule = {
  kind: string;
  /** Null: kept until somebody is erased. */
  days: number | null;
  days_min: number;
  days_max: number;
  meaning: string;
  /** `rule`: here. `limit`: a limit of the health checks, set here too. `SYNC_KEEP_DAYS`: a setting of the workers. */
  set_by: 'rule' | 'limit' | 'SYNC_KEEP_DAYS';
  /** When the last round ended; null: one is under way, or there was none. */
  round_ended_at: string | null;
  removed_in_round: number | null;
  changed_at: string | null;
  changed_by: string | null;
  next: Aged[];
};

/** How long each kind is kept, what decides about it, and what goes next. @param client as privacy_app */
export async function listRetention(client: Sql): Promise<RetentionRule[]> {
  const rows = await rowsOf<{ rule: RetentionRule }>(client, 'select rule from platform.list_retention() rule');
  return rows.map(({ rule }) => rule);
}

/** What a rule of so many days would remove next; nothing is changed. */
export async function previewRetention(client: Sql, kind: string, days: number): Promise<Aged[]> {
  return rowsOf<Aged>(
    client,
    `select relation as "table", held::integer as rows, to_jsonb(oldest) #>> '{}' as oldest from platform.preview_retention($1, $2)`,
    [kind, days],
  );
}

/** Sets how long a kind is kept; null: until somebody is erased. @returns the number of the record. @throws OperationRefused */
export async function setRetention(client: Sql, kind: string, days: number | null, reason: string): Promise<number> {
  return act<number>(client, 'platform.set_retention($1, $2, $3)::float8', [kind, days, reason]);
}
