import { ActionIcon, Button, Checkbox, TagsInput, Textarea, TextInput } from '@mantine/core';
import { IconArrowDown, IconArrowUp, IconPlus, IconTrash } from '@tabler/icons-react';
import type { Question } from '../api/records.ts';
import { makeQuestionId, moveEntry } from './rules.ts';
import classes from './settings.module.css';

type QuestionsEditorProps = {
  questions: Question[];
  /** What the server refused, as a sentence. */
  faultOf: (index: number, key: 'label' | 'answer') => string | undefined;
  onChange: (questions: Question[]) => void;
};

/** The bot's questions and answers, in the order in which visitors may pick. */
export function QuestionsEditor({ questions, faultOf, onChange }: QuestionsEditorProps) {
  const set = (at: number, part: Partial<Question>) =>
    onChange(questions.map((question, index) => (index === at ? { ...question, ...part } : question)));
  return (
    <div className={classes.stack}>
      {questions.map((question, index) => {
        const name = question.label.trim() || `question ${index + 1}`;
        return (
          <section key={question.id} className={classes.card} aria-label={name}>
            <div className={classes.cardHead}>
              <TextInput
                aria-label={`Words of ${name}`}
                placeholder="What visitors pick, such as: Where is my order?"
                flex={1}
                maxLength={80}
                value={question.label}
                error={faultOf(index, 'label')}
                onChange={(event) => set(index, { label: event.currentTarget.value })}
              />
              <ActionIcon
                aria-label={`Move ${name} up`}
                disabled={index === 0}
                onClick={() => onChange(moveEntry(questions, index, index - 1))}
              >
                <IconArrowUp size={16} />
              </ActionIcon>
              <ActionIcon
                aria-label={`Move ${name} down`}
                disabled={index === questions.length - 1}
                onClick={() => onChange(moveEntry(questions, index, index + 1))}
              >
                <IconArrowDown size={16} />
              </ActionIcon>
              <ActionIcon
                aria-label={`Remove ${name}`}
                onClick={() => onChange(questions.filter((_, at) => at !== index))}
              >
                <IconTrash size={16} />
              </ActionIcon>
            </div>
            <TagsInput
              size="xs"
              label="Keywords"
              description="When one of these is in what a visitor writes, this is the answer. Enter ends each one."
              maxTags={30}
              value={question.keywords}
              onChange={(keywords) => set(index, { keywords })}
            />
            <Textarea
              label="Answer"
              autosize
              minRows={2}
              maxLength={2_000}
              value={question.answer}
              error={faultOf(index, 'answer')}
              onChange={(event) => set(index, { answer: event.currentTarget.value })}
            />
            <Checkbox
              label="Then hand over to a person"
              checked={question.hand_over}
              onChange={(event) => set(index, { hand_over: event.currentTarget.checked })}
            />
          </section>
        );
      })}
      <div>
        <Button
          variant="default"
          leftSection={<IconPlus size={15} />}
          disabled={questions.length >= 50}
          onClick={() =>
            onChange([
              ...questions,
              { id: makeQuestionId('question', questions), label: '', keywords: [], answer: '', hand_over: false },
            ])
          }
        >
          Add a question
        </Button>
      </div>
    </div>
  );
}
