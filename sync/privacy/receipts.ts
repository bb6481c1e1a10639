import { rowsOf, type Sql } from '../sql.ts';
import type { Act } from './erasing.ts';

/** What was done about a person, with ids only. */
export type Receipt = {
  erasure: string;
  customer: string;
  /** All ids that were this person. */
  people: string[];
  reason: string;
  state: 'asked' | 'erased' | 'clean';
  askedBy: string;
  askedAt: string;
  erasedBy: string | null;
  erasedAt: string | null;
  cleanAt: string | null;
  tables: { table: string; act: Act; rows: number }[];
  /** What stays, and why; `stays`: the columns whose content stays. */
  kept: { table: string; rows: number; why: string; stays: string[] }[];
  events: number | null;
  addresses: number | null;
  numbers: number | null;
  files: number | null;
  /** Of the last customer.erased of this person; null until it is numbered. */
  position: number | null;
  /** told: it reads customer.erased. acknowledged: it has handled it, and holds nothing of the person back. */
  subscribers: { kind: 'subscription' | 'consumer'; name: string; told: boolean; acknowledged: boolean }[];
  webhooks: string;
  /** How many addresses, numbers and ids still keep the person away. */
  keptAway: number;
  /** Who has let how many of them come back. */
  lifted: { at: string; by: string; reason: string; count: number }[];
  /** null: no setting says how long backups are kept. */
  backupsExpireOn: string | null;
};

/** Receipts, the newest first. @param before the id of an erasure: only older ones */
export async function listReceipts(
  client: Sql,
  { customer, before, limit = 100 }: { customer?: string; before?: string; limit?: number } = {},
): Promise<Receipt[]> {
  const rows = await rowsOf<{ receipt: Receipt }>(client, 'select platform.list_receipts($1, $2, $3) as receipt', [
    customer,
    before,
    limit,
  ]);
  return rows.map(({ receipt }) => receipt);
}
