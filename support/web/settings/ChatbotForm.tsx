import { describeError, Refusal } from '@aether/ui/refusal.ts';
import { showUndo } from '@aether/ui/toasts.tsx';
import { NumberInput, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { changeChatbot, chatbotsQuery } from '../api/chatbots.ts';
import type { Chatbot, Rules } from '../api/records.ts';
import { ChatPreview } from './ChatPreview.tsx';
import { OfficeHoursEditor } from './OfficeHoursEditor.tsx';
import { QuestionsEditor } from './QuestionsEditor.tsx';
import { ReadOnly } from './ReadOnly.tsx';
import { findFaults, tidy } from './rules.ts';
import { SaveBar } from './SaveBar.tsx';
import classes from './settings.module.css';

const answerMax = 2_000;

/** The rules of one chatbot; they are stored only on saving, and the preview uses unsaved ones. */
export function ChatbotForm({ chatbot }: { chatbot: Chatbot }) {
  const client = useQueryClient();
  const [begun, setBegun] = useState(chatbot);
  const [name, setName] = useState(chatbot.name);
  const [rules, setRules] = useState(chatbot.rules);
  const isChanged = name !== begun.name || JSON.stringify(tidy(rules)) !== JSON.stringify(begun.rules);
  const faults = findFaults(rules);
  const save = async (change: { name: string; rules: Rules }, version: number) => {
    const saved = await changeChatbot(chatbot.id, change, version);
    await client.invalidateQueries({ queryKey: chatbotsQuery.queryKey });
    return saved;
  };
  const restart = (from: Chatbot) => {
    setBegun(from);
    setName(from.name);
    setRules(from.rules);
  };
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
  const errors = saving.error instanceof Refusal ? saving.error.fields : {};
  const change = (part: Partial<Rules>) => setRules({ ...rules, ...part });
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
            onChange={(event) => setName(event.currentTarget.value)}
          />
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
          <QuestionsEditor questions={rules.questions} onChange={(questions) => change({ questions })} />
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
          {isChanged && (
            <SaveBar
              isConflict={isConflict}
              isSaving={saving.isPending}
              words={faults[0] ?? (saving.error ? describeError(saving.error) : undefined)}
              canSave={faults.length === 0}
              onDiscard={() => {
                saving.reset();
                restart(chatbot);
              }}
              onOverwrite={() => saving.mutate(chatbot.version)}
            />
          )}
        </form>
      </ReadOnly>
      <aside className={classes.beside} aria-label="Preview">
        <ChatPreview name={name} rules={tidy(rules)} isReady={faults.length === 0} />
      </aside>
    </div>
  );
}
