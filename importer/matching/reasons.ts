import { type Field, fields, isOtherGeneration, isSwapped, level, levelOf } from './comparison.ts';

/** What speaks for or against one person: a field and how it compares, such as `phone.equal`; or `names.exchanged`, `names.generation`. */
export type Reason = string;

const words: Record<Field, Partial<Record<number, string>>> = {
  given: {
    [level.equal]: 'the first name is the same',
    [level.form]: 'one first name is a form of the other',
    [level.slip]: 'the first names differ by a slip',
    [level.weak]: 'one first name is the initial of the other',
    [level.alike]: 'the first names are alike, but both are common names',
    [level.different]: 'the first names differ',
  },
  family: {
    [level.equal]: 'the last name is the same',
    [level.form]: 'the last names share a part',
    [level.slip]: 'the last names differ by a slip',
    [level.weak]: 'one last name is the initial of the other',
    [level.alike]: 'the last names are alike, but both are common names',
    [level.different]: 'the last names differ',
  },
  address: {
    [level.equal]: 'the e-mail address is the same',
    [level.form]: 'the e-mail addresses differ only in dots or after a plus',
    [level.slip]: 'the e-mail addresses differ by a slip',
    [level.weak]: 'the e-mail addresses have the same small domain',
    [level.different]: 'the e-mail addresses differ',
  },
  phone: { [level.equal]: 'the telephone number is the same', [level.different]: 'the telephone numbers differ' },
  city: {
    [level.equal]: 'the city is the same',
    [level.slip]: 'the cities differ by a slip',
    [level.different]: 'the cities differ',
  },
  birth: {
    [level.equal]: 'the date of birth is the same',
    [level.slip]: 'the dates of birth differ by a slip',
    [level.weak]: 'the dates of birth are about one or ten years apart',
    [level.different]: 'the dates of birth clash',
  },
  company: {
    [level.equal]: 'the company is the same',
    [level.slip]: 'the companies differ by a slip',
    [level.different]: 'the companies differ',
  },
};

const levelNames = Object.entries(level).map(([name]) => name);

const exchanged = 'names.exchanged';
const generation = 'names.generation';
const sentences = new Map<Reason, string>([
  ...fields.flatMap((field) =>
    Object.entries(words[field]).map(([l, text]): [Reason, string] => [
      `${field}.${levelNames[Number(l)]}`,
      text as string,
    ]),
  ),
  [exchanged, 'first and last name are exchanged'],
  [generation, 'one is senior, the other one junior'],
]);
const reasonsByWords = new Map([...sentences].map(([reason, text]) => [text, reason]));

/** What speaks for and against one person, first what speaks for it. */
export function reasonsOf(comparison: number): Reason[] {
  const said = fields
    .map((field) => ({
      level: levelOf(comparison, field),
      reason: `${field}.${levelNames[levelOf(comparison, field)]}`,
    }))
    .filter(({ reason }) => sentences.has(reason));
  return [
    ...said.filter((each) => each.level > level.alike).map(({ reason }) => reason),
    ...(isSwapped(comparison) ? [exchanged] : []),
    ...said.filter((each) => each.level <= level.alike).map(({ reason }) => reason),
    ...(isOtherGeneration(comparison) ? [generation] : []),
  ];
}

/** A reason in words for a person; one that this version does not know, as it is. */
export const sayReason = (reason: Reason): string => sentences.get(reason) ?? reason;

/** The reason that these words say: a plan keeps its candidates in words. Words that this version does not know are kept as they are. */
export const reasonOfWords = (text: string): Reason => reasonsByWords.get(text) ?? text;
