import { isOtherGeneration, level, levelOf } from './comparison.ts';
import { type Frequencies, onePerson, wholeNameSlot } from './frequencies.ts';
import type { PersonColumns, PersonTable } from './persontable.ts';
import { none } from './texts.ts';
import type { Weights } from './weights.ts';

/** The version of the rules that decide who is the same person; it changes when a rule, a key or a weight does. */
export const rulesVersion = 'matching-1';

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
  chanceMax: 0.005,
  familyMax: 5,
  groupSizeMax: 50,
  reviewMin: 0.02,
};

/** How many rows of one date of birth may be those of one person; and how many dates there are, roughly, some more common than others. */
const rowsOfOneBirth = 8;
const birthDates = 10_000;

const agrees = (l: number) => l >= level.slip;

/** Whether the names are those of two people: one of them differs, or both are common and only alike. */
export function clashes(comparison: number): boolean {
  const given = levelOf(comparison, 'given');
  const family = levelOf(comparison, 'family');
  return (
    given === level.different || given === level.alike || family === level.different || isOtherGeneration(comparison)
  );
}

/** Whether the first and the last name agree, as those of one person do. */
export function isOneName(comparison: number): boolean {
  return agrees(levelOf(comparison, 'given')) && agrees(levelOf(comparison, 'family')) && !clashes(comparison);
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
  const hasAddress = address >= level.slip;
  if (
    birth === level.equal &&
    (agrees(given) || (agrees(family) && given === level.unknown && (address === level.unknown || hasAddress)))
  )
    return 'birth-date-and-name';
  // A date that is nearly the same needs more: a name without a slip, and the place or the address.
  const isCleanName = isWholeName && (given === level.equal || family === level.equal);
  if (birth >= level.weak && isCleanName && (hasAddress || (agrees(city) && address !== level.different)))
    return 'birth-date-and-name';
  if (birth >= level.weak && address >= level.slip) return 'similar-address-and-name';
  if ((address === level.slip || address === level.form) && (agrees(given) || (agrees(family) && given !== level.weak)))
    return 'similar-address-and-name';
  const hasPlace = agrees(city) || agrees(company) || address === level.weak;
  const isElsewhere = address === level.different || phone === level.different || city === level.different;
  // A form of a name may be the name of a sister: Maria and Mia.
  if (isWholeName && given !== level.form && hasPlace && !isElsewhere) return 'name-and-place';
  return undefined;
}

/**
 * How many other persons of the table would agree with a row as well as this pair does, if values were given out by chance: the number of persons
 * times how common each value is. It grows with the table, so that a rule is as right for six million rows as for a thousand. Members of a
 * family share more than by chance; what tells them apart is the given name and the date of birth, which is why rules insist on one of them.
 */
export function createChance(
  table: PersonTable,
  columns: PersonColumns,
  frequencies: Frequencies,
  { u }: Weights,
  twins: number,
) {
  const { given, family, city, company, birth, addressStart, addressOf, phoneStart, phoneOf, local, domain, isRole } =
    columns;
  const { names, cities, companies, locals, domains, phones, births, wholeNames, inOtherScripts } = frequencies;
  const persons = frequencies.persons / onePerson;
  const shareOf = (counts: Uint32Array, a: number, b: number) =>
    Math.max(counts[a] as number, counts[b] as number, onePerson) / frequencies.persons;

  // A slip makes a name agree with all that are written nearly so: as often as any two names are slips of each other.
  const nameChance = (l: number, a: number, b: number, slips: number) => {
    if (l === level.unknown) return 1;
    if (l === level.weak) return 0.1;
    const share = shareOf(names, a, b);
    return Math.min(1, l === level.equal ? share : l === level.form ? share * 2 : Math.max(share * 3, slips));
  };
  const slotOf = (row: number) =>
    wholeNameSlot(
      wholeNames.length,
      table.texts.hashOf(given[row] as number),
      table.texts.hashOf(family[row] as number),
    );
  /** How many persons have such a name. */
  const personsOfName = (a: number, b: number, comparison: number): number => {
    const [g, f] = [levelOf(comparison, 'given'), levelOf(comparison, 'family')];
    const byParts =
      nameChance(g, given[a] as number, given[b] as number, u.given[level.slip] as number) *
      nameChance(f, family[a] as number, family[b] as number, u.family[level.slip] as number);
    // First and last names go together within a script: of a hundred Greeks, all with a Greek first name have a Greek last name.
    const isOtherScript =
      table.texts.isBeyondAscii(family[a] as number) && table.texts.isBeyondAscii(family[b] as number);
    const independent =
      isOtherScript && g >= level.slip && f >= level.slip
        ? (persons * persons) / Math.max(1, inOtherScripts / onePerson)
        : persons;
    if (!agrees(g) || !agrees(f)) return independent * byParts;
    // A whole name at many addresses is common, whatever its parts say. A few addresses can be those of one person.
    const seen = Math.max(wholeNames[slotOf(a)] as number, wholeNames[slotOf(b)] as number) / onePerson;
    return Math.max(independent * byParts, (seen - 4) / 2);
  };
  const textChance = (counts: Uint32Array, l: number, a: number, b: number, slips: number) => {
    if (l === level.unknown) return 1;
    if (l === level.different) return 3; // a contradiction: that much less likely for one person
    const share = shareOf(counts, a, b);
    return l === level.equal ? share : Math.min(1, Math.max(share * 2, slips));
  };
  const birthChance = (l: number, a: number, b: number) => {
    if (l === level.unknown) return 1;
    // Some rows of a date are one person's. A date that many more rows have is a default, such as the first of January 1980.
    const common = Math.max(births.get(a) ?? 0, births.get(b) ?? 0) - rowsOfOneBirth * onePerson;
    const share = Math.max(common / frequencies.persons, 1 / birthDates);
    return l === level.equal ? share : Math.max(share * 40, l === level.slip ? 0.006 : 0.06);
  };
  /** Whether the local part says only what the name says already. */
  const repeatsName = (localPart: number, a: number, b: number): boolean => {
    const text = table.texts.textOf(localPart);
    for (const name of [given[a], family[a], given[b], family[b]] as number[]) {
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
        least = Math.min(least, oneAddressChance(l, a, b, x, y));
      }
    return least;
  };
  const oneAddressChance = (l: number, a: number, b: number, x: number, y: number): number => {
    const ofDomain = shareOf(domains, domain[x] as number, domain[y] as number);
    if (isRole[x] || isRole[y]) return 1;
    if (x === y) return 1 / persons;
    if (l === level.weak) return domain[x] === domain[y] ? ofDomain : 1;
    if (l === level.form) return domain[x] === domain[y] ? 3 / persons : 1;
    const ofLocal =
      local[x] === local[y] && !repeatsName(local[x] as number, a, b)
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

  return (a: number, b: number, comparison: number): number => {
    const byChance = chanceOf(a, b, comparison);
    return couldBeTwins(comparison) ? Math.max(byChance, twins) : byChance;
  };

  function chanceOf(a: number, b: number, comparison: number): number {
    return (
      personsOfName(a, b, comparison) *
      addressChance(levelOf(comparison, 'address'), a, b) *
      phoneChance(levelOf(comparison, 'phone'), a, b) *
      textChance(
        cities,
        levelOf(comparison, 'city'),
        city[a] as number,
        city[b] as number,
        u.city[level.slip] as number,
      ) *
      textChance(
        companies,
        levelOf(comparison, 'company'),
        company[a] as number,
        company[b] as number,
        u.company[level.slip] as number,
      ) *
      birthChance(levelOf(comparison, 'birth'), birth[a] as number, birth[b] as number)
    );
  }
}

/** Twins share a date of birth and a last name, which is not by chance; without a first name only an address tells them apart. */
function couldBeTwins(comparison: number): boolean {
  return (
    levelOf(comparison, 'birth') === level.equal &&
    agrees(levelOf(comparison, 'family')) &&
    levelOf(comparison, 'given') === level.unknown &&
    levelOf(comparison, 'address') < level.slip
  );
}

/**
 * How many twins of other first names a person of this list has: counted among the pairs that have one date of birth and one last name but no
 * address in common. One more than were seen, because a short list that shows none may still have some.
 */
export function countTwins(comparisons: Int32Array, { persons }: Frequencies): number {
  let pairs = 1;
  for (let i = 0; i < comparisons.length; i++) {
    const comparison = comparisons[i] as number;
    const given = levelOf(comparison, 'given');
    if (
      levelOf(comparison, 'birth') === level.equal &&
      levelOf(comparison, 'family') === level.equal &&
      (given === level.different || given === level.alike) &&
      levelOf(comparison, 'address') < level.slip
    )
      pairs++;
  }
  return (pairs * onePerson) / persons;
}
