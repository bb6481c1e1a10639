import { formatDay, formatNumber } from '@aether/ui/formats.ts';
import type { CustomField, Pipeline, StaffUser } from '../api/records.ts';
import type { Condition, Group } from './where.ts';

/** What an operator asks for beside itself. */
export type Shape = 'nothing' | 'text' | 'number' | 'numbers' | 'day' | 'days' | 'span' | 'moment' | 'words' | 'ids';
export type Operator = { op: string; label: string; shape: Shape };

const filled: Operator[] = [
  { op: 'empty', label: 'is empty', shape: 'nothing' },
  { op: 'not_empty', label: 'is not empty', shape: 'nothing' },
];
const listed = (shape: 'words' | 'ids'): Operator[] => [
  { op: 'any_of', label: 'is any of', shape },
  { op: 'none_of', label: 'is none of', shape },
  ...filled,
];
const timed: Operator[] = [
  { op: 'within', label: 'within the last days', shape: 'span' },
  { op: 'since', label: 'since', shape: 'moment' },
  { op: 'before', label: 'before', shape: 'moment' },
];

/** The operators of each kind of field, in the words of the screen. */
export const operators: Record<string, Operator[]> = {
  text: [
    { op: 'contains', label: 'contains', shape: 'text' },
    { op: 'contains_not', label: 'does not contain', shape: 'text' },
    { op: 'is', label: 'is', shape: 'text' },
    { op: 'is_not', label: 'is not', shape: 'text' },
    ...filled,
  ],
  number: [
    { op: 'over', label: 'is over', shape: 'number' },
    { op: 'under', label: 'is under', shape: 'number' },
    { op: 'is', label: 'is', shape: 'number' },
    { op: 'between', label: 'is between', shape: 'numbers' },
    ...filled,
  ],
  date: [
    { op: 'before', label: 'is before', shape: 'day' },
    { op: 'after', label: 'is after', shape: 'day' },
    { op: 'is', label: 'is', shape: 'day' },
    { op: 'between', label: 'is between', shape: 'days' },
    ...filled,
  ],
  choice: listed('words'),
  checkbox: [
    { op: 'yes', label: 'is yes', shape: 'nothing' },
    { op: 'no', label: 'is no or empty', shape: 'nothing' },
  ],
  last_activity: [
    { op: 'none_for', label: 'none in the last days', shape: 'span' },
    ...timed,
    { op: 'never', label: 'never', shape: 'nothing' },
  ],
  open_deal: [
    { op: 'some', label: 'has one', shape: 'nothing' },
    { op: 'none', label: 'has none', shape: 'nothing' },
    { op: 'stage', label: 'in stage', shape: 'ids' },
    { op: 'over', label: 'worth over', shape: 'number' },
    { op: 'under', label: 'worth under', shape: 'number' },
  ],
  tier: listed('words'),
  manager: listed('words'),
  tag: listed('ids'),
  company: filled,
  app: [{ op: 'any_of', label: 'is any of', shape: 'words' }],
  created: timed,
  updated: timed,
};

const fixedFields: Record<string, string> = {
  last_activity: 'Last activity',
  open_deal: 'Open deal',
  tier: 'Tier',
  tag: 'Tag',
  manager: 'Account manager',
  company: 'Company',
  app: 'Came from',
  created: 'Created',
  updated: 'Changed',
};

/** What the words of a filter need to know. */
export type Known = {
  fields: CustomField[] | undefined;
  tags: { id: number; name: string }[];
  tiers: { key: string; label: string }[];
  users: Pick<StaffUser, 'id' | 'name'>[];
  pipelines: Pipeline[];
  currency: string | undefined;
};

/** The fields by which a list is filtered, the organisation's own first. */
export const listFields = (known: Known): { value: string; label: string }[] => [
  ...(known.fields ?? []).map(({ key, label }) => ({ value: `custom.${key}`, label })),
  ...Object.entries(fixedFields).map(([value, label]) => ({ value, label })),
];

/** @returns undefined for a custom field that is not there. */
export function kindOf(field: string, known: Known): string | undefined {
  if (!field.startsWith('custom.')) return field in fixedFields ? field : undefined;
  return known.fields?.find(({ key }) => `custom.${key}` === field)?.type;
}

/** The values that a condition on this field can be about, by what the address says of them. */
export function listChoices(
  { field, op }: Pick<Condition, 'field' | 'op'>,
  known: Known,
): { value: string; label: string }[] {
  if (field === 'tag') return known.tags.map(({ id, name }) => ({ value: String(id), label: name }));
  if (field === 'tier') return known.tiers.map(({ key, label }) => ({ value: key, label }));
  if (field === 'manager') return known.users.map(({ id, name }) => ({ value: id, label: name }));
  if (field === 'app')
    return [
      { value: 'foundation', label: 'Foundation' },
      { value: 'support', label: 'Support’s chat' },
    ];
  if (field === 'open_deal' && op === 'stage')
    return known.pipelines.flatMap(({ name, stages }) =>
      stages
        .filter(({ outcome }) => outcome === 'open')
        .map((stage) => ({
          value: String(stage.id),
          label: known.pipelines.length > 1 ? `${name}: ${stage.name}` : stage.name,
        })),
    );
  const custom = known.fields?.find(({ key }) => `custom.${key}` === field);
  return (custom?.choices ?? []).map((choice) => ({ value: choice, label: choice }));
}

/** A condition in words, such as “Employees is over 500”. */
export function describeCondition({ field, op, value }: Condition, known: Known): string {
  const label = listFields(known).find((each) => each.value === field)?.label ?? field.replace('custom.', '');
  const kind = kindOf(field, known);
  const operator = operators[kind ?? '']?.find((each) => each.op === op);
  if (kind === 'last_activity') {
    if (op === 'none_for') return `No activity for ${countDays(value)}`;
    if (op === 'never') return 'Never an activity';
  }
  if (kind === 'open_deal') {
    if (op === 'some') return 'Has an open deal';
    if (op === 'none') return 'Has no open deal';
    if (op === 'stage') return `Open deal in ${describeValue({ field, op, value }, 'ids', known)}`;
    const amount = [formatNumber(Number(value)), known.currency].filter(Boolean).join(' ');
    return `Open deals ${op === 'over' ? 'over' : 'under'} ${amount}`;
  }
  if (op === 'within') return `${label} within ${countDays(value)}`;
  const words = operator ? operator.label : op.replaceAll('_', ' ');
  // What is empty is not any of something, and what is one thing is not "any of" it.
  const isOne = Array.isArray(value) && value.length === 1;
  const said = isOne && op === 'any_of' ? 'is' : isOne && op === 'none_of' ? 'is not' : words;
  return [label, said, describeValue({ field, op, value }, operator?.shape, known)].filter(Boolean).join(' ');
}

const countDays = (value: unknown) => `${formatNumber(Number(value))} ${value === 1 ? 'day' : 'days'}`;

function describeValue(condition: Condition, shape: Shape | undefined, known: Known): string {
  const { value } = condition;
  if (value === undefined) return '';
  const say = (one: unknown) => {
    if (shape === 'number' || shape === 'numbers') return formatNumber(Number(one));
    if (shape === 'day' || shape === 'days' || shape === 'moment') return formatDay(String(one));
    if (shape === 'text') return `“${one}”`;
    return listChoices(condition, known).find((choice) => choice.value === String(one))?.label ?? String(one);
  };
  if (!Array.isArray(value)) return say(value);
  return value.map(say).join(shape === 'numbers' || shape === 'days' ? ' and ' : ', ');
}

/** A filter in words. */
export const describeGroup = ({ match, conditions }: Group, known: Known): string =>
  conditions.map((each) => describeCondition(each, known)).join(match === 'all' ? ' and ' : ' or ');

/** @returns whether the condition can be asked for: its value is there. */
export function isComplete({ field, op, value }: Condition, known: Known): boolean {
  const shape = operators[kindOf(field, known) ?? '']?.find((each) => each.op === op)?.shape;
  switch (shape) {
    case undefined:
      return false;
    case 'nothing':
      return true;
    case 'text':
      return typeof value === 'string' && value.trim() !== '';
    case 'number':
      return typeof value === 'number';
    case 'span':
      return typeof value === 'number' && Number.isInteger(value) && value >= 1;
    case 'numbers':
      return Array.isArray(value) && value.length === 2 && value.every((each) => typeof each === 'number');
    case 'days':
      return (
        Array.isArray(value) && value.length === 2 && value.every((each) => typeof each === 'string' && each !== '')
      );
    case 'words':
    case 'ids':
      return Array.isArray(value) && value.length > 0;
    default:
      return typeof value === 'string' && value !== '';
  }
}
