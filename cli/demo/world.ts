/** A person of a company: name, local part of the address, tier, account manager, time as a customer. */
export type WorldPerson = {
  email: string;
  name: string;
  tier: 'premium' | 'standard' | null;
  manager: string | null;
  phone: string | null;
  phone_key: string | null;
  title: string;
  sinceDaysAgo: number;
};
export type WorldCompany = { name: string; domain: string; people: WorldPerson[] };
export type WorldDeal = {
  email: string;
  name: string;
  amount: number;
  currency: string;
  stage: string;
  owner: string;
  madeDaysAgo: number;
  /** Only of a won or lost deal. */
  closedDaysAgo: number | null;
  /** Only of an open deal; negative if it is overdue. */
  closesInDays: number;
};
export type WorldActivity = {
  email: string;
  type: 'call' | 'email' | 'meeting' | 'note' | 'task';
  text: string;
  by: string;
  daysAgo: number;
  /** Only of a task: due in so many days, negative if it is overdue. */
  dueInDays: number | null;
  done: boolean;
};
export type WorldChat = {
  email: string;
  name: string;
  agent: string;
  daysAgo: number;
  resolved: boolean;
  lines: [author: 'visitor' | 'agent', text: string][];
};
export type World = {
  companies: WorldCompany[];
  deals: WorldDeal[];
  activities: WorldActivity[];
  chats: WorldChat[];
};

const companiesCount = 72;
const owners = ['demo-jonas', 'demo-maya', 'demo-jonas', 'demo-tom'];
const agents = ['demo-priya', 'demo-tom'];

const firstNames =
  'Amara Anders Aisha Beatriz Bruno Camille Chidi Clara Daan Dalia Dmitri Elif Emeka Esther Farid Freya Gabriel Giulia Hana Hugo Ines Ivan Jasper Joana Kaito Katarzyna Lars Leila Luca Mads Marta Mei Milan Nadia Nils Noor Olga Omar Paula Quentin Rania Rafael Saskia Sanjay Selma Tariq Tessa Uma Viktor Wanjiru Xavier Yara Yusra Zoltan Zuzana'.split(
    ' ',
  );
const lastNames =
  'Abbott Achterberg Adeola Almeida Andersson Bakker Banerjee Barros Becker Bianchi Castillo Chen Costa Dahl Dubois Eriksen Farouk Ferrari Fischer Garcia Gruber Haddad Hansen Horvat Ibrahim Jansen Jovanovic Kaya Kowalski Lehmann Lindgren Lopez Mahmoud Marchand Meyer Moreau Nakamura Ndiaye Nguyen Novak Okeke Oliveira Pereira Popescu Rahman Rossi Santos Schmid Silva Sorensen Suzuki Szabo Tanaka Vasquez Virtanen Vogel Wagner Weiss Yilmaz Zhang'.split(
    ' ',
  );
const firstWords =
  'Alder Amber Anchor Aspen Beacon Birch Bluebell Bramble Cedar Cinder Clover Cobalt Copper Coral Dune Ember Fern Flint Granite Harbour Hazel Heron Indigo Ivory Juniper Lantern Larch Linden Marble Meadow Nimbus Oak Orchard Pebble Pine Quartz Raven Ridge River Rowan Sable Sierra Silver Slate Spruce Sterling Stone Summit Thistle Timber Vale Willow'.split(
    ' ',
  );
const sectors = [
  { words: ['Dental', 'Care', 'Clinics'], deals: ['Appointment line', 'Patient chat', 'Recall messages'] },
  { words: ['Logistics', 'Freight', 'Couriers'], deals: ['Dispatch desk', 'Driver hotline', 'Track and trace chat'] },
  { words: ['Schools', 'Academy', 'Learning'], deals: ['Parents’ help desk', 'Enrolment chat', 'Campus switchboard'] },
  { words: ['Hotels', 'Stays', 'Resorts'], deals: ['Guest messaging', 'Booking chat', 'Concierge desk'] },
  { words: ['Energy', 'Solar', 'Power'], deals: ['Outage line', 'Meter support desk', 'Field service add-on'] },
  { words: ['Outfitters', 'Apparel', 'Goods'], deals: ['Web shop chat', 'Returns desk', 'Loyalty integration'] },
  { words: ['Foods', 'Bakery', 'Kitchens'], deals: ['Wholesale portal', 'Order chat', 'Allergen line'] },
  { words: ['Insurance', 'Advisors', 'Capital'], deals: ['Claims desk', 'Advisor chat', 'Audit archive'] },
] as const;
const sizes = ['pilot', '10 seats', '25 seats', '40 seats', 'renewal', 'second site', 'phase 2', 'yearly plan'];
const titles = ['Head of operations', 'Owner', 'Office manager', 'IT lead', 'Customer care lead', 'Buyer', 'CFO'];
const openStages = ['Qualified', 'Demo held', 'Proposal', 'Negotiation'];

const said = {
  call: [
    'Asked about onboarding times; a pilot could start within two weeks.',
    'Talked through the quote. Budget is confirmed, legal wants to see the data agreement.',
    'Not the right moment: they move offices until the end of the month.',
    'Wants a reference of the same size. Promised two.',
    'Went over last month’s figures; answer times are down by a third.',
  ],
  email: [
    'Sent the offer with both plans.',
    'Answered the security questionnaire.',
    'Sent dates for a demo; waiting for their pick.',
    'Sent the summary of the workshop and the open points.',
    'Thanked for the introduction and asked for a call next week.',
  ],
  meeting: [
    'Demo for the whole team. They liked the shared timeline most.',
    'Quarterly review: usage is up, two more seats are likely.',
    'Workshop on chat hand-over between shifts.',
    'Met the new lead; she wants one number for all sites.',
  ],
  note: [
    'Prefers to be called before ten.',
    'Decision is made by the owner and the CFO together.',
    'Came through a recommendation of a customer.',
    'Contract runs to the end of the quarter; notice period is six weeks.',
    'Reads e-mail rarely; the office manager forwards.',
  ],
  task: [
    'Send the revised quote',
    'Prepare the renewal',
    'Ask for a reference',
    'Check the open invoice with accounting',
    'Invite to the autumn webinar',
    'Call back about the second site',
  ],
} as const;

const questions: { lines: WorldChat['lines']; resolved: boolean }[] = [
  {
    lines: [
      ['visitor', 'Since this morning our widget shows the wrong opening hours.'],
      ['agent', 'Thanks for telling us. The holiday calendar was on; I have switched it off.'],
      ['visitor', 'Perfect, it is right again.'],
    ],
    resolved: true,
  },
  {
    lines: [
      ['visitor', 'Where can I download last month’s invoice?'],
      ['agent', 'Under Settings, Billing. I have also sent it to your address.'],
      ['visitor', 'Got it, thank you.'],
    ],
    resolved: true,
  },
  {
    lines: [
      ['visitor', 'Can we get a second number for our new site?'],
      ['agent', 'Yes. I am passing this to your account manager, who will call you today.'],
    ],
    resolved: true,
  },
  {
    lines: [
      ['visitor', 'The export stops at ten thousand rows.'],
      ['agent', 'That is the limit today. I have noted your request with our product team.'],
      ['visitor', 'Then please tell me when it changes.'],
    ],
    resolved: false,
  },
  {
    lines: [
      ['visitor', 'How do I add a colleague as an agent?'],
      ['agent', 'An administrator can do that under Agents. Shall I do it for you?'],
      ['visitor', 'Yes please: she has the same address as I, with an n in front.'],
      ['agent', 'Done. She gets an e-mail in a minute.'],
    ],
    resolved: true,
  },
];

/** Random numbers from a seed (mulberry32), so that the demo is the same on every machine. */
function chanceOf(seed: number) {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    below: (bound: number) => Math.floor(next() * bound),
    pick: <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T,
    happens: (share: number) => next() < share,
  };
}
type Chance = ReturnType<typeof chanceOf>;

/** A few hundred customers with a year of history; every call returns the same. */
export function makeWorld(seed = 20_26): World {
  const chance = chanceOf(seed);
  const names = new Set<string>();
  while (names.size < companiesCount) {
    const sector = sectors[names.size % sectors.length] as (typeof sectors)[number];
    names.add(`${chance.pick(firstWords)} ${chance.pick(sector.words)}`);
  }
  const world: World = { companies: [], deals: [], activities: [], chats: [] };
  for (const [number, name] of [...names].entries()) {
    const sector = sectors[number % sectors.length] as (typeof sectors)[number];
    const company = makeCompany(chance, name);
    world.companies.push(company);
    for (const person of company.people) addHistory(chance, world, person, sector.deals);
  }
  return world;
}

function makeCompany(chance: Chance, name: string): WorldCompany {
  const domain = `${name.toLowerCase().replace(/[^a-z]+/g, '-')}.example`;
  const manager = chance.happens(0.75) ? chance.pick(owners) : null;
  const people = new Map<string, WorldPerson>();
  for (let left = 2 + chance.below(6); left > 0; left--) {
    const [first, last] = [chance.pick(firstNames), chance.pick(lastNames)];
    const email = `${first}.${last}@${domain}`.toLowerCase();
    const number = chance.happens(0.6) ? String(100 + chance.below(900)) : null;
    people.set(email, {
      email,
      name: `${first} ${last}`,
      tier: chance.happens(0.18) ? 'premium' : chance.happens(0.6) ? 'standard' : null,
      manager,
      phone: number && `+44 20 7946 0${number}`,
      phone_key: number && `+442079460${number}`,
      title: chance.pick(titles),
      sinceDaysAgo: 3 + chance.below(500),
    });
  }
  return { name, domain, people: [...people.values()] };
}

function addHistory(chance: Chance, world: World, person: WorldPerson, products: readonly string[]): void {
  const { email } = person;
  const by = person.manager ?? chance.pick(owners);
  for (let left = chance.below(6); left > 0; left--) {
    const type = chance.pick(['call', 'email', 'meeting', 'note'] as const);
    const daysAgo = 1 + chance.below(person.sinceDaysAgo);
    world.activities.push({ email, type, text: chance.pick(said[type]), by, daysAgo, dueInDays: null, done: false });
  }
  if (chance.happens(0.18)) {
    const [done, dueInDays] = [chance.happens(0.4), chance.below(30) - 8];
    const daysAgo = 1 + chance.below(20);
    world.activities.push({ email, type: 'task', text: chance.pick(said.task), by, daysAgo, dueInDays, done });
  }
  if (chance.happens(0.5)) world.deals.push(makeDeal(chance, person, by, products));
  if (chance.happens(0.14)) {
    const { lines, resolved } = chance.pick(questions);
    const daysAgo = 1 + chance.below(Math.min(person.sinceDaysAgo, 90));
    world.chats.push({ email, name: person.name, agent: chance.pick(agents), daysAgo, resolved, lines });
  }
}

function makeDeal(chance: Chance, person: WorldPerson, owner: string, products: readonly string[]): WorldDeal {
  const madeDaysAgo = 1 + chance.below(Math.min(person.sinceDaysAgo, 240));
  const isClosed = madeDaysAgo > 30 && chance.happens(0.55);
  return {
    email: person.email,
    name: `${chance.pick(products)}, ${chance.pick(sizes)}`,
    amount: 100 * (8 + chance.below(chance.happens(0.15) ? 900 : 250)),
    currency: chance.happens(0.75) ? 'EUR' : chance.pick(['GBP', 'USD']),
    stage: isClosed ? (chance.happens(0.6) ? 'Won' : 'Lost') : chance.pick(openStages),
    owner,
    madeDaysAgo,
    closedDaysAgo: isClosed ? chance.below(madeDaysAgo - 7) : null,
    closesInDays: chance.below(75) - 10,
  };
}
