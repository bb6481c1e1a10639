import { personOf } from './testing.persons.ts';

/*
 * Labelled lists of people, made from a seed: households with families on one address and one telephone, twins, fathers and sons of one name,
 * colleagues with role mailboxes, common names, names in several scripts. Each person is in the list once or more, each time as another hand
 * wrote it: with slips, short forms, initials, exchanged names, missing fields, another address, another city.
 */

/** Numbers from 0 to 1 from a seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const given =
  'James Maria Anna Michael Thomas Sarah David Laura Daniel Daniela Robert Julia Julian Peter Petra Elizabeth William Eric Erica Christian Christina Jan Jana Paul Paula Martin Martina Andrea Andreas Katherine Lena Lea Leah Mia Maya Emma Emilia Emily Jonas Johanna Hannah Hanna Anne Marie Mario Marion Sofia Sophie Sebastian Alexander Alexandra Joseph Josephine Karl Karla Samuel Simon Simone Nina Tina Tim Tom Ben Leo Leon Luca Lukas Oliver Olivia Victor Victoria Stefan Stefanie Frank Franka Georg George Georgina Patrick Patricia Nicole Nicola Gabriel Gabriela Manuel Manuela Miguel Carmen Pedro Lucia Giulia Marco Matteo Chiara Pierre Camille Luc Chloe Wei Fatima Mohammed Aisha Priya Arjun Olga Ivan Svetlana Dmitri Kofi Ama Yusuf Elif'.split(
    ' ',
  );
const family =
  'Smith Mueller Garcia Jones Schmidt Brown Rossi Martin Novak Silva Johnson Weber Fischer Meyer Meier Maier Williams Schneider Bauer Hansen Hanson Jensen Nguyen Lee Li Lopez Kim Khan Patel Kowalski Popov Ivanov Kaya Ozturk Santos Fernandez Dubois Bernard Moreau Andersson Nilsson Peeters Janssen Murphy Kelly Walsh Campbell Stewart Clarke Clark Taylor Tyler Wilson Davies Davis Evans Thomas Roberts Walker Wright Thompson Robinson White Hughes Edwards Green Hall Wood Harris'.split(
    ' ',
  );
const shortOf: Record<string, string[]> = {
  Robert: ['Bob', 'Rob'],
  William: ['Bill', 'Will'],
  Elizabeth: ['Liz', 'Beth'],
  Michael: ['Mike'],
  Katherine: ['Kate', 'Kathy'],
  Thomas: ['Tom'],
  Daniel: ['Dan'],
  Alexander: ['Alex', 'Sasha'],
  Alexandra: ['Alex', 'Sandra'],
  Christian: ['Chris'],
  Christina: ['Chris', 'Tina'],
  Joseph: ['Joe'],
  Victoria: ['Vicky'],
  Patrick: ['Pat'],
  Patricia: ['Pat', 'Trish'],
  Samuel: ['Sam'],
  Stefanie: ['Steffi'],
  Johanna: ['Hanna', 'Jo'],
};
const scripts = [
  { first: ['太郎', '花子', '健', '美咲', '翔'], last: ['田中', '佐藤', '鈴木', '高橋', '渡辺', '伊藤'] },
  { first: ['Иван', 'Ольга', 'Дмитрий', 'Светлана', 'Анна'], last: ['Иванов', 'Петрова', 'Смирнов', 'Кузнецова'] },
  { first: ['محمد', 'فاطمة', 'علي', 'ليلى'], last: ['حسن', 'العلي', 'خوري'] },
  { first: ['Γιώργος', 'Μαρία', 'Νίκος'], last: ['Παπαδόπουλος', 'Γεωργίου'] },
];
const cities =
  'Berlin London Hamburg Munich Paris Madrid Rome Vienna Leeds Bristol Lisbon Porto Lyon Graz Bern Oslo Aarhus Ghent Leipzig Cologne'.split(
    ' ',
  );
const providers = ['gmail.com', 'gmx.de', 'yahoo.com', 'outlook.com', 'web.de', 'hotmail.com', 'icloud.com'];
const roles = ['info', 'sales', 'office', 'kontakt', 'support'];
const syllables =
  'ba be bo da de do fa fe ga go ha he ka ke ko la le lo ma me mo na ne no pa pe ra re ro sa se so ta te to va ve wa wo za'.split(
    ' ',
  );
const endings = 'mann berg stein son ski ova ez ini ard er feld ley ton well ford'.split(' ');

type Someone = {
  label: string;
  first: string;
  last: string;
  birth: string;
  city: string;
  emails: string[];
  phone: string;
};

export type LabelledPerson = ReturnType<typeof personOf> & { label: string };

export type PeopleOptions = {
  seed: number;
  /** Shares of rows with the field, from 0 to 1. */
  withBirth?: number;
  withPhone?: number;
  withCity?: number;
  /** How often rows are written wrongly, as a multiple of the usual. */
  errors?: number;
  /** Shares of households with twins, and with a father and a son of one name. */
  twins?: number;
  namesakes?: number;
  /** How many of the cities and of the names there are; few make strangers of one name. */
  cityCount?: number;
  nameCount?: number;
};

/** Labelled rows without end, household by household; take as many as are needed, and shuffle them if their order must not help. */
export function* people({
  seed,
  withBirth = 0.5,
  withPhone = 0.5,
  withCity = 0.8,
  errors = 1,
  twins = 0.02,
  namesakes = 0.003,
  cityCount = cities.length,
  nameCount = Number.POSITIVE_INFINITY,
}: PeopleOptions): Generator<LabelledPerson> {
  const random = randomOf(seed);
  const chance = (share: number) => random() < share;
  const wrongly = (share: number) => random() < share * errors;
  const [homes, givenNames, familyNames] = [
    cities.slice(0, cityCount),
    given.slice(0, nameCount),
    family.slice(0, nameCount),
  ];
  const below = (count: number) => Math.floor(random() * count);
  const pick = <T>(list: readonly T[]) => list[below(list.length)] as T;
  /** The first ones are the common ones. */
  const pickCommon = <T>(list: readonly T[]) => list[Math.floor(list.length * random() ** 2.5)] as T;
  const digit = () => String(below(10));
  const digits = (count: number) => Array.from({ length: count }, digit).join('');
  const familyName = () => {
    if (nameCount < family.length || chance(0.35)) return pickCommon(familyNames);
    const name = pick(syllables) + (chance(0.5) ? pick(syllables) : '') + pick(endings);
    return (name[0] as string).toUpperCase() + name.slice(1);
  };
  const birthDate = (from: number, to: number) =>
    `${from + below(to - from)}-${String(1 + below(12)).padStart(2, '0')}-${String(1 + below(28)).padStart(2, '0')}`;
  const company = () =>
    `${pick(syllables)}${pick(syllables)}${pick(endings)}${chance(0.5) ? pick(syllables) : ''}.example`;

  const mailboxes = new Set<string>();
  function addressOf(first: string, last: string, domain: string): string {
    const f = ascii(first);
    const l = ascii(last);
    for (;;) {
      const local = pick([
        `${f}.${l}`,
        `${f[0]}.${l}`,
        `${f}${l}`,
        `${f}${digits(2)}`,
        `${l}${digits(3)}`,
        `${f}.${l}${digits(2)}`,
        `${l}.${f}`,
        `${f}${l}${digits(4)}`,
      ]);
      const key = `${domain === 'gmail.com' ? local.replaceAll('.', '') : local}@${domain}`;
      // A mailbox has one owner.
      if (mailboxes.has(key)) continue;
      mailboxes.add(key);
      return `${local}@${domain}`;
    }
  }

  function slip(text: string): string {
    if (text.length < 3) return text;
    const letters = [...text];
    const at = 1 + below(letters.length - 1);
    const kind = below(4);
    if (kind === 0) letters.splice(at, 1);
    else if (kind === 1) letters.splice(at, 0, letters[at] as string);
    else if (kind === 2) [letters[at - 1], letters[at]] = [letters[at] as string, letters[at - 1] as string];
    else letters[at] = pick('abcdefghiklmnoprstu'.split(''));
    return letters.join('');
  }

  function birthSlip(birth: string): string {
    const [year, month, day] = birth.split('-') as [string, string, string];
    const kind = below(3);
    if (kind === 0) return `${year}-${month}-${String(1 + below(28)).padStart(2, '0')}`;
    if (kind === 1) return `${year}-${String(1 + below(12)).padStart(2, '0')}-${day}`;
    return `${year.slice(0, 3)}${digit()}-${month}-${day}`;
  }

  let number = 0;
  function household(): Someone[] {
    const script = chance(0.04) ? pick(scripts) : undefined;
    const last = script ? pick(script.last) : familyName();
    const city = pickCommon(homes);
    const landline = `+4930${digits(7)}`;
    const shared = chance(0.04) ? `familie.${ascii(last)}${digits(3)}@${pick(providers)}` : undefined;
    const work = company();
    const size = script ? 1 : 1 + Math.floor(random() ** 2 * 4);
    const members: Someone[] = [];
    const taken = new Set<string>();
    const add = (first: string, birth: string) => {
      taken.add(first);
      const domain = chance(0.25) ? work : pickCommon(providers);
      const emails = shared ? [shared] : [addressOf(first, last, domain)];
      if (chance(0.3)) emails.push(addressOf(first, last, pickCommon(providers)));
      members.push({
        label: `p${number++}`,
        first,
        last,
        birth,
        city,
        emails,
        phone: chance(0.3) ? landline : `+49170${digits(7)}`,
      });
    };
    const newName = (): string => {
      for (;;) {
        const first = script ? pick(script.first) : pickCommon(givenNames);
        if (!taken.has(first)) return first;
      }
    };
    for (let i = 0; i < size; i++) add(newName(), birthDate(1940, 2004));
    if (chance(twins) && !script) {
      const birth = birthDate(1960, 2004);
      add(newName(), birth);
      add(newName(), birth);
    }
    if (chance(namesakes) && !script) {
      const name = newName();
      add(name, birthDate(1940, 1960));
      add(name, birthDate(1975, 1995));
    }
    return members;
  }

  let line = 1;
  function rowOf(person: Someone): LabelledPerson {
    let { first, last, city } = person;
    if (chance(0.12) && shortOf[first]) first = pick(shortOf[first] as string[]);
    if (wrongly(0.06)) first = slip(first);
    if (wrongly(0.06)) last = slip(last);
    if (chance(0.03)) first = first[0] as string;
    if (chance(0.01)) last = familyName();
    if (chance(0.08)) city = pick(homes);
    if (wrongly(0.04)) city = slip(city);
    if (wrongly(0.03)) [first, last] = [last, first];
    if (wrongly(0.06)) first = '';
    if (wrongly(0.04)) last = '';
    let email = chance(0.12) ? '' : chance(0.85) ? (person.emails[0] as string) : pick(person.emails);
    if (email && wrongly(0.04)) {
      const [local, domain] = email.split('@') as [string, string];
      email = chance(0.5) ? `${slip(local)}@${domain}` : `${local}@${slip(domain)}`;
    }
    if (email && chance(0.015)) email = `${pick(roles)}@${email.split('@')[1]}`;
    const birth = chance(withBirth) ? (wrongly(0.05) ? birthSlip(person.birth) : person.birth) : '';
    const whole = chance(0.3);
    return {
      ...personOf({
        line: line++,
        ...(whole ? { name: `${first} ${last}`.trim() } : { first, last }),
        email: email.toLowerCase(),
        phone: chance(withPhone) ? person.phone : '',
        city: chance(withCity) ? city : '',
        birth,
      }),
      label: person.label,
    };
  }

  for (;;)
    for (const person of household()) {
      const times = chance(0.45) ? 1 : 2 + Math.floor(random() ** 3 * 5);
      for (let i = 0; i < times; i++) yield rowOf(person);
    }
}

/** The first rows of `people`. */
export function takePeople(count: number, options: PeopleOptions): LabelledPerson[] {
  return people(options).take(count).toArray();
}

/** The items in another order. */
export function shuffle<T>(items: readonly T[], seed: number): T[] {
  const random = randomOf(seed);
  const shuffled = [...items];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [shuffled[i], shuffled[j]] = [shuffled[j] as T, shuffled[i] as T];
  }
  return shuffled;
}

function ascii(name: string): string {
  const plain = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z]/g, '');
  if (plain !== '') return plain;
  let hash = 7;
  for (const letter of name) hash = (hash * 31 + (letter.codePointAt(0) as number)) % 46_656;
  return `x${hash.toString(36)}`;
}
