import { type App, createRoute, jsonBody, line, object, problems, z } from '@aether/http';
import { canonicaliseEmail, type PlatformDb } from '@aether/platform';
import { handOverToAgent } from '../chatbots/chatbots.ts';
import type { Live } from '../conversations/live.ts';
import { lockSession, SessionEnded } from '../conversations/sessions.ts';
import { isTimeZone } from '../widgets/officehours.ts';
import { readPublicConfig } from '../widgets/publicconfig.ts';
import { WidgetSettingsSchema } from '../widgets/widgetsettings.ts';
import { answerOnGrid } from './answergrid.ts';
import type { Limited } from './limits.ts';
import { byVisitor, sessionKey, type VisitorDoor } from './visitordoor.ts';
import { findWidget, identifyVisitor, openSession, requireVisitorSession, verifySession } from './visitors.ts';

/** The routes of a visitor's widget besides messages: open to everybody, so they reveal nothing that the visitor did not send. */

const widgetKey = object({ key: z.string().regex(/^[a-z0-9_-]{8,64}$/, { error: 'must be the key of a widget' }) });
const email = () => line({ charactersMax: 1_000 });
const name = () => line({ charactersMax: 200 });
const identityToken = () =>
  z
    .string()
    .max(4_096)
    .regex(/^[\w-]+\.[\w-]+\.[\w-]+$/, { error: 'must be a JWT' });
const webAddress = line({ charactersMax: 2_000 }).refine((url) => /^https?:\/\//.test(url) && URL.canParse(url), {
  error: 'must be the address of a web page',
});
/** The page's title, not the visitor's text: marks of direction, which such titles have, must not prevent a chat. */
const pageTitle = z
  .string()
  .overwrite((title) => title.replace(/[\u202a-\u202e\u2066-\u2069]/g, ''))
  .pipe(line({ charactersMax: 300 }))
  .openapi({ minLength: 1, maxLength: 300 });
const language = line({ charactersMax: 35 }).regex(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/, {
  error: 'must be a language such as en or pt-BR',
});
const timeZone = line({ charactersMax: 64 }).refine(isTimeZone, { error: 'must be a time zone such as Europe/Oslo' });

const config = createRoute({
  method: 'get',
  path: '/api/widgets/{key}/config',
  summary: 'A widget’s look and words, and whether an agent is there',
  request: {
    params: widgetKey,
    query: object({
      // Whatever they hold, the chat is there: what is no language is nothing.
      language: z
        .string()
        .max(1_000)
        .optional()
        .openapi({ description: 'What the host page says, such as de or pt-BR.' }),
      browser: z
        .string()
        .max(1_000)
        .optional()
        .openapi({ description: 'The languages of the visitor’s browser, the preferred one first, with commas.' }),
    }),
  },
  responses: {
    200: {
      description: 'Valid for half a minute. In one of the widget’s languages.',
      content: {
        'application/json': {
          schema: z
            .object({
              name: z.string(),
              ...WidgetSettingsSchema.omit({ choice: true, translations: true }).shape,
              is_online: z.boolean(),
              bot: z
                .object({
                  name: z.string(),
                  greeting: z.string().nullable(),
                  questions: z.array(z.object({ id: z.string(), label: z.string() })),
                })
                .nullable(),
              opens_at: z.string().nullable(),
            })
            .openapi('WidgetConfig'),
        },
      },
    },
    ...problems(403, 404, 422, 429),
  },
});

const open = createRoute({
  method: 'post',
  path: '/api/widgets/{key}/sessions',
  summary: 'Start a chat as a visitor',
  description:
    'Finds or creates the customer of this address and opens a session. The answer is the same for a known and an unknown address.',
  request: {
    params: widgetKey,
    body: jsonBody(
      object({
        email: email().optional(),
        name: name().optional(),
        identity_token: identityToken().optional(),
        page: object({ url: webAddress, title: pageTitle.optional() }).optional(),
        language: language.optional(),
        widget_language: language.optional().openapi({ description: 'In which the widget is shown.' }),
        time_zone: timeZone.optional(),
        is_offline: z.boolean().optional(),
      }).openapi('NewSession'),
    ),
  },
  responses: {
    201: {
      description: 'Opened. `visitor_token` is shown only here: it is the Bearer token of this session.',
      content: {
        'application/json': {
          schema: z.object({
            session_id: z.string().openapi({ format: 'uuid' }),
            visitor_token: z.string(),
            status: z.literal('active'),
            identity: z.enum(['claimed', 'verified']),
            started_at: z.string().openapi({ format: 'date-time' }),
          }),
        },
      },
    },
    ...problems(400, 401, 403, 404, 422, 429),
  },
});

const verify = createRoute({
  method: 'post',
  path: '/api/sessions/{id}/identity',
  operationId: 'identifySession',
  summary: 'Verify the visitor by the host page’s signed identity',
  description: 'The previous token becomes invalid.',
  security: byVisitor,
  request: {
    params: sessionKey,
    body: jsonBody(object({ identity_token: identityToken() }).openapi('SessionIdentity')),
  },
  responses: {
    200: {
      description: 'Verified, with a new token.',
      content: {
        'application/json': { schema: z.object({ visitor_token: z.string(), identity: z.literal('verified') }) },
      },
    },
    ...problems(400, 401, 403, 404, 422, 429),
  },
});

const identify = createRoute({
  method: 'post',
  path: '/api/sessions/{id}/contact',
  operationId: 'leaveSessionContact',
  summary: 'Give the name and address of an anonymous visitor',
  security: byVisitor,
  request: {
    params: sessionKey,
    body: jsonBody(object({ email: email(), name: name() }).openapi('SessionContact')),
  },
  responses: { 204: { description: 'Stored; it proves nothing.' }, ...problems(400, 401, 403, 404, 422, 429) },
});

const handOver = createRoute({
  method: 'post',
  path: '/api/sessions/{id}/hand-over',
  operationId: 'handSessionOver',
  summary: 'Hand over from the bot to a person',
  security: byVisitor,
  request: { params: sessionKey, body: jsonBody(object({}).openapi('HandOver')) },
  responses: {
    200: {
      description: 'People answer from now on.',
      content: {
        'application/json': { schema: z.object({ handler: z.literal('agent'), is_online: z.boolean() }) },
      },
    },
    ...problems(400, 401, 403, 404, 409, 422, 429),
  },
});

const configSeconds = 30;

export function addVisitorRoutes(app: App, db: PlatformDb, { door, live }: { door: VisitorDoor; live: Live }): void {
  app.openapi(config, async (c) => {
    await door.count(c, 'call-address');
    const widget = await findWidget(db, c.req.valid('param').key);
    door.allow(c, widget);
    c.header('Cache-Control', `public, max-age=${configSeconds}`);
    const { language: page, browser } = c.req.valid('query');
    return c.json(await readPublicConfig(db, widget, { page, browser: browser?.split(',') }), 200);
  });

  app.openapi(open, async (c) => {
    const opening = c.req.valid('json');
    await door.count(c, 'opening-address');
    const widget = await findWidget(db, c.req.valid('param').key);
    door.allow(c, widget);
    await door.limits.pass([['opening-widget', widget.id], ...limitedByEmail(opening.email)]);
    return c.json(await answerOnGrid(() => door.guard(c, () => openSession(db, widget, opening))), 201);
  });

  app.openapi(verify, async (c) => {
    const { session } = await door.enter(c, c.req.valid('param').id);
    const verified = await door.guard(c, () => verifySession(db, session, c.req.valid('json').identity_token));
    live.announce(session.id, { kind: 'look' }); // streams of the old token end
    return c.json(verified, 200);
  });

  app.openapi(identify, async (c) => {
    const { session } = await door.enter(c, c.req.valid('param').id);
    const claim = c.req.valid('json');
    await door.limits.pass(limitedByEmail(claim.email));
    await answerOnGrid(() => identifyVisitor(db, session, claim));
    return c.body(null, 204);
  });

  app.openapi(handOver, async (c) => {
    const { session, token } = await door.enter(c, c.req.valid('param').id);
    await db.transaction({}, async (tx) => {
      const held = await lockSession(tx, session.id);
      if (held.status === 'ended') throw new SessionEnded();
      await requireVisitorSession(tx, session.id, token);
      await handOverToAgent(tx, held);
    });
    live.announce(session.id, { kind: 'look' });
    const { is_online } = await readPublicConfig(db, session.widget);
    return c.json({ handler: 'agent' as const, is_online }, 200);
  });
}

/** A typed address counts however it comes, so that nobody gives somebody else's address to many conversations. */
function limitedByEmail(email: string | undefined): Limited[] {
  const canonical = email === undefined ? undefined : canonicaliseEmail(email);
  return canonical?.ok ? [['opening-email', canonical.key]] : [];
}
