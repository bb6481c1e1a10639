import { type Files, nameDownload, type SentFile, takeGiven } from '@aether/files';
import { type Answer, describeLeft, findFailing, isMailOn, type Keeper, listMails, refuseUnready } from '@aether/mail';
import { NotFound, type PlatformDb, type Queryable, type Transaction } from '@aether/platform';
import { findWidget, openSession } from '../visitors/visitors.ts';
import { addEntry } from './entries.ts';
import type { Live } from './live.ts';
import { addMessage, type MessageMail } from './messages.ts';
import { reopen } from './reopening.ts';

/*
 * E-mail of conversations. What an agent writes is queued by a trigger of support.messages, and goes unless the visitor reads it first. What the visitor
 * answers is a message of theirs, also after the end: then the conversation is open again. Nothing that the visitor typed is in our mails, so that
 * nobody can have us write to a stranger's address what they please; but for the subject of a mail that opened the conversation, which an agent has
 * read before they answer.
 *
 * A mail that answers none of ours opens a conversation through the widget that MAIL_OPENS_WIDGET names: with its team, its rules and its targets.
 * Its address is claimed, as one that a visitor types.
 */

const bodyMax = 4_000;

/** What an agent needs to know of e-mail in a conversation. */
export async function readMails(on: Queryable, sessionId: string, app: string) {
  const [isOn, mails] = await Promise.all([isMailOn(on, app), listMails(on, sessionId)]);
  const [session] = await on.query<{ visitor_email: string | null }>(
    'select visitor_email from support.sessions where id = $1',
    [sessionId],
  );
  const failing = session?.visitor_email ? await findFailing(on, session.visitor_email) : undefined;
  return { is_on: isOn, failing: failing ?? null, mails };
}

type Keeping = {
  live: () => Live | undefined;
  files: Files;
  /** The address at which people reach this server. */
  url: () => string;
  opensWidget: string | undefined;
  attachedBytesMax: number;
};

export function keepMails(
  db: PlatformDb,
  { live, files, url, opensWidget: widgetKey, attachedBytesMax }: Keeping,
): Keeper {
  return {
    async hold(tx, id) {
      return (await tx.query('select from support.sessions where id = $1 for update', [id])).length > 0;
    },

    // The host page may have vouched for another person since: then the former address is locked out.
    async isAddressOf(tx, { record_id, to_address }) {
      const rows = await tx.query('select from support.sessions where id = $1 and lower(visitor_email) = lower($2)', [
        record_id,
        to_address,
      ]);
      return rows.length > 0;
    },

    async write(tx, { record_id, first_number, last_number, token }) {
      const lines = await tx.query<Line>(
        `select m.body, u.name, m.files, w.name as widget
         from support.messages m join support.sessions s on s.id = m.session_id join support.widgets w on w.id = s.widget_id
           join support.agents a on a.id = m.agent_id join platform.users u on u.id = a.user_id
         where m.session_id = $1 and m.author = 'agent' and m.number between $2 and $3 and m.number > s.visitor_read_number
         order by m.number`,
        [record_id, first_number, last_number],
      );
      const [first] = lines;
      if (!first) return undefined;
      const fits = fitWithin(attachedBytesMax);
      const attached: string[] = [];
      const nameFile = ({ id, name, type, size }: SentFile) => {
        if (!fits(size)) return `${nameDownload(name, type)}: ${url()}/api/mail-files/${token}/${id}`;
        attached.push(id);
        return `(attached: ${nameDownload(name, type)})`;
      };
      const said = lines.map(({ name, body, files }, at) =>
        [name === lines[at - 1]?.name ? undefined : `${name}:`, body || undefined, ...(files ?? []).map(nameFile)]
          .filter((part) => part !== undefined)
          .join('\n'),
      );
      const widget = first.widget.replace(/[\r\n]/g, ' ');
      const { subject, message_id } = await findThread(tx, record_id);
      const cause = subject === null ? `You wrote to us in the chat of ${widget}.` : `You wrote to ${widget}.`;
      return {
        subject: subject === null ? `Your conversation with ${widget}` : answerSubject(subject),
        text: `${said.join('\n\n')}\n\n-- \n${cause} Answer this e-mail to go on.`,
        references: message_id === null ? [] : [message_id],
        files: attached,
      };
    },

    readFiles: (ids) =>
      Promise.all(
        ids.map(async (id) => {
          const file = await files.find(id);
          const parts: Uint8Array[] = [];
          for await (const part of await files.read(file, 'whole')) parts.push(part);
          return { name: nameDownload(file.name, file.type), type: file.type, content: Buffer.concat(parts) };
        }),
      ),

    async settle(tx, { record_id, to_address, code, first_number, last_number }, state, isFailing) {
      const count = (last_number ?? 0) - (first_number ?? 0) + 1;
      if (state === 'cancelled' && code === 'address-changed')
        await tx.query(
          `insert into platform.mails as m (record_id, to_address, first_number, last_number)
           select s.id, s.visitor_email, $2, $3 from support.sessions s where s.id = $1 and s.visitor_email is not null
           on conflict (record_id) where state = 'waiting' and first_number is not null and tries = 0 do nothing`,
          [record_id, first_number, last_number],
        );
      if (state === 'sent')
        await addEntry(tx, record_id, 'mailed', {
          body: `${count === 1 ? '1 message' : `Up to ${count} messages`} to ${to_address}`,
        });
      else if (state === 'doubtful') await addEntry(tx, record_id, 'mail_doubtful', { body: to_address });
      else if (state !== 'cancelled')
        await addEntry(tx, record_id, 'mail_failed', {
          body:
            code === 'address-fails'
              ? `${to_address}: mail did not arrive there before`
              : `${to_address}${code ? ` (${code})` : ''}${isFailing ? '. Nothing more is sent there until somebody allows it' : ''}`,
        });
      tx.afterCommit(() => live()?.announce(record_id, { kind: 'look' }));
    },

    async take(tx, { record_id, last_number }, answer) {
      await reopen(tx, record_id, 'reopened');
      const id = await addMail(tx, record_id, answer);
      // Who answers a mail has read it.
      if (!answer.isOther && last_number !== null)
        await tx.query(
          'update support.sessions set visitor_read_number = greatest(visitor_read_number, $2) where id = $1',
          [record_id, last_number],
        );
      return id;
    },

    async takeFiles(parentId, given, { isNew }) {
      const hold = (tx: Transaction) => (isNew ? Promise.resolve() : holdPresent(tx, parentId));
      return { parentId, ...(await takeGiven(files, { parentId, createdBy: null }, given, hold)) };
    },

    async dropFiles({ parentId, ids }) {
      for (const id of ids) await files.cancel({ parentId, createdBy: null }, id);
    },

    open: {
      requireReady: requireWidget,
      async make(tx, id, { fromName: name, ...answer }) {
        await openSession(db, await requireWidget(tx), { email: answer.from, name }, { tx }, { mailId: id });
        return addMail(tx, id, answer, { subject: answer.subject });
      },
    },

    async takeAutomatic(tx, { record_id }, { from, said, subject, attachments }) {
      const left =
        attachments > 0 && `(${attachments === 1 ? '1 attachment' : `${attachments} attachments`}, not taken)`;
      const words = [from, subject, left, said].filter(Boolean).join('\n');
      const entry = await addEntry(tx, record_id, 'mail_automatic', { body: cut(words, 1_000) || 'without words' });
      tx.afterCommit(() => live()?.announce(record_id, { kind: 'look' }));
      return entry.id;
    },
  };

  async function requireWidget(on: Queryable = db) {
    try {
      return await findWidget(on, widgetKey ?? '');
    } catch (error) {
      throw error instanceof NotFound ? refuseUnready(widgetKey ?? '') : error;
    }
  }

  /** The message that a mail makes. `opened`: it has opened the conversation. @param tx holds the conversation */
  async function addMail(
    tx: Transaction,
    sessionId: string,
    { id, said, subject, isOther, isUnproven, attachments, files: taken, vouched }: Answer,
    opened?: { subject: string | undefined },
  ): Promise<string> {
    const hasFiles = taken.ids.length > 0;
    const words = toBody(said, hasFiles ? '' : subject);
    const mail: MessageMail = {
      id,
      is_other: isOther,
      is_cut: words.isCut,
      attachments,
      ...(isUnproven && { is_unproven: true }),
      ...(opened && { is_new: true, subject: opened.subject ?? '' }),
      ...(vouched && { vouched }),
      ...describeLeft(taken),
    };
    const { message } = await addMessage(tx, sessionId, {
      author: 'visitor',
      clientId: `mail-${id}`,
      body: words.body,
      files: hasFiles ? taken.ids : undefined,
      mail,
    });
    tx.afterCommit(() => live()?.announce(sessionId, { kind: 'message', message }));
    return message.id;
  }
}

type Line = { body: string; name: string; files: SentFile[] | null; widget: string };

/** Whether one more file goes with a mail: the first ones do, as long as all together fit. */
function fitWithin(bytesMax: number): (bytes: number) => boolean {
  let left = bytesMax;
  return (bytes) => {
    if (bytes > left) return false;
    left -= bytes;
    return true;
  };
}

/** The subject of the mail that opened the conversation, and the last mail that came: our answer stands beside it in the reader's program. */
async function findThread(
  tx: Transaction,
  sessionId: string,
): Promise<{ subject: string | null; message_id: string | null }> {
  const [thread] = await tx.query<{ subject: string | null; message_id: string | null }>(
    `select (select m.mail ->> 'subject' from support.messages m
         where m.session_id = $1 and m.number = 1 and m.mail ->> 'is_new' = 'true') as subject,
       (select r.message_id
        from (select r.* from platform.received_mails r where r.parent_id = $1
          union all
          select r.* from platform.mails o join platform.received_mails r on r.mail_id = o.id where o.record_id = $1) r
        where r.message_id is not null and r.kind in ('new', 'reply') order by r.received_at desc limit 1) as message_id`,
    [sessionId],
  );
  return thread ?? { subject: null, message_id: null };
}

const subjectMax = 200;

function answerSubject(subject: string): string {
  const line = cut(subject.replace(/\p{Cc}+/gu, ' ').trim(), subjectMax);
  if (line === '') return 'Re: your e-mail';
  return /^\p{L}{2,5}(\[\d+\])?\s{0,2}[:：]/u.test(line) ? line : `Re: ${line}`;
}

/** An erasure of its person waits, and finds the file that begins here. @throws NotFound */
async function holdPresent(tx: Transaction, id: string): Promise<void> {
  const found = await tx.query('select from support.sessions where id = $1 for share', [id]);
  if (found.length === 0) throw new NotFound('session');
}

/** A mail may have megabytes of words: no more of them is looked at than can be kept. */
const cut = (text: string, max: number): string => {
  const characters = [
    ...text
      .slice(0, 3 * max)
      .replaceAll('\0', '')
      .toWellFormed(),
  ];
  return characters.length <= max ? characters.join('') : `${characters.slice(0, max - 1).join('')}…`;
};

function toBody(said: string, subject: string | undefined): { body: string; isCut: boolean } {
  const body = cut(said, bodyMax).trim();
  if (body !== '') return { body, isCut: [...said.slice(0, 3 * bodyMax)].length > bodyMax };
  return { body: subject ?? 'An e-mail without words', isCut: false }; // files say enough
}
