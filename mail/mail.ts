import { setTimeout as wait } from 'node:timers/promises';
import type { ServerContext } from '@aether/http';
import { NotFound, type PlatformDb, type Transaction } from '@aether/platform';
import { readAside } from './aside.ts';
import { refuseFailing, refuseOff, refuseSettled } from './codes.ts';
import { followMailbox } from './imap.ts';
import { findFailing, keyOfAddress, type Mail, mailColumns, markFailing } from './queue.ts';
import { markerLine, type Read } from './reading.ts';
import { readMailSettings } from './settings.ts';
import { type Handed, openPost } from './smtp.ts';

/*
 * E-mail of one app: sends what its records have queued, and takes what comes back. Which records, and what they say, the app decides (`Keeper`).
 *
 *   queued   in the transaction of the cause: platform.mails, without words
 *   written  by the keeper when it is due, in the transaction that gives it to this process (state sending)
 *   handed   to the mail server, outside of any transaction; the next transaction says what came of it
 *
 * A process that dies before its transaction leaves a mail that waits. One that dies between the hand-over and the next transaction leaves `sending`:
 * nobody knows then whether the mail server took it. After five minutes it becomes `doubtful`, which the record shows, and only a person sends it
 * again. So no mail goes twice by itself, and none is lost in silence.
 *
 * What comes back is found by a token that only the one we wrote to knows (`reading.ts`), and is kept whole in the transaction that makes something
 * of it, under a key: the same mail twice, by IMAP and by the webhook, is one. Each transaction locks the record first and the mail then.
 */

export type Words = {
  subject: string;
  text: string;
  /** Message-IDs of mails of other records that it goes on from, the oldest first. */
  references?: string[];
};

export type Answer = {
  /** The id under which it is kept. */
  id: string;
  from: string | undefined;
  subject: string | undefined;
  said: string;
  /** It did not come from the address that was written to, or the record has another one by now. */
  isOther: boolean;
  attachments: number;
};

export type Settled = 'sent' | 'failed' | 'bounced' | 'doubtful' | 'cancelled';

/** The app's part. Each is called in a transaction that holds the record. */
export type Keeper = {
  /** Locks the record. @returns whether it is there. */
  hold(tx: Transaction, recordId: string): Promise<boolean>;
  /** Whether the record still has the address that the mail is for. */
  isAddressOf(tx: Transaction, mail: Mail): Promise<boolean>;
  /** What the mail says. @returns undefined if nothing is left to say */
  write(tx: Transaction, mail: Mail): Promise<Words | undefined>;
  /** Shows in the record what became of the mail. `isFailing`: nothing more is sent to this address. */
  settle(tx: Transaction, mail: Mail, state: Settled, isFailing: boolean): Promise<void>;
  /** A person's answer. @returns the id of what was made of it */
  take(tx: Transaction, mail: Mail, answer: Answer): Promise<string>;
  /** A program's answer. It is shown, and makes nothing happen. */
  takeAutomatic(tx: Transaction, mail: Mail, answer: Answer): Promise<string | null>;
};

/** What came of a mail that came in. unknown: it answers none of ours, and is not kept. own: one of ours came back. */
export type Received = 'taken' | 'known' | 'automatic' | 'bounce' | 'held' | 'unknown' | 'own';

export type MailRoom = ReturnType<typeof openMail>;

const lookMs = 1_000;
const abandonedSeconds = 300;
const giveUpHours = 48;
const retryFirstSeconds = 60;
const retryMaxSeconds = 3_600;
const crowdedSeconds = 600;
const batch = 20;

/** @throws ConfigurationError */
export function openMail(
  db: PlatformDb,
  { variables, closing, log, finish }: Pick<ServerContext, 'variables' | 'closing' | 'log' | 'finish'>,
  keeper: Keeper,
) {
  const settings = readMailSettings(variables);
  const { smtp, from, fromName, replyTo, imap, waitSeconds, perHourMax } = settings;
  const post = smtp ? openPost(smtp) : undefined;
  const addressOf = (token: string) => (replyTo ?? from).replace('{token}', token);
  const domain = from.split('@')[1] ?? 'localhost';

  /** Tells the database, in which the triggers decide what is queued. */
  async function announce(): Promise<void> {
    await db.query(
      `insert into platform.mail_apps as m (is_on, address, waits_seconds) values ($1, $2, $3)
       on conflict (app) do update set is_on = excluded.is_on, address = excluded.address, waits_seconds = excluded.waits_seconds,
         changed_at = clock_timestamp()
       where (m.is_on, m.address, m.waits_seconds) is distinct from (excluded.is_on, excluded.address, excluded.waits_seconds)`,
      [post !== undefined, from || null, waitSeconds],
    );
    await db.query(
      `update platform.mail_apps set read_at = case when $2 then clock_timestamp() end where app = $1 and (read_at is not null) <> $2`,
      [db.app, imap !== undefined],
    );
  }

  /** A transaction that holds the record, then the mail. @returns undefined if either is gone or in another state by now */
  async function holding<Result>(
    { id, record_id }: Pick<Mail, 'id' | 'record_id'>,
    states: Mail['state'][],
    work: (tx: Transaction, mail: Mail) => Promise<Result>,
  ): Promise<Result | undefined> {
    return db.transaction({}, async (tx) => {
      if (!(await keeper.hold(tx, record_id))) return undefined;
      const [mail] = await tx.query<Mail>(
        `select ${mailColumns} from platform.mails m where m.id = $1 and m.state = any ($2) for update`,
        [id, states],
      );
      return mail && work(tx, mail);
    });
  }

  async function settle(
    tx: Transaction,
    mail: Mail,
    state: Settled,
    { why = null, isFailing = false }: { why?: string | null; isFailing?: boolean } = {},
  ): Promise<void> {
    await tx.query('update platform.mails set state = $2, code = $3, settled_at = clock_timestamp() where id = $1', [
      mail.id,
      state,
      why,
    ]);
    if (isFailing) await markFailing(tx, mail.to_address, why ?? 'failed');
    await keeper.settle(tx, { ...mail, state, code: why }, state, isFailing);
  }

  const putOff = (tx: Transaction, mail: Mail, seconds: number, code: string) =>
    tx.query(
      `update platform.mails set state = 'waiting', code = $2, not_before = clock_timestamp() + make_interval(secs => $3) where id = $1`,
      [mail.id, code, seconds],
    );

  /** What is due and not locked: each is looked at again in its own transaction. */
  async function sendDue(): Promise<void> {
    if (!post) return;
    const due = await db.query<Mail>(
      `select ${mailColumns} from platform.mails m
       where m.app = $1 and m.state = 'waiting' and m.not_before <= clock_timestamp() order by m.not_before limit ${batch}`,
      [db.app],
    );
    for (const mail of due) {
      if (closing.aborted) return;
      await sendOne(mail);
    }
  }

  async function sendOne({ id, record_id }: Mail): Promise<void> {
    const letter = await holding({ id, record_id }, ['waiting'], async (tx, mail) => {
      if (mail.not_before.getTime() > Date.now() + lookMs) return undefined;
      if (!(await keeper.isAddressOf(tx, mail)))
        return void (await settle(tx, mail, 'cancelled', { why: 'address-changed' }));
      const failing = await findFailing(tx, mail.to_address);
      if (failing) return void (await settle(tx, mail, 'failed', { why: 'address-fails' }));
      const words = await keeper.write(tx, mail);
      if (!words) return void (await settle(tx, mail, 'cancelled', { why: 'read' }));
      const messageId = `<${mail.token}@${domain}>`;
      const isCrowded = (await countSent(tx, mail.to_address)) >= perHourMax;
      await tx.query(
        `update platform.mails set state = 'sending', tries = tries + 1, taken_at = clock_timestamp(), message_id = $2 where id = $1`,
        [mail.id, messageId],
      );
      if (isCrowded) return void (await putOff(tx, mail, crowdedSeconds, 'too-many'));
      return {
        mail: { ...mail, message_id: messageId, tries: mail.tries + 1 },
        letter: {
          messageId,
          from: { name: fromName, address: from },
          to: mail.to_address,
          replyTo: addressOf(mail.token),
          subject: words.subject,
          text: `${markerLine}\n\n${words.text}`,
          references: [...(words.references ?? []), ...(await listReferences(tx, mail))],
        },
      };
    });
    if (!letter || !post) return;
    const handed = await post.send(letter.letter);
    await note(letter.mail, handed);
  }

  /** Writes down what came of it. What the mail server took is in doubt if this fails. */
  async function note(mail: Mail, handed: Handed): Promise<void> {
    await holding(mail, ['sending'], async (tx, held) => {
      switch (handed.kind) {
        case 'taken':
          return settle(tx, held, 'sent');
        case 'doubtful':
          return settle(tx, held, 'doubtful', { why: handed.code });
        case 'refused':
          return settle(tx, held, 'failed', { why: handed.code, isFailing: handed.isAddress });
        case 'later': {
          const ageHours = (Date.now() - held.created_at.getTime()) / 3_600_000;
          if (ageHours > giveUpHours) return settle(tx, held, 'failed', { why: handed.code });
          const seconds = Math.min(retryMaxSeconds, retryFirstSeconds * 2 ** Math.min(10, held.tries - 1));
          return void (await putOff(tx, held, seconds, handed.code));
        }
      }
    });
    if (handed.kind !== 'taken') log.warn({ mail: mail.id, code: handed.code }, `a mail was not sent: ${handed.kind}`);
  }

  /** A breaker: two programs that answer each other stop at this number. */
  async function countSent(tx: Transaction, address: string): Promise<number> {
    const [row] = await tx.query<{ sent: number }>(
      `select count(*)::integer as sent from platform.mails m
       where lower(m.to_address) = lower($1) and m.state in ('sent', 'bounced') and m.settled_at > now() - interval '1 hour'`,
      [address],
    );
    return row?.sent ?? 0;
  }

  /** The mails before this one in its record, so that the reader's program shows them together. */
  async function listReferences(tx: Transaction, mail: Mail): Promise<string[]> {
    const rows = await tx.query<{ message_id: string }>(
      `select m.message_id from platform.mails m where m.record_id = $1 and m.id <> $2 and m.message_id is not null
       order by m.created_at desc, m.id desc limit 10`,
      [mail.record_id, mail.id],
    );
    return rows.map(({ message_id }) => message_id).reverse();
  }

  /** What a process that died has left behind. */
  async function settleAbandoned(): Promise<void> {
    const left = await db.query<Mail>(
      `select ${mailColumns} from platform.mails m where m.app = $1 and m.state = 'sending'
         and m.taken_at < clock_timestamp() - make_interval(secs => ${abandonedSeconds}) limit ${batch}`,
      [db.app],
    );
    for (const mail of left)
      await holding(mail, ['sending'], (tx, held) => settle(tx, held, 'doubtful', { why: 'process-ended' }));
  }

  /**
   * Takes a mail that came in, once.
   *
   * @param within is called in the transaction in which it is kept, or in one of its own if it is not kept.
   * @throws UnreadableMail
   */
  async function receive(
    raw: Uint8Array,
    { recipient, within }: { recipient?: string | undefined; within?: (tx: Transaction) => Promise<void> } = {},
  ): Promise<Received> {
    const read = await readAside(raw, { replyTo, recipient });
    const isOwn = (await findByTokens(read.ownTokens)) !== undefined;
    const mail = isOwn ? undefined : await findByTokens([...read.tokens, ...(read.bounce?.tokens ?? [])]);
    const outcome = mail
      ? await holding(mail, ['waiting', 'sending', 'sent', 'bounced', 'failed', 'doubtful'], async (tx, held) => {
          await within?.(tx);
          return keep(tx, held, read, raw);
        })
      : undefined;
    if (outcome) return outcome;
    if (within) await db.transaction({}, within);
    return isOwn ? 'own' : 'unknown';
  }

  /** The mail of ours that the first of these names that is ours. */
  async function findByTokens(tokens: string[]): Promise<Mail | undefined> {
    const named = tokens.slice(0, 100);
    if (named.length === 0) return undefined;
    const [mail] = await db.query<Mail>(
      `select ${mailColumns} from platform.mails m join unnest($1::text[]) with ordinality t (token, place) on t.token = m.token
       where m.app = $2 order by t.place limit 1`,
      [named, db.app],
    );
    return mail;
  }

  async function keep(tx: Transaction, mail: Mail, read: Read, raw: Uint8Array): Promise<Received> {
    const isOther =
      read.from === undefined ||
      keyOfAddress(read.from) !== keyOfAddress(mail.to_address) ||
      !(await keeper.isAddressOf(tx, mail));
    const isCrowded = read.kind === 'person' && (await countReceived(tx, mail)) >= perHourMax;
    const kind =
      read.kind !== 'person'
        ? read.kind
        : isCrowded
          ? ('held' as const)
          : isOther
            ? ('other' as const)
            : ('reply' as const);
    const [kept] = await tx.query<{ id: string }>(
      `insert into platform.received_mails (mail_id, key, kind, from_address, subject, raw) values ($1, $2, $3, $4, $5, $6)
       on conflict (app, key) do nothing returning id`,
      [mail.id, read.key, kind, read.from ?? null, read.subject ?? null, raw],
    );
    if (!kept) return 'known';
    const answer = {
      id: kept.id,
      from: read.from,
      subject: read.subject,
      said: read.said,
      isOther,
      attachments: read.attachments.length,
    };
    if (kind === 'bounce') {
      const { isHard = false, code = 'failed' } = read.bounce ?? {};
      if (isHard && mail.state !== 'bounced') await settle(tx, mail, 'bounced', { why: code, isFailing: true });
      return 'bounce';
    }
    if (kind === 'held') return 'held';
    const record =
      kind === 'automatic' ? await keeper.takeAutomatic(tx, mail, answer) : await keeper.take(tx, mail, answer);
    await tx.query('update platform.received_mails set record_id = $2 where id = $1', [kept.id, record]);
    return kind === 'automatic' ? 'automatic' : 'taken';
  }

  async function countReceived(tx: Transaction, { record_id }: Mail): Promise<number> {
    const [row] = await tx.query<{ received: number }>(
      `select count(*)::integer as received from platform.mails m join platform.received_mails r on r.mail_id = m.id
       where m.record_id = $1 and r.kind in ('reply', 'other') and r.received_at > now() - interval '1 hour'`,
      [record_id],
    );
    return row?.received ?? 0;
  }

  /** @throws NotFound; Problem 409 if it is in another state */
  async function requireMail(id: string): Promise<Mail> {
    const [mail] = await db.query<Mail>(`select ${mailColumns} from platform.mails m where m.id = $1 and m.app = $2`, [
      id,
      db.app,
    ]);
    if (!mail) throw new NotFound('mail');
    return mail;
  }

  async function loop(): Promise<void> {
    let isFollowing = false;
    let hasFailed = false;
    for (let round = 0; !closing.aborted; round += 1) {
      try {
        if (round % 60 === 0) {
          await announce();
          if (imap && !isFollowing)
            void followMailbox(db, imap, { closing, log, bytesMax: settings.bytesMax, receive });
          isFollowing = true;
          await settleAbandoned();
        }
        await sendDue();
        hasFailed = false;
      } catch (error) {
        if (!hasFailed && !closing.aborted) log.warn({ err: error }, 'e-mail could not be looked after');
        hasFailed = true;
        round = -1;
      }
      await wait(lookMs, undefined, { signal: closing, ref: false }).catch(() => {});
    }
    post?.close();
  }
  // A mail that is being handed over when the process is asked to end is not in doubt: what came of it is written down.
  finish(loop());

  return {
    settings,
    receive,
    requireMail,

    /** Sends a mail again that failed or may not have gone. A person decides that. @throws NotFound, Problem 409 */
    async sendAgain(mail: Mail): Promise<void> {
      if (!post) throw refuseOff();
      const failing = await findFailing(db, mail.to_address);
      if (failing) throw refuseFailing(mail.to_address);
      const rows = await db.query(
        `update platform.mails set state = 'waiting', tries = greatest(tries, 1), code = null, not_before = clock_timestamp()
         where id = $1 and state in ('doubtful', 'failed', 'bounced') returning id`,
        [mail.id],
      );
      if (rows.length === 0) throw refuseSettled('This mail was sent, or waits to be sent already.');
    },

    /** Takes a mail back that has not gone. @throws NotFound, Problem 409 */
    async takeBack(mail: Mail): Promise<void> {
      const done = await holding(mail, ['waiting'], async (tx, held) => {
        await settle(tx, held, 'cancelled', { why: 'taken-back' });
        return true;
      });
      if (!done) throw refuseSettled('This mail has gone already.');
    },
  };
}
