import { createTransport } from 'nodemailer';
import { SMTPServer } from 'smtp-server';
import { signInbound } from './signing.ts';

/* A real mail server, and the mails that people and programs answer, for tests. */

export type Caught = { from: string; to: string[]; raw: string; header(name: string): string };

export type TestPostOffice = {
  port: number;
  caught: Caught[];
  /** The n-th mail to this address, when it is there; the test's own limit ends the wait. */
  mailTo(address: string, place?: number): Promise<Caught>;
  /** Called before a recipient is taken: an error refuses it, with its responseCode. */
  refuse: ((to: string) => Error | undefined) | undefined;
  /** The connection with a mail to this address ends when the mail has arrived whole, before the answer. */
  cutsAt: string | undefined;
  close(): Promise<void>;
};

export const refusal = (responseCode: number, message: string) => Object.assign(new Error(message), { responseCode });

type Connection = { session: unknown; _socket: { destroy(): void } };

/** A mail server on this machine that keeps what it takes. */
export async function startPostOffice(): Promise<TestPostOffice> {
  const waiting = new Set<() => void>();
  const office: TestPostOffice = {
    port: 0,
    caught: [],
    refuse: undefined,
    cutsAt: undefined,
    async mailTo(address, place = 1) {
      for (;;) {
        const found = office.caught.filter(({ to }) => to.includes(address))[place - 1];
        if (found) return found;
        await new Promise<void>((resolve) => {
          waiting.add(resolve);
        });
      }
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    onRcptTo: ({ address }, _, done) => done(office.refuse?.(address)),
    onData(stream, session, done) {
      const parts: Buffer[] = [];
      stream.on('data', (part: Buffer) => parts.push(part));
      stream.on('end', () => {
        const raw = Buffer.concat(parts).toString('utf8');
        const [head = ''] = raw.split('\r\n\r\n');
        const { mailFrom, rcptTo } = session.envelope;
        office.caught.push({
          from: mailFrom ? mailFrom.address : '',
          to: rcptTo.map(({ address }) => address),
          raw,
          header: (name) =>
            new RegExp(`^${name}: (.*(?:\r\n[ \t].*)*)`, 'im').exec(head)?.[1]?.replaceAll(/\r\n[ \t]+/g, ' ') ?? '',
        });
        for (const look of waiting) look();
        waiting.clear();
        if (!rcptTo.some(({ address }) => address === office.cutsAt)) return done();
        for (const each of server.connections as Set<Connection>) if (each.session === session) each._socket.destroy();
      });
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  server.on('error', () => {}); // a client that went away
  office.port = (server.server.address() as { port: number }).port;
  return office;
}

type Answering = {
  from: string;
  text?: string;
  subject?: string;
  headers?: Record<string, string>;
  messageId?: string;
  attachments?: { filename: string; content: string | Buffer; cid?: string }[];
  html?: string;
};

/** A mail that answers another one, as a mail program writes it. */
export async function answerTo(mail: Caught, { from, text = 'Thanks!', subject, headers, ...rest }: Answering) {
  const id = mail.header('Message-ID');
  const quoted = mail.raw
    .slice(mail.raw.indexOf('\r\n\r\n') + 4)
    .split('\r\n')
    .map((line) => `> ${line}`)
    .join('\n');
  return compose({
    from,
    to: mail.header('Reply-To') || mail.header('From'),
    subject: subject ?? `Re: ${mail.header('Subject')}`,
    inReplyTo: id,
    references: id,
    text: `${text}\n\nOn Fri, 1 Nov 2026 at 10:00, Support <help@shop.example> wrote:\n${quoted}`,
    ...(headers && { headers }),
    ...rest,
  });
}

export async function compose(mail: Record<string, unknown>): Promise<Buffer> {
  const { message } = await createTransport({ streamTransport: true, buffer: true, newline: 'windows' }).sendMail(mail);
  return message as Buffer;
}

/** A report that a mail did not arrive, as a mail server sends it. */
export function bounceOf(mail: Caught, { to, status = '5.1.1' }: { to: string; status?: string }): Buffer {
  const lines = [
    'From: Mail Delivery System <mailer-daemon@post.example>',
    `To: ${mail.from}`,
    'Subject: Undelivered Mail Returned to Sender',
    `Message-ID: <bounce-${Math.random().toString(36).slice(2)}@post.example>`,
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    'This is the mail system. Your message could not be delivered.',
    '--b',
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; post.example',
    '',
    `Final-Recipient: rfc822; ${to}`,
    `Action: ${status.startsWith('4') ? 'delayed' : 'failed'}`,
    `Status: ${status}`,
    '',
    '--b',
    'Content-Type: text/rfc822-headers',
    '',
    `Message-ID: ${mail.header('Message-ID')}`,
    `To: ${to}`,
    '--b--',
    '',
  ];
  return Buffer.from(lines.join('\r\n'));
}

let unique = 0;

/** Hands a mail over by the webhook. */
export async function postInbound(
  url: string,
  secret: string,
  raw: Uint8Array,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Record<string, unknown> }> {
  unique += 1;
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const seconds = Math.floor(Date.now() / 1_000);
  const answer = await fetch(`${url}/api/mail/inbound`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/octet-stream',
      ...signInbound(key, { id: `msg_${unique}`, seconds, body: raw }),
      ...headers,
    },
    body: new Uint8Array(raw),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}
