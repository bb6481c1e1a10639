import { Picker } from '@aether/ui/Picker.tsx';
import { NativeSelect } from '@mantine/core';
import type { DayOrder, Question, Recognition, Settings } from './queries.ts';

type QuestionsProps = {
  recognition: Recognition;
  settings: Settings;
  isLocked: boolean;
  onChange: (part: Partial<Settings>) => void;
};

const orders = [
  { value: '', label: 'Not said: these dates stay out' },
  { value: 'day-first', label: 'The day comes first' },
  { value: 'month-first', label: 'The month comes first' },
];
const zones = () => ['UTC', ...Intl.supportedValuesOf('timeZone').filter((zone) => zone !== 'UTC')];

/** What only a person knows of a file. */
export function Questions({ recognition, settings, isLocked, onChange }: QuestionsProps) {
  const { answers = {} } = settings;
  const answer = (part: NonNullable<Settings['answers']>) => onChange({ answers: { ...answers, ...part } });
  const { encoding, layout } = recognition;
  const drawn = recognition.questions.map((question) => {
    switch (question.kind) {
      case 'day-month':
        return (
          <NativeSelect
            key={`day-month ${question.column}`}
            label={`Dates of ${question.column}`}
            description={sayExamples(question)}
            data={orders}
            disabled={isLocked}
            value={answers.dayOrder?.find(({ column }) => column === question.column)?.order ?? ''}
            onChange={({ currentTarget: { value } }) => {
              const others = (answers.dayOrder ?? []).filter(({ column }) => column !== question.column);
              answer({ dayOrder: value ? [...others, { column: question.column, order: value as DayOrder }] : others });
            }}
          />
        );
      case 'timezone':
        return (
          <Picker
            key="timezone"
            label={`Time zone of ${question.columns.join(', ')}`}
            description={sayExamples(question)}
            placeholder="Not said: these times stay out"
            data={zones()}
            disabled={isLocked}
            value={answers.timezone ?? null}
            onChange={(timezone) => answer({ ...(timezone && { timezone }) })}
          />
        );
      case 'sheet':
        return (
          <NativeSelect
            key="sheet"
            label="Sheet"
            description="The workbook has several with rows."
            data={question.choices}
            disabled={isLocked}
            value={answers.sheet ?? question.assumed}
            onChange={({ currentTarget: { value } }) => answer({ sheet: value })}
          />
        );
      case 'encoding':
        return (
          <NativeSelect
            key="encoding"
            label="Encoding"
            description={`A guess. It reads: ${question.examples.slice(0, 3).join(' · ')}`}
            data={question.choices}
            disabled={isLocked}
            value={answers.encoding ?? question.assumed}
            onChange={({ currentTarget: { value } }) => answer({ encoding: value })}
          />
        );
    }
    return null;
  });
  // A question that was answered is no question any more, and its answer can still be another one.
  const isAnswered = (kind: Question['kind']) => !recognition.questions.some((question) => question.kind === kind);
  return (
    <>
      {drawn}
      {answers.encoding && encoding && isAnswered('encoding') && (
        <NativeSelect
          label="Encoding"
          data={[
            ...new Set([
              answers.encoding,
              encoding.encoding,
              'utf-8',
              'windows-1252',
              'utf-16le',
              'shift_jis',
              'macintosh',
            ]),
          ]}
          disabled={isLocked}
          value={answers.encoding}
          onChange={({ currentTarget: { value } }) => answer({ encoding: value })}
        />
      )}
      {answers.sheet && isAnswered('sheet') && 'sheets' in layout && (
        <NativeSelect
          label="Sheet"
          data={layout.sheets as string[]}
          disabled={isLocked}
          value={answers.sheet}
          onChange={({ currentTarget: { value } }) => answer({ sheet: value })}
        />
      )}
    </>
  );
}

const sayExamples = ({ examples }: Question): string => `Such as ${examples.slice(0, 3).join(' · ')}.`;
