import { splitRefusal } from '@aether/ui/faults.ts';
import { Refusal } from '@aether/ui/refusal.ts';
import { showUndo } from '@aether/ui/toasts.tsx';
import { describeDraft, useDraft } from '@aether/ui/useDraft.ts';
import { NumberInput, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { changeChatbot, chatbotsQuery } from '../api/chatbots.ts';
import type { Chatbot, Rules } from '../api/records.ts';
import { widgetsQuery } from '../api/widgets.ts';
import { ChatPreview } from './ChatPreview.tsx';
import { LanguageSwitch, languagesOf, type WidgetLanguage } from './LanguageSwitch.tsx';
import { OfficeHoursEditor } from './OfficeHoursEditor.tsx';
import { QuestionsEditor } from './QuestionsEditor.tsx';
import { ReadOnly } from './ReadOnly.tsx';
import { findFaults, tidy } from './rules.ts';
import { SaveBar } from './SaveBar.tsx';
import classes from './settings.module.css';
import { TranslationEditor, translatedTexts } from './TranslationEditor.tsx';

const answerMax = 2_000;

/** What is edited, and the chatbot as it was when that began. */
const begin = (chatbot: Chatbot) => ({ begun: chatbot, name: chatbot.name, rules: chatbot.rules });
const isUnchanged = ({ begun, name, rules }: ReturnType<typeof begin>): boolean =>
  name === begun.name && JSON.stringify(tidy(rules)) === JSON.stringify(tidy(begun.rules));

/** The refused fields that have an input of their own. */
const listInputs = ({ questions, translations }: Rules) => [
  'name',
  ...['greeting', 'fallback', 'hand_over_text', 'out_of_hours_text'].map((key) => `rules.${key}`),
  ...Object.keys(translations ?? {}).flatMap((language) => [
    ...translatedTexts.map((key) => `rules.translations.${language}.${key}`),
    ...questions.flatMap(({ id }) =>
      ['label', 'answer'].map((key) => `rules.translations.${language}.questions.${id}.${key}`),
    ),
  ]),
  ...questions.flatMap((_, index) => ['label', 'answer'].map((key) => `rules.questions[${index}].${key}`)),
];

/** The rules of one chatbot; they are stored only on saving, and the preview uses unsaved ones. */
export function ChatbotForm({ chatbot }: { chatbot: Chatbot }) {
  const client = useQueryClient();
  const draft = useDraft(`chatbot:${chatbot.id}`, begin(chatbot), isUnchanged);
  const { begun, name, rules } = draft.value;
  const isChanged = draft.isThere;
  const settings = useQuery(widgetsQuery).data?.widgets.find(({ id }) => id === chatbot.widget.id)?.settings;
  const spoken = settings ? languagesOf(settings) : [];
  const [wanted, setWanted] = useState<WidgetLanguage>();
  // The widget's own language was another one when this was written: it has a translation, and that is what visitors read.
  const isOwnTranslated = settings !== undefined && begun.rules.translations?.[settings.language] !== undefined;
  const isOther = wanted !== settings?.language || isOwnTranslated;
  const language = wanted && isOther && spoken.includes(wanted) ? wanted : undefined;
  const faults = name.trim() === '' ? ['Write a name.'] : findFaults(rules);
  const save = async (change: { name: string; rules: Rules }, version: number) => {
    const saved = await changeChatbot(chatbot.id, change, version);
    await client.invalidateQueries({ queryKey: chatbotsQuery.queryKey });
    return saved;
  };
  const restart = (from: Chatbot) => draft.set(begin(from));
  const saving = useMutation({
    mutationFn: (version: number) => save({ name: name.trim(), rules: tidy(rules) }, version),
    onSuccess: (saved) => {
      const before = begun;
      restart(saved);
      showUndo({
        message: `${saved.name} was saved${saved.is_live ? ', and visitors hear it from now on' : ''}.`,
        undo: async () => restart(await save({ name: before.name, rules: before.rules }, saved.version)),
      });
    },
    onError: () => client.invalidateQueries({ queryKey: chatbotsQuery.queryKey }),
  });
  const isConflict = saving.error instanceof Refusal && saving.error.isConflict;
  const { atFields: errors, rest } = splitRefusal(saving.error, listInputs(rules));
  const edit = (part: Partial<typeof draft.value>) => {
    if (saving.error) saving.reset();
    draft.change(part);
  };
  const change = (part: Partial<Rules>) => edit({ rules: { ...rules, ...part } });
  const field = (key: 'fallback' | 'hand_over_text' | 'out_of_hours_text', label: string, description: string) => (
    <Textarea
      label={label}
      description={description}
      autosize
      minRows={2}
      maxLength={answerMax}
      value={rules[key]}
      error={errors[`rules.${key}`]}
      onChange={(event) => change({ [key]: event.currentTarget.value })}
    />
  );
  return (
    <div className={classes.columns}>
      <ReadOnly what="chatbots">
        <form
          className={classes.stack}
          aria-label="Chatbot"
          onSubmit={(event) => {
            event.preventDefault();
            if (isChanged && faults.length === 0) saving.mutate(begun.version);
          }}
        >
          <TextInput
            label="Name"
            description="Visitors see it beside what the bot says."
            withAsterisk
            maxLength={80}
            value={name}
            error={errors.name}
            onChange={(event) => edit({ name: event.currentTarget.value })}
          />
          <LanguageSwitch
            label="Language of what it says"
            spoken={spoken}
            shown={language}
            hasFirst={isOwnTranslated}
            onShow={setWanted}
          />
          {language && (
            <TranslationEditor
              key={language}
              rules={rules}
              language={language}
              faultOf={(path) => errors[`rules.translations.${language}.${path}`]}
              onChange={(translation) => change({ translations: { ...rules.translations, [language]: translation } })}
            />
          )}
          <div className={classes.stack} hidden={language !== undefined}>
            <Textarea
              label="Greeting"
              description="Said first, with the questions to pick. Empty: it waits for the visitor."
              autosize
              minRows={2}
              maxLength={answerMax}
              value={rules.greeting ?? ''}
              error={errors['rules.greeting']}
              onChange={(event) => change({ greeting: event.currentTarget.value || null })}
            />
            <h2 className={classes.title}>Questions</h2>
            <QuestionsEditor
              questions={rules.questions}
              faultOf={(index, key) => errors[`rules.questions[${index}].${key}`]}
              onChange={(questions) => change({ questions })}
            />
            <h2 className={classes.title}>When nothing fits</h2>
            {field('fallback', 'It says', 'With the questions to pick, and the way to a person.')}
            <NumberInput
              label="Hand over after so many in a row"
              description="0: it never understands twice; a person has it at once."
              min={0}
              max={10}
              allowDecimal={false}
              value={rules.fallbacks_max}
              onChange={(value) => typeof value === 'number' && change({ fallbacks_max: value })}
            />
            <h2 className={classes.title}>Handing over to a person</h2>
            {field('hand_over_text', 'It says', 'Visitors can ask for a person at any time, with one click.')}
            <h2 className={classes.title}>Office hours</h2>
            <OfficeHoursEditor hours={rules.office_hours} onChange={(office_hours) => change({ office_hours })} />
            {rules.office_hours &&
              field('out_of_hours_text', 'Outside of them it says', 'Instead of promising a person in a moment.')}
          </div>
          {isChanged && (
            <SaveBar
              isConflict={isConflict}
              isSaving={saving.isPending}
              words={faults[0] ?? rest ?? (saving.error ? undefined : describeDraft(draft))}
              canSave={faults.length === 0}
              onDiscard={() => {
                saving.reset();
                draft.discard();
              }}
              onOverwrite={() => saving.mutate(chatbot.version)}
            />
          )}
        </form>
      </ReadOnly>
      <aside className={classes.beside} aria-label="Preview">
        <ChatPreview name={name} rules={tidy(rules)} language={language} isReady={faults.length === 0} />
      </aside>
    </div>
  );
}
