import type { Queryable } from '@aether/platform';

export type Row = Record<string, unknown>;

/** An event about a customer or one of its rows. `position` is null while it has no number. */
export type FileEvent = {
  position: number | null;
  id: number;
  type: string;
  row_id: string;
  version: number | null;
  audience: string;
  app: string;
  login: string;
  actor: string | null;
  trace: string | null;
  occurred_at: string;
  data: Row;
  previous: Row;
};

/** A row of crm.changes: what the history kept of an event that the log may have dropped. */
export type FileChange = {
  event_id: number;
  change: string;
  app: string;
  actor: string | null;
  occurred_at: string;
  data: Row;
  previous: Row;
};

/** What sync.customer_file answers: all in one snapshot, newest first. */
export type CustomerFile = {
  asked: { id: string; merged_into: string | null; erased_at: string | null } | null;
  /** The ids that are one customer today; null for an erased one. */
  ids: string[] | null;
  customers: Row[];
  addresses: Row[];
  removed_addresses: Row[];
  phones: Row[];
  deals: Row[];
  values: Row[];
  sessions: Row[];
  events: FileEvent[];
  changes: FileChange[];
  /** There are older events than the file has. */
  is_cut: boolean;
  log_begins: { position: number; at: string } | null;
  now: string;
};

/** Reads everything that tells how a customer was. It holds the data of every app: what a person may see is decided afterwards. */
export async function readCustomerFile(on: Queryable, customerId: string): Promise<CustomerFile> {
  const [row] = await on.query<{ file: CustomerFile }>('select sync.customer_file($1) as file', [customerId]);
  return (row as { file: CustomerFile }).file;
}
