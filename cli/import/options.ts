import {
  type Answer,
  type Answers,
  answers,
  type Field,
  type Mapping,
  type Outcome,
  outcomes,
  readField,
} from '@aether/importer';
import { InvalidArgumentError } from 'commander';

export function readMap(text: string, before: Mapping): Mapping {
  const at = text.lastIndexOf('=');
  if (at < 1) throw new InvalidArgumentError('Write it as COLUMN=FIELD.');
  const named = text.slice(at + 1);
  const field = named === '' ? null : readField(named);
  if (field === undefined) throw new InvalidArgumentError(`${named} is no field: see docs/import.md.`);
  return { ...before, [text.slice(0, at)]: field as Field | null };
}

/** Of each column with dates such as 03/04/2020, what comes first. */
export type DayMonth = NonNullable<Answers['dayOrder']>;

export function readOrder(text: string, before: DayMonth): DayMonth {
  const at = text.lastIndexOf('=');
  const order = text.slice(at + 1);
  if (at < 1 || (order !== 'day-first' && order !== 'month-first'))
    throw new InvalidArgumentError('Write it as COLUMN=day-first or COLUMN=month-first.');
  return { ...before, [text.slice(0, at)]: order };
}

export const collect = (text: string, before: string[] = []) => [...before, text];

export function readAnswer(text: string): Answer {
  const said = answers.find((each) => each === text);
  if (!said) throw new InvalidArgumentError(`It is one of ${answers.join(', ')}.`);
  return said;
}

export function readApp(text: string): 'foundation' | 'support' {
  if (text !== 'foundation' && text !== 'support') throw new InvalidArgumentError('It is foundation or support.');
  return text;
}

export function readOutcome(text: string): Outcome {
  const outcome = outcomes.find((each) => each === text);
  if (!outcome) throw new InvalidArgumentError(`It is one of ${outcomes.join(', ')}.`);
  return outcome;
}

export function readWhole(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0 || number > 1_000_000)
    throw new InvalidArgumentError('It must be a whole number.');
  return number;
}
