import { createHmac, timingSafeEqual } from 'node:crypto';

/** The signature of Standard Webhooks: HMAC-SHA256 over id, time and body. Pure. */
export function signInbound(key: Buffer, { id, seconds, body }: { id: string; seconds: number; body: Uint8Array }) {
  const mac = createHmac('sha256', key).update(`${id}.${seconds}.`).update(body).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': `v1,${mac}` };
}

const toleranceSeconds = 300;

export type InboundHeaders = { id?: string; timestamp?: string; signature?: string };

/** What can be refused before the body is read. @returns why it is refused. Pure. */
export function checkInboundHeaders(
  { id, timestamp, signature }: InboundHeaders,
  now = Date.now(),
): string | undefined {
  if (!id || !timestamp || !signature)
    return 'Send the headers webhook-id, webhook-timestamp and webhook-signature, as Standard Webhooks have them.';
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(now / 1_000 - Number(timestamp)) > toleranceSeconds)
    return 'webhook-timestamp must be the present time in seconds, within five minutes.';
  return undefined;
}

/** @returns why it is refused; undefined if the signature is right and not older than five minutes. Pure. */
export function checkInbound(
  key: Buffer,
  { body, ...headers }: InboundHeaders & { body: Uint8Array },
  now = Date.now(),
): string | undefined {
  const why = checkInboundHeaders(headers, now);
  if (why) return why;
  const { id = '', timestamp, signature = '' } = headers;
  const seconds = Number(timestamp);
  const wanted = Buffer.from(signInbound(key, { id, seconds, body })['webhook-signature']);
  const isRight = signature.split(' ').some((each) => {
    const given = Buffer.from(each);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  });
  return isRight ? undefined : 'webhook-signature does not fit. Sign `id.timestamp.body` with MAIL_INBOUND_SECRET.';
}
