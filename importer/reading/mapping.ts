import { createHash } from 'node:crypto';
import { SourceRefused } from './refusal.ts';

/** What a column can mean. */
export const plainFields = [
  'id',
  'email',
  'name',
  'first_name',
  'last_name',
  'phone',
  'company',
  'domain',
  'city',
  'birth_date',
  'tier',
  'owner',
  'language',
  'timezone',
  'created_at',
  'note',
  'tag',
] as const;
export type PlainField = (typeof plainFields)[number];
export type Field = PlainField | `custom:${string}`;

/** The meaning of each column by its name (see nameColumns); null: the column is not imported. */
export type Mapping = Record<string, Field | null>;

const customKey = /^[a-z][a-z0-9_]{0,62}$/;

/** @returns undefined if the text names no field */
export function readField(text: string): Field | undefined {
  if ((plainFields as readonly string[]).includes(text)) return text as PlainField;
  return text.startsWith('custom:') && customKey.test(text.slice(7)) ? (text as Field) : undefined;
}

/** The key that a heading would have as a custom field: `Lead Status` → lead_status; undefined if nothing of it is left. */
export function customKeyOf(heading: string): string | undefined {
  const key = heading
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^[_0-9]+|_+$/g, '')
    .slice(0, 63);
  return customKey.test(key) ? key : undefined;
}

/** Headings as names that are unique: the second `Email` is `Email (2)`, and the third column without a heading `Column 3`. */
export function nameColumns(headings: readonly string[]): string[] {
  const taken = new Set<string>();
  return headings.map((heading, place) => {
    const base = heading.normalize('NFC').trim() || `Column ${place + 1}`;
    let name = base;
    for (let again = 2; taken.has(name); again += 1) name = `${base} (${again})`;
    taken.add(name);
    return name;
  });
}

/** Equal for sources with the same columns in any order: by it, a mapping is found again. */
export function fingerprintOf(columns: readonly string[]): string {
  const hash = createHash('sha256');
  for (const name of [...columns].sort()) hash.update(`${name.length}:${name}`);
  return hash.digest('hex');
}

/** @throws SourceRefused if the mapping names a column that the source does not have, or a field that does not exist */
export function requireMapping(mapping: Mapping, columns: readonly string[]): void {
  for (const [name, field] of Object.entries(mapping)) {
    if (!columns.includes(name))
      throw new SourceRefused('bad-mapping', `There is no column ${name}. The columns are: ${columns.join(', ')}.`);
    if (field !== null && readField(field) === undefined)
      throw new SourceRefused(
        'bad-mapping',
        `${field} is no field. A column can be ${plainFields.join(', ')}, or custom:KEY with a key such as lead_status.`,
      );
  }
}
