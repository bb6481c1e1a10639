import { canonicaliseEmail } from './email.ts';
import { between, formsOf, hasUnspaced } from './folding.ts';
import type { Parameter } from './keyset.ts';
import { foldDigits, type Phone } from './phone.ts';

/*
 * The conditions by which both apps find names, addresses and telephone numbers. Each part of a condition is an expression that has an
 * index, so that PostgreSQL answers it by the index or row by row, as the caller's query has it: see customers_words in 0088_words_index.sql,
 * and customers_folded, customers_by_phone, customer_phones_by_key and customer_emails_others in 0002_platform.sql.
 */

/** Matches anywhere in a word; one or two letters match only at its beginning, because a trigram index cannot find them elsewhere. */
function likePattern(word: string): string {
  const escaped = word.replace(/[\\%_]/g, '\\$&');
  return [...word].length < 3 && !word.startsWith(' ') ? `% ${escaped}%` : `%${escaped}%`;
}

/** How the database lower-cases a searched text; a blank before it lets "begins a word" be asked as `% jo%`. */
const lowered = (text: string) => `' ' || lower(${text} collate pg_c_utf8)`;

/** `between`, as the database reads it. */
export const betweenInSql = `E'${between.replace('\n', '\\n')}'`;

/**
 * The condition that a word occurs in a `name`, or in the `also` searched key: in any spelling of its accents, apostrophes and hyphens, and
 * as a part of a name in Han, kana or Hangul.
 *
 * @param name the column, such as `c.name`.
 * @param also a column in lower case, such as `c.email_key`, which has an index together with the name.
 * @param byIndex for a query that finds rows by the index of names, and does not check rows that it reads anyway. PostgreSQL guesses from
 *   the length of a pattern how many rows fit, and reads the whole table for one or two letters. So it gets a pattern that it does not see
 *   while it plans.
 */
export function matchName(
  name: string,
  word: string,
  parameter: Parameter,
  { also, byIndex = false }: { also?: string; byIndex?: boolean } = {},
): string {
  const searched = also ? `${lowered(name)} || ${betweenInSql} || ${also}` : lowered(name);
  const patternOf = byIndex ? hiddenPattern(parameter) : shownPattern(parameter);
  return matchForms(name, word, patternOf, (form) => `${searched} like ${patternOf(form)}`);
}

type PatternOf = (text: string) => string;
const shownPattern =
  (parameter: Parameter): PatternOf =>
  (text) =>
    parameter(likePattern(text));
const hiddenPattern =
  (parameter: Parameter): PatternOf =>
  (text) =>
    `(select ${parameter(likePattern(text), 'text')})`;

/** @param isWritten makes the condition that the word, or a form of it, occurs as it is in what is searched. */
function matchForms(name: string, word: string, patternOf: PatternOf, isWritten: (form: string) => string): string {
  // A word without letters and digits is sought as it was typed: no index leads to it, and folding every name for it takes seconds.
  const forms = /[\p{L}\p{N}]/u.test(word) || hasUnspaced(word) ? formsOf(word) : [];
  const folded = forms.map((form) => `platform.search_text(${name}) like ${patternOf(form)}`);
  // No trigram of a text without spaces leads to a part of two characters, so the index of unfolded names is not asked for it.
  const plain = hasUnspaced(word) ? [] : [...new Set([word, ...forms])];
  const conditions = [
    ...plain.map(isWritten),
    ...(folded.length > 0 ? [`(platform.is_folded(${name}) and (${folded.join(' or ')}))`] : []),
  ];
  return `(${conditions.join(' or ')})`;
}

/** What of a customer may begin with a word: the name, or the primary address. */
export type CustomerPart = 'name' | 'email';

/** The words of which the index knows who begins with them: see platform.customer_beginnings. */
export const isKnownBeginning = (word: string): boolean => /^[a-z0-9]{1,16}$/.test(word);

/**
 * @param except those customers are not asked for whose name or address begins with the word, if the index knows them. Some of them may be
 *   found nevertheless.
 */
export type CustomersByIndex = { except?: CustomerPart | undefined };

/**
 * The condition that a word occurs in the name or the primary address of a customer `c`.
 *
 * @param byIndex as for `matchName`
 */
export function matchCustomer(word: string, parameter: Parameter, byIndex?: CustomersByIndex): string {
  if (!byIndex) return matchName('c.name', word, parameter, { also: 'c.email_key' });
  const patternOf = hiddenPattern(parameter);
  return matchForms('c.name', word, patternOf, (form) => {
    const hasPattern = (pattern: string) =>
      `platform.customer_words(c.name, c.email_key) collate "C" like (select ${parameter(pattern, 'text')})`;
    const isThere = () => `${lowered('c.name')} || ${betweenInSql} || c.email_key like ${patternOf(form)}`;
    if (!isKnownBeginning(form)) {
      const part = rarePartOfAddress(form);
      const patterns = form.startsWith(part) ? beginningPatterns(part) : [likePattern(part)];
      return `((${patterns.map(hasPattern).join(' or ')}) and ${isThere()})`;
    }
    const begins = beginningTerms(form, form === word ? byIndex.except : undefined).map(
      (terms) => `platform.customer_beginnings(c.name, c.email_key) @@ (select ${parameter(terms, 'tsquery')})`,
    );
    const part = rarePart(form);
    const found = [hasPattern(likePattern(part)), ...begins].join(' or ');
    // What begins with a 0 in the index began with any letter or digit. All others need no second look: it would take as long as the first.
    return form.startsWith('0') || part !== form ? `((${found}) and ${isThere()})` : found;
  });
}

/** By the digits of a long word the index finds few, and it looks each of them up for every three letters more that it is asked for. */
const rarePart = (word: string): string => (word.length > 6 && /[a-z]{1,2}\d{2,}|\d{3,}/.exec(word)?.[0]) || word;

/**
 * The same of an address: the longest run of three digits or more before the @, with up to two letters before it, if these are five characters
 * or more together. A whole provider may share the digits of its domain, and thousands a year alone.
 */
function rarePartOfAddress(word: string): string {
  const [local = ''] = /^[^\s@]+(?=@)/.exec(word) ?? [];
  const runs = (local.match(/[a-z]{0,2}\d{3,}/g) ?? []).filter((run) => run.length > 4);
  return runs.sort((one, other) => other.length - one.length)[0] ?? word;
}

/** The patterns for the index, in which a name and an address begin with a 0: see platform.customer_words. */
function beginningPatterns(form: string): string[] {
  const pattern = likePattern(form);
  return [...new Set([pattern, pattern.replace(/(?<=^% ?)[a-z0-9]/, '0')])];
}

/**
 * The queries for those whose name or address begins with a word: see platform.customer_beginnings. The frequent terms are asked for alone:
 * of a query with many terms the index reckons each for every customer.
 */
function beginningTerms(word: string, except: CustomerPart | undefined): string[] {
  const parts = except === 'name' ? ['e'] : except === 'email' ? ['n'] : ['n', 'e'];
  const term = (before: string) => `'${before}${word}':*`;
  const withSome = [...word].slice(1).flatMap((_, at) => parts.map((part) => term(`${part}${(at + 1).toString(16)}`)));
  return [
    ...(except ? [] : [term('b')]),
    ...parts.map((part) => term(`${part}0`)),
    ...(withSome.length > 0 ? [withSome.join(' | ')] : []),
  ];
}

/** Fewer characters than these begin too many addresses. */
const addressCharactersMin = 3;
/** So many customers are found by the beginning of another address. */
const addressesMax = 100;

/**
 * The condition that a customer `c` has the address, as the primary one or another one, or another one that begins like that. Parts of the
 * primary one are found by `matchCustomer`.
 *
 * @returns undefined if the search can be no address.
 */
export function matchAddress(search: string, parameter: Parameter): string | undefined {
  const whole = canonicaliseEmail(search);
  const begin = search.trim().normalize('NFC').toLowerCase();
  const owners: string[] = [];
  if (whole.ok)
    owners.push(`select e.customer_id from platform.customer_emails e where e.email_key = ${parameter(whole.key)}`);
  if (begin.length >= addressCharactersMin && !/\s/.test(begin))
    owners.push(`(select e.customer_id from platform.customer_emails e
      where not e.is_primary and e.email_key >= ${parameter(begin)} and e.email_key < ${parameter(`${begin}\u{10ffff}`)}
      order by e.email_key limit ${addressesMax})`);
  return owners.length === 0 ? undefined : `c.id = any (array(${owners.join(' union all ')}))`;
}

/** A telephone number that was searched: a whole one with its extension, or the digits with which one begins or ends. */
export type SearchedPhone = { key: string; extension: string } | { begins: string } | { ends: string };

/** Fewer digits than these find too many customers. */
const digitsMin = 5;

/**
 * Reads a search as a telephone number. A number without its country is searched by its end, if the app has no country of its own. A
 * number without an extension also finds the longer ones that begin with it: in many countries half of a number could be a whole one, and
 * a person who types one would see its owner only with the last digit.
 *
 * @param whole what `readPhone` made of the search.
 */
export function readSearchedPhone(search: string, whole: Phone | undefined): SearchedPhone | undefined {
  if (whole) return whole.extension === null ? { begins: whole.key } : { key: whole.key, extension: whole.extension };
  const written = foldDigits(search).replace(/^\s*tel:\s*/i, '');
  const [, number = '', extension] =
    /^([+(]?[\d\s().\-‐‑‒–—/]+?)(?:\s*(?:ext\.?|extension|x|#|;\s*ext=)\s*(\d{1,20}))?\s*$/iu.exec(written) ?? [];
  const digits = number.replace('(0)', '').replace(/\D/g, '');
  if (digits.length < digitsMin || extension !== undefined) return undefined;
  if (number.startsWith('+')) return { begins: `+${digits}` };
  if (digits.startsWith('00')) return { begins: `+${digits.slice(2)}` };
  return { ends: digits.replace(/^0/, '') };
}

/**
 * The condition that a customer `c` has the number, as the primary one or another one. One with an extension finds those who have the same
 * extension, and those of whom only the number is known.
 *
 * @param by whether PostgreSQL finds the customers by indexes, or checks the rows that the query reads anyway. For the latter it hashes
 *   the owners of other numbers once: it would compare each row with a long list of them otherwise.
 */
export function matchPhone(phone: SearchedPhone, parameter: Parameter, by: 'index' | 'rows' = 'index'): string {
  const isNumber = matchNumber(phone, parameter);
  const owners = `select p.customer_id from platform.customer_phones p where not p.is_primary and ${isNumber('p')}`;
  return `(${isNumber('c')} or c.id ${by === 'index' ? `= any (array(${owners}))` : `in (${owners})`})`;
}

/** @returns the condition for the number in a row of either table. */
function matchNumber(phone: SearchedPhone, parameter: Parameter): (row: 'c' | 'p') => string {
  if ('begins' in phone) {
    const [from, to] = [parameter(phone.begins), parameter(`${phone.begins}:`)];
    return (row) => `(${row}.phone_key >= ${from} and ${row}.phone_key < ${to})`;
  }
  if ('ends' in phone) {
    const end = parameter(`${[...phone.ends].reverse().join('')}%`);
    return (row) => `reverse(${row}.phone_key) like ${end}`;
  }
  const key = parameter(phone.key);
  const extension = parameter(phone.extension);
  return (row) => `(${row}.phone_key = ${key} and coalesce(${row}.phone_extension, ${extension}) = ${extension})`;
}
