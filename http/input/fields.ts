import './locale.ts';
import { countCharacters, describeBadCharacter } from './characters.ts';
import { z } from './zod.ts';

const lineBreak = /[\p{Cc}\u2028\u2029]/u;
const visible = /[^\p{Z}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/u;
/**
 * They turn the direction of the text after them, even outside of the field. The marks that right-to-left scripts need
 * are not among them.
 */
const turns = String.raw`\u202a-\u202e\u2066-\u2069`;
const turning = new RegExp(`[${turns}]`);
/** Text from an address book is often wrapped in them. The lookbehind keeps the match linear. */
const ends = new RegExp(`^[\\s${turns}]+|(?<![\\s${turns}])[\\s${turns}]+$`, 'g');

type Length = { charactersMin?: number; charactersMax: number };

/** An object that refuses an unknown field and names it. Use it for every body, query and path. */
export const object = z.strictObject;

/**
 * One line of text: trimmed, with something visible, without control characters and characters that turn its direction.
 * Lengths are in Unicode code points, as PostgreSQL counts.
 */
export function line({ charactersMin = 1, charactersMax }: Length) {
  return z
    .string()
    .overwrite((value) => value.replace(ends, ''))
    .refine((value) => !lineBreak.test(value), {
      error: 'must be one line, without tabs and control characters',
      abort: true,
    })
    .superRefine((value, context) => {
      const [found] = turning.exec(value) ?? [];
      if (found) context.addIssue({ code: 'custom', message: describeTurning(found) });
    })
    .superRefine((value, context) => checkLength(value, context, { charactersMin, charactersMax }))
    .openapi({ minLength: charactersMin, maxLength: charactersMax });
}

function describeTurning(character: string): string {
  const code = character.codePointAt(0)?.toString(16).toUpperCase();
  return `holds a character that turns the direction of the text (U+${code}): remove it`;
}

/** Text of several lines; every line end becomes \n. Lengths count as for `line`. */
export function text({ charactersMin = 1, charactersMax }: Length) {
  return z
    .string()
    .overwrite((value) => value.replace(/\r\n?/g, '\n'))
    .trim()
    .superRefine((value, context) => checkLength(value, context, { charactersMin, charactersMax }))
    .openapi({ minLength: charactersMin, maxLength: charactersMax });
}

function checkLength(
  value: string,
  context: z.core.$RefinementCtx,
  { charactersMin, charactersMax }: Required<Length>,
): void {
  const refuse = (message: string) => context.addIssue({ code: 'custom', message });
  const characters = countCharacters(value);
  const bad = describeBadCharacter(value);
  if (bad) refuse(bad);
  else if (charactersMin > 0 && !visible.test(value)) refuse('must not be empty');
  else if (characters < charactersMin) refuse(`needs at least ${charactersMin} characters`);
  else if (characters > charactersMax) refuse(`may have at most ${charactersMax} characters`);
}

/** A UUID of any version and in any case, as a uuid column accepts it. It is parsed into lower case. */
export function uuid() {
  return z
    .guid({ abort: true })
    .toLowerCase()
    .openapi({ format: 'uuid', example: '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b' });
}

const bigintMessage = `must be a whole number from 1 to ${Number.MAX_SAFE_INTEGER}`;

/** A bigint key in a JSON body: a positive number that JavaScript holds exactly. */
export function bigintId() {
  return z.int({ error: bigintMessage }).positive({ error: bigintMessage }).openapi({ format: 'int64', example: 42 });
}

/** A bigint key in a path or a query, where every value is text. It is parsed into a number. */
export function bigintIdText() {
  return z
    .string()
    .regex(/^[1-9]\d{0,15}$/, { error: bigintMessage, abort: true })
    .transform(Number)
    .refine(Number.isSafeInteger, { error: bigintMessage })
    .openapi({ type: 'integer', format: 'int64', minimum: 1, maximum: Number.MAX_SAFE_INTEGER, example: 42 });
}

/** A key that the client chooses, so that the server recognises a retry. */
export function clientId() {
  return z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, { error: 'must be 1 to 64 letters, digits, _ or -' });
}

const yearMin = 1900;
const yearMax = 2999;

/** A moment such as 2026-01-31T12:00:00+01:00. It is parsed into UTC, to the millisecond. */
export function time() {
  return z.iso
    .datetime({ offset: true, abort: true })
    .transform((value) => new Date(value))
    .refine((moment) => isWithinYears(moment), { error: `must be a time from ${yearMin} to ${yearMax}` })
    .transform((moment) => moment.toISOString())
    .openapi({ type: 'string', format: 'date-time', example: '2026-01-31T12:00:00Z' });
}

/** A day such as 2026-01-31. */
export function date() {
  return z.iso
    .date({ abort: true })
    .refine((value) => isWithinYears(new Date(value)), { error: `must be a date from ${yearMin} to ${yearMax}` })
    .openapi({ format: 'date', example: '2026-01-31' });
}

function isWithinYears(moment: Date): boolean {
  const year = moment.getUTCFullYear();
  return year >= yearMin && year <= yearMax;
}

/** The number of entries on a page, in a query. */
export function pageSize({ max, default: fallback }: { max: number; default: number }) {
  return z
    .string()
    .regex(/^\d{1,6}$/, { error: `must be a whole number from 1 to ${max}`, abort: true })
    .transform(Number)
    .refine((size) => size >= 1 && size <= max, { error: `must be a whole number from 1 to ${max}` })
    .default(fallback)
    .openapi({ type: 'integer', minimum: 1, maximum: max, default: fallback });
}
