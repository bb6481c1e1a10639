import { line, object, text, z } from '@aether/http';
import { noPlaceholders } from '../conversations/placeholders.ts';
import { weekdays } from '../widgets/officehours.ts';
import type { BotRules } from './bot.ts';

const clock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/, { error: 'must be a time of day such as 09:30' });
const span = z
  .tuple([clock, clock])
  .refine(([from, to]) => from !== to && from !== '24:00', {
    error: 'must not end when it begins: a whole day is 00:00 to 24:00',
  })
  .openapi({
    type: 'array',
    items: { type: 'string' },
    example: ['09:00', '17:00'],
    description: 'From and to. Hours that end before they begin go on until that time of the next day.',
  });
const spansMax = 4;

const timeZone = line({ charactersMax: 64 }).refine(isTimeZone, { error: 'must be a time zone such as Europe/Oslo' });

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

const answerMax = 2_000;
/** A text that a visitor reads as it is. */
const said = () => text({ charactersMax: answerMax }).refine(...noPlaceholders);
const questionsMax = 50;
const keywordsMax = 30;

const QuestionSchema = object({
  id: z.string().regex(/^[a-z0-9-]{1,40}$/, { error: 'must be 1 to 40 small letters, digits or -' }),
  label: line({ charactersMax: 80 }).refine(...noPlaceholders),
  keywords: z.array(line({ charactersMax: 60 })).max(keywordsMax),
  answer: said(),
  hand_over: z.boolean().default(false),
});

/** The rules that an administrator writes, with defaults for omitted fields. */
export const BotRulesSchema = object({
  greeting: said().nullable().default(null),
  questions: z
    .array(QuestionSchema)
    .max(questionsMax)
    .refine((questions) => new Set(questions.map(({ id }) => id)).size === questions.length, {
      error: 'must have an id of its own each',
    })
    .default([]),
  fallback: said().default('I did not understand that. Pick one of these, or talk to a person.'),
  fallbacks_max: z.int().min(0).max(10).default(2),
  hand_over_text: said().default('A person will be with you in a moment.'),
  office_hours: object({
    time_zone: timeZone,
    days: z.partialRecord(z.enum(weekdays), z.array(span).max(spansMax)),
  })
    .nullable()
    .default(null),
  out_of_hours_text: said().default(
    'Nobody is here at the moment. Leave your question, and you will find the answer here.',
  ),
}).openapi('BotRules') satisfies z.ZodType<BotRules>;
