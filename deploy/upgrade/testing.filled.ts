import type pg from 'pg';

/*
 * Data for the test of databases that have come a long way: what older versions have written, in the forms that indexes, rules and searches
 * make something of. Every row is the same wherever it is written, with its id and its times, so that two databases can be compared.
 */

const partsOf = (text: string) => text.split('|');

/** Names as people have them and as lists bring them. */
const names = [
  ...partsOf(
    "Ada Lovelace|ada lovelace|Jean-Pierre Dupont|Jean‑Ina Müller|Sinéad O'Connor|Sinead O’Connor|D’Arcy-Hall, Tim",
  ),
  ...partsOf(
    'Łukasz Żółć|Ørsted & Æsop GmbH|Strauß|STRAUSS|İrem Işık|Σίσυφος Παπαδόπουλος|Иван Петров-Водкин|Şükrü Çelik',
  ),
  ...partsOf(
    '田中太郎|田中 花子|ガブリエル・ガルシア|ｶﾞﾌﾞﾘｴﾙ|김 철수|مُحمد علي|שָׁלוֹם כהן|e\u0301clair Noe\u0308l|ﬁona ﬂynn',
  ),
  ...partsOf(
    '４２ Route Vingt|3M Deutschland|007|A|Bo|X-Y|x y|Anna-Maria  von der Höh|Smith, Jo|Jo Smith (Kiel)|50% Off_ Ltd.',
  ),
  ...partsOf(
    'back\\slash|C++ & C#|Name\u00a0mit\u3000Räumen|"Quoted"|😀 Joy|zzz-aaa-zzz|aaa|Zoë`s ʻOkina|Ǆemal ǆin|K\u212aelvin Ångström',
  ),
  'Maximilian Alexander Constantin Freiherr von und zu Hohenzollern-Sigmaringen-Wittelsbach',
];

/** What is typed to find somebody: a name, its first word or what is within it; other spellings, addresses, numbers. */
export const searches = [
  ...names.map(
    (name, n) => [name, name.split(/[\s-]+/)[0] ?? name, [...name].slice(1, 5).join('').trim()][n % 3] as string,
  ),
  ...partsOf(
    'jeanpierre|jean pierre|jean-p|ina-jean|oconnor|hohenzollern sigmaringen|zolc|orsted|strauss|ガルシア|田|太|철수',
  ),
  ...partsOf(
    'ada.lovelace+shop@example.com|lovelace|p0012@|@example.com|münchen|+49 30 123411|+4930123|0301234|123412',
  ),
  ...partsOf(
    '+1 212 555 0112|5550112|acme|acme-north|acme north|bücher|buecher|deal 1|rollout|roll-out|AB-1234|ab1234|1234',
  ),
].filter((search) => search !== '');

/** What is typed to find texts. */
export const textSearches = partsOf(
  'refund|café|cafe|AB-1234|1234|"my order"|order -invoice|返金|金|mary+test@shop.example|connor',
);

const texts = [
  ...partsOf(
    'Where is my REFUND for AB-1234?|At the Café, not the cafe|my order, and the invoice|order only|返金はいつですか',
  ),
  ...partsOf(
    '환불해 주세요|write to Mary+Test@shop.example.|Mrs O’Connor called\nabout order 1234|Straße 5, 80331 München|  kept  |ab1234',
  ),
  'x'.repeat(70),
];

const companies = partsOf('Acme|ACME-North|acme north|Bücher & Söhne|Buecher|株式会社アクメ|O’Neil-Smith, Inc.');
const deals = ['Deal 1', 'Roll-out AB-1234', 'Rollout', 'Bücher für 田中', 'Vertrag (2026)', 'Ölheizung – Los 2'];

/** The migration with which the data begins: all tables of the first version are there. And that of a version before this one, with the others. */
export const base = 7;
export const late = 95;

const uuidOf = (kind: number, n: number) => `0190000${kind}-0000-7000-8000-${String(n).padStart(12, '0')}`;
const customerId = (n: number) => uuidOf(1, n);
const companyId = (n: number) => uuidOf(2, n);
const customersMany = names.length * 2;
const at = (n: number) => `2026-01-${String(1 + (n % 27)).padStart(2, '0')}T${String(n % 24).padStart(2, '0')}:00:00Z`;

/** The address of a customer and its key. Some are variants of each other's, which data quality finds; some are not of ASCII. */
function addressOf(n: number): { email: string; key: string } {
  const [email, key] =
    n % 9 === 0
      ? [`Ada.Lovelace+Shop${n}@Example.com`, `ada.lovelace+shop${n}@example.com`]
      : n % 9 === 1
        ? [`adalovelace${n - 1}@gmail.com`, `adalovelace${n - 1}@gmail.com`]
        : n % 9 === 2
          ? [`Ada.Lovelace${n - 2}+x@gmail.com`, `ada.lovelace${n - 2}+x@gmail.com`]
          : n % 9 === 3
            ? [`Jürgen${n}@München.example`, `jürgen${n}@xn--mnchen-3ya.example`]
            : n % 9 === 4
              ? [`${'a'.repeat(60)}${String(n).padStart(4, '0')}@${'b'.repeat(63)}.example`, '']
              : [`P${String(n).padStart(4, '0')}@example.com`, `p${String(n).padStart(4, '0')}@example.com`];
  return { email, key: key || email };
}

/** The number of a customer: each is that of two, some with an extension, some written in digits of another script. */
function phoneOf(n: number): { phone: string; key: string; extension: string | null } | undefined {
  if (n % 3 === 0) return undefined;
  const last = String(Math.floor(n / 4) % 100).padStart(2, '0');
  if (n % 3 === 1)
    return n % 6 === 1
      ? { phone: `030 / 12 34 ${last} ext 7`, key: `+49301234${last}`, extension: '7' }
      : { phone: `+49 (30) 1234${last}`, key: `+49301234${last}`, extension: null };
  return n % 2 === 0
    ? { phone: `(212) 555-01${last}`, key: `+121255501${last}`, extension: null }
    : { phone: '٠٢١٢٥٥٥٠١٠١', key: `+121255501${last}`, extension: null };
}

type Step = {
  /** The version that writes it. */
  since: number;
  sql: string;
  values?: unknown[];
};

const people = Array.from({ length: customersMany }, (_, n) => ({
  id: customerId(n),
  name: names[n % names.length],
  ...addressOf(n),
  phone: phoneOf(n)?.phone ?? null,
  phone_key: phoneOf(n)?.key ?? null,
  phone_extension: phoneOf(n)?.extension ?? null,
  company: n % 4 === 0 ? companyId(n % 7) : null,
  app: n % 2 === 0 ? 'foundation' : 'support',
  tier: n % 5 === 0 ? 'premium' : null,
  manager: n % 6 === 0 ? 'maya' : null,
  made: at(n),
  number: 5_000 + n,
}));

/** By which customers are looked up. */
export const addresses = people.slice(0, 12).map(({ email }) => email);

const insertPeople = `insert into platform.customers (id, name, email, email_key, phone, phone_key, phone_extension, company_id,
    created_by_app, account_tier, account_manager_id, created_at, crm_id, support_id)
  select p.id, p.name, p.email, p.key, p.phone, p.phone_key, p.phone_extension, p.company, p.app, p.tier, p.manager, p.made,
    case p.app when 'foundation' then p.number end, case p.app when 'support' then p.number end
  from json_to_recordset($1) as p (id uuid, name text, email text, key text, phone text, phone_key text, phone_extension text,
    company uuid, app text, tier text, manager text, made timestamptz, number bigint)`;

const insertAddresses = `insert into platform.customer_emails (id, email_key, email, customer_id, is_primary, created_at)
  select * from json_to_recordset($1) as e (id uuid, key text, email text, customer uuid, is_primary boolean, made timestamptz)`;
/** Another address of every third, some of them variants of one that somebody else could have. */
const othersOf = (some: typeof people) =>
  some.flatMap(({ id, made, number }) => {
    const email = number % 2 === 0 ? `Other.${number}@example.org` : `ada${number}+news@googlemail.com`;
    return number % 3 === 0
      ? [{ id: uuidOf(4, number), key: email.toLowerCase(), email, customer: id, is_primary: false, made }]
      : [];
  });

const steps: Step[] = [
  {
    since: base,
    sql: `insert into platform.users (id, email, name, role) values ('maya', 'maya@example.com', 'Maya', 'admin'),
      ('priya', 'priya@example.com', 'Priya', 'user')`,
  },
  {
    since: base,
    sql: `insert into platform.companies (id, name, domain, created_at, created_by_app)
      select * from json_to_recordset($1) as c (id uuid, name text, domain text, made timestamptz, app text)`,
    values: [
      JSON.stringify(
        companies.map((name, n) => ({
          id: companyId(n),
          name,
          domain: n % 2 === 0 ? `acme-${n}.example` : null,
          made: at(n),
          app: n % 2 === 0 ? 'foundation' : 'support',
        })),
      ),
    ],
  },
  { since: base, sql: insertPeople, values: [JSON.stringify(people.slice(0, names.length))] },
  // The same names and numbers once more, and further addresses, by a later version.
  { since: late, sql: insertPeople, values: [JSON.stringify(people.slice(names.length))] },
  { since: base, sql: insertAddresses, values: [JSON.stringify(othersOf(people.slice(0, names.length)))] },
  { since: late, sql: insertAddresses, values: [JSON.stringify(othersOf(people.slice(names.length)))] },
  {
    since: base,
    sql: `insert into platform.customer_phones (id, customer_id, phone, phone_key, phone_extension, is_primary, created_at)
      select gen_random_uuid(), c.id, '0351 99 88 ' || lpad(c.crm_id::text, 4, '0'),
        '+493519988' || lpad(c.crm_id::text, 4, '0'), null, false,
        c.created_at
      from platform.customers c where c.crm_id % 6 = 4`,
  },
  {
    since: base,
    sql: `with pipeline as (insert into crm.pipelines (name, is_default) values ('Sales', true) returning id)
      insert into crm.pipeline_stages (pipeline_id, name, position, outcome)
      select pipeline.id, s.name, s.position, s.outcome
      from pipeline, (values ('Qualified', 1, 'open'), ('Won', 2, 'won'), ('Lost', 3, 'lost')) as s (name, position, outcome)`,
  },
  {
    since: base,
    sql: `insert into crm.deals (customer_id, company_id, pipeline_id, stage_id, name, amount, owner_id, created_at, expected_close_on)
      select d.customer, d.company, 1, d.stage, d.name, d.amount, 'maya', d.made, '2026-03-01'
      from json_to_recordset($1) as d (customer uuid, company uuid, stage bigint, name text, amount numeric, made timestamptz)`,
    values: [
      JSON.stringify(
        [...deals, ...names].map((name, n) => ({
          customer: customerId(n % names.length),
          company: n % 3 === 0 ? companyId(n % companies.length) : null,
          stage: 1 + (n % 3),
          name: name.slice(0, 200),
          amount: n * 10,
          made: at(n),
        })),
      ),
    ],
  },
  {
    since: base,
    sql: `insert into crm.activities (id, customer_id, deal_id, type, description, metadata, occurred_at, created_at, due_at,
        created_by_app, created_by, idempotency_key)
      select a.id, a.customer, a.deal, a.type, a.description, a.metadata, a.at, a.at, a.due, a.app, a.author, a.key
      from json_to_recordset($1) as a (id uuid, customer uuid, deal bigint, type text, description text, metadata jsonb, at timestamptz,
        due timestamptz, app text, author text, key text)`,
    values: [
      JSON.stringify(
        texts.flatMap((text, n) => [
          {
            ...{ id: uuidOf(5, n), customer: customerId(n), deal: null, type: 'note', description: text, metadata: {} },
            ...{ at: at(n), due: null, app: 'foundation', author: 'maya', key: null },
          },
          {
            ...{ id: uuidOf(6, n), customer: customerId(n), deal: null, type: 'support_chat', description: 'A chat' },
            ...{
              metadata: { summary: text },
              at: at(n + 3),
              due: null,
              app: 'support',
              author: null,
              key: `session:${n}`,
            },
          },
          {
            ...{ id: uuidOf(7, n), customer: customerId(n), deal: null, type: 'task', description: `Task: ${text}` },
            ...{ metadata: {}, at: at(n + 5), due: at(n + 9), app: 'foundation', author: 'maya', key: null },
          },
        ]),
      ),
    ],
  },
  {
    since: base,
    sql: `insert into crm.contacts (id, company_id, customer_id, name, title, email, phone, phone_key, phone_extension, created_at)
      select c.id, c.company, c.customer, c.name, 'CTO', c.email, c.phone, c.phone_key, c.phone_extension, c.made
      from json_to_recordset($1) as c (id uuid, company uuid, customer uuid, name text, email text, phone text, phone_key text,
        phone_extension text, made timestamptz)`,
    values: [
      JSON.stringify(
        people.slice(0, 20).map((person, n) => ({
          ...person,
          id: uuidOf(8, n),
          company: companyId(n % companies.length),
          customer: n % 2 === 0 ? person.id : null,
        })),
      ),
    ],
  },
  {
    since: base,
    sql: `with fields as (
        insert into crm.custom_fields (record, key, label, type, choices) values ('customer', 'colour', 'Colour', 'choice', '{red,blue}'),
          ('customer', 'seats', 'Seats', 'number', '{}'), ('customer', 'since', 'Since', 'date', '{}'),
          ('deal', 'note', 'Note', 'text', '{}')
        returning id, key)
      insert into crm.custom_field_values (field_id, customer_id, value)
      select f.id, c.id, case f.key when 'colour' then '"red"'::jsonb when 'seats' then to_jsonb(c.crm_id) else '"2026-01-05"' end
      from fields f join platform.customers c on c.crm_id % 3 = 0 and f.key <> 'note' order by f.id, c.id`,
  },
  {
    since: base,
    sql: `insert into support.agents (id, user_id, availability) values ('${uuidOf(3, 1)}', 'priya', 'online')`,
  },
  { since: base, sql: `insert into support.widgets (id, key, name) values ('${uuidOf(3, 2)}', 'test-widget', 'Shop')` },
  {
    since: base,
    sql: `insert into support.sessions (id, widget_id, customer_id, identity, visitor_email, visitor_name, token_hash, agent_id, status,
        resolved, message_count, started_at, asked_at, last_message_at, ended_at)
      select s.id, '${uuidOf(3, 2)}', s.customer, 'claimed', s.email, s.name, sha256(s.id::text::bytea), '${uuidOf(3, 1)}',
        case when s.ended is null then 'active' else 'ended' end, case when s.ended is not null then true end, 2, s.at, s.at, s.at, s.ended
      from json_to_recordset($1) as s (id uuid, customer uuid, email text, name text, at timestamptz, ended timestamptz)`,
    values: [
      JSON.stringify(
        texts.map((_, n) => ({
          ...{
            id: uuidOf(9, n),
            customer: n % 4 === 3 ? null : customerId(n),
            email: people[n]?.email,
            name: names[n],
          },
          ...{ at: at(n), ended: n % 2 === 0 ? at(n + 1) : null },
        })),
      ),
    ],
  },
  {
    since: base,
    sql: `insert into support.messages (id, session_id, number, author, agent_id, client_id, body, created_at)
      select m.id, m.session, m.number, m.author, case m.author when 'agent' then '${uuidOf(3, 1)}'::uuid end, 'm' || m.number, m.body, m.at
      from json_to_recordset($1) as m (id uuid, session uuid, number integer, author text, body text, at timestamptz)`,
    values: [
      JSON.stringify(
        texts.flatMap((body, n) =>
          ['visitor', 'agent'].map((author, turn) => ({
            ...{ id: uuidOf(turn === 0 ? 0 : 1, 900 + n), session: uuidOf(9, n), number: turn + 1, author },
            ...{ body: turn === 0 ? body : `Re: ${body}`, at: at(n + turn) },
          })),
        ),
      ),
    ],
  },
  {
    since: base,
    sql: `insert into support.session_entries (id, session_id, kind, agent_id, client_id, body, created_at)
      select e.id, e.session, 'note', '${uuidOf(3, 1)}', 'n1', e.body, e.at
      from json_to_recordset($1) as e (id uuid, session uuid, body text, at timestamptz)`,
    values: [
      JSON.stringify(
        texts.map((body, n) => ({ id: uuidOf(2, 900 + n), session: uuidOf(9, n), body: `Note: ${body}`, at: at(n) })),
      ),
    ],
  },
  {
    since: base,
    sql: `insert into support.calls (id, customer_id, agent_id, direction, number_e164, outcome, notes, started_at, duration_seconds,
        created_at)
      select c.id, c.customer, '${uuidOf(3, 1)}', 'inbound', '+4930123456', 'Answered', c.notes, c.at, 60, c.at
      from json_to_recordset($1) as c (id uuid, customer uuid, notes text, at timestamptz)`,
    values: [
      JSON.stringify(texts.map((notes, n) => ({ id: uuidOf(3, 900 + n), customer: customerId(n), notes, at: at(n) }))),
    ],
  },
  {
    since: base,
    sql: `insert into support.canned_answers (shortcut, title, body) select 'c' || n, t.name, 'Hello'
      from unnest($1::text[]) with ordinality t (name, n) where char_length(t.name) <= 80`,
    values: [names],
  },
  {
    since: base,
    sql: `update platform.customers set merged_into = '${customerId(0)}' where id in ('${customerId(30)}', '${customerId(41)}')`,
  },
  // No clock of Support changes what a search finds.
  { since: late, sql: 'update support.widgets set ends_after_hours = null' },
  {
    since: late,
    sql: `insert into platform.idempotency_keys (app, client, key_hash, request_hash, result, created_at)
      select 'foundation', 'maya', sha256(c.id::text::bytea), sha256('x'), json_build_object('id', c.id, 'email', c.email), c.created_at
      from platform.customers c order by c.id`,
  },
];

/** Writes what the version of this migration has written; without one, all. */
export async function fill(by: pg.Client, version?: number): Promise<void> {
  const written =
    version === undefined
      ? steps.toSorted((one, other) => one.since - other.since)
      : steps.filter(({ since }) => since === version);
  for (const { sql, values } of written)
    await by.query(sql, values).catch((error) => {
      throw new Error(`${error.message}, in ${sql}`, { cause: error });
    });
}
