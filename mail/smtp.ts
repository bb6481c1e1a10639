import { Readable } from 'node:stream';
import type { Line } from './settings.ts';

/** What came of handing a mail to the mail server. */
export type Handed =
  | { kind: 'taken' }
  /** The server says no for good. `isAddress`: because of the address. */
  | { kind: 'refused'; code: string; isAddress: boolean }
  /** Nothing was handed over: it can be tried again. */
  | { kind: 'later'; code: string }
  /** All bytes went out, and no answer came: it may have been taken. */
  | { kind: 'doubtful'; code: string };

export type Letter = {
  messageId: string;
  from: { name: string; address: string };
  to: string;
  replyTo: string;
  subject: string;
  text: string;
  /** Message-IDs of the mails before it, the oldest first. */
  references: string[];
  attachments: Attached[];
};

export type Attached = { name: string; type: string; content: Buffer };

export type Post = { send(letter: Letter): Promise<Handed>; close(): void };

const answerMs = 20_000;
/** Shorter than the time after which a mail counts as left behind by its process. */
const wholeMs = 90_000;
/** Of an address that is wrong, by RFC 3463: it does not exist, moved, or takes no mail. Without such a code, by the answer to RCPT TO. */
const addressCodes = /^5\.(1\.[0-36]|1\.10|2\.1)$/;

/** Sends by SMTP. nodemailer is loaded with the first mail. */
export function openPost(line: Line): Post {
  let opening: Promise<ReturnType<typeof open>> | undefined;
  const open = (nodemailer: typeof import('nodemailer')) =>
    nodemailer.createTransport({
      host: line.host,
      port: line.port,
      secure: line.isTls,
      requireTLS: line.requiresTls,
      // A server of this machine that offers STARTTLS, as Postfix of Debian does, has a certificate that nobody signed.
      ...(!line.isTls && !line.requiresTls && { tls: { rejectUnauthorized: false } }),
      ...(line.user !== undefined && { auth: { user: line.user, pass: line.password } }),
      connectionTimeout: answerMs,
      greetingTimeout: answerMs,
      socketTimeout: answerMs,
      dnsTimeout: answerMs,
      disableFileAccess: true,
      disableUrlAccess: true,
    });

  async function send(letter: Letter): Promise<Handed> {
    opening ??= import('nodemailer').then(open);
    const transport = await opening;
    const raw = await compose(letter);
    let isWhole = false;
    // The answer to the last byte decides. What fails before it left can be sent again.
    const body = Readable.from(
      (function* () {
        yield raw;
        isWhole = true;
      })(),
    );
    const sending = transport.sendMail({
      envelope: { from: letter.replyTo, to: [letter.to] },
      raw: body,
    });
    const given = Promise.withResolvers<never>();
    const timer = setTimeout(() => given.reject(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })), wholeMs);
    sending.catch(() => {}); // it may fail after it was given up
    try {
      await Promise.race([sending, given.promise]);
      return { kind: 'taken' };
    } catch (error) {
      return toHanded(error, isWhole);
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    send,
    close: () => void opening?.then((transport) => transport.close()),
  };
}

async function compose({
  messageId,
  from,
  to,
  replyTo,
  subject,
  text,
  references,
  attachments,
}: Letter): Promise<Buffer> {
  const { createTransport } = await import('nodemailer');
  const { message } = await createTransport({ streamTransport: true, buffer: true, newline: 'windows' }).sendMail({
    from,
    to: { name: '', address: to },
    ...(replyTo !== from.address && { replyTo }),
    subject,
    text,
    messageId,
    attachments: attachments.map(({ name, type, content }) => ({ filename: name, contentType: type, content })),
    ...(references.length > 0 && { inReplyTo: references.at(-1), references }),
    disableFileAccess: true,
    disableUrlAccess: true,
    // Answers of programs are not wanted: a person's are.
    headers: { 'X-Auto-Response-Suppress': 'OOF, AutoReply' },
  });
  return message as Buffer;
}

function toHanded(error: unknown, isWhole: boolean): Handed {
  const {
    code,
    responseCode,
    response = '',
    command,
  } = error as Partial<{
    code: string;
    responseCode: number;
    response: string;
    command: string;
  }>;
  const enhanced = /^\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})\b/.exec(response)?.[1];
  const words = [responseCode ?? code ?? 'failed', enhanced].filter(Boolean).join(' ').slice(0, 80);
  if (responseCode === undefined) return { kind: isWhole ? 'doubtful' : 'later', code: words };
  if (responseCode < 500 || code === 'EAUTH' || command === 'CONN') return { kind: 'later', code: words };
  const isAddress =
    command === 'RCPT TO' && (enhanced ? addressCodes.test(enhanced) : [550, 551, 553].includes(responseCode));
  return { kind: 'refused', code: words, isAddress };
}
