import { createTransport } from 'nodemailer';
import { type Alert, toWords } from './alert.ts';
import type { MailSettings } from './settings.ts';
import { DeliveryFailed, type Target } from './target.ts';

const answerMs = 10_000;
const wholeMs = 25_000;

/** Sends alerts by SMTP. Every mail about one alert has the same Message-ID. */
export function openMail(settings: MailSettings, consoleUrl: string | undefined): Target {
  const { host, port, isTls, requiresTls, user, password, from, to } = settings;
  const transport = createTransport({
    host,
    port,
    secure: isTls,
    requireTLS: requiresTls,
    ...(user !== undefined && { auth: { user, pass: password } }),
    // By default it waits for minutes.
    connectionTimeout: answerMs,
    greetingTimeout: answerMs,
    socketTimeout: answerMs,
    dnsTimeout: answerMs,
    // Nothing of a message is a path or an address to read.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    name: 'email',
    async deliver(alert: Alert, signal: AbortSignal) {
      const { subject, text } = toWords(alert, consoleUrl);
      const sending = transport.sendMail({
        from,
        to,
        subject,
        text,
        messageId: `<${alert.messageId}@${from.split('@')[1]}>`,
        headers: { 'Auto-Submitted': 'auto-generated' },
      });
      sending.catch(() => {}); // it may fail after it was given up
      const given = Promise.withResolvers<never>();
      const giveUp = () => given.reject(new DeliveryFailed(`not sent within ${wholeMs / 1_000} s`));
      const timer = setTimeout(giveUp, wholeMs);
      signal.addEventListener('abort', giveUp, { once: true });
      try {
        const { rejected } = await Promise.race([sending, given.promise]);
        if (rejected.length > 0) throw new DeliveryFailed(`${rejected.length} of ${to.length} addresses were refused`);
      } catch (error) {
        throw error instanceof DeliveryFailed ? error : new DeliveryFailed(codeOf(error), { cause: error });
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', giveUp);
      }
    },
    close: () => transport.close(),
  };
}

function codeOf(error: unknown): string {
  const { code, responseCode } = error as { code?: string; responseCode?: number };
  return [code ?? 'failed', responseCode].filter(Boolean).join(' ');
}
