import { SentFileSchema } from '@aether/files';
import { MentionsSchema, z } from '@aether/http';
import { TagSchema } from '../tags/tags.schema.ts';

const named = z.object({ id: z.string().openapi({ format: 'uuid' }), name: z.string() });
const moment = z.string().openapi({ format: 'date-time' });

export const SessionSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    customer_id: z.string().nullable(),
    customer: z
      .object({ id: z.string(), name: z.string(), email: z.string(), account_tier: z.string().nullable() })
      .nullable(),
    widget: named,
    agent: named.nullable(),
    identity: z
      .enum(['claimed', 'verified'])
      .openapi({ description: 'claimed: a typed address, which proves nothing.' }),
    visitor_email: z.string().nullable(),
    visitor_name: z.string().nullable(),
    status: z.enum(['active', 'ended']),
    resolved: z.boolean().nullable(),
    handler: z.enum(['bot', 'agent']),
    is_offline: z.boolean().openapi({ description: 'Written when no agent was there.' }),
    snoozed_until: moment.nullable(),
    waiting_since: moment.nullable(),
    message_count: z.int(),
    visitor_read_number: z.int(),
    agent_read_number: z.int(),
    is_new_to_agent: z
      .boolean()
      .openapi({ description: 'A colleague assigned it to its agent, who has not opened it since.' }),
    page: z.object({ url: z.string(), title: z.string().optional() }).nullable(),
    language: z.string().nullable().openapi({ description: 'That the visitor reads: of the page, or the browser.' }),
    time_zone: z.string().nullable(),
    widget_language: z
      .string()
      .nullable()
      .openapi({ description: 'In which the widget is shown, and its chatbot answers.' }),
    started_at: moment,
    last_message_at: moment.nullable(),
    ended_at: moment.nullable(),
    last_message: z
      .object({ author: z.enum(['visitor', 'agent', 'bot']), body: z.string(), created_at: z.string() })
      .nullable(),
    priority: z.enum(['low', 'normal', 'high', 'urgent']),
    first_answered_at: moment.nullable(),
    first_due_at: moment
      .nullable()
      .openapi({ description: 'When an agent is to have answered, by the targets of the team.' }),
    resolve_due_at: moment.nullable().openapi({ description: 'When it is to have ended, by the targets of the team.' }),
    due_at: moment.nullable().openapi({ description: 'The next of both that is still to be met.' }),
    tags: z.array(TagSchema),
    rating: z
      .object({ score: z.int(), comment: z.string().nullable(), created_at: moment })
      .nullable()
      .openapi({ description: 'What the visitor said of it when it was over: 1 is the worst, 5 the best.' }),
  })
  .openapi('Session');

const movedNamed = z.object({ id: z.string(), name: z.string().nullable() });

export const EntrySchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    kind: z.enum([
      'note',
      'claimed',
      'assigned',
      'released',
      'snoozed',
      'woken',
      'handed_over',
      'identified',
      'verified',
      'moved',
      'moved_back',
      'ended',
      'tagged',
      'untagged',
      'prioritised',
      'mailed',
      'mail_failed',
      'mail_doubtful',
      'mail_automatic',
      'reopened',
      'expired',
      'returned',
      'assigned_by_rule',
      'taken_back',
    ]),
    agent: named.nullable(),
    to_agent: named.nullable(),
    body: z.string().nullable(),
    mentions: MentionsSchema,
    files: z.array(SentFileSchema).nullable().openapi({ description: 'Of a note.' }),
    created_at: moment,
    move: z
      .object({ id: z.string(), from: movedNamed, to: movedNamed, is_latest: z.boolean() })
      .nullish()
      .openapi({ description: 'Of a move to another customer; the latest can be taken back.' }),
  })
  .openapi('SessionEntry');
