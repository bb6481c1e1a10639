import { clientId, object, text, z } from '@aether/http';
import { findPlaceholders } from './placeholders.ts';

export const ChoicesSchema = z
  .array(z.object({ id: z.string(), label: z.string() }))
  .nullable()
  .openapi({ description: 'On a bot’s message: the choices for the visitor.' });

export const MessageSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    number: z.int().openapi({ description: 'Dense within the session, from 1.' }),
    author: z.enum(['visitor', 'agent', 'bot']),
    agent_name: z.string().nullable(),
    client_id: z.string(),
    body: z.string(),
    choices: ChoicesSchema,
    created_at: z.string().openapi({ format: 'date-time' }),
  })
  .openapi('Message');

const newMessage = {
  client_id: clientId().openapi({
    description: 'Made up by the sender, new for each message. A retry with the same one is the same message.',
  }),
  body: text({ charactersMax: 4_000 }),
};
export const NewMessageSchema = object(newMessage).openapi('NewMessage');
/** An agent's answer. A placeholder that nobody filled in is refused, because the visitor would read it. */
export const NewReplySchema = object({
  ...newMessage,
  body: newMessage.body.refine((body) => findPlaceholders(body).length === 0, {
    error: 'must have no placeholders such as {{customer.name}}: write something in their place',
  }),
}).openapi('NewReply');
export const NewVisitorMessageSchema = object({
  ...newMessage,
  question_id: z
    .string()
    .regex(/^[a-z0-9-]{1,40}$/, { error: 'must be the id of one of the bot’s choices' })
    .optional()
    .openapi({ description: 'The bot’s choice that the visitor picked; `body` is its label.' }),
}).openapi('NewVisitorMessage');

export const after = z
  .string()
  .regex(/^\d{1,9}$/, { error: 'must be the number of a message, or 0' })
  .transform(Number)
  .default(0)
  .openapi({
    type: 'integer',
    minimum: 0,
    default: 0,
    description: 'The number of the last message that the caller has.',
  });
