import type { AppEvent, Place } from '@aether/platform';
import { z } from '../input/zod.ts';

/** An event as the API gives it, in the stream and in pages alike. */
export const EventSchema = z
  .object({
    position: z.int().openapi({ description: 'Dense: of two events the later one has the higher position.' }),
    id: z
      .string()
      .openapi({ description: 'Stays the same wherever the event is copied to: a repetition has the same.' }),
    type: z.string().openapi({ example: 'customer.updated' }),
    key: z.string().openapi({ description: 'What it is about; events of one key are handled in order.' }),
    customer: z.string().nullable().openapi({ description: 'The customer that was known when it was written.' }),
    row_id: z.string(),
    version: z.int().nullable().openapi({ description: 'Of the row, after the change.' }),
    app: z.string().openapi({ description: 'Who made the change.' }),
    actor: z.string().nullable(),
    occurred_at: z.string().openapi({ format: 'date-time' }),
    data: z.record(z.string(), z.unknown()).openapi({ description: 'What has changed, and what names the row.' }),
    previous: z.record(z.string(), z.unknown()).openapi({ description: 'The old values of what has changed.' }),
    is_replay: z.boolean(),
  })
  .openapi('Event');

/** `position.id`. The position alone is not enough, because after a crash the database may give it to another event. */
export const formatPlace = ({ position, id }: Place): string => `${position}.${id}`;

/** @returns undefined if the text is no place */
export function parsePlace(text: string): Place | undefined {
  const [, position, id] = /^(\d{1,15})\.(\d{1,15})$/.exec(text) ?? [];
  return position === undefined || id === undefined ? undefined : { position: Number(position), id: Number(id) };
}

/** The readers of a process get the same events: each is put into words once. */
const described = new WeakMap<AppEvent, string>();

/** The JSON of an event. */
export function describeEvent(event: AppEvent): string {
  const known = described.get(event) ?? JSON.stringify(toWords(event));
  described.set(event, known);
  return known;
}

export const toWords = (event: AppEvent): z.infer<typeof EventSchema> => ({
  position: event.position,
  id: String(event.id),
  type: event.type,
  key: event.key,
  customer: event.customer,
  row_id: event.rowId,
  version: event.version,
  app: event.app,
  actor: event.actor,
  occurred_at: event.occurredAt.toISOString(),
  data: event.data,
  previous: event.previous,
  is_replay: event.isReplay,
});
