import { readPhone } from '@aether/platform/phone';

/*
 * The keys of telephone numbers, as platform/phone.ts makes them, without asking its parser for each: that takes as long as everything else of a
 * row several times over. What the parser does with a plain number depends on its first digits and on its length only: it leaves the trunk prefix
 * out, puts the country in front, and says whether the length is possible. So the first number of such a class is parsed, and the others
 * follow it. A test compares both for numbers of all countries.
 */

export type NumberReader = (written: string) => { key: string; extension: string | null } | undefined;

/** What the parser does with all numbers of a class: `drop` digits at the front become `lead`; null: they are no numbers. */
type Rule = { lead: string; drop: number } | null;

const classDigits = 7;
const rulesMax = 200_000;
/** A + or (, digits, and what is written between them. Anything else, such as an extension, is parsed. */
const plain = /^(?:\+\d|\(?\d{1,4}\)?[ .-]?\d)[\d .-]*$/;
/** In Argentina, Brazil and Mexico, what is left out depends on digits further behind. */
const parsedAlways = /^\+?(?:00)?5[245]/;

/** @param country of numbers without + and their country */
export function numberReader(country: string | undefined): NumberReader {
  const rules = new Map<string, Rule>();
  const isDeep = country === 'AR' || country === 'BR' || country === 'MX';
  const parse = (written: string) => {
    const phone = readPhone(written, country);
    return phone && { key: phone.key, extension: phone.extension };
  };
  return (written) => {
    if (!plain.test(written) || parsedAlways.test(written)) return parse(written);
    const isInternational = written.charCodeAt(0) === 43;
    if (!isInternational && (isDeep || country === undefined || written.startsWith('00'))) return parse(written);
    const digits = written.replace(/[^\d]/g, '');
    if (digits.length <= classDigits) return parse(written);
    const name = `${isInternational ? '+' : ''}${digits.slice(0, classDigits)}/${digits.length}`;
    let rule = rules.get(name);
    if (rule === undefined) {
      const parsed = parse(written);
      rule = parsed === undefined ? null : ruleOf(digits, parsed.key);
      if (rule !== null && rule.drop > classDigits) return parsed;
      if (rules.size >= rulesMax) rules.clear();
      rules.set(name, rule);
    }
    return rule === null ? undefined : { key: rule.lead + digits.slice(rule.drop), extension: null };
  };
}

/** The end that both have in common stays; what is in front of it in the digits is replaced by what is in front of it in the key. */
function ruleOf(digits: string, key: string): { lead: string; drop: number } {
  let common = 0;
  while (
    common < digits.length &&
    common < key.length - 1 &&
    digits[digits.length - 1 - common] === key[key.length - 1 - common]
  )
    common += 1;
  return { lead: key.slice(0, key.length - common), drop: digits.length - common };
}
