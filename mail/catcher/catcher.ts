import { randomBytes } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import { askServer, isLoopbackHost, type Log, type Served, serve } from '@aether/http';
import { type Read, readMail } from '../reading.ts';
import { signInbound } from '../signing.ts';
import { answerPage, listPage, type Shown, sayOutcome, writePage } from './pages.ts';

/*
 * A mail server for one's own machine, for `npm start`: it takes every mail, sends none on, and shows them on a page, where they can be answered. The
 * answer goes to the apps by their webhook, as a mail service hands it over. Nothing is kept but in memory, and the newest mails only.
 *
 * It listens on loopback alone. smtp-server is loaded with the first mail.
 */

export type MailCatcher = Served & {
  /** The settings with which an app sends to it, and takes its answers. */
  variables: Record<string, string>;
};

type Caught = Shown & { messageId: string };

const caughtMax = 200;
const bytesMax = 10_485_760;
const from = 'support@aether.localhost';
const replyTo = 'support+{token}@aether.localhost';

/** @param inboundUrls of the apps, once they are known. */
export async function startMailCatcher({
  port,
  log,
  inboundUrls,
}: {
  port: number;
  log: Log;
  inboundUrls: () => string[];
}): Promise<MailCatcher> {
  const secret = randomBytes(32);
  const caught: Caught[] = [];
  let last = 0;

  async function keep(raw: Buffer, to: string[]): Promise<void> {
    const read: Read = await readMail(raw);
    const head = raw.toString('latin1', 0, raw.indexOf('\r\n\r\n')); // a match holds on to all that was searched
    last += 1;
    caught.unshift({
      id: last,
      to: to.join(', '),
      from: read.from ?? '',
      subject: read.subject ?? 'No subject',
      text: read.text,
      messageId: read.messageId ?? '',
      replyTo: /^reply-to: .*?([^\s<>]+@[^\s<>]+)/im.exec(head)?.[1] ?? read.from ?? '',
      at: new Date(),
      answers: [],
    });
    caught.splice(caughtMax);
  }

  const smtp = await openSmtp(keep);
  const web = await serve({ fetch } as unknown as Parameters<typeof serve>[0], { port, log });

  async function fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    // A name that somebody else's page resolves to this machine is not this machine's.
    if (!isLoopbackHost(request.headers.get('host') ?? '')) return plain('This page is for this machine.', 421);
    const [, id, act] = /^\/mails\/(\d+)(?:\/(answer))?$/.exec(url.pathname) ?? [];
    const mail = caught.find((each) => each.id === Number(id));
    const isWriting = url.pathname === '/write';
    if (request.method === 'POST' && (act || isWriting)) {
      const { origin } = new URL(web.url);
      if (
        request.headers.get('origin') !== origin &&
        request.headers.get('origin') !== `http://${request.headers.get('host')}`
      )
        return plain('Answer on this page only.', 403);
      const form = await readForm(request);
      if (!form) return plain('The answer is too long, or is none.', 413);
      if (isWriting) return write(form);
      return mail ? answer(form, mail) : plain('This mail is gone: only the newest are kept.', 404);
    }
    if (request.method !== 'GET') return plain('Only GET.', 405);
    if (url.pathname === '/') return html(listPage(caught));
    if (url.pathname === '/mails.json') return Response.json(caught);
    if (isWriting) return html(writePage());
    if (mail && !act) return html(answerPage(mail));
    return plain('There is nothing at this address.', 404);
  }

  /** Writes the answer as a mail program would, and hands it over to the apps. One of them knows the mail. */
  async function answer(form: FormData, mail: Caught): Promise<Response> {
    const words = read(form, 'text');
    const attachments = await readAttachments(form);
    if (words === '' && attachments.length === 0) return html(answerPage(mail, 'Write something.'), 422);
    const raw = await composeAnswer(mail, read(form, 'from') || mail.to, { words, attachments });
    mail.answers.push({ text: words, outcome: await handOverToAll(raw) });
    return new Response(null, { status: 303, headers: { Location: `/mails/${mail.id}` } });
  }

  /** A mail that answers none of the apps'. */
  async function write(form: FormData): Promise<Response> {
    const [sender, subject, words] = ['from', 'subject', 'text'].map((name) => read(form, name)) as [
      string,
      string,
      string,
    ];
    if (!/^[^\s@<>]+@[^\s@<>]+$/.test(sender) || words === '')
      return html(writePage('Give an address to write from, and write something.'), 422);
    const raw = await compose({
      from: sender,
      to: from,
      subject,
      text: words,
      attachments: await readAttachments(form),
    });
    return html(writePage(undefined, sayOutcome(await handOverToAll(raw))));
  }

  async function handOverToAll(raw: Buffer): Promise<string> {
    const outcomes = await Promise.all(inboundUrls().map((url) => handOver(url, raw)));
    return outcomes.find((each) => each !== 'unknown') ?? 'unknown';
  }

  async function handOver(url: string, raw: Buffer): Promise<string> {
    const id = `msg_${randomBytes(12).toString('hex')}`;
    const given = await askServer(`${url}/api/mail/inbound`, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/octet-stream',
        ...signInbound(secret, { id, seconds: Math.floor(Date.now() / 1_000), body: raw }),
      },
      body: raw,
      signal: AbortSignal.timeout(10_000),
    }).catch(() => undefined);
    if (!given?.ok) return given ? `refused (${given.status})` : 'not reached';
    return ((await given.json()) as { outcome: string }).outcome;
  }

  return {
    ...web,
    variables: {
      MAIL_SMTP_URL: `smtp://127.0.0.1:${smtp.port}`,
      MAIL_FROM: from,
      MAIL_FROM_NAME: 'Aether',
      MAIL_REPLY_TO: replyTo,
      MAIL_INBOUND_SECRET: `whsec_${secret.toString('base64')}`,
      MAIL_WAIT_SECONDS: '30',
    },
    async close() {
      await Promise.all([web.close(), smtp.close()]);
    },
  };
}

type Attachment = { filename: string; content: Buffer };

const read = (form: FormData, name: string): string => String(form.get(name) ?? '').trim();

/** @returns undefined for more than a mail may have, or for what is no form */
async function readForm(request: Request): Promise<FormData | undefined> {
  const bytes = await request.arrayBuffer();
  if (bytes.byteLength > bytesMax) return undefined;
  const headers = { 'Content-Type': request.headers.get('content-type') ?? '' };
  return new Response(bytes, { headers }).formData().catch(() => undefined);
}

async function readAttachments(form: FormData): Promise<Attachment[]> {
  const files = form.getAll('files').filter((each) => typeof each !== 'string' && each.size > 0) as File[];
  return Promise.all(
    files.map(async (file) => ({ filename: file.name, content: Buffer.from(await file.arrayBuffer()) })),
  );
}

function composeAnswer(
  mail: Caught,
  sender: string,
  { words, attachments }: { words: string; attachments: Attachment[] },
): Promise<Buffer> {
  const quoted = mail.text
    .split('\n')
    .map((line) => `> ${line}`)
    .join('\n');
  return compose({
    from: sender,
    to: mail.replyTo,
    subject: /^re:/i.test(mail.subject) ? mail.subject : `Re: ${mail.subject}`,
    inReplyTo: mail.messageId,
    references: mail.messageId,
    text: `${words}\n\nOn ${mail.at.toISOString()}, ${mail.from} wrote:\n${quoted}`,
    attachments,
  });
}

async function compose(mail: Record<string, unknown>): Promise<Buffer> {
  const { createTransport } = await import('nodemailer');
  const { message } = await createTransport({ streamTransport: true, buffer: true, newline: 'windows' }).sendMail({
    ...mail,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return message as Buffer;
}

/** The SMTP side. The module that speaks it is loaded with the first connection. */
async function openSmtp(keep: (raw: Buffer, to: string[]) => Promise<void>) {
  const sockets = new Set<Socket>();
  let speaking: Promise<import('smtp-server').SMTPServer> | undefined;
  const speak = async () => {
    const { SMTPServer } = await import('smtp-server');
    const speaker = new SMTPServer({
      authOptional: true,
      disabledCommands: ['AUTH', 'STARTTLS'],
      disableReverseLookup: true,
      size: bytesMax,
      onData(stream, session, done) {
        const parts: Buffer[] = [];
        stream.on('data', (part: Buffer) => {
          if (!stream.sizeExceeded) parts.push(part);
        });
        stream.on('end', () => {
          const to = session.envelope.rcptTo.map(({ address }) => address);
          if (stream.sizeExceeded) return done(Object.assign(new Error('Too large'), { responseCode: 552 }));
          keep(Buffer.concat(parts), to).then(() => done(), done);
        });
      },
    });
    speaker.on('error', () => {}); // a client that went away
    return speaker;
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    speaking ??= speak();
    speaking.then(
      (speaker) => speaker.server.emit('connection', socket),
      () => socket.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve());
  });
  return {
    port: (server.address() as { port: number }).port,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

const plain = (words: string, status: number) =>
  new Response(`${words}\n`, { status, headers: { 'Content-Type': 'text/plain; charset=utf-8' } });

const html = (page: string, status = 200) =>
  new Response(page, {
    status,
    headers: {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy':
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
    },
  });
