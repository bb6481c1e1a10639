import type { CustomField, CustomValue, CustomValues } from '../api/records.ts';

type FieldKind =
  | 'text'
  | 'email'
  | 'phone'
  | 'number'
  | 'money'
  | 'date'
  | 'choice'
  | 'checkbox'
  | 'tier'
  | 'person'
  | 'company';

/** One field of a record's page. */
export type FieldSpec = {
  /** The server's name; a custom field is `custom.<key>`. */
  field: string;
  label: string;
  kind: FieldKind;
  choices?: string[];
  isRequired?: boolean;
  /** Of money: the currency of the amount. */
  currency?: string;
  /** The reason why nobody may change it here. */
  locked?: string;
};

export type FieldValue = string | number | boolean | null;
export type FieldValues = Record<string, FieldValue>;

/** A record in the state in which it was read. */
export type Snapshot = { values: FieldValues; version: number };

const prefix = 'custom.';

export function specifyCustom(fields: CustomField[]): FieldSpec[] {
  return fields.map(({ key, label, type, choices, is_required }) => ({
    field: `${prefix}${key}`,
    label,
    kind: type,
    choices,
    isRequired: is_required,
  }));
}

/** The values of a record and of its custom fields, side by side under the names of `FieldSpec.field`. */
export function flatten(record: object, custom: CustomValues = {}): FieldValues {
  const values = Object.entries(custom).map(([key, value]) => [`${prefix}${key}`, value]);
  return { ...(record as FieldValues), ...Object.fromEntries(values) };
}

/** The inverse of `flatten`, for a request. */
export function nest(change: FieldValues): Record<string, unknown> {
  const plain = Object.entries(change).filter(([field]) => !field.startsWith(prefix));
  const custom = Object.entries(change).filter(([field]) => field.startsWith(prefix));
  return {
    ...Object.fromEntries(plain),
    ...(custom.length > 0 && {
      custom: Object.fromEntries(
        custom.map(([field, value]) => [field.slice(prefix.length), value as CustomValue | null]),
      ),
    }),
  };
}

/** Converts typed text to the value that the server accepts. Empty text becomes null. */
export function parseTyped(kind: FieldKind, typed: FieldValue): FieldValue {
  if (typed === null || (typeof typed === 'string' && typed.trim() === '')) return kind === 'checkbox' ? false : null;
  if (kind === 'number' || kind === 'money') return Number(typed);
  return typeof typed === 'string' ? typed.trim() : typed;
}
