import { MoveSchema, z } from '@aether/http';
import { outcomes } from './calls.ts';

const named = z.object({ id: z.string(), name: z.string() });
const moment = z.string().openapi({ format: 'date-time' });

export const CallSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    customer: named,
    agent: named.nullable(),
    direction: z.enum(['inbound', 'outbound']),
    number_e164: z.string(),
    outcome: z.enum(outcomes).nullable(),
    notes: z.string().nullable(),
    started_at: moment,
    duration_seconds: z.int().nullable(),
    created_at: moment,
    move: MoveSchema.optional().openapi({ description: 'How it came to this customer, if it was moved.' }),
  })
  .openapi('Call');
