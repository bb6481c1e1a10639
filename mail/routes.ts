import {
  type App,
  type AppEnv,
  byteBody,
  bytesOf,
  createRoute,
  createStaffRoute,
  jsonBody,
  object,
  problems,
  readByteBody,
  text,
  uuid,
  z,
} from '@aether/http';
import { InvalidField, NotFound, type PlatformDb } from '@aether/platform';
import type { Context, MiddlewareHandler } from 'hono';
import { readAside, UnreadableMail } from './aside.ts';
import { refuseNoRoom, refuseSignature } from './codes.ts';
import { type MailRoom, outcomes } from './mail.ts';
import { allowAddress, type Mail } from './queue.ts';
import { MailSchema, ReceivedMailSchema } from './schemas.ts';
import { checkInbound, checkInboundHeaders, type InboundHeaders } from './signing.ts';

type Places = {
  rights: {
    read: Parameters<typeof createStaffRoute>[0]['right'];
    write: Parameters<typeof createStaffRoute>[0]['right'];
  };
  /** Refuses who may not see this record. */
  requireReader: (c: Context<AppEnv>, recordId: string) => Promise<unknown>;
};

type Row = {
  id: string;
  kind: 'reply' | 'other' | 'new' | 'automatic' | 'bounce' | 'held';
  from_address: string | null;
  subject: string | null;
  received_at: Date;
  raw: Buffer;
  of_record: string | null;
};

export const describeMail = ({
  id,
  to_address: to,
  state,
  first_number,
  last_number,
  code,
  not_before,
  settled_at,
}: Mail) => ({ id, to, state, first_number, last_number, code, not_before, settled_at });

/** The routes of e-mail that both apps have. */
export function addMailRoutes(app: App, db: PlatformDb, mail: MailRoom, { rights, requireReader }: Places): void {
  const key = object({ id: uuid() });
  const json = (description: string, schema: z.ZodType) => ({
    description,
    content: { 'application/json': { schema } },
  });
  const requireKey = () => {
    if (mail.settings.inboundKey) return mail.settings.inboundKey;
    throw refuseSignature('This server takes no mail by webhook: MAIL_INBOUND_SECRET is not set.');
  };
  const headersOf = (c: Context) =>
    ({
      id: c.req.header('webhook-id'),
      timestamp: c.req.header('webhook-timestamp'),
      signature: c.req.header('webhook-signature'),
    }) as InboundHeaders;
  /** Anybody may call. Nobody's megabytes are taken into memory before that is refused which can be. */
  const refuseEarly: MiddlewareHandler = async (c, next) => {
    requireKey();
    const why = checkInboundHeaders(headersOf(c));
    if (why) throw refuseSignature(why);
    await next();
  };
  app.openAPIRegistry.registerComponent('securitySchemes', 'mail_signature', {
    type: 'apiKey',
    in: 'header',
    name: 'webhook-signature',
    description: 'Of a Standard Webhook, made with MAIL_INBOUND_SECRET.',
  });
  const inbound = createRoute({
    method: 'post',
    path: '/api/mail/inbound',
    operationId: 'receiveMail',
    summary: 'Hand over a mail that came in, as it is (RFC 5322)',
    description:
      'For a mail service that calls a webhook instead of keeping a mailbox. Signed as Standard Webhooks, with MAIL_INBOUND_SECRET. The same mail again changes nothing. `aether-recipient` may name the address that the mail was sent to.',
    security: [{ mail_signature: [] }],
    middleware: [refuseEarly, readByteBody(mail.settings.bytesMax)] as never,
    request: { body: byteBody },
    responses: {
      200: json(
        'What came of it. unknown: it answers no mail of ours, and is not kept. opened: it has opened a conversation.',
        z.object({ outcome: z.enum(outcomes).exclude(['refused']) }),
      ),
      ...problems(401, 422, 503),
    },
  });
  const read = createStaffRoute({
    method: 'get',
    path: '/api/received-mails/{id}',
    operationId: 'getReceivedMail',
    right: rights.read,
    summary: 'A mail that came in, with all of its text',
    request: { params: key },
    responses: { 200: json('The mail.', ReceivedMailSchema), ...problems(404, 422) },
  });
  const whole = createStaffRoute({
    method: 'get',
    path: '/api/received-mails/{id}/raw',
    operationId: 'getReceivedMailRaw',
    right: rights.read,
    summary: 'A mail that came in, as it came, with its attachments: a download',
    request: { params: key },
    responses: {
      200: {
        description: 'The mail (RFC 5322).',
        content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
      },
      ...problems(404, 422),
    },
  });
  const change = (name: 'again' | 'cancel', summary: string, description: string) =>
    createStaffRoute({
      method: 'post',
      path: `/api/mails/{id}/${name}`,
      operationId: `${name === 'again' ? 'sendMailAgain' : 'takeMailBack'}`,
      right: rights.write,
      summary,
      description,
      request: { params: key, body: jsonBody(object({})) },
      responses: { 200: json('The mail as it is now.', MailSchema), ...problems(400, 404, 409, 422) },
    });
  const again = change(
    'again',
    'Send a mail again that failed or may not have gone',
    'It may arrive twice, if its state was doubtful.',
  );
  const cancel = change('cancel', 'Take a mail back that has not gone', 'Refused once the mail server may have it.');
  const allow = createStaffRoute({
    method: 'post',
    path: '/api/mail/addresses/allow',
    operationId: 'allowMailAddress',
    right: rights.write,
    summary: 'Allow an address again at which mail did not arrive',
    request: { body: jsonBody(object({ email: text({ charactersMax: 254 }) })) },
    responses: { 204: { description: 'It may be written to.' }, ...problems(400, 422) },
  });
  const add = (route: Parameters<App['openapi']>[0], handle: (c: Context<AppEnv>) => Promise<Response>) =>
    app.openapi(route, handle as never);
  const idOf = (c: Context<AppEnv>) => (c.req.valid('param' as never) as { id: string }).id;

  async function find(c: Context<AppEnv>): Promise<Row> {
    const [row] = await db.query<Row>(
      `select r.id, r.kind, r.from_address, r.subject, r.received_at, r.raw, coalesce(m.record_id, r.parent_id) as of_record
       from platform.received_mails r left join platform.mails m on m.id = r.mail_id where r.id = $1 and r.app = $2`,
      [idOf(c), db.app],
    );
    // One that was held before it could open anything belongs to no record that somebody may read.
    if (!row?.of_record) throw new NotFound('mail');
    await requireReader(c, row.of_record);
    return row;
  }

  async function findSent(c: Context<AppEnv>): Promise<Mail> {
    const found = await mail.requireMail(idOf(c));
    await requireReader(c, found.record_id);
    return found;
  }

  add(inbound, async (c) => {
    const body = bytesOf(c);
    const why = checkInbound(requireKey(), { ...headersOf(c), body });
    if (why) throw refuseSignature(why);
    const outcome = await mail.receive(body, { recipient: c.req.header('aether-recipient') }).catch((error) => {
      if (!(error instanceof UnreadableMail)) throw error;
      throw new InvalidField([{ field: 'body', message: `must be a mail that can be read: ${error.message}` }]);
    });
    if (outcome === 'refused') throw refuseNoRoom();
    return c.json({ outcome }, 200);
  });
  add(read, async (c) => {
    const { raw, from_address: from, id, kind, subject, received_at } = await find(c);
    const { text, attachments } = await readAside(raw);
    return c.json({ id, kind, from, subject, received_at, text, attachments }, 200);
  });
  add(whole, async (c) => {
    const { id, raw } = await find(c);
    return c.body(new Uint8Array(raw), 200, {
      'Content-Type': 'application/octet-stream',
      'Content-Disposition': `attachment; filename="mail-${id}.eml"`,
      'Cache-Control': 'private, no-cache',
      'X-Content-Type-Options': 'nosniff',
      'Content-Security-Policy': "default-src 'none'; sandbox; frame-ancestors 'none'",
    });
  });
  add(again, async (c) => {
    const found = await findSent(c);
    await mail.sendAgain(found);
    return c.json(describeMail(await mail.requireMail(found.id)), 200);
  });
  add(cancel, async (c) => {
    const found = await findSent(c);
    await mail.takeBack(found);
    return c.json(describeMail(await mail.requireMail(found.id)), 200);
  });
  add(allow, async (c) => {
    const { email } = c.req.valid('json' as never) as { email: string };
    const actor = c.get('actor');
    await db.transaction({ actor: actor?.id }, (tx) => allowAddress(tx, email, actor?.id ?? null));
    return c.body(null, 204);
  });
}
