import { MentionsSchema, time, z } from '@aether/http';
import { repetitions } from './repeating.ts';

/* What only a task has, as HTTP carries it. */

const moment = () => z.string().openapi({ format: 'date-time' });
export const named = z.object({ id: z.string(), name: z.string() });
const repeats = z
  .enum(repetitions)
  .openapi({ description: 'It comes again when it is ticked; it has a due date then.' });
const userId = z.string().min(1).max(255);
const timeZone = z
  .string()
  .max(64)
  .openapi({ example: 'Europe/Berlin', description: 'The one in which the days of a repetition are counted.' });

/** Of an answer. */
export const taskFields = {
  assigned_to: named.nullable().openapi({ description: 'Of a task: who is to do it; null is who wrote it.' }),
  remind_at: moment().nullable().openapi({ description: 'Of a task: when its person is reminded.' }),
  repeats: repeats.nullable(),
  time_zone: timeZone.nullable(),
};

/** Of a new activity. */
export const taskInput = {
  due_at: time().optional(),
  assigned_to: userId.optional().openapi({ description: 'Id of a user.' }),
  remind_at: time().optional(),
  repeats: repeats.optional(),
  time_zone: timeZone.optional(),
};

/** Of a change. */
export const taskChangeFields = {
  due_at: time().nullable().optional(),
  assigned_to: userId.nullable().optional().openapi({ description: 'Id of a user; null gives it back to its author.' }),
  remind_at: time().nullable().optional(),
  repeats: repeats.nullable().optional(),
  time_zone: timeZone.nullable().optional(),
  is_done: z.boolean().optional(),
};

export const TaskSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    type: z.string(),
    description: z.string(),
    mentions: MentionsSchema,
    occurred_at: moment(),
    due_at: moment().nullable(),
    done_at: moment().nullable(),
    ...taskFields,
    customer: named,
    created_by: named.nullable(),
  })
  .openapi('Task');
