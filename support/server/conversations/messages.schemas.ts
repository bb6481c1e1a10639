import { fileIds, SentFileSchema } from '@aether/files';
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
    body: z.string().openapi({ description: 'Empty if the message is nothing but files.' }),
    choices: ChoicesSchema,
    files: z.array(SentFileSchema).nullable(),
    mail: z
      .object({
        id: z.string(),
        is_other: z.boolean(),
        is_cut: z.boolean(),
        attachments: z.int(),
        is_unproven: z.boolean().optional(),
        is_new: z.boolean().optional(),
        subject: z.string().optional(),
        vouched: z.enum(['pass', 'fail']).optional(),
        refused: z.array(z.object({ name: z.string(), why: z.string() })).optional(),
        left_out: z.int().optional(),
      })
      .nullable()
      .openapi({
        description:
          'Of a message that came by e-mail. is_other: not from the address that the visitor had left. is_unproven: it answered no mail of ours, so nothing says that its sender wrote it. is_new: it opened the conversation. vouched: what our mail server found of its sender’s domain. refused: attachments that are not among the files, and why. left_out: how many more are in the whole mail only.',
      }),
    created_at: z.string().openapi({ format: 'date-time' }),
  })
  .openapi('Message');

const newMessage = {
  client_id: clientId().openapi({
    description: 'Made up by the sender, new for each message. A retry with the same one is the same message.',
  }),
  body: text({ charactersMax: 4_000 }),
};

/** Words, files, or both. */
const withFiles = {
  ...newMessage,
  body: text({ charactersMin: 0, charactersMax: 4_000 }).openapi({
    description: 'It may be empty if there are files.',
  }),
  files: fileIds().optional(),
};
const saysSomething = ({ body, files }: { body: string; files?: string[] | undefined }) =>
  files !== undefined || hasWords.safeParse(body).success;
const hasWords = text({ charactersMax: 4_000 });
const silence = { error: 'must not be empty', path: ['body'] };

export const NewNoteSchema = object(withFiles).refine(saysSomething, silence).openapi('NewNote');

/** An agent's answer. A placeholder that nobody filled in is refused, because the visitor would read it. */
export const NewReplySchema = object({
  ...withFiles,
  body: withFiles.body.refine((body) => findPlaceholders(body).length === 0, {
    error: 'must have no placeholders such as {{customer.name}}: write something in their place',
  }),
})
  .refine(saysSomething, silence)
  .openapi('NewReply');
export const NewVisitorMessageSchema = object({
  ...withFiles,
  question_id: z
    .string()
    .regex(/^[a-z0-9-]{1,40}$/, { error: 'must be the id of one of the bot’s choices' })
    .optional()
    .openapi({ description: 'The bot’s choice that the visitor picked; `body` is its label.' }),
  reopens: z.boolean().default(true).openapi({
    description: 'false: a conversation that has ended stays so. To ask whether it has the message already.',
  }),
})
  .refine(saysSomething, silence)
  .openapi('NewVisitorMessage');

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
