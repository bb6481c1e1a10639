import { createHash } from 'node:crypto';

/** What a failure has in common with others of its kind: operators see failures grouped by it. */
export type FailureCause = {
  /** Names the class and the shape: 16 hexadecimal digits. */
  id: string;
  /** The error's name, and its code if it has one: `DatabaseError 23505`. */
  class: string;
  /** The text of the error without what varies: ids, numbers, addresses, times and quoted values. It names no person. */
  shape: string;
  /** The text of the error as it is, with its name: at most a thousand characters that PostgreSQL stores. */
  text: string;
};

const textMax = 1_000;
const shapeMax = 200;
const classMax = 100;

/** Pure, and bounded: it looks at the first two thousand characters of the error's text. */
export function causeOf(error: unknown): FailureCause {
  const isError = error instanceof Error;
  const message = storable((isError ? error.message : String(error)).slice(0, 2 * textMax));
  const name = isError ? storable(String(error.name)) : 'Error';
  const { code } = (isError ? error : {}) as { code?: unknown };
  const isCode = typeof code === 'string' && /^[A-Z0-9_]{2,40}$/.test(code);
  const errorClass = `${stripped(name)}${isCode ? ` ${code}` : ''}`.slice(0, classMax) || 'Error';
  const shape = shapeOf(message);
  return {
    id: createHash('sha256').update(`${errorClass}\n${shape}`).digest('hex').slice(0, 16),
    class: errorClass,
    shape,
    text: `${isError ? `${name}: ` : ''}${message}`.slice(0, textMax).toWellFormed(),
  };
}

/** What varies, and the word that replaces it. In this order: a later pattern sees what the earlier ones left. */
const varying: readonly [RegExp, string][] = [
  [/\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s"'<>]+/gi, '<address>'],
  [/[^\s"'<>(),;:=@]{0,64}@[^\s"'<>(),;:=@]{1,255}/g, '<address>'],
  [/"[^"\n]{0,500}"/g, '<value>'],
  [/“[^”\n]{0,500}”/g, '<value>'],
  [/`[^`\n]{0,500}`/g, '<value>'],
  // An apostrophe within a word opens nothing.
  [/(?<![\p{L}\d])'[^'\n]{0,500}'(?![\p{L}\d])/gu, '<value>'],
  // As PostgreSQL writes a row: Key (email)=(ada@example.com).
  [/=\s?\([^()\n]{0,500}\)/g, '=(<value>)'],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, '<id>'],
  [/\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?\b/g, '<time>'],
  // A word of twenty and more characters that has a digit: a token, a hash.
  [/\b(?=[\w-]*\d)[\w-]{20,}\b/g, '<id>'],
  [/\b(?=[a-f]*\d)[0-9a-f]{8,}\b/gi, '<id>'],
  [/[+-]?\d+(?:[.,:_]\d+)*/g, '<n>'],
];

/** The text without what varies, in one line of at most 200 characters. Pure. */
export function shapeOf(text: string): string {
  const line = stripped(text);
  return varying
    .reduce((left, [pattern, word]) => left.replace(pattern, word), line)
    .slice(0, shapeMax)
    .trim();
}

const stripped = (text: string) => text.replaceAll(/\s+/g, ' ').trim();

/** PostgreSQL stores no NUL, and no half of a surrogate pair. */
const storable = (text: string) => text.replaceAll('\0', '').toWellFormed();
