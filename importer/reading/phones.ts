import type { PersonPhone } from '../person.ts';
import { type NumberReader, numberReader } from './phonenumbers.ts';

/** What a cell of telephone numbers holds. */
export type ReadPhones = {
  phones: PersonPhone[];
  /** Parts of the cell that are no telephone number. */
  unread: string[];
};

export type PhoneReader = (cell: string, isShared: boolean) => ReadPhones;

const memoryMax = 20_000;
const plainNumber = /^\+?[\d\s().-]{5,25}$/;

/**
 * Reads cells of telephone numbers.
 *
 * @param country of numbers without + and their country; undefined: such a number keeps its text and has no key
 */
export function phoneReader(country: string | undefined): PhoneReader {
  const memory = new Map<string, ReadPhones>();
  const readNumber = numberReader(country);
  return (cell, isShared) => {
    if (plainNumber.test(cell)) {
      const phone = readNumber(cell);
      if (phone) return { phones: [{ written: cell, ...phone, isShared }], unread: [] };
    }
    const cached = memory.get(cell);
    if (cached) return withShared(cached, isShared);
    if (memory.size >= memoryMax) memory.clear();
    const read = readCell(cell, readNumber);
    memory.set(cell, read);
    return withShared(read, isShared);
  };
}

const withShared = (read: ReadPhones, isShared: boolean): ReadPhones =>
  isShared ? { ...read, phones: read.phones.map((phone) => ({ ...phone, isShared })) } : read;

function readCell(cell: string, readNumber: NumberReader): ReadPhones {
  const phones: PersonPhone[] = [];
  const unread: string[] = [];
  for (const written of splitPhones(cell)) {
    const phone = readNumber(written) ?? readNumber(withoutNote(written));
    if (phone) phones.push({ written, key: phone.key, extension: phone.extension, isShared: false });
    else if (isNumberOfSomeCountry(written)) phones.push({ written, key: null, extension: null, isShared: false });
    else unread.push(written);
  }
  return { phones, unread };
}

const betweenNumbers =
  /\s*(?::::|[\n\r|;；](?!\s*ext=)|(?<!,)[,，、](?!,)|\s(?:or|and|oder|und|et|ou|&)\s|\s\/\s(?=[+0(])|\/(?=\+)|\s(?=\+\d))\s*/i;

/** Google's ` ::: `, line ends, semicolons, commas, "or", and a slash between two whole numbers. An extension stays with its number. */
export function splitPhones(cell: string): string[] {
  if (plainNumber.test(cell)) return [cell];
  return cell
    .split(betweenNumbers)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** "+49 30 1234567 (mobile)" without its note, whose letters some parsers take for digits. "Mobile: +49 …" likewise. */
const withoutNote = (written: string): string =>
  written
    .replace(/^\s*\p{L}[\p{L}\s.]*:\s*/u, '')
    .replace(/\s*[([]\p{L}[^)\]]*[)\]]\s*$/u, '')
    .trim();

/** A number without its country: it has enough digits and no letters but those of an extension. */
function isNumberOfSomeCountry(written: string): boolean {
  const bare = withoutNote(written).replace(/\s*(?:x|ext\.?|;ext=|#)\s*\d+$/i, '');
  const digits = bare.replace(/\D/g, '').length;
  return !bare.startsWith('+') && /^[\d\s().\-/]+$/.test(bare) && digits >= 5 && digits <= 15;
}
