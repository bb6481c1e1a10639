import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { Problem, type ServerContext } from '@aether/http';
import { type PlatformDb, PlatformError, type Transaction, TransactionConflict } from '@aether/platform';
import { UnreadableMail } from './aside.ts';
import type { Line } from './settings.ts';

/*
 * Reads a mailbox by IMAP, and changes nothing in it: which mail was the last is kept in the database, and moves in the transaction that takes the mail.
 * One process of the app reads at a time, by a lease of two minutes. What was in the mailbox before the first look is not read.
 */

type Mailbox = Line & { mailbox: string };
type Reader = {
  closing: AbortSignal;
  log: ServerContext['log'];
  bytesMax: number;
  receive(raw: Uint8Array, options: { within: (tx: Transaction) => Promise<void> }): Promise<unknown>;
};
type Client = InstanceType<typeof import('imapflow').ImapFlow>;

const leaseSeconds = 120;
const lookMs = 20_000;
const retryMs = 10_000;
/** After the mailbox was made anew, all its numbers mean something else: so far back it is read again. What is known is not taken twice. */
const backDays = 7;
/** Of the moment, such as a lock that somebody else holds, and not of what was written. */
const isPassing = (error: unknown) =>
  error instanceof PlatformError
    ? error.httpStatus >= 500 || error instanceof TransactionConflict
    : error instanceof Problem && error.status >= 500;

export async function followMailbox(db: PlatformDb, box: Mailbox, reader: Reader): Promise<void> {
  const { closing, log } = reader;
  const holder = randomUUID();
  let hasFailed = false;
  while (!closing.aborted) {
    try {
      if (await lease(db, holder)) await readWhileHeld(db, box, holder, reader);
      hasFailed = false;
    } catch (error) {
      const { code, responseText } = error as { code?: string; responseText?: string };
      if (!hasFailed && !closing.aborted) log.warn({ code, responseText }, 'the mailbox could not be read');
      hasFailed = true;
    }
    await wait(retryMs, undefined, { signal: closing, ref: false }).catch(() => {});
  }
  await db
    .query('update platform.mail_apps set holder = null, held_until = null where app = $1 and holder = $2', [
      db.app,
      holder,
    ])
    .catch(() => {}); // it ends by itself
}

/** Takes or prolongs the lease. @returns whether this process has it */
async function lease(db: PlatformDb, holder: string): Promise<boolean> {
  const rows = await db.query(
    `update platform.mail_apps set holder = $2, held_until = clock_timestamp() + make_interval(secs => ${leaseSeconds})
     where app = $1 and (holder = $2 or holder is null or held_until < clock_timestamp()) returning app`,
    [db.app, holder],
  );
  return rows.length > 0;
}

async function readWhileHeld(db: PlatformDb, box: Mailbox, holder: string, reader: Reader): Promise<void> {
  const { ImapFlow } = await import('imapflow');
  const client = new ImapFlow({
    host: box.host,
    port: box.port,
    secure: box.isTls,
    // A server of this machine may offer STARTTLS with a certificate that nobody signed.
    ...(box.requiresTls ? { doSTARTTLS: true } : !box.isTls && { tls: { rejectUnauthorized: false } }),
    ...(box.user !== undefined && { auth: { user: box.user, pass: box.password ?? '' } }),
    logger: false,
    connectionTimeout: 20_000,
    greetingTimeout: 20_000,
    socketTimeout: 180_000,
  });
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {}); // raced below
  client.on('error', failed.reject);
  const close = () => client.close();
  reader.closing.addEventListener('abort', close, { once: true });
  try {
    await client.connect();
    await client.mailboxOpen(box.mailbox, { readOnly: true });
    for (;;) {
      await Promise.race([readNew(db, client, reader), failed.promise]);
      await db.query('update platform.mail_apps set read_at = clock_timestamp() where app = $1', [db.app]);
      const news = Promise.withResolvers<void>();
      client.once('exists', () => news.resolve());
      // By itself the library waits for a quarter of a minute. The next command ends it.
      client.idle().catch(failed.reject);
      await Promise.race([
        news.promise,
        failed.promise,
        wait(lookMs, undefined, { signal: reader.closing, ref: false }).catch(() => {}),
      ]);
      if (reader.closing.aborted || !(await lease(db, holder))) return;
    }
  } finally {
    reader.closing.removeEventListener('abort', close);
    client.close();
  }
}

async function readNew(db: PlatformDb, client: Client, { bytesMax, receive, log, closing }: Reader): Promise<void> {
  if (!client.mailbox) throw new Error('no mailbox is open');
  const validity = String(client.mailbox.uidValidity);
  const [state] = await db.query<{ uid_validity: string | null; last_uid: string }>(
    'select uid_validity::text, last_uid::text from platform.mail_apps where app = $1',
    [db.app],
  );
  let last = Number(state?.last_uid ?? 0);
  if (state?.uid_validity !== validity) {
    last = state?.uid_validity ? await firstOfLately(client) : client.mailbox.uidNext - 1;
    await db.query('update platform.mail_apps set uid_validity = $2, last_uid = $3 where app = $1', [
      db.app,
      validity,
      last,
    ]);
  }
  const place = (uid: number) => async (tx: Transaction) => {
    await tx.query('update platform.mail_apps set last_uid = greatest(last_uid, $2) where app = $1', [db.app, uid]);
  };
  // The sequence `n:*` always has the last mail, also one before n.
  const found = (await client.search({ uid: `${last + 1}:*` }, { uid: true })) || [];
  for (const uid of found.filter((each) => each > last).sort((one, other) => one - other)) {
    if (closing.aborted) return;
    const head = await client.fetchOne(String(uid), { size: true }, { uid: true });
    if (head && (head.size ?? 0) > bytesMax) {
      log.warn(
        { uid, bytes: head.size },
        'a mail is larger than MAIL_SIZE_MAX_MB: it stays in the mailbox and is not taken',
      );
      await db.transaction({}, place(uid));
      continue;
    }
    const whole = head ? await client.fetchOne(String(uid), { source: true }, { uid: true }) : undefined;
    const source = whole ? whole.source : undefined;
    if (source) await takeOne(source, uid);
    else await db.transaction({}, place(uid));
  }

  /** A mail that cannot be taken twice in a row must not stop all behind it. */
  async function takeOne(source: Buffer, uid: number): Promise<void> {
    try {
      await receive(source, { within: place(uid) });
    } catch (first) {
      try {
        if (first instanceof UnreadableMail) throw first;
        await receive(source, { within: place(uid) });
      } catch (error) {
        // The mail waits. Otherwise it is the mail's fault.
        if (isPassing(error)) throw error;
        await db.transaction({}, place(uid));
        log.error({ uid, err: first }, 'a mail could not be taken: it stays in the mailbox');
      }
    }
  }
}

async function firstOfLately(client: Client): Promise<number> {
  const since = new Date(Date.now() - backDays * 86_400_000);
  const uids = (await client.search({ since }, { uid: true })) || [];
  return uids.length > 0 ? Math.min(...uids) - 1 : (client.mailbox ? client.mailbox.uidNext : 1) - 1;
}
