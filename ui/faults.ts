import type { ReactNode } from 'react';
import { describeError, describeKept, Refusal, sayFault } from './refusal.ts';

/** What is wrong with a form's fields, as sentences by the field's name. */
export type Faults = Record<string, string>;
/** What is said below the fields: the faults, some with a link. */
export type Said = Record<string, ReactNode>;

/** The value of a field: `custom.colour` is the member `colour` of the member `custom`. */
export const valueAt = (values: unknown, field: string): unknown =>
  field.split('.').reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], values);

const isNothing = (value: unknown) =>
  value === undefined || value === null || (typeof value === 'string' && value.trim() === '');

/** The faults of required fields without a value: `{ name: 'Write a name.' }` says what to do about each. */
export const findMissing = (values: unknown, required: Faults): Faults =>
  Object.fromEntries(Object.entries(required).filter(([field]) => isNothing(valueAt(values, field))));

type Shown = {
  /** The form's own check of the present values. */
  own: Faults;
  /** The person has tried to send it. */
  isTried: boolean;
  /** The fields that the person has left, or has emptied. */
  left: ReadonlySet<string>;
  /** The server's refusal, in its words, and the values that it is about. */
  refused: Record<string, string>;
  sent: unknown;
  values: unknown;
};

/**
 * The faults to show. The form's own appear when a field is left or emptied, and all of them after a try, so that nobody is told off
 * while typing the first letters; they go with the letter that corrects them. The server's go as soon as its value is another.
 */
export function findShown({ own, isTried, left, refused, sent, values }: Shown): Faults {
  const ofServer = Object.entries(refused).filter(
    ([field]) => JSON.stringify(valueAt(sent, field)) === JSON.stringify(valueAt(values, field)),
  );
  return {
    ...Object.fromEntries(ofServer.map(([field, message]) => [field, sayFault(message)])),
    ...Object.fromEntries(Object.entries(own).filter(([field]) => isTried || left.has(field))),
  };
}

/** The refusal of a form that keeps a draft, apart: what is said at those of its fields that have an input, and what is said of the rest, if anything. */
export function splitRefusal(
  error: unknown,
  inputs: readonly string[],
): { atFields: Faults; rest: string | undefined } {
  if (!error) return { atFields: {}, rest: undefined };
  if (!(error instanceof Refusal)) return { atFields: {}, rest: describeError(error) };
  const names = Object.keys(error.fields);
  const elsewhere = names.filter((name) => !inputs.includes(name));
  const atFields = Object.entries(error.fields).filter(([name]) => inputs.includes(name));
  return {
    atFields: Object.fromEntries(atFields.map(([name, message]) => [name, sayFault(message)])),
    rest:
      names.length > 0 && elsewhere.length === 0
        ? undefined
        : describeKept(elsewhere.length > 0 ? error.only(elsewhere) : error),
  };
}
