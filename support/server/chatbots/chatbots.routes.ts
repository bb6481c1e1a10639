import {
  type App,
  createStaffRoute,
  jsonBody,
  limitBody,
  line,
  object,
  problems,
  text,
  time,
  uuid,
  z,
} from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { ChoicesSchema } from '../conversations/messages.schemas.ts';
import { languages } from '../widgets/widgetsettings.ts';
import { BotRulesSchema } from './chatbots.schemas.ts';
import { createChatbot, deleteChatbot, listChatbots, previewChatbot, updateChatbot } from './chatbots.ts';

const ChatbotSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    widget: z.object({ id: z.string(), name: z.string() }),
    name: z.string(),
    rules: BotRulesSchema,
    is_live: z.boolean(),
    version: z.int(),
  })
  .openapi('Chatbot');

const chatbotKey = object({ id: uuid() });
const name = () => line({ charactersMax: 80 });
const answer = (description: string) => ({ description, content: { 'application/json': { schema: ChatbotSchema } } });

/** Rules in five languages. As the database keeps them they are a little longer, and fit. */
const rulesLimit = limitBody({ bodyBytesMax: 120 * 1024, entriesMax: 3_000 });

const list = createStaffRoute({
  method: 'get',
  path: '/api/chatbots',
  right: 'person',
  summary: 'All chatbots with their rules',
  responses: {
    200: {
      description: 'Ordered by widget and name.',
      content: { 'application/json': { schema: z.object({ chatbots: z.array(ChatbotSchema) }) } },
    },
  },
});

const create = createStaffRoute({
  method: 'post',
  path: '/api/chatbots',
  middleware: rulesLimit,
  right: 'administrator',
  summary: 'Add a chatbot; it answers visitors once it is live',
  request: {
    body: jsonBody(
      object({ widget_id: uuid(), name: name(), rules: BotRulesSchema.prefault({}) }).openapi('NewChatbot'),
    ),
  },
  responses: { 201: answer('Added, and not live.'), ...problems(400, 404, 422) },
});

const change = createStaffRoute({
  method: 'patch',
  path: '/api/chatbots/{id}',
  middleware: rulesLimit,
  right: 'administrator',
  summary: 'Change a chatbot, or make it live in place of the widget’s other one',
  request: {
    params: chatbotKey,
    body: jsonBody(
      object({
        name: name().optional(),
        rules: BotRulesSchema.optional(),
        is_live: z.boolean().optional(),
        expected_version: z.int().positive(),
      }).openapi('ChatbotChange'),
    ),
  },
  responses: { 200: answer('As it is now.'), ...problems(400, 404, 409, 422) },
});

const remove = createStaffRoute({
  method: 'delete',
  path: '/api/chatbots/{id}',
  right: 'administrator',
  summary: 'Remove a chatbot; conversations that it leads are handed to people at the next message',
  request: { params: chatbotKey },
  responses: { 204: { description: 'Removed.' }, ...problems(404, 422) },
});

const saidMax = 200;
const preview = createStaffRoute({
  method: 'post',
  path: '/api/chatbots/preview',
  middleware: rulesLimit,
  right: 'person',
  readers: 'changes nothing',
  summary: 'What a chatbot with these rules would say; nothing is stored',
  request: {
    body: jsonBody(
      object({
        rules: BotRulesSchema,
        conversation: z
          .array(
            object({
              author: z.enum(['visitor', 'bot']),
              body: text({ charactersMax: 4_000 }),
              question_id: z.string().max(40).optional(),
            }),
          )
          .max(saidMax),
        at: time().optional(),
        language: z
          .enum(languages)
          .optional()
          .openapi({ description: 'Of the widget; without it, the rules as written.' }),
      }).openapi('ChatbotPreview'),
    ),
  },
  responses: {
    200: {
      description: 'The greeting for an empty conversation, otherwise the answer to its last message.',
      content: {
        'application/json': {
          schema: z.object({
            replies: z.array(z.object({ body: z.string(), choices: ChoicesSchema })),
            handler: z.enum(['bot', 'agent']),
          }),
        },
      },
    },
    ...problems(400, 422),
  },
});

export function addChatbotRoutes(app: App, db: PlatformDb) {
  return app
    .openapi(list, async (c) => c.json({ chatbots: await listChatbots(db) }, 200))
    .openapi(create, async (c) =>
      c.json(await db.transaction({ actor: c.get('actor')?.id }, (tx) => createChatbot(tx, c.req.valid('json'))), 201),
    )
    .openapi(preview, async (c) => {
      const { rules, conversation, at, language } = c.req.valid('json');
      return c.json(previewChatbot(rules, conversation, at ? new Date(at) : new Date(), language), 200);
    })
    .openapi(change, async (c) =>
      c.json(
        await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
          updateChatbot(tx, c.req.valid('param').id, c.req.valid('json')),
        ),
        200,
      ),
    )
    .openapi(remove, async (c) => {
      await db.transaction({ actor: c.get('actor')?.id }, (tx) => deleteChatbot(tx, c.req.valid('param').id));
      return c.body(null, 204);
    });
}
