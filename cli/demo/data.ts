import { localTenantId, type Persona } from '@aether/identity';
import { connectPlatform, type PlatformDb, type Transaction } from '@aether/platform';
import { actAs, backdate, loadCompanies, loadSettings, loadWorld } from './history.ts';
import { loadSupport } from './support.ts';
import { makeWorld } from './world.ts';

const people = [
  {
    subject: 'demo-maya',
    objectId: '0a1e7e00-0000-4000-8000-000000000001',
    name: 'Maya Okafor',
    email: 'maya.okafor@aether.example',
    role: 'admin',
    what: 'Head of sales; administrator',
  },
  {
    subject: 'demo-jonas',
    objectId: '0a1e7e00-0000-4000-8000-000000000002',
    name: 'Jonas Weber',
    email: 'jonas.weber@aether.example',
    role: 'user',
    what: 'Sales, works deals in Foundation',
  },
  {
    subject: 'demo-priya',
    objectId: '0a1e7e00-0000-4000-8000-000000000003',
    name: 'Priya Nair',
    email: 'priya.nair@aether.example',
    role: 'user',
    what: 'Support agent, answers chats',
  },
  {
    subject: 'demo-tom',
    objectId: '0a1e7e00-0000-4000-8000-000000000004',
    name: 'Tom Berglund',
    email: 'tom.berglund@aether.example',
    role: 'steward',
    what: 'Support agent, second line; data steward',
  },
] as const;

/** The people of the demo. Anybody on this machine may sign in as one of them. */
export const personas: Persona[] = people.map(({ objectId, name, email, what }) => ({
  objectId,
  name,
  email,
  what,
  roles: [],
}));

const stages = [
  ['Qualified', 'open', 20],
  ['Demo held', 'open', 40],
  ['Proposal', 'open', 60],
  ['Negotiation', 'open', 80],
  ['Won', 'won', 100],
  ['Lost', 'lost', 0],
] as const;

/** Companies with their domain and their people: name, local part of the address, tier, manager. */
const companies = [
  [
    'Fjordlight Energy',
    'fjordlight.example',
    [
      ['Nora Lindqvist', 'nora', 'premium', 'demo-jonas'],
      ['Erik Halvorsen', 'erik', 'standard', 'demo-jonas'],
    ],
  ],
  [
    'Brightwater Clinics',
    'brightwater.example',
    [
      ['Dr. Amara Mensah', 'a.mensah', 'premium', 'demo-maya'],
      ['Liam Doyle', 'liam.doyle', null, null],
    ],
  ],
  [
    'Kestrel Logistics',
    'kestrel-logistics.example',
    [
      ['Sofia Marchetti', 'sofia', 'standard', 'demo-jonas'],
      ['Pavel Novák', 'pavel.novak', 'standard', null],
    ],
  ],
  ['Saffron & Co', 'saffron.example', [['Yusuf Demir', 'yusuf', 'standard', 'demo-maya']]],
  [
    'Maple Row Homes',
    'maplerow.example',
    [
      ['Grace Tremblay', 'grace', null, null],
      ['Henri Roy', 'henri.roy', 'standard', 'demo-jonas'],
    ],
  ],
  [
    'Tidewater Robotics',
    'tidewater.example',
    [
      ['Kenji Watanabe', 'kenji', 'premium', 'demo-jonas'],
      ['Isla MacLeod', 'isla', null, 'demo-jonas'],
    ],
  ],
  ['Olive Grove Foods', 'olivegrove.example', [['Elena Papadaki', 'elena', 'standard', 'demo-maya']]],
  ['Northgate Schools', 'northgate.example', [['Samuel Adeyemi', 's.adeyemi', null, null]]],
] as const;

/** Deals: customer, name, amount, currency, stage. */
const deals = [
  ['nora@fjordlight.example', 'Fleet monitoring renewal', 48_000, 'EUR', 'Negotiation'],
  ['nora@fjordlight.example', 'Second control room', 21_500, 'EUR', 'Proposal'],
  ['a.mensah@brightwater.example', 'Patient line, 40 seats', 31_200, 'EUR', 'Demo held'],
  ['sofia@kestrel-logistics.example', 'Dispatch desk pilot', 6_400, 'EUR', 'Qualified'],
  ['yusuf@saffron.example', 'Order chat for web shop', 3_900, 'EUR', 'Proposal'],
  ['henri.roy@maplerow.example', 'Tenant help desk', 12_750, 'CAD', 'Demo held'],
  ['kenji@tidewater.example', 'Acme integration, phase 2', 64_000, 'USD', 'Negotiation'],
  ['isla@tidewater.example', 'Field service add-on', 8_800, 'USD', 'Qualified'],
  ['elena@olivegrove.example', 'Wholesale portal', 17_300, 'EUR', 'Proposal'],
] as const;

/** Activities: customer, days ago, kind, text. */
const activities = [
  ['nora@fjordlight.example', 41, 'meeting', 'Walked through the monitoring contract; renewal is due before winter.'],
  ['nora@fjordlight.example', 12, 'call', 'Asked for a price with the second control room included.'],
  ['nora@fjordlight.example', 3, 'email', 'Sent the renewal offer with both options.'],
  ['erik@fjordlight.example', 20, 'note', 'Technical contact; prefers e-mail, works from Tromsø.'],
  ['a.mensah@brightwater.example', 15, 'meeting', 'Demo for the ward managers. They want an audit log of every call.'],
  ['a.mensah@brightwater.example', 6, 'email', 'Sent the security questionnaire.'],
  ['sofia@kestrel-logistics.example', 9, 'call', 'Pilot with three dispatchers agreed in principle.'],
  ['yusuf@saffron.example', 28, 'note', 'Found us through the trade fair in Izmir.'],
  ['yusuf@saffron.example', 7, 'email', 'Proposal sent, valid to the end of next month.'],
  ['henri.roy@maplerow.example', 11, 'meeting', 'Demo with the property managers; bilingual answers are a must.'],
  ['kenji@tidewater.example', 33, 'call', 'Phase 1 is live. Asked about the bus for phase 2.'],
  ['kenji@tidewater.example', 4, 'meeting', 'Negotiated the rollout plan; legal reads the contract now.'],
  ['elena@olivegrove.example', 18, 'email', 'Sent references from two food wholesalers.'],
] as const;

/** What colleagues tell each other: by whom, about which customer, what, and for whom a task is. */
const told: [by: string, email: string, type: string, text: string, to?: string][] = [
  [
    'demo-jonas',
    'henri.roy@maplerow.example',
    'note',
    '<@demo-maya> Henri asks for twelve months at last year’s price. May I?',
  ],
  ['demo-jonas', 'henri.roy@maplerow.example', 'task', 'Sign the bilingual contract', 'demo-maya'],
  [
    'demo-maya',
    'elena@olivegrove.example',
    'note',
    '<@demo-jonas> Elena likes the portal. Please send her the references again.',
  ],
  ['demo-maya', 'elena@olivegrove.example', 'task', 'Send the references again', 'demo-jonas'],
];

/**
 * Loads a few hundred believable customers with a year of history, in the way the apps write: each part by its own
 * login, once. An interrupted part is rolled back, and loaded at the next start.
 *
 * @param urls of a database without a running sequencer, so that the history gets its times before its events are
 *   numbered.
 * @returns whether anything was loaded.
 */
export async function loadDemoData(urls: {
  foundationUrl: string;
  supportUrl: string;
  migratorUrl: string;
}): Promise<boolean> {
  const asFoundation = await inApp('foundation', urls.foundationUrl, loadFoundation, changeFoundation);
  const asSupport = await inApp('support', urls.supportUrl, loadSupport, changeSupport);
  if (asSupport) await backdate(urls.migratorUrl, makeWorld());
  return asFoundation || asSupport;
}

async function inApp(
  app: 'foundation' | 'support',
  url: string,
  load: (db: PlatformDb, tx: Transaction) => Promise<void>,
  change: (tx: Transaction) => Promise<unknown>,
): Promise<boolean> {
  const db = await connectPlatform({ app, variables: { PLATFORM_DB_URL: url, PLATFORM_DB_POOL_MAX: '1' } });
  try {
    const marker = app === 'foundation' ? 'select from crm.pipelines limit 1' : 'select from support.widgets limit 1';
    const isLoaded = await db.transaction({}, async (tx) => {
      if ((await tx.query(marker)).length > 0) return false;
      await load(db, tx);
      return true;
    });
    if (isLoaded) await db.transaction({ actor: 'demo-maya' }, change);
    return isLoaded;
  } finally {
    await db.close();
  }
}

async function loadFoundation(db: PlatformDb, tx: Transaction): Promise<void> {
  for (const { role, what: _, ...person } of people) {
    const user = await db.signInUser({ ...person, tenantId: localTenantId }, { tx });
    await db.updateUser(user.id, { role }, { tx });
  }
  const pipelineId = await scalar(
    tx,
    `insert into crm.pipelines (name, is_default) values ('Sales', true) returning id`,
  );
  const stageIds = new Map<string, unknown>();
  for (const [position, [name, outcome, probability]] of stages.entries()) {
    const id = await scalar(
      tx,
      `insert into crm.pipeline_stages (pipeline_id, name, position, outcome, probability_percent) values ($1, $2, $3, $4, $5)
        returning id`,
      [pipelineId, name, position, outcome, probability],
    );
    stageIds.set(name, id);
  }
  const customerIds = new Map<string, string>();
  for (const [name, domain, staff] of companies) {
    const company = await db.createCompany({ name, domain, owner_id: staff[0]?.[3] }, { tx });
    for (const [personName, local, tier, manager] of staff) {
      const email = `${local}@${domain}`;
      const customer = await db.createCustomer(
        { email, name: personName, company_id: company.id, account_tier: tier, account_manager_id: manager },
        { tx },
      );
      customerIds.set(email, customer.id);
    }
  }
  await actAs(tx, 'demo-jonas');
  for (const [email, name, amount, currency, stage] of deals) {
    await tx.query(
      `insert into crm.deals (customer_id, pipeline_id, stage_id, name, amount, currency, owner_id, expected_close_on)
       values ($1, $2, $3, $4, $5, $6, 'demo-jonas', current_date + 30)`,
      [customerIds.get(email), pipelineId, stageIds.get(stage), name, amount, currency],
    );
  }
  for (const [email, daysAgo, type, description] of activities) {
    await tx.query(
      `insert into crm.activities (customer_id, type, description, occurred_at) values ($1, $2, $3, now() - make_interval(days => $4))`,
      [customerIds.get(email), type, description, daysAgo],
    );
  }
  await loadWorld(tx, makeWorld(), pipelineId);
  await tellColleagues(tx, customerIds);
  await loadSettings(tx);
  await loadCompanies(tx);
}

/** What Maya has changed in the settings since: the pages of changes show it. */
const changeFoundation = (tx: Transaction) =>
  tx.query(`update crm.pipeline_stages set probability_percent = probability_percent + 5 where outcome = 'open'`);

const changeSupport = async (tx: Transaction) => {
  await tx.query(
    `update support.widgets set settings = jsonb_set(settings, '{texts,subtitle}', '"We answer within an hour"') where name = 'Demo shop'`,
  );
  await tx.query(`update support.canned_answers set title = 'Delivery times' where shortcut = 'shipping'`);
};

/** What the people of the demo find in their inboxes. */
async function tellColleagues(tx: Transaction, customerIds: Map<string, string>): Promise<void> {
  for (const [by, email, type, description, to] of told) {
    await actAs(tx, by);
    await tx.query(
      `insert into crm.activities (customer_id, type, description, assigned_to, due_at)
       values ($1, $2, $3, $4, case when $2 = 'task' then date_trunc('day', now()) + interval '3 days 12 hours' end)`,
      [customerIds.get(email), type, description, to],
    );
  }
}

async function scalar(tx: Transaction, text: string, values: unknown[] = []): Promise<unknown> {
  const [row] = await tx.query(text, values);
  return row && Object.values(row)[0];
}
