import { line, object, text, z } from '@aether/http';
import { noPlaceholders } from '../conversations/placeholders.ts';
import { hoursFields } from '../widgets/officehours.schemas.ts';
import { inEachLanguage } from '../widgets/widgetsettings.ts';
import type { BotRules } from './bot.ts';

const answerMax = 2_000;
/** A text that a visitor reads as it is. */
const said = () => text({ charactersMax: answerMax }).refine(...noPlaceholders);
const questionsMax = 50;
const keywordsMax = 30;

const questionId = z.string().regex(/^[a-z0-9-]{1,40}$/, { error: 'must be 1 to 40 small letters, digits or -' });
const QuestionSchema = object({
  id: questionId,
  label: line({ charactersMax: 80 }).refine(...noPlaceholders),
  keywords: z.array(line({ charactersMax: 60 })).max(keywordsMax),
  answer: said(),
  hand_over: z.boolean().default(false),
});

const TranslationSchema = object({
  greeting: said().optional(),
  fallback: said().optional(),
  hand_over_text: said().optional(),
  out_of_hours_text: said().optional(),
  questions: z
    .record(
      questionId,
      object({
        label: QuestionSchema.shape.label.optional(),
        answer: said().optional(),
        keywords: QuestionSchema.shape.keywords.optional(),
      }),
    )
    .optional()
    .openapi({ description: 'By the ids of the questions.' }),
}).openapi('BotTranslation');

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
  office_hours: object(hoursFields).nullable().default(null),
  out_of_hours_text: said().default(
    'Nobody is here at the moment. Leave your question, and you will find the answer here.',
  ),
  translations: inEachLanguage(TranslationSchema)
    .prefault({})
    .openapi({ description: 'What it says in other languages. What is not written there is said as above.' }),
}).openapi('BotRules') satisfies z.ZodType<BotRules>;
