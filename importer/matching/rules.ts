import { isOtherGeneration, level, levelOf } from './comparison.ts';
import { type Frequencies, onePerson } from './frequencies.ts';
import type { PersonColumns, PersonTable } from './persontable.ts';
import { none } from './texts.ts';

/** The rules that join rows by themselves. Each can be switched off; everything that none of them joins is a candidate for a person. */
export const ruleNames = [
  'address',
  'external-id',
  'phone-and-name',
  'birth-date-and-name',
  'similar-address-and-name',
  'name-and-place',
] as const;
export type RuleName = (typeof ruleNames)[number];

export type MatchSettings = {
  rules: Record<RuleName, boolean>;
  /** A rule joins only if fewer other persons than this would agree so well by chance, of all persons in the table. */
  chanceMax: number;
  /** Of how many different people one address can be; a larger number holds all its rows. */
  familyMax: number;
  /** How many rows with different names, addresses or dates a group may have. */
  groupSizeMax: number;
  /** Candidates with a smaller probability are not shown. */
  reviewMin: number;
};

export const standardSettings: MatchSettings = {
  rules: {
    address: true,
    'external-id': true,
    'phone-and-name': true,
    'birth-date-and-name': true,
    'similar-address-and-name': true,
    'name-and-place': true,
  },
  chanceMax: 0.002,
  familyMax: 5,
  groupSizeMax: 50,
  reviewMin: 0.02,
};

const agrees = (l: number) => l >= level.slip;

/** Whether the names are those of two people: one of them differs, or both are common and only alike. */
export function clashes(comparison: number): boolean {
  const given = levelOf(comparison, 'given');
  const family = levelOf(comparison, 'family');
  return (
    given === level.different || given === level.alike || family === level.different || isOtherGeneration(comparison)
  );
}

/** Whether a rule must not join two rows, whatever else agrees. */
export function isNever(comparison: number): boolean {
  return levelOf(comparison, 'birth') === level.different || isOtherGeneration(comparison);
}

/**
 * The rule of which a pair has what it takes, apart from the chance; undefined: none. The rules on equal addresses and external ids are not
 * here, because they look at all rows of an address together.
 */
export function ruleOf(comparison: number): RuleName | undefined {
  if (clashes(comparison) || isNever(comparison)) return undefined;
  const given = levelOf(comparison, 'given');
  const family = levelOf(comparison, 'family');
  const address = levelOf(comparison, 'address');
  const birth = levelOf(comparison, 'birth');
  const phone = levelOf(comparison, 'phone');
  const city = levelOf(comparison, 'city');
  const company = levelOf(comparison, 'company');
  const isWholeName = agrees(given) && agrees(family);
  if (isWholeName && phone === level.equal) return 'phone-and-name';
  if ((birth === level.equal && agrees(given)) || (birth >= level.weak && isWholeName)) return 'birth-date-and-name';
  if (birth >= level.weak && address >= level.slip) return 'similar-address-and-name';
  if ((address === level.slip || address === level.form) && (agrees(given) || (agrees(family) && given !== level.weak)))
    return 'similar-address-and-name';
  const hasPlace = agrees(city) || agrees(company) || address === level.weak;
  const isElsewhere = address === level.different || phone === level.different || city === level.different;
  if (isWholeName && hasPlace && !isElsewhere) return 'name-and-place';
  return undefined;
}

/**
 * How many other persons of the table would agree with a row as well as this pair does, if values were given out by chance: the number of persons
 * times how common each value is. It grows with the table, so that a rule is as right for six million rows as for a thousand. Members of a
 * family share more than by chance; what tells them apart is the given name and the date of birth, which is why rules insist on one of them.
 */
export function createChance(table: PersonTable, columns: PersonColumns, frequencies: Frequencies) {
  const { given, family, city, company, birth, addressStart, addressOf, phoneStart, phoneOf, local, domain, isRole } =
    columns;
  const { names, cities, companies, locals, domains, phones, births } = frequencies;
  const persons = frequencies.persons / onePerson;
  const shareOf = (counts: Float64Array, a: number, b: number) =>
    Math.max(counts[a] as number, counts[b] as number, onePerson) / frequencies.persons;

  const nameChance = (l: number, a: number, b: number) => {
    if (l === level.unknown) return 1;
    if (l === level.weak) return 0.1;
    return Math.min(1, shareOf(names, a, b) * (l === level.equal ? 1 : l === level.form ? 2 : 3));
  };
  const textChance = (counts: Float64Array, l: number, a: number, b: number) => {
    if (l === level.unknown) return 1;
    if (l === level.different) return 3; // a contradiction: that much less likely for one person
    return Math.min(1, shareOf(counts, a, b) * (l === level.equal ? 1 : 2));
  };
  const birthChance = (l: number, a: number, b: number) => {
    if (l === level.unknown) return 1;
    const common = Math.max(births.get(a) ?? 0, births.get(b) ?? 0) / frequencies.persons;
    const share = Math.max(common, 1 / 25_000);
    return l === level.equal ? share : Math.min(1, share * (l === level.slip ? 40 : 120));
  };
  /** Whether the local part says only what the name says already. */
  const repeatsName = (localPart: number, a: number): boolean => {
    const text = table.texts.textOf(localPart);
    for (const name of [given[a] as number, family[a] as number]) {
      const word = name === none ? '' : table.texts.textOf(name);
      if (word.length > 2 && text.includes(word)) return true;
    }
    return false;
  };
  const addressChance = (l: number, a: number, b: number) => {
    if (l === level.unknown) return 1;
    if (l === level.different) return 3;
    let least = 1;
    for (let i = addressStart[a] as number; i < (addressStart[a + 1] as number); i++)
      for (let j = addressStart[b] as number; j < (addressStart[b + 1] as number); j++) {
        const x = addressOf[i] as number;
        const y = addressOf[j] as number;
        least = Math.min(least, oneAddressChance(l, a, x, y));
      }
    return least;
  };
  const oneAddressChance = (l: number, a: number, x: number, y: number): number => {
    const ofDomain = shareOf(domains, domain[x] as number, domain[y] as number);
    if (x === y) return isRole[x] ? ofDomain : 1 / persons;
    if (l === level.weak) return domain[x] === domain[y] ? ofDomain : 1;
    if (l === level.form) return domain[x] === domain[y] ? 3 / persons : 1;
    const ofLocal =
      local[x] === local[y] && !repeatsName(local[x] as number, a)
        ? shareOf(locals, local[x] as number, local[y] as number)
        : 0.3;
    return ofLocal * Math.min(1, domain[x] === domain[y] ? ofDomain : 3 * ofDomain);
  };
  const phoneChance = (l: number, a: number, b: number) => {
    if (l === level.unknown) return 1;
    if (l === level.different) return 3;
    let least = 1;
    for (let i = phoneStart[a] as number; i < (phoneStart[a + 1] as number); i++)
      for (let j = phoneStart[b] as number; j < (phoneStart[b + 1] as number); j++)
        if (phoneOf[i] === phoneOf[j])
          least = Math.min(least, shareOf(phones, phoneOf[i] as number, phoneOf[i] as number));
    return least;
  };

  return (a: number, b: number, comparison: number): number =>
    persons *
    nameChance(levelOf(comparison, 'given'), given[a] as number, given[b] as number) *
    nameChance(levelOf(comparison, 'family'), family[a] as number, family[b] as number) *
    addressChance(levelOf(comparison, 'address'), a, b) *
    phoneChance(levelOf(comparison, 'phone'), a, b) *
    textChance(cities, levelOf(comparison, 'city'), city[a] as number, city[b] as number) *
    textChance(companies, levelOf(comparison, 'company'), company[a] as number, company[b] as number) *
    birthChance(levelOf(comparison, 'birth'), birth[a] as number, birth[b] as number);
}
