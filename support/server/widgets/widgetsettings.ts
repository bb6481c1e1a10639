import { line, object, text, z } from '@aether/http';

export const languages = ['en', 'de', 'fr', 'es', 'tr'] as const;
/** A language that the widget has words in. */
export type WidgetLanguage = (typeof languages)[number];

/** The same part for each language. */
export const inEachLanguage = <Part extends z.ZodType>(part: Part) =>
  object({
    en: part.optional(),
    de: part.optional(),
    fr: part.optional(),
    es: part.optional(),
    tr: part.optional(),
  });

const texts = object({
  title: line({ charactersMax: 60 }).optional(),
  subtitle: line({ charactersMax: 120 }).optional(),
  greeting: text({ charactersMax: 500 }).optional(),
  placeholder: line({ charactersMax: 60 }).optional(),
  offline: text({ charactersMax: 500 }).optional(),
});

/** A widget's look and words, with defaults for omitted fields. For texts that are not given the widget uses its own, in its language. */
export const WidgetSettingsSchema = object({
  language: z.enum(languages).default('en'),
  theme: object({
    color: z
      .string()
      .regex(/^#[0-9a-fA-F]{6}$/, { error: 'must be a colour such as #2456d6' })
      .toLowerCase()
      .default('#2456d6'),
    mode: z.enum(['auto', 'light', 'dark']).default('auto'),
    position: z.enum(['right', 'left']).default('right'),
  }).prefault({}),
  texts: texts.prefault({}).openapi({ description: 'In `language`.' }),
  languages: z
    .array(z.enum(languages))
    .max(languages.length)
    .refine((given) => new Set(given).size === given.length, { error: 'must have each language once' })
    .default([])
    .openapi({ description: 'The languages that it speaks besides `language`.' }),
  choice: z.enum(['fixed', 'browser']).default('fixed').openapi({
    description:
      'Where the host page does not say a language that it speaks. fixed: `language`. browser: the first of the visitor’s browser that it speaks.',
  }),
  translations: inEachLanguage(texts)
    .prefault({})
    .openapi({ description: 'The texts in the other languages. What is not written there is the widget’s own words.' }),
  ask: z
    .enum(['before', 'never'])
    .default('before')
    .openapi({ description: 'before: the widget asks for name and address before the first message.' }),
  asks_rating: z
    .boolean()
    .default(true)
    .openapi({ description: 'When a conversation has ended, the widget asks how it was, once.' }),
});

export type WidgetSettings = z.output<typeof WidgetSettingsSchema>;

/** The stored settings in full; a field that another version stored and this one does not know is omitted. */
export function readSettings(stored: unknown): WidgetSettings {
  const read = WidgetSettingsSchema.strip().safeParse(stored);
  return read.success ? read.data : WidgetSettingsSchema.parse({});
}
