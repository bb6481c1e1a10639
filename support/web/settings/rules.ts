import { fold } from '@aether/platform/folding';
import type { OfficeHours, Question, Rules, Span, Team, WeekDay } from '../api/records.ts';
import { weekDays } from '../api/records.ts';

export const dayNames: Record<WeekDay, string> = {
  mon: 'Monday',
  tue: 'Tuesday',
  wed: 'Wednesday',
  thu: 'Thursday',
  fri: 'Friday',
  sat: 'Saturday',
  sun: 'Sunday',
};

/** To whom the rule of a team gives conversations. */
export const ruleNames: Record<Team['assigning'], string> = {
  none: 'Agents take conversations themselves',
  round_robin: 'By turns: the member whose last one is longest ago',
  least_open: 'The member with the fewest open ones',
};

export const newRules: Rules = {
  greeting: 'Hello! What can we help you with?',
  questions: [],
  fallback: 'I did not understand that. Pick one of these, or talk to a person.',
  fallbacks_max: 2,
  hand_over_text: 'A person will be with you in a moment.',
  office_hours: null,
  out_of_hours_text: 'Nobody is here at the moment. Leave your question, and you will find the answer here.',
  translations: {},
};

export const workingHours = (time_zone: string): OfficeHours => ({
  time_zone,
  days: Object.fromEntries(weekDays.slice(0, 5).map((day) => [day, [['09:00', '17:00'] as Span]])),
});

/** A question's id: from its label, so that it is readable in a log, and different from the others. */
export function makeQuestionId(label: string, others: Question[]): string {
  const base =
    fold(label)
      .replace(/[^a-z0-9]+/g, '-')
      .slice(0, 32)
      .replace(/^-+|-+$/g, '') || 'question';
  const taken = new Set(others.map(({ id }) => id));
  for (let number = 1; ; number++) {
    const id = number === 1 ? base : `${base}-${number}`;
    if (!taken.has(id)) return id;
  }
}

/** The errors in the rules, as sentences; none when the rules can be saved. */
export function findFaults({ questions, fallback, hand_over_text, office_hours, out_of_hours_text }: Rules): string[] {
  const faults: string[] = [];
  for (const [index, { label, answer, hand_over }] of questions.entries()) {
    const name = label.trim() || `Question ${index + 1}`;
    if (label.trim() === '') faults.push(`${name} has no words to show.`);
    if (answer.trim() === '') faults.push(`${name} has no answer${hand_over ? ', not even before handing over' : ''}.`);
  }
  const labels = questions.map(({ label }) => fold(label.trim())).filter(Boolean);
  if (new Set(labels).size < labels.length) faults.push('Two questions have the same words.');
  if (fallback.trim() === '') faults.push('There is nothing to say when nothing fits.');
  if (hand_over_text.trim() === '') faults.push('There is nothing to say when it hands over.');
  if (out_of_hours_text.trim() === '') faults.push('There is nothing to say outside of the office hours.');
  for (const day of weekDays)
    for (const [from, to] of office_hours?.days[day] ?? [])
      if (from === '' || to === '') faults.push(`${dayNames[day]} has hours without a beginning or an end.`);
      else if (from === to) faults.push(`${dayNames[day]} has hours that end when they begin.`);
  return faults;
}

/** The rules as they are sent: trimmed, and without empty entries. */
export const tidy = (rules: Rules): Rules => ({
  ...rules,
  greeting: rules.greeting?.trim() || null,
  questions: rules.questions.map((question) => ({ ...question, label: question.label.trim() })),
  translations: tidyTranslations(rules),
});

/** Without what is empty, and without questions that are gone: what is left is said in place of the rules' own words. */
function tidyTranslations({ translations, questions }: Rules): Rules['translations'] {
  const ids = new Set(questions.map(({ id }) => id));
  const written = <Words extends object>(words: Words): Partial<Words> =>
    Object.fromEntries(
      Object.entries(words)
        .map(([key, value]) => [key, typeof value === 'string' ? value.trim() : value])
        .filter(([, value]) => value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0)),
    ) as Partial<Words>;
  const isWritten = ([, words]: [string, object]) => Object.keys(words).length > 0;
  const tidied = Object.entries(translations ?? {}).map(([language, { questions: translated = {}, ...texts } = {}]) => {
    const kept = Object.entries(translated)
      .filter(([id]) => ids.has(id))
      .map(([id, words]): [string, object] => [id, written(words)])
      .filter(isWritten);
    return [language, { ...written(texts), ...(kept.length > 0 && { questions: Object.fromEntries(kept) }) }] as [
      string,
      object,
    ];
  });
  return Object.fromEntries(tidied.filter(isWritten));
}

/** The list with the entry at one place moved to another. */
export function moveEntry<Entry>(list: Entry[], from: number, to: number): Entry[] {
  const moved = list.filter((_, index) => index !== from);
  moved.splice(to, 0, list[from] as Entry);
  return moved;
}
