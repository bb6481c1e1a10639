import { TagsInput, Textarea, TextInput } from '@mantine/core';
import type { Rules } from '../api/records.ts';
import type { WidgetLanguage } from './LanguageSwitch.tsx';
import classes from './settings.module.css';

type Translation = NonNullable<Rules['translations'][WidgetLanguage]>;

export const translatedTexts = ['greeting', 'fallback', 'hand_over_text', 'out_of_hours_text'] as const;
const labels = {
  greeting: 'Greeting',
  fallback: 'When nothing fits it says',
  hand_over_text: 'Handing over to a person it says',
  out_of_hours_text: 'Outside of the office hours it says',
};

type TranslationEditorProps = {
  rules: Rules;
  language: WidgetLanguage;
  /** What the server refused, as a sentence. */
  faultOf: (path: string) => string | undefined;
  onChange: (translation: Translation) => void;
};

/** What a chatbot says in another language of its widget. An empty field is said as the rules have it, which the field shows. */
export function TranslationEditor({ rules, language, faultOf, onChange }: TranslationEditorProps) {
  const translation: Translation = rules.translations?.[language] ?? {};
  const { questions = {} } = translation;
  const setQuestion = (id: string, part: NonNullable<Translation['questions']>[string]) =>
    onChange({ ...translation, questions: { ...questions, [id]: { ...questions[id], ...part } } });
  return (
    <div className={classes.stack}>
      <p className={classes.intro}>An empty field is said as it is written first, which it shows in grey.</p>
      {translatedTexts
        .filter((key) => rules[key] && (key !== 'out_of_hours_text' || rules.office_hours))
        .map((key) => (
          <Textarea
            key={key}
            label={labels[key]}
            lang={language}
            autosize
            minRows={2}
            maxLength={2_000}
            placeholder={rules[key] ?? undefined}
            value={translation[key] ?? ''}
            error={faultOf(key)}
            onChange={(event) => onChange({ ...translation, [key]: event.currentTarget.value || undefined })}
          />
        ))}
      {rules.questions.map(({ id, label, answer }, index) => (
        <section key={id} className={classes.card} aria-label={label || `Question ${index + 1}`}>
          <TextInput
            label={`Words of “${label || `question ${index + 1}`}”`}
            lang={language}
            maxLength={80}
            placeholder={label}
            value={questions[id]?.label ?? ''}
            error={faultOf(`questions.${id}.label`)}
            onChange={(event) => setQuestion(id, { label: event.currentTarget.value || undefined })}
          />
          <TagsInput
            size="xs"
            label="More keywords"
            description="Beside those of the question. Enter ends each one."
            lang={language}
            maxTags={30}
            value={questions[id]?.keywords ?? []}
            onChange={(keywords) => setQuestion(id, { keywords })}
          />
          <Textarea
            label="Answer"
            lang={language}
            autosize
            minRows={2}
            maxLength={2_000}
            placeholder={answer}
            value={questions[id]?.answer ?? ''}
            error={faultOf(`questions.${id}.answer`)}
            onChange={(event) => setQuestion(id, { answer: event.currentTarget.value || undefined })}
          />
        </section>
      ))}
    </div>
  );
}
