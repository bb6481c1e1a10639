import { fold } from '@aether/platform/folding';
import type { Person } from '../person.ts';
import { type NameParts, takeNameApart } from './names.ts';

/** What of a person is compared. Keys of texts are made only here: `lower()`, `toLowerCase()` and casefolding pair different spellings. */
export type PersonKeys = NameParts & {
  emails: string[];
  phones: string[];
  city: string;
  company: string;
  /** The digits of YYYY-MM-DD as a number; 0: not known. */
  birth: number;
  externalId: string;
};

export type Matchable = Pick<
  Person,
  'name' | 'firstName' | 'lastName' | 'emails' | 'phones' | 'city' | 'birthDate' | 'company' | 'externalId'
>;

/** @returns the keys of a person. A telephone number that several people share, or that has no key, identifies nobody and is left out. */
export function keysOf(person: Matchable): PersonKeys {
  const { emails, phones, city, company, birthDate, externalId } = person;
  return {
    ...takeNameApart(person),
    emails: emails.length === 1 ? [(emails[0] as { key: string }).key] : [...new Set(emails.map(({ key }) => key))],
    phones:
      phones.length === 0 ? [] : [...new Set(phones.flatMap(({ key, isShared }) => (key && !isShared ? [key] : [])))],
    city: city ? foldText(city) : '',
    company: company ? (company.domain ?? (company.name ? foldText(company.name) : '')) : '',
    birth: birthDate ? readBirth(birthDate) : 0,
    externalId: externalId ?? '',
  };
}

function foldText(text: string): string {
  return /^[A-Za-z]*$/.test(text)
    ? text.toLowerCase()
    : fold(text)
        .replace(/[^\p{L}\p{N}\p{M}]+/gu, ' ')
        .trim();
}

/** The first of January is what systems write that know only a year, and 1900 what they write for nothing. */
function readBirth(date: string): number {
  const digits = /^(\d{4})-(\d\d)-(\d\d)$/.exec(date);
  if (!digits) return 0;
  const number = Number(`${digits[1]}${digits[2]}${digits[3]}`);
  return number < 1900_01_02 || number === 1970_01_01 ? 0 : number;
}
