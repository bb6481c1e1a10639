import {
  type CountryCode,
  isSupportedCountry,
  type PhoneNumber,
  parsePhoneNumberFromString,
} from 'libphonenumber-js/min';
import { InvalidField } from './log/errors.ts';

/** A telephone number in its original form, and the key that finds it in any form. */
export type Phone = {
  written: string;
  /** E.164, such as +49301234567. */
  key: string;
  /** Digits to dial after the call is answered; no part of the key. */
  extension: string | null;
};

/** Whether this is a country that numbers can be read for, as ISO 3166 writes it: DE. */
export function isPhoneCountry(country: string): boolean {
  return isSupportedCountry(country);
}

/**
 * Reads a telephone number in any common way of writing it. Pure.
 *
 * Digits of full width, as a Japanese keyboard types them, are folded first (NFKC): the parser knows those digits but not that +, so
 * that ＋４９ … would become a number of another country. Invisible characters, which come with numbers that are copied from a
 * contact list, are left out. The length is checked and the ranges in use are not, because new ones are opened every month.
 *
 * @param country of a number that is written without + and its country, such as DE; undefined: such a number is refused.
 * @returns undefined when it is no telephone number.
 */
export function readPhone(written: string, country?: string): Phone | undefined {
  const folded = foldDigits(written).replace(/^\s*tel:\s*/i, '');
  if (areSeveral(folded, country)) return undefined;
  const parsed = parseMended(folded, country as CountryCode | undefined);
  if (!parsed?.isPossible()) return undefined;
  return { written, key: parsed.number, extension: parsed.ext ?? null };
}

/** Without `extract` the whole text must be the number: "abc def" and "12 years" are none. */
const parse = (folded: string, country?: CountryCode): PhoneNumber | undefined =>
  parsePhoneNumberFromString(folded, { ...(country && { defaultCountry: country }), extract: false });

/**
 * As the parser reads it, but for three ways of writing that lists are full of and it takes for other numbers or for none:
 *
 * - A number of the own country that has lost its +, as spreadsheets lose it: 49 151 12345678 in DE. Whether the parser sees the country's code
 *   depends on what follows it (of 49 30 1234567 it does); with a trunk prefix no number of a country begins with its code.
 * - A mobile number of Mexico with the 1 or the prefix that were dropped in 2019: +52 1 55 1234 5678, 044 55 1234 5678. Both reach +52 55 1234 5678.
 * - 00 in a country that dials another prefix, or without a country: 0049 30 1234567 in US.
 */
function parseMended(folded: string, country: CountryCode | undefined): PhoneNumber | undefined {
  const parsed = parse(folded, country);
  const retry = (text: string) => {
    const other = parse(text);
    return other?.isPossible() ? other : undefined;
  };
  if (parsed?.countryCallingCode === '52') {
    const number = formerPrefixOfMexico.exec(parsed.nationalNumber)?.groups?.number;
    return number ? parse(parsed.ext ? `+52${number};ext=${parsed.ext}` : `+52${number}`) : parsed;
  }
  if (parsed?.isPossible())
    return country && hasLostPlus(folded, parsed, country) ? (retry(`+${folded}`) ?? parsed) : parsed;
  return /^\s*00[1-9]/.test(folded) ? retry(folded.replace('00', '+')) : parsed;
}

const formerPrefixOfMexico = /^(?:1|01|044|045)(?<number>\d{10})$/;

function hasLostPlus(
  folded: string,
  { nationalNumber, countryCallingCode }: PhoneNumber,
  country: CountryCode,
): boolean {
  if (!nationalNumber.startsWith(countryCallingCode) || !folded.startsWith(countryCallingCode)) return false;
  return parse(`0${nationalNumber}`, country)?.nationalNumber === nationalNumber; // 0 is the trunk prefix there
}

/** Whether the text names more than one telephone number, and is refused for that. */
export const namesSeveral = (written: string, country?: string): boolean => areSeveral(foldDigits(written), country);

/** What may stand between two numbers. Two commas are a pause, and `;ext=` begins an extension. */
const betweenNumbers =
  /(?<!,),(?!,)|;(?!\s*ext=)|[&|\n]|\s(?=\+)|(?<=[\d\s])(?:or|and|oder|und|bzw\.?|et|ou)(?=[\d\s])/i;
/** The rest after a slash or a parenthesis at the end: 1234567/8. */
const endAfterSlash = /^(?<before>.*\d)\s*[/(]\s*(?<end>\d[\d\s)]*)$/;

/**
 * Whether the folded text names more than one number. The parser would make one of them: of 1234567/8, which means that the number ends with 7
 * or with 8, it makes 12345678, and of "1234567, 7654321" an extension. A slash between the area code and the number is common, so a
 * slash counts only after a text that is long enough for a number.
 */
function areSeveral(folded: string, country: string | undefined): boolean {
  const numbers = folded.split(betweenNumbers).filter((piece) => /\d/.test(piece) && !/^\s*(?:x|ext|#)/i.test(piece));
  if (numbers.length > 1) return true;
  const { before, end } = endAfterSlash.exec(folded)?.groups ?? {};
  if (before === undefined || end === undefined) return false;
  const parsed = parsePhoneNumberFromString(before, { defaultCountry: country as CountryCode, extract: false });
  if (!parsed?.isPossible()) return false;
  const length = parsed.nationalNumber.length;
  return length >= 8 || (length >= 7 && end.replace(/\D/g, '').length <= 3);
}

/** @throws InvalidField that says how to write it */
export function requirePhone(
  written: string,
  { country, field = 'phone' }: { country?: string | undefined; field?: string | undefined },
): Phone {
  const phone = readPhone(written, country);
  if (phone) return phone;
  if (namesSeveral(written, country))
    throw new InvalidField([
      { field, message: 'must be one telephone number: it names several. Write an extension as ext. 12' },
    ]);
  const message = country
    ? `must be a telephone number: write it as in ${country}, or with + and the country code, such as +49 30 1234567`
    : 'must be a telephone number: write it with + and the country code, such as +49 30 1234567';
  throw new InvalidField([{ field, message }]);
}

/**
 * The columns that hold a telephone number in platform.customers and crm.contacts. A statement writes all three or none: a trigger refuses
 * a number without its key.
 *
 * @param phone null: none; undefined: not to be written.
 * @throws InvalidField
 */
export function phoneColumns(
  phone: string | null | undefined,
  country: string | undefined,
): { phone?: string | null; phone_key?: string | null; phone_extension?: string | null } {
  if (phone === undefined) return {};
  if (phone === null) return { phone: null, phone_key: null, phone_extension: null };
  const { written, key, extension } = requirePhone(phone, { country });
  return { phone: written, phone_key: key, phone_extension: extension };
}

export type PhoneCalls = ReturnType<typeof phoneCalls>;

/** The calls of platformDb about telephone numbers: as the functions above, with the country that the app is set to. */
export function phoneCalls({ phoneCountry: home }: { phoneCountry?: string | undefined }) {
  return {
    /** Reads a telephone number in any common way of writing it, one without + in the country that the app is set to. @returns undefined when it is none */
    readPhone: (written: string, country = home) => readPhone(written, country),
    /** As readPhone. @throws InvalidField that says how to write it */
    requirePhone: (written: string, { country = home, field }: { country?: string | undefined; field?: string } = {}) =>
      requirePhone(written, { country, field }),
    /** The columns of a row that keeps a telephone number as customers do; none if it is undefined. @throws InvalidField */
    phoneColumns: (phone: string | null | undefined) => phoneColumns(phone, home),
  };
}

/** Digits and signs of full width as ASCII, without what nobody sees. */
export function foldDigits(text: string): string {
  return text.normalize('NFKC').replace(/\p{Cf}/gu, '');
}
