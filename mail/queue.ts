import { canonicaliseEmail, type Queryable, type Transaction } from '@aether/platform';

/** A mail of ours. It has no words: the app writes them from the record when it is sent. */
export type Mail = {
  id: string;
  record_id: string;
  token: string;
  to_address: string;
  /** Of a conversation: the messages that it is about. */
  first_number: number | null;
  last_number: number | null;
  state: 'waiting' | 'sending' | 'sent' | 'cancelled' | 'failed' | 'bounced' | 'doubtful';
  not_before: Date;
  tries: number;
  code: string | null;
  message_id: string | null;
  created_at: Date;
  settled_at: Date | null;
};

export type Failing = { code: string; failed_at: Date };

export const mailColumns = `m.id, m.record_id, m.token, m.to_address, m.first_number, m.last_number, m.state, m.not_before, m.tries, m.code,
  m.message_id, m.created_at, m.settled_at`;

/** The key by which an address is compared; an address that is none compares with itself. Pure. */
export function keyOfAddress(address: string): string {
  const canonical = canonicaliseEmail(address);
  return canonical.ok ? canonical.key : address.toLowerCase();
}

/** Why nothing is sent to an address; undefined: it may be written to. */
export async function findFailing(on: Queryable, address: string): Promise<Failing | undefined> {
  const [failing] = await on.query<Failing>(
    'select code, failed_at from platform.failing_addresses where email_key = $1 and allowed_at is null',
    [keyOfAddress(address)],
  );
  return failing;
}

/** From now on nothing is sent there. */
export async function markFailing(tx: Transaction, address: string, code: string): Promise<void> {
  await tx.query(
    `insert into platform.failing_addresses as f (email_key, code) values ($1, $2)
     on conflict (email_key) do update
     set code = excluded.code, app = platform.current_app(), failed_at = clock_timestamp(), allowed_at = null, allowed_by = null`,
    [keyOfAddress(address), code],
  );
}

/** Somebody says that an address works. @returns whether it had failed */
export async function allowAddress(tx: Transaction, address: string, by: string | null): Promise<boolean> {
  const rows = await tx.query(
    `update platform.failing_addresses set app = platform.current_app(), allowed_at = clock_timestamp(), allowed_by = $2
     where email_key = $1 and allowed_at is null returning email_key`,
    [keyOfAddress(address), by],
  );
  return rows.length > 0;
}

/** Whether the app sends e-mail at present. */
export async function isMailOn(on: Queryable, app: string): Promise<boolean> {
  const rows = await on.query('select from platform.mail_apps where app = $1 and is_on', [app]);
  return rows.length > 0;
}

/** Queues the mail of a record that is written in the same transaction. @param seconds it can be taken back for so long */
export async function queueMail(
  tx: Transaction,
  { recordId, to, seconds }: { recordId: string; to: string; seconds: number },
): Promise<Mail> {
  const [mail] = await tx.query<Mail>(
    `insert into platform.mails as m (record_id, to_address, not_before)
     values ($1, $2, clock_timestamp() + make_interval(secs => $3)) returning ${mailColumns}`,
    [recordId, to, seconds],
  );
  return mail as Mail;
}

/** The newest mails of a record, the oldest of them first. */
export async function listMails(on: Queryable, recordId: string, limit = 50): Promise<Mail[]> {
  const mails = await on.query<Mail>(
    `select ${mailColumns} from platform.mails m where m.record_id = $1 order by m.created_at desc, m.id desc limit $2`,
    [recordId, limit],
  );
  return mails.reverse();
}
