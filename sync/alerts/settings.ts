import { isLoopbackHost } from '@aether/http';
import { ConfigurationError } from '@aether/platform/log';

export type WebhookSettings = { url: string; secret: Buffer };
export type MailSettings = {
  host: string;
  port: number;
  /** TLS from the first byte; otherwise STARTTLS, which is required unless the server is this machine. */
  isTls: boolean;
  requiresTls: boolean;
  user: string | undefined;
  password: string | undefined;
  from: string;
  to: string[];
};

export type AlertSettings = {
  webhook: WebhookSettings | undefined;
  mail: MailSettings | undefined;
  /** The address of the console, for links. */
  consoleUrl: string | undefined;
};

const secretBytesMin = 24;
const secretBytesMax = 64;
const recipientsMax = 20;

type Variables = Record<string, string | undefined>;

/**
 * Reads where alerts go: ALERTS_WEBHOOK_URL with ALERTS_WEBHOOK_SECRET, and ALERTS_SMTP_URL with ALERTS_MAIL_FROM and ALERTS_MAIL_TO.
 * Without them, alerts are shown in the console only. Pure.
 *
 * @throws ConfigurationError naming the variable.
 */
export function readAlertSettings(variables: Variables): AlertSettings {
  return {
    webhook: readWebhook(variables),
    mail: readMail(variables),
    consoleUrl: readConsoleUrl(variables.CONSOLE_PUBLIC_URL),
  };
}

function readWebhook({
  ALERTS_WEBHOOK_URL: given,
  ALERTS_WEBHOOK_SECRET: secret,
}: Variables): WebhookSettings | undefined {
  if (!given) {
    if (secret) throw new ConfigurationError('ALERTS_WEBHOOK_SECRET is set, and ALERTS_WEBHOOK_URL is not.');
    return undefined;
  }
  const url = URL.canParse(given) ? new URL(given) : undefined;
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopbackHost(url.host));
  if (!url || !isSafe || url.username || url.password || url.hash)
    throw new ConfigurationError(
      'ALERTS_WEBHOOK_URL must begin with https:// (http:// on this machine only), without a user, a password and a fragment.',
    );
  const [, encoded = ''] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret ?? '') ?? [];
  const key = Buffer.from(encoded, 'base64');
  if (key.length < secretBytesMin || key.length > secretBytesMax)
    throw new ConfigurationError(
      `ALERTS_WEBHOOK_SECRET must be whsec_ and the base64 of ${secretBytesMin} to ${secretBytesMax} random bytes: echo "whsec_$(openssl rand -base64 32)".`,
    );
  return { url: url.href, secret: key };
}

function readMail(variables: Variables): MailSettings | undefined {
  const { ALERTS_SMTP_URL: given, ALERTS_MAIL_FROM: from = '', ALERTS_MAIL_TO: to = '' } = variables;
  if (!given) {
    if (from || to)
      throw new ConfigurationError('ALERTS_MAIL_FROM or ALERTS_MAIL_TO is set, and ALERTS_SMTP_URL is not.');
    return undefined;
  }
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (!url || !/^smtps?:$/.test(url.protocol) || !url.hostname || !/^\/?$/.test(url.pathname) || url.search || url.hash)
    throw new ConfigurationError(
      'ALERTS_SMTP_URL must be such as smtps://user:password@mail.example.com, or smtp://mail.example.com:587 for STARTTLS.',
    );
  const isTls = url.protocol === 'smtps:';
  const user = decodePart(url.username);
  const password = decodePart(url.password);
  if (Boolean(user) !== Boolean(password))
    throw new ConfigurationError('ALERTS_SMTP_URL must have both a user and a password, or neither.');
  const recipients = to.split(',').map((each) => each.trim());
  if (!isAddress(from))
    throw new ConfigurationError('ALERTS_MAIL_FROM must be one address, such as aether@example.com.');
  if (recipients.length > recipientsMax || !recipients.every(isAddress))
    throw new ConfigurationError(`ALERTS_MAIL_TO must be one to ${recipientsMax} addresses with commas between them.`);
  return {
    host: url.hostname,
    port: Number(url.port) || (isTls ? 465 : 587),
    isTls,
    requiresTls: !isTls && !isLoopbackHost(url.hostname),
    user: user || undefined,
    password: password || undefined,
    from,
    to: recipients,
  };
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new ConfigurationError(
      'ALERTS_SMTP_URL has a % in its user or password that stands for no character: write it as %25.',
    );
  }
}

const isAddress = (text: string) => /^[^\s@<>,;:"\\()]{1,64}@[^\s@<>,;:"\\()]{1,255}$/.test(text);

/** startServer refuses an address that is no origin; the worker has no other use for it. */
function readConsoleUrl(given: string | undefined): string | undefined {
  return given && URL.canParse(given) ? new URL(given).origin : undefined;
}
