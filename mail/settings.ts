import { isLoopbackHost } from '@aether/http';
import { ConfigurationError } from '@aether/platform';

export type Variables = Record<string, string | undefined>;

export type Line = {
  host: string;
  port: number;
  /** TLS from the first byte; otherwise STARTTLS, which is required unless the server is this machine. */
  isTls: boolean;
  requiresTls: boolean;
  user: string | undefined;
  password: string | undefined;
};

export type MailSettings = {
  /** Undefined: nothing is sent. */
  smtp: Line | undefined;
  from: string;
  fromName: string;
  /** The address for answers; `{token}` in it is where the token goes. Undefined: answers come to `from`. */
  replyTo: string | undefined;
  imap: (Line & { mailbox: string }) | undefined;
  /** Of the webhook for mail that comes in. Undefined: the webhook refuses all. */
  inboundKey: Buffer | undefined;
  /** So long the mail of a conversation waits for more messages. */
  waitSeconds: number;
  /** Mails to one address within an hour, and answers to one record. */
  perHourMax: number;
  /** Of one mail that comes in. */
  bytesMax: number;
  /** The key of the widget through which mails that answer none of ours open conversations. Undefined: they open none. */
  opensWidget: string | undefined;
  /** So many conversations are opened by one address within an hour, and by all together. */
  openedPerSenderMax: number;
  openedPerHourMax: number;
  /** Mails that are held go after so many days; so many bytes of them are kept. */
  heldDays: number;
  heldBytesMax: number;
  /** Of all files of one mail that goes out: what is beyond it is a link. */
  attachedBytesMax: number;
  /** By what name our own mail server says what it found of a sender's domain. Undefined: none is trusted. */
  authserv: string | undefined;
};

/**
 * MAIL_SMTP_URL with MAIL_FROM, MAIL_FROM_NAME and MAIL_REPLY_TO; MAIL_IMAP_URL or MAIL_INBOUND_SECRET for what comes back;
 * MAIL_WAIT_SECONDS (120), MAIL_PER_HOUR_MAX (20), MAIL_SIZE_MAX_MB (10), MAIL_ATTACH_MAX_MB (10). MAIL_OPENS_WIDGET with
 * MAIL_OPENED_PER_SENDER_MAX (5), MAIL_OPENED_PER_HOUR_MAX (100) and MAIL_AUTHSERV_ID; MAIL_HELD_DAYS (30), MAIL_HELD_MAX_MB (200). Pure.
 *
 * @throws ConfigurationError naming the setting
 */
export function readMailSettings(variables: Variables): MailSettings {
  const {
    MAIL_SMTP_URL: smtpUrl,
    MAIL_IMAP_URL: imapUrl,
    MAIL_FROM: from = '',
    MAIL_REPLY_TO: replyTo,
    MAIL_INBOUND_SECRET: secret,
    MAIL_OPENS_WIDGET: opensWidget,
    MAIL_AUTHSERV_ID: authserv,
  } = variables;
  if (smtpUrl && !isAddress(from))
    throw new ConfigurationError(
      'MAIL_FROM must be one address, such as support@example.com, because MAIL_SMTP_URL is set.',
    );
  if (!smtpUrl && (from || replyTo || imapUrl || secret))
    throw new ConfigurationError(
      'MAIL_FROM, MAIL_REPLY_TO, MAIL_IMAP_URL or MAIL_INBOUND_SECRET is set, and MAIL_SMTP_URL is not: answers come only to what was sent.',
    );
  if (replyTo && !isAddress(replyTo.replace('{token}', 'x')))
    throw new ConfigurationError(
      'MAIL_REPLY_TO must be one address, such as support+{token}@example.com; {token} is where what finds the record goes.',
    );
  const fromName = variables.MAIL_FROM_NAME || 'Support';
  if (/[\r\n<>"]/.test(fromName) || fromName.length > 80)
    throw new ConfigurationError('MAIL_FROM_NAME must be a name of at most 80 characters without quotes and brackets.');
  if (opensWidget && !imapUrl && !secret)
    throw new ConfigurationError(
      'MAIL_OPENS_WIDGET is set, and neither MAIL_IMAP_URL nor MAIL_INBOUND_SECRET is: no mail comes in.',
    );
  if (opensWidget && !/^[a-z0-9_-]{8,64}$/.test(opensWidget))
    throw new ConfigurationError(
      'MAIL_OPENS_WIDGET must be the key of a widget, as its page in Support and its snippet have it.',
    );
  if (authserv && !/^[A-Za-z0-9._-]{1,253}$/.test(authserv))
    throw new ConfigurationError(
      'MAIL_AUTHSERV_ID must be the name at the beginning of Authentication-Results that your mail server writes, such as mx.example.com.',
    );
  return {
    smtp: smtpUrl ? readLine('MAIL_SMTP_URL', smtpUrl, { scheme: 'smtp', port: 587, tlsPort: 465 }) : undefined,
    from,
    fromName,
    replyTo: replyTo || undefined,
    imap: imapUrl
      ? {
          ...readLine('MAIL_IMAP_URL', imapUrl, { scheme: 'imap', port: 143, tlsPort: 993 }),
          mailbox: decodePart('MAIL_IMAP_URL', new URL(imapUrl).pathname.slice(1)) || 'INBOX',
        }
      : undefined,
    inboundKey: secret ? readKey(secret) : undefined,
    waitSeconds: readNumber('MAIL_WAIT_SECONDS', variables, { fallback: 120, min: 0, max: 86_400 }),
    perHourMax: readNumber('MAIL_PER_HOUR_MAX', variables, { fallback: 20, min: 1, max: 10_000 }),
    bytesMax: readNumber('MAIL_SIZE_MAX_MB', variables, { fallback: 10, min: 1, max: 25 }) * 1_048_576,
    opensWidget: opensWidget || undefined,
    openedPerSenderMax: readNumber('MAIL_OPENED_PER_SENDER_MAX', variables, { fallback: 5, min: 1, max: 10_000 }),
    openedPerHourMax: readNumber('MAIL_OPENED_PER_HOUR_MAX', variables, { fallback: 100, min: 1, max: 100_000 }),
    heldDays: readNumber('MAIL_HELD_DAYS', variables, { fallback: 30, min: 1, max: 3_650 }),
    heldBytesMax: readNumber('MAIL_HELD_MAX_MB', variables, { fallback: 200, min: 1, max: 100_000 }) * 1_048_576,
    attachedBytesMax: readNumber('MAIL_ATTACH_MAX_MB', variables, { fallback: 10, min: 0, max: 25 }) * 1_048_576,
    authserv: authserv || undefined,
  };
}

type Ports = { scheme: 'smtp' | 'imap'; port: number; tlsPort: number };

function readLine(name: string, given: string, { scheme, port, tlsPort }: Ports): Line {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  const isTls = url?.protocol === `${scheme}s:`;
  if (!url?.hostname || (!isTls && url.protocol !== `${scheme}:`) || url.search || url.hash)
    throw new ConfigurationError(
      `${name} must be such as ${scheme}s://user:password@mail.example.com, or ${scheme}://mail.example.com:${port} for STARTTLS.`,
    );
  const user = decodePart(name, url.username);
  const password = decodePart(name, url.password);
  if (Boolean(user) !== Boolean(password))
    throw new ConfigurationError(`${name} must have both a user and a password, or neither.`);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port) || (isTls ? tlsPort : port),
    isTls,
    requiresTls: !isTls && !isLoopbackHost(url.hostname),
    user: user || undefined,
    password: password || undefined,
  };
}

function decodePart(name: string, part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new ConfigurationError(`${name} has a % that stands for no character: write it as %25.`);
  }
}

function readKey(secret: string): Buffer {
  const [, encoded = ''] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? [];
  const key = Buffer.from(encoded, 'base64');
  if (key.length < 24 || key.length > 64)
    throw new ConfigurationError(
      'MAIL_INBOUND_SECRET must be whsec_ and the base64 of 24 to 64 random bytes: echo "whsec_$(openssl rand -base64 32)".',
    );
  return key;
}

function readNumber(
  name: string,
  variables: Variables,
  { fallback, min, max }: { fallback: number; min: number; max: number },
): number {
  const value = variables[name] ? Number(variables[name]) : fallback;
  if (!Number.isInteger(value) || value < min || value > max)
    throw new ConfigurationError(`${name} must be a whole number from ${min} to ${max}.`);
  return value;
}

const isAddress = (text: string) => /^[^\s@<>,;:"\\(){}]{1,64}@[^\s@<>,;:"\\(){}]{1,255}$/.test(text);
