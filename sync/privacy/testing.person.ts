import type { TestDatabase } from '@aether/database/testing';
import { requireUnderWay } from '@aether/database/testing.scope';
import type pg from 'pg';

/** In every value of the person that testing.person.ts makes, whatever its table. */
export const canary = 'xq7canary';

export type TestPerson = {
  /** The customer that goes on, the one that was merged into it, and somebody else. */
  survivor: string;
  loser: string;
  other: string;
  upload: string;
  run: string;
};

/** Numbers all events that wait. */
export async function numberEvents(superuser: pg.Client): Promise<void> {
  for (;;) {
    requireUnderWay();
    await superuser.query('begin; select from sync.sequencer for update');
    const { rows } = await superuser.query('select moved from sync.sequence(10000, 0)');
    await superuser.query('commit');
    if (rows[0].moved < 10_000) return;
  }
}

type Connections = { foundation: pg.Client; worker: pg.Client };
const kept = new WeakMap<TestDatabase, Promise<Connections>>();

/** Of `tom`, one pair for all persons of a database: a new connection plans everything anew, which takes a tenth of a second of a core. */
function connectionsTo(database: TestDatabase): Promise<Connections> {
  const there = kept.get(database);
  if (there) return there;
  const opening = connectAs('tom', database);
  kept.set(database, opening);
  return opening;
}

async function connectAs(actor: string, database: TestDatabase): Promise<Connections> {
  const foundation = await database.connect('foundation_app');
  const worker = await database.connect('sync_app');
  for (const client of [foundation, worker])
    await client.query(`select set_config('aether.actor', $1, false)`, [actor]);
  return { foundation, worker };
}

/**
 * A person with rows in every table that holds some of people, and somebody else, about whom nothing is erased.
 *
 * @param superuser a connection whose `aether.actor` is a user
 */
export async function makePerson(database: TestDatabase, superuser: pg.Client, name = canary): Promise<TestPerson> {
  const { foundation, worker } = await connectionsTo(database);
  await superuser.query(`
    insert into platform.users (id, email, name, role)
    values ('tom', 'tom@example.com', 'Tom', 'admin'), ('ann', 'ann@example.com', 'Ann', 'user')
      on conflict do nothing;
    insert into crm.custom_fields (record, key, label, type) select r, 'colour', 'Colour', 'text' from unnest('{customer,deal}'::text[]) r
    where not exists (select from crm.custom_fields);
    insert into crm.pipelines (name) select 'Sales' where not exists (select from crm.pipelines);
    insert into crm.pipeline_stages (pipeline_id, name, position, outcome)
    select p.id, v.name, v.n, v.name from crm.pipelines p, (values ('open', 1), ('won', 2), ('lost', 3)) v (name, n)
    where not exists (select from crm.pipeline_stages);
    insert into support.widgets (key, name) select 'widget-1', 'Shop' where not exists (select from support.widgets);
    insert into support.agents (user_id) select 'tom' where not exists (select from support.agents)`);
  const one = async (on: pg.Client, text: string, values: unknown[] = []) =>
    Object.values((await on.query(text, values)).rows[0])[0] as string;
  const digits = String(Math.abs(hash(name)))
    .padStart(9, '1')
    .slice(0, 9);
  const phone = `+4930${digits}`;

  const company = await one(foundation, `insert into platform.companies (name) values ('Shop of all') returning id`);
  const add = (email: string, its: string, number: string | null) =>
    one(
      foundation,
      `insert into platform.customers (email, name, phone, phone_key, company_id, account_manager_id)
       values ($1, $2, $3, $3, $4, 'tom') returning id`,
      [email, its, number, company],
    );
  const survivor = await add(`${name}@person.example`, `Ada ${name}`, phone);
  const loser = await add(`${name}.two@person.example`, `A. ${name}`, `${phone}1`);
  const other = await add(`other-${digits}@person.example`, 'Ben Other', null);

  for (const [key, id] of [
    [`${name}.three@person.example`, survivor],
    [`${name}.four@person.example`, survivor],
    [`${name}.five@person.example`, loser],
  ])
    await foundation.query('select * from platform.add_address($1, $2, $2)', [id, key]);
  await foundation.query(
    `select platform.remove_address($1, (select id from platform.customer_emails where email_key = $2))`,
    [survivor, `${name}.four@person.example`],
  );
  await foundation.query('select * from platform.add_phone($1, $2, $2, null)', [survivor, `${phone}2`]);
  await foundation.query('select * from platform.add_phone($1, $2, $2, null)', [survivor, `${phone}3`]);
  await foundation.query(
    `select platform.remove_phone($1, (select id from platform.customer_phones where customer_id = $1 and phone_key = $2))`,
    [survivor, `${phone}3`],
  );

  for (const customer of [survivor, loser]) {
    await foundation.query(
      `insert into crm.custom_field_values (field_id, customer_id, value)
       select id, $1, to_jsonb($2::text) from crm.custom_fields where record = 'customer'`,
      [customer, `${name} blue`],
    );
    const deal = await one(
      foundation,
      `insert into crm.deals (customer_id, company_id, pipeline_id, stage_id, name, amount, currency, idempotency_key, request_digest)
       select $1, $2, p.id, s.id, $3, 100, 'EUR', 'client:' || gen_random_uuid(), sha256('a') from crm.pipelines p
         join crm.pipeline_stages s on s.pipeline_id = p.id and s.outcome = 'open' returning id`,
      [customer, company, `A house for ${name}`],
    );
    await foundation.query(
      `insert into crm.custom_field_values (field_id, deal_id, value)
       select id, $1, to_jsonb($2::text) from crm.custom_fields where record = 'deal'`,
      [deal, `${name} red`],
    );
    await foundation.query('insert into crm.deal_contacts (deal_id, customer_id, role) values ($1, $2, $3)', [
      deal,
      customer,
      `${name} decides`,
    ]);
    await foundation.query(`update crm.deals set status = 'won' where id = $1`, [deal]);
    await foundation.query(
      `insert into crm.activities (customer_id, deal_id, type, description, metadata, idempotency_key, request_digest)
       values ($1, $2, 'note', $3, jsonb_build_object('said', $3::text), 'client:' || gen_random_uuid(), sha256('b'))`,
      [customer, deal, `${name} likes houses, says <@ann>`],
    );
    await foundation.query(
      `insert into crm.contacts (company_id, customer_id, name, title, email, phone, phone_key) values ($1, $2, $3, $3, $4, $5, $5)`,
      [company, customer, `Ada ${name}`, `${name}@work.example`, phone],
    );
    await superuser.query(
      `insert into crm.changes (event_id, customer_id, change, app, actor, occurred_at, data, previous, names)
       values ((select coalesce(max(event_id), 0) + 1 from crm.changes), $1, 'edited', 'foundation', 'tom', now(),
         jsonb_build_object('name', $2::text), jsonb_build_object('name', $2::text), '{}')`,
      [customer, `Ada ${name}`],
    );
    const session = await one(
      superuser,
      `insert into support.sessions (widget_id, customer_id, visitor_email, visitor_name, token_hash, page, language, agent_id)
       select w.id, $1::uuid, $2::text, $3::text, sha256(convert_to($1::uuid::text || $2::text, 'UTF8')),
         jsonb_build_object('title', $3::text), 'de', a.id
       from support.widgets w, support.agents a returning id`,
      [customer, `${name}@person.example`, `Ada ${name}`],
    );
    await superuser.query(
      `insert into support.messages (session_id, number, author, agent_id, client_id, body)
       select $1, n, case when n = 2 then 'agent' else 'visitor' end, case when n = 2 then a.id end, 'c' || n, $2
       from generate_series(1, 3) n, support.agents a`,
      [session, `I am ${name}`],
    );
    await superuser.query(
      `insert into support.session_entries (session_id, kind, agent_id, client_id, body)
       select $1, 'note', a.id, 'n1', $2 from support.agents a`,
      [session, `${name} is angry`],
    );
    await superuser.query(
      `insert into support.calls (customer_id, agent_id, direction, number_e164, outcome, notes, started_at, client_id, request_digest)
       select $1::uuid, a.id, 'inbound', $2, $3, $3, now(), replace($1::uuid::text, '-', ''), sha256('c') from support.agents a`,
      [customer, phone, `${name} wants a house`],
    );
  }
  // Chats that named the address, and one that was removed, and were not linked, and a contact that names it.
  const unlinked: string[] = [];
  for (const email of [`${name}@person.example`, `${name}.four@person.example`])
    unlinked.push(
      await one(
        superuser,
        `with s as (insert into support.sessions (widget_id, visitor_email, visitor_name, token_hash)
           select w.id, upper($1), $2, sha256(convert_to('free' || $1::text, 'UTF8')) from support.widgets w returning id)
         insert into support.messages (session_id, number, author, client_id, body) select s.id, 1, 'visitor', 'c1', $2 from s
         returning session_id`,
        [email, `It is ${name}`],
      ),
    );
  await foundation.query(`insert into crm.contacts (company_id, name, email) values ($1, $2, $3)`, [
    company,
    `Free ${name}`,
    `${name.toUpperCase()}@person.example`,
  ]);
  await superuser.query(
    `insert into platform.moves (kind, record_id, from_id, to_id, reason, app, actor) values
       ('session', gen_random_uuid(), $1, $2, $3, 'support', 'tom')`,
    [other, survivor, `It was ${name}`],
  );
  await superuser.query(
    `insert into platform.review_candidates (customer_id, other_id, reason, evidence)
     values (least($1::uuid, $2::uuid), greatest($1::uuid, $2::uuid), 'verified_claim', jsonb_build_object('address', $3::text))`,
    [survivor, other, `${name}@person.example`],
  );
  await worker.query(`select platform.merge_customers($1, $2, '{}', $3, '{}', '{}')`, [
    survivor,
    [loser],
    `Both are ${name}`,
  ]);

  const run = await one(
    worker,
    `select sync.begin_import('foundation', '{}', 'test', '[{"file": 1, "source": "old", "name": "old.csv"}]')`,
  );
  await superuser.query(
    `insert into sync.import_rows (run, n, file, line, outcome, lead, customer, external_id, email, email_key, name, phone, phone_key,
       raw, extra, detail)
     values ($1, 1, 1, 2, 'updated', 1, $2, $3, $4, $4, $3, $5, $5, $3, jsonb_build_object('note', $3::text),
         jsonb_build_object('taken', $3::text)),
       ($1, 2, 1, 3, 'held', 2, null, $3, $4, $4, $3, null, null, $3, null, null),
       ($1, 3, 1, 4, 'rejected', null, null, null, null, null, $3, $5, $5, $3, null, null),
       ($1, 4, 1, 5, 'held', 4, null, 'b', 'ben@else.example', 'ben@else.example', 'Ben', null, null, 'Ben,ben@else.example', null,
         null),
       ($1, 5, 1, 6, 'rejected', null, null, null, null, null, null, null, null, upper($4) || ',+49 3o', null, null)`,
    [run, survivor, `no ${name}`, `${name}@person.example`, phone],
  );
  await superuser.query(
    `insert into sync.import_writes (run, n, customer, field, before, after, version)
     values ($1, 1, $2, 'name', null, to_jsonb($3::text), 2), ($1, 1, $2, 'address:' || $4::text, null, to_jsonb($4::text), 3)`,
    [run, survivor, `Ada ${name}`, `${name}.three@person.example`],
  );
  await superuser.query(
    `insert into sync.import_kept (run, n, customer, field, written, present) values ($1, 1, $2, 'name', to_jsonb($3::text), null)`,
    [run, survivor, `Ada ${name}`],
  );
  await superuser.query(
    `insert into sync.import_candidates (run, n, other_customer, score, reasons) values ($1, 4, $2, 0.5, jsonb_build_array($3::text))`,
    [run, survivor, `name ${name}`],
  );
  await superuser.query(
    `with answered as (
       insert into sync.import_decisions (one, other, answer, run, one_customer)
       values ('customer:' || $2::uuid::text, 'line:' || $3, 'same', $1, $2::uuid) returning one, other)
     insert into sync.import_plan_answers (run, one, other, former, changes_plan)
     select $1, a.one, a.other, 'later', true from answered a`,
    [run, survivor, name],
  );
  await superuser.query(`insert into sync.import_keys (source, key, customer, run) values ('old', $1, $2, $3)`, [
    `no ${name}`,
    survivor,
    run,
  ]);
  await superuser.query(
    `insert into staging.import_lines (run, n, file, line, kind, email_key, name, raw, is_known)
     values ($1, 1, 1, 2, 'person', $2, $3, $3, false), ($1, 2, 1, 3, 'person', null, null, '17,' || $2, false)`,
    [run, `${name}@person.example`, `Ada ${name}`],
  );
  const upload = await one(
    superuser,
    `insert into sync.import_uploads (name, size, state) values ('old.csv', 100, 'recognised') returning id`,
  );
  await superuser.query(
    `insert into sync.import_chunks (upload, place, bytes) values ($1, 0, convert_to(repeat('line,', 100) || $2::text, 'UTF8'))`,
    [upload, `Ada,${name.toUpperCase()}@person.example`],
  );
  await superuser.query(
    `insert into sync.quality_findings (finding, subject, subject_id, customer_id)
     values ('customer.no_phone', 'customer', $1::uuid::text, $1::uuid)`,
    [survivor],
  );
  await numberEvents(superuser);
  await superuser.query(`insert into sync.subscriptions (name, app, position) values ('support.mail', 'support', sync.head() - 1)
    on conflict do nothing`);
  await superuser.query(
    `insert into sync.parked (subscription, position, key, customer, state, error)
     select 'support.mail', e.position, e.key, e.customer, 'dead', $2 from sync.events e where e.key = $1 order by e.position limit 1`,
    [survivor, `no mail to ${name}@person.example`],
  );
  await superuser.query(
    `insert into sync.parked (subscription, position, key, customer, state, error)
     select 'support.mail', e.position, e.key, null, 'dead', $2 from sync.events e where e.key = any ($1) and e.customer is null
     order by e.position limit 1`,
    [unlinked, `no mail to ${name}@person.example`],
  );
  await superuser.query(
    `insert into sync.attempts (subscription, position, attempt, process, error)
     select 'support.mail', e.position, 1, 'p', $2 from sync.events e where e.key = $1 order by e.position limit 1`,
    [survivor, `no mail to ${name}@person.example`],
  );
  return { survivor, loser, other, upload, run };
}

const hash = (text: string) => [...text].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) | 0, 7);

/** The tables and columns of this database in which the canary is, as `crm.deals: 1`. */
export async function findCanary(superuser: pg.Client, name = canary): Promise<string[]> {
  const { rows: tables } = await superuser.query<{ name: string }>(`
    select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and n.nspname in ('platform', 'crm', 'support', 'sync', 'staging')
      and pg_relation_size(c.oid) > 0 order by 1`); // without a page there is no row: half of the tables
  const found: string[] = [];
  for (const table of tables) {
    // A row as text shows bytes in hexadecimal digits.
    const { rows } = await superuser.query(
      `select count(*)::integer as n from ${table.name} t where t::text ilike $1 or t::text like $2`,
      [`%${name}%`, `%${Buffer.from(name.toUpperCase()).toString('hex')}%`],
    );
    if (rows[0].n > 0) found.push(`${table.name}: ${rows[0].n}`);
  }
  return found;
}
