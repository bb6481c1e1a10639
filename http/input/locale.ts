import { z } from './zod.ts';

const types: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  null: 'null',
};

const formats: Record<string, string> = {
  guid: 'must be a UUID: 8-4-4-4-12 hexadecimal digits',
  uuid: 'must be a UUID: 8-4-4-4-12 hexadecimal digits',
  datetime: 'must be a time such as 2026-01-31T12:00:00Z',
  date: 'must be a date such as 2026-01-31',
};

const units: Record<string, [one: string, many: string]> = {
  string: ['character', 'characters'],
  array: ['entry', 'entries'],
  set: ['entry', 'entries'],
  map: ['entry', 'entries'],
};

/**
 * The reason why a schema refuses a field, as the end of a sentence that starts with the field's name. It never quotes
 * the input.
 */
function describe(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.input === undefined && (issue.code === 'invalid_type' || issue.code === 'invalid_value'))
    return 'is required';
  switch (issue.code) {
    case 'invalid_type':
      // A repeated query parameter arrives as a list.
      if (issue.expected === 'string' && Array.isArray(issue.input)) return 'must be text, and given once';
      return `must be ${types[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `must be ${issue.values.length === 1 ? '' : 'one of '}${issue.values.map((value) => JSON.stringify(value)).join(', ')}`;
    case 'invalid_format':
      return formats[issue.format] ?? 'is not of the right form';
    case 'too_small':
      if (units[issue.origin]) return `needs at least ${count(issue.minimum, issue.origin)}`;
      return `must be ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}`;
    case 'too_big':
      if (units[issue.origin]) return `may have at most ${count(issue.maximum, issue.origin)}`;
      return `must be ${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}`;
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`;
    case 'unrecognized_keys':
      return 'is not a known field: remove it';
    case 'invalid_union':
      return describeUnion(issue);
    case 'invalid_key':
      return `is named wrongly: the name ${issue.issues[0]?.message}`;
    case 'invalid_element':
      return 'holds an entry that is not allowed';
  }
  return undefined;
}

function count(limit: number | bigint, origin: string): string {
  return `${limit} ${units[origin]?.[Number(limit) === 1 ? 0 : 1]}`;
}

type UnionIssue = Extract<z.core.$ZodRawIssue, { code: 'invalid_union' }>;

/**
 * For a choice between single values, the reason lists all of them. A choice between objects does not fit in a
 * sentence.
 */
function describeUnion(issue: UnionIssue): string {
  const { errors, options } = issue as z.core.$ZodIssueInvalidUnion & { options?: unknown[] };
  if (options) return `must be one of ${options.map((option) => JSON.stringify(option)).join(', ')}`;
  const messages = errors.map(([first, ...more]) =>
    first?.path.length === 0 && more.length === 0 ? first.message : undefined,
  );
  const isComplete = messages.length > 0 && messages.every((message) => message !== undefined);
  return isComplete ? [...new Set(messages)].join(', or ') : 'matches none of the forms that are allowed here';
}

// zod's own messages name "expected" and "received"; these say what to do. A schema's own `error` still comes first.
z.config({ localeError: describe });
