import { findFailing, isMailOn, type Keeper, listMails } from '@aether/mail';
import type { Queryable } from '@aether/platform';
import { addEntry } from './entries.ts';
import type { Live } from './live.ts';
import { addMessage } from './messages.ts';
import { reopen } from './reopening.ts';

/*
 * E-mail of conversations. What an agent writes is queued by a trigger of support.messages, and goes unless the visitor reads it first. What the visitor
 * answers is a message of theirs, also after the end: then the conversation is open again. Nothing that the visitor typed is in our mails, so that
 * nobody can have us write to a stranger's address what they please.
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

export function keepMails(live: () => Live | undefined): Keeper {
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

    async write(tx, { record_id, first_number, last_number }) {
      const lines = await tx.query<{ body: string; name: string; files: string | null; widget: string }>(
        `select m.body, u.name, platform.say_files(m.files) as files, w.name as widget
         from support.messages m join support.sessions s on s.id = m.session_id join support.widgets w on w.id = s.widget_id
           join support.agents a on a.id = m.agent_id join platform.users u on u.id = a.user_id
         where m.session_id = $1 and m.author = 'agent' and m.number between $2 and $3 and m.number > s.visitor_read_number
         order by m.number`,
        [record_id, first_number, last_number],
      );
      const [first] = lines;
      if (!first) return undefined;
      const said = lines.map(({ name, body, files }, at) =>
        [
          name === lines[at - 1]?.name ? undefined : `${name}:`,
          body || undefined,
          files === null ? undefined : `(${files}: open the chat to see it)`,
        ]
          .filter((part) => part !== undefined)
          .join('\n'),
      );
      const widget = first.widget.replace(/[\r\n]/g, ' ');
      return {
        subject: `Your conversation with ${widget}`,
        text: `${said.join('\n\n')}\n\n-- \nYou wrote to us in the chat of ${widget}. Answer this e-mail to go on.`,
      };
    },

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

    async take(tx, { record_id, last_number }, { id, said, subject, isOther, attachments }) {
      await reopen(tx, record_id, 'reopened');
      const words = toBody(said, subject);
      const { message } = await addMessage(tx, record_id, {
        author: 'visitor',
        clientId: `mail-${id}`,
        body: words.body,
        mail: { id, is_other: isOther, is_cut: words.isCut, attachments },
      });
      // Who answers a mail has read it.
      if (!isOther && last_number !== null)
        await tx.query(
          'update support.sessions set visitor_read_number = greatest(visitor_read_number, $2) where id = $1',
          [record_id, last_number],
        );
      tx.afterCommit(() => live()?.announce(record_id, { kind: 'message', message }));
      return message.id;
    },

    async takeAutomatic(tx, { record_id }, { from, said, subject }) {
      const words = [from, subject, said].filter(Boolean).join('\n');
      const entry = await addEntry(tx, record_id, 'mail_automatic', { body: cut(words, 1_000) || 'without words' });
      tx.afterCommit(() => live()?.announce(record_id, { kind: 'look' }));
      return entry.id;
    },
  };
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
  return { body: subject ?? 'An e-mail without words', isCut: false };
}
