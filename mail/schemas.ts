import { z } from '@aether/http';

const moment = () => z.string().openapi({ format: 'date-time' });

export const MailSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    to: z.string(),
    state: z.enum(['waiting', 'sending', 'sent', 'cancelled', 'failed', 'bounced', 'doubtful']).openapi({
      description:
        'doubtful: the process ended before the mail server answered, so the mail may have gone; only a person sends it again.',
    }),
    first_number: z.int().nullable(),
    last_number: z.int().nullable(),
    code: z.string().nullable().openapi({ description: 'Why, as the mail server says it: 550 5.1.1.' }),
    not_before: moment(),
    settled_at: moment().nullable(),
  })
  .openapi('Mail');

export const ReceivedMailSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    kind: z.enum(['reply', 'other', 'new', 'automatic', 'bounce', 'held']),
    from: z.string().nullable(),
    subject: z.string().nullable(),
    received_at: moment(),
    text: z.string().openapi({ description: 'All of its text, with what it quotes.' }),
    attachments: z.array(z.object({ name: z.string(), type: z.string(), bytes: z.int() })),
  })
  .openapi('ReceivedMail');

export const FailingSchema = z.object({ code: z.string(), failed_at: moment() }).openapi('FailingAddress');
