import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { ServerContext } from '@aether/http';
import {
  canonicaliseEmail,
  NotFound,
  type PlatformDb,
  type Queryable,
  repeatIfGone,
  type Transaction,
} from '@aether/platform';
import { isNoAddress } from '@aether/platform/noaddress';
import { readAside } from './aside.ts';
import { refuseFailing, refuseOff, refuseSettled } from './codes.ts';
import { followMailbox } from './imap.ts';
import { findFailing, keyOfAddress, type Mail, mailColumns, markFailing } from './queue.ts';
import { type MailFile, markerLine, type Read } from './reading.ts';
import { readMailSettings } from './settings.ts';
import { type Attached, type Handed, type Letter, openPost, type Post } from './smtp.ts';

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
 *
 * What answers none of ours opens a record, if the app and its operator want that. Files of a mail are uploaded before the transaction that takes
 * it, because that takes long; what a process that dies between has uploaded goes within a day, as every file that nobody sent.
 */

export type Words = {
  subject: string;
  text: string;
  /** Message-IDs of mails of other records that it goes on from, the oldest first. */
  references?: string[];
  /** Ids of files that go with it. */
  files?: string[];
};

export type Answer = {
  /** The id under which it is kept. */
  id: string;
  from: string | undefined;
  subject: string | undefined;
  said: string;
  /** It did not come from the address that was written to, or the record has another one by now. */
  isOther: boolean;
  /** It names no mail of ours, so nothing says that whoever wrote it reads the mailbox of its sender. */
  isUnproven: boolean;
  attachments: number;
  /** What came of its attachments. */
  files: TakenFiles;
  /** What our own mail server found of its sender's domain. */
  vouched: Read['vouched'];
};

/** What an app has made of the attachments of a mail, before it takes the mail. */
export type TakenFiles = {
  /** Where they were uploaded. */
  parentId: string;
  ids: string[];
  refused: { name: string; why: string }[];
  leftOut: number;
};

/** The record that a mail belongs to, and how far the mail that it answers went. */
export type Answered = Pick<Mail, 'record_id' | 'last_number'>;

export type Settled = 'sent' | 'failed' | 'bounced' | 'doubtful' | 'cancelled';

/** The app's part. Each is called in a transaction that holds the record. */
export type Keeper = {
  /** Locks the record. @returns whether it is there. */
  hold(tx: Transaction, recordId: string): Promise<boolean>;
  /** Whether the record still has the address that the mail is for. */
  isAddressOf(tx: Transaction, mail: Pick<Mail, 'record_id' | 'to_address'>): Promise<boolean>;
  /** What the mail says. @returns undefined if nothing is left to say */
  write(tx: Transaction, mail: Mail): Promise<Words | undefined>;
  /** Shows in the record what became of the mail. `isFailing`: nothing more is sent to this address. */
  settle(tx: Transaction, mail: Mail, state: Settled, isFailing: boolean): Promise<void>;
  /** A person's answer. @returns the id of what was made of it */
  take(tx: Transaction, mail: Answered, answer: Answer): Promise<string>;
  /** A program's answer. It is shown, and makes nothing happen. */
  takeAutomatic(tx: Transaction, mail: Answered, answer: Answer): Promise<string | null>;
  /**
   * Uploads the files of a mail to its record, in transactions of its own; `isNew`: the record is not there yet.
   *
   * @throws NotFound if the record is gone
   */
  takeFiles(recordId: string, files: MailFile[], options: { isNew: boolean }): Promise<TakenFiles>;
  /** Removes those of them that no record got. */
  dropFiles(taken: TakenFiles): Promise<void>;
  /** Files that go out with a mail. */
  readFiles?(ids: string[]): Promise<Attached[]>;
  /** What a mail that answers none of ours makes. Without it such a mail makes nothing. */
  open?: {
    /** @throws Problem 503 if nothing can be opened at present */
    requireReady(): Promise<unknown>;
    /** @param recordId the id for the new record. @returns the id of what was made of the mail */
    make(tx: Transaction, recordId: string, answer: Answer & { from: string; fromName: string }): Promise<string>;
  };
};

/**
 * What came of a mail that came in. opened: it answers none of ours, and has opened a record. unknown: it answers none of ours, and is not kept.
 * refused: it would be held, and there is no room. own: one of ours came back.
 */
export const outcomes = [
  'taken',
  'opened',
  'known',
  'automatic',
  'bounce',
  'held',
  'refused',
  'unknown',
  'own',
] as const;
export type Received = (typeof outcomes)[number];

export type MailRoom = ReturnType<typeof openMail>;

type Within = ((tx: Transaction) => Promise<void>) | undefined;

const lookMs = 1_000;
const abandonedSeconds = 300;
const giveUpHours = 48;
const retryFirstSeconds = 60;
const retryMaxSeconds = 3_600;
const crowdedSeconds = 600;
const batch = 20;
/** Held mails of one app. */
const heldMax = 1_000;
const noFiles = { parentId: '', ids: [], refused: [], leftOut: 0 };

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
      `insert into platform.mail_apps as m (is_on, address, waits_seconds, held_days) values ($1, $2, $3, $4)
       on conflict (app) do update set is_on = excluded.is_on, address = excluded.address, waits_seconds = excluded.waits_seconds,
         held_days = excluded.held_days, changed_at = clock_timestamp()
       where (m.is_on, m.address, m.waits_seconds, m.held_days)
         is distinct from (excluded.is_on, excluded.address, excluded.waits_seconds, excluded.held_days)`,
      [post !== undefined, from || null, waitSeconds, settings.heldDays],
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
        files: words.files ?? [],
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
    await note(letter.mail, await handOver(post, letter));
  }

  async function handOver(
    to: Post,
    { letter, files }: { letter: Omit<Letter, 'attachments'>; files: string[] },
  ): Promise<Handed> {
    let attachments: Attached[] = [];
    try {
      if (files.length > 0) attachments = (await keeper.readFiles?.(files)) ?? [];
    } catch (error) {
      log.warn({ err: error }, 'the files of a mail could not be read: it is tried again');
      return { kind: 'later', code: 'files' };
    }
    return to.send({ ...letter, attachments });
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
    { recipient, within }: { recipient?: string | undefined; within?: Within } = {},
  ): Promise<Received> {
    const read = await readAside(raw, { replyTo, recipient, authserv: settings.authserv, withFiles: true });
    const isOwn = (await findByTokens(read.ownTokens)) !== undefined;
    const tokens = [...read.tokens, ...(read.bounce?.tokens ?? [])];
    const mail = isOwn ? undefined : await findByTokens(tokens);
    const outcome = mail
      ? await receiveAnswer(mail, read, raw, within)
      : isOwn
        ? undefined
        : await receiveUnasked(tokens, read, raw, within);
    if (outcome) return outcome;
    if (within) await db.transaction({}, within);
    return isOwn ? 'own' : 'unknown';
  }

  async function receiveAnswer(mail: Mail, read: Read, raw: Uint8Array, within: Within): Promise<Received | undefined> {
    // Looked at again in the transaction: here it only spares uploads.
    const isTaken = read.kind === 'person' && (await countReceived(db, mail)) < perHourMax;
    return withFiles(isTaken && mail.record_id, read, (files) =>
      holding(mail, ['waiting', 'sending', 'sent', 'bounced', 'failed', 'doubtful'], async (tx, held) => {
        await within?.(tx);
        return keep(tx, held, { read, raw, files });
      }),
    );
  }

  /** The mail answers none of ours: it goes on with a mail of the same sender that opened a record, or opens one. */
  async function receiveUnasked(
    tokens: string[],
    read: Read,
    raw: Uint8Array,
    within: Within,
  ): Promise<Received | undefined> {
    const { open } = keeper;
    const { from, mayOpen } = read;
    if (!open || !settings.opensWidget || from === undefined || !mayOpen) return undefined;
    if (!canonicaliseEmail(from).ok || isNoAddress(from)) return undefined;
    if (isAddressForAnswers(from) || (await isOwnMail(tokens, from))) return undefined;
    if (await isKnown(read)) {
      if (within) await db.transaction({}, within);
      return 'known';
    }
    await open.requireReady();
    const former = await findFormer(read);
    if (former)
      return withFiles(former, read, (files) =>
        db.transaction({}, async (tx) => {
          if (!(await keeper.hold(tx, former))) return undefined;
          await within?.(tx);
          return keepUnasked(tx, former, { read, raw, files });
        }),
      );
    const recordId = randomUUID();
    const isCrowded = await isCrowdedWith(db, from);
    const openOnce = (files: TakenFiles) =>
      db.transaction({}, async (tx) => {
        // One after the other: the limits of an hour are counted right.
        await tx.query('select from platform.mail_apps where app = $1 for update', [db.app]);
        await within?.(tx);
        return openWith(tx, open, recordId, { read, raw, files });
      });
    return withFiles(!isCrowded && recordId, read, (files) => repeatIfGone({}, () => openOnce(files)), { isNew: true });
  }

  /** A mail of ours that lost its Message-ID comes from there. */
  function isAddressForAnswers(address: string): boolean {
    const [before = '', after = ''] = (replyTo ?? from).toLowerCase().split('{token}');
    const given = address.toLowerCase();
    return given === before || (after !== '' && given.startsWith(before) && given.endsWith(after));
  }

  async function isOwnMail(tokens: string[], sender: string): Promise<boolean> {
    const [row] = await db.query<{ is_own: boolean }>('select platform.is_own_mail($1, $2) as is_own', [
      tokens.slice(0, 100),
      sender,
    ]);
    return row?.is_own === true;
  }

  const isKnown = async (read: Read) =>
    (await db.query('select from platform.received_mails r where r.app = $1 and r.key = $2', [db.app, read.key]))
      .length > 0;

  /** Uploads the files of a mail, unless it is known already or its record is gone, and removes them again if no record got them. */
  async function withFiles<Result>(
    recordId: string | false,
    read: Read,
    work: (files: TakenFiles) => Promise<Result>,
    { isNew = false } = {},
  ): Promise<Result> {
    if (recordId === false || read.files.length === 0 || (await isKnown(read))) return work(noFiles);
    const taken = await keeper.takeFiles(recordId, read.files, { isNew }).catch((error) => {
      if (error instanceof NotFound) return noFiles;
      throw error;
    });
    try {
      return await work({ ...taken, leftOut: taken.leftOut + read.attachmentCount - read.files.length });
    } finally {
      await keeper.dropFiles(taken).catch((error) => log.warn({ err: error }, 'files of a mail wait to be removed'));
    }
  }

  /** The record of a mail of the same sender that this one refers to. Who knows the Message-ID alone comes into nobody's record. */
  async function findFormer({ refersTo, from }: Read): Promise<string | undefined> {
    if (refersTo.length === 0) return undefined;
    const [row] = await db.query<{ record_id: string }>(
      `select coalesce(r.parent_id, m.record_id) as record_id
       from unnest($2::bytea[]) with ordinality k (key, place) join platform.received_mails r on r.app = $1 and r.key = k.key
         left join platform.mails m on m.id = r.mail_id
       where lower(r.from_address) = lower($3) and r.kind in ('new', 'reply') order by k.place limit 1`,
      [db.app, refersTo, from],
    );
    return row?.record_id;
  }

  /** Whether so many records were opened within an hour that this mail is held. */
  async function isCrowdedWith(on: Queryable, from: string): Promise<boolean> {
    const [row] = await on.query<{ opened: number; own: number }>(
      `select count(*)::integer as opened, (count(*) filter (where lower(r.from_address) = lower($2)))::integer as own
       from platform.received_mails r
       where r.app = $1 and r.mail_id is null and r.kind = 'new' and r.received_at > now() - interval '1 hour'`,
      [db.app, from],
    );
    const { opened = 0, own = 0 } = row ?? {};
    return opened >= settings.openedPerHourMax || own >= settings.openedPerSenderMax;
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

  type Came = { read: Read; raw: Uint8Array; files: TakenFiles };

  async function keep(tx: Transaction, mail: Mail, came: Came): Promise<Received> {
    const { read } = came;
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
    if (kind === 'held' && !(await hasRoom(tx, came))) return 'refused';
    const id = await insert(tx, came, { mailId: mail.id, kind });
    if (!id) return 'known';
    if (kind === 'bounce') {
      const { isHard = false, code = 'failed' } = read.bounce ?? {};
      if (isHard && mail.state !== 'bounced') await settle(tx, mail, 'bounced', { why: code, isFailing: true });
      return 'bounce';
    }
    if (kind === 'held') return 'held';
    const answer = toAnswer(id, came, { isOther });
    const record =
      kind === 'automatic' ? await keeper.takeAutomatic(tx, mail, answer) : await keeper.take(tx, mail, answer);
    await nameRecord(tx, id, record);
    return kind === 'automatic' ? 'automatic' : 'taken';
  }

  /** A mail that goes on with the sender's own one. @param recordId of a record that the transaction holds */
  async function keepUnasked(tx: Transaction, recordId: string, came: Came): Promise<Received> {
    const { from = '' } = came.read;
    const isOther = !(await keeper.isAddressOf(tx, { record_id: recordId, to_address: from }));
    const isCrowded = (await countReceived(tx, { record_id: recordId })) >= perHourMax;
    const kind = isCrowded ? 'held' : isOther ? 'other' : 'reply';
    if (isCrowded && !(await hasRoom(tx, came))) return 'refused';
    const id = await insert(tx, came, { parentId: recordId, kind });
    if (!id) return 'known';
    if (isCrowded) return 'held';
    await nameRecord(
      tx,
      id,
      await keeper.take(
        tx,
        { record_id: recordId, last_number: null },
        toAnswer(id, came, { isOther, isUnproven: true }),
      ),
    );
    return 'taken';
  }

  async function openWith(
    tx: Transaction,
    open: NonNullable<Keeper['open']>,
    recordId: string,
    came: Came,
  ): Promise<Received | undefined> {
    const { from = '', fromName } = came.read;
    if (await isCrowdedWith(tx, from)) {
      if (!(await hasRoom(tx, came))) return 'refused';
      return (await insert(tx, came, { kind: 'held' })) ? 'held' : 'known';
    }
    const id = await insert(tx, came, { parentId: recordId, kind: 'new' });
    if (!id) return 'known';
    const name = fromName ?? from.split('@')[0] ?? from;
    const answer = toAnswer(id, came, { isOther: false, isUnproven: true });
    await nameRecord(tx, id, await open.make(tx, recordId, { ...answer, from, fromName: name }));
    return 'opened';
  }

  const toAnswer = (
    id: string,
    { read, files }: Came,
    { isOther, isUnproven = false }: { isOther: boolean; isUnproven?: boolean },
  ): Answer => ({
    id,
    from: read.from,
    subject: read.subject,
    said: read.said,
    isOther,
    isUnproven,
    attachments: read.attachmentCount,
    files,
    vouched: read.vouched,
  });

  /** @returns undefined if it is kept already */
  async function insert(
    tx: Transaction,
    { read, raw }: Came,
    { mailId, parentId, kind }: { mailId?: string; parentId?: string; kind: string },
  ): Promise<string | undefined> {
    const [kept] = await tx.query<{ id: string }>(
      `insert into platform.received_mails (mail_id, parent_id, key, kind, from_address, subject, message_id, raw)
       values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (app, key) do nothing returning id`,
      [
        ...[mailId ?? null, parentId ?? null, read.key, kind],
        ...[read.from ?? null, read.subject ?? null, read.messageId ?? null, raw],
      ],
    );
    return kept?.id;
  }

  const nameRecord = (tx: Transaction, id: string, record: string | null) =>
    tx.query('update platform.received_mails set record_id = $2 where id = $1', [id, record]);

  /** Whether one more mail can be held. Sync Health tells of those that cannot. */
  async function hasRoom(tx: Transaction, { raw }: Came): Promise<boolean> {
    const [row] = await tx.query<{ held: number; bytes: number }>(
      `select count(*)::integer as held, coalesce(sum(octet_length(r.raw)), 0)::float8 as bytes
       from platform.received_mails r where r.app = $1 and r.kind = 'held'`,
      [db.app],
    );
    const { held = 0, bytes = 0 } = row ?? {};
    if (held < heldMax && bytes + raw.byteLength <= settings.heldBytesMax) return true;
    await tx.query(
      `update platform.mail_apps set refused = case when refused_at > now() - interval '1 day' then refused + 1 else 1 end,
         refused_at = case when refused_at > now() - interval '1 day' then refused_at else now() end
       where app = $1`,
      [db.app],
    );
    log.warn('a mail would be held, and there is no room for it: it is only in the mailbox');
    return false;
  }

  async function countReceived(on: Queryable, { record_id }: Pick<Mail, 'record_id'>): Promise<number> {
    const [row] = await on.query<{ received: number }>(
      `select count(*)::integer as received
       from (select r.kind, r.received_at from platform.mails m join platform.received_mails r on r.mail_id = m.id where m.record_id = $1
         union all select r.kind, r.received_at from platform.received_mails r where r.parent_id = $1) r
       where r.kind in ('reply', 'other') and r.received_at > now() - interval '1 hour'`,
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
          await db.query('select platform.remove_held_mails()');
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
