import { isUtf8 } from 'node:buffer';
import type { CellRemark } from '../../person.ts';

/*
 * One vCard of version 2.1, 3 or 4 as cells.
 *
 * Version 2.1 writes what is beyond ASCII as quoted-printable, often without its character set. Version 3 and 4 escape with backslashes.
 */

/** The properties that are read, as the columns of a table. A card with several addresses has them in one cell, one a line. */
export const cardColumns = [
  'UID',
  'FN',
  'N.given',
  'N.family',
  'EMAIL',
  'TEL',
  'ORG',
  'TITLE',
  'BDAY',
  'ADR.city',
  'NOTE',
  'CATEGORIES',
  'URL',
  'LANG',
  'TZ',
  'KIND',
] as const;
type CardColumn = (typeof cardColumns)[number];

type Property = { name: string; parameters: string[]; value: string };

/** @param lines of the card, without the line ends and without BEGIN and END */
export function readCard(lines: readonly string[]): { cells: string[]; remarks: CellRemark[] | null } {
  const values = new Map<CardColumn, { value: string; isPreferred: boolean }[]>();
  const remarks: CellRemark[] = [];
  const add = (column: CardColumn, value: string, isPreferred = false) => {
    const text = value.trim();
    if (text === '') return;
    const known = values.get(column);
    if (known) known.push({ value: text, isPreferred });
    else values.set(column, [{ value: text, isPreferred }]);
  };
  for (const property of unfold(lines)) {
    const { name, parameters } = property;
    if (parameters.some((parameter) => /^(?:encoding=)?(?:b|base64)$/i.test(parameter))) continue;
    const value = decode(property, remarks);
    const isPreferred = parameters.some((parameter) => /^(?:type=)?(?:.*,)?pref(?:,.*)?$|^pref=1$/i.test(parameter));
    switch (name) {
      case 'N': {
        const [family = '', given = ''] = splitValue(value, ';');
        add('N.family', family);
        add('N.given', given);
        break;
      }
      case 'ADR':
        add('ADR.city', splitValue(value, ';')[3] ?? '', isPreferred);
        break;
      case 'ORG':
        add('ORG', splitValue(value, ';')[0] ?? '', isPreferred);
        break;
      case 'CATEGORIES':
        for (const category of splitValue(value, ',')) add('CATEGORIES', category);
        break;
      case 'TEL':
      case 'EMAIL':
        add(name, unescapeValue(value), isPreferred);
        break;
      default:
        if ((cardColumns as readonly string[]).includes(name))
          add(name as CardColumn, unescapeValue(value), isPreferred);
    }
  }
  const cells = cardColumns.map((column) => {
    const found = values.get(column) ?? [];
    found.sort((one, other) => Number(other.isPreferred) - Number(one.isPreferred));
    const isList = column === 'EMAIL' || column === 'TEL' || column === 'NOTE' || column === 'CATEGORIES';
    return (isList ? found : found.slice(0, 1)).map(({ value }) => value).join('\n');
  });
  return { cells, remarks: remarks.length > 0 ? remarks : null };
}

/** Properties from lines: a line that begins with a space goes on, and so does a quoted-printable one that ends with =. */
function unfold(lines: readonly string[]): Property[] {
  const whole: string[] = [];
  let isSoft = false;
  for (const line of lines) {
    const last = whole.length - 1;
    if (isSoft) whole[last] = `${(whole[last] as string).slice(0, -1)}${line}`;
    else if (/^[ \t]/.test(line) && last >= 0) whole[last] += line.slice(1);
    else if (line.trim() !== '') whole.push(line);
    const current = whole.at(-1) ?? '';
    isSoft = current.endsWith('=') && /^[^:]*quoted-printable/i.test(current);
  }
  return whole.flatMap((line) => {
    const colon = colonOf(line);
    if (colon < 0) return [];
    const [head = '', ...parameters] = line.slice(0, colon).split(/;(?=(?:[^"]*"[^"]*")*[^"]*$)/);
    // A group's name, as in item1.EMAIL, ties a property to its label.
    return [{ name: head.replace(/^[^.]*\./, '').toUpperCase(), parameters, value: line.slice(colon + 1) }];
  });
}

/** The colon behind the parameters, whose values may have one within quotes. */
function colonOf(line: string): number {
  let isQuoted = false;
  for (let at = 0; at < line.length; at += 1) {
    const char = line[at];
    if (char === '"') isQuoted = !isQuoted;
    else if (char === ':' && !isQuoted) return at;
  }
  return -1;
}

function decode({ name, parameters, value }: Property, remarks: CellRemark[]): string {
  if (!parameters.some((parameter) => /quoted-printable/i.test(parameter))) return value;
  const bytes = Buffer.from(
    value.replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
  // A text that has characters beyond ASCII beside its quoted ones was decoded before.
  if (/[^\0-\xff]/.test(value)) return value;
  const charset = /charset="?([^";]+)/i.exec(parameters.join(';'))?.[1];
  if (charset) {
    try {
      return new TextDecoder(charset, { fatal: true }).decode(bytes);
    } catch {
      remarks.push({
        column: name,
        code: 'bad-charset',
        cell: value.slice(0, 200),
        message: `This is no text in ${charset}.`,
      });
    }
  }
  if (isUtf8(bytes)) return bytes.toString();
  const text = new TextDecoder('windows-1252').decode(bytes);
  if (!charset)
    remarks.push({
      column: name,
      code: 'guessed-charset',
      cell: value.slice(0, 200),
      message: `The card does not say its character set; read as windows-1252 it is “${text.slice(0, 60)}”.`,
    });
  return text;
}

const splitValue = (value: string, separator: ';' | ','): string[] =>
  value.split(separator === ';' ? /(?<=(?<!\\)(?:\\\\)*);/ : /(?<=(?<!\\)(?:\\\\)*),/).map(unescapeValue);

const unescapeValue = (value: string): string =>
  value.includes('\\')
    ? value.replace(/\\(.)/g, (_, char: string) => (char === 'n' || char === 'N' ? '\n' : char))
    : value;
