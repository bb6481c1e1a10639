import type { Transaction } from '@aether/platform';
import { writeEndings } from '@aether/support';
import pg from 'pg';
import type { World } from './world.ts';

/** Rows for `jsonb_to_recordset`. */
const rows = (list: object[]) => [JSON.stringify(list)];

export const actAs = (tx: Transaction, userId: string) =>
  tx.query(`select set_config('aether.actor', $1, true)`, [userId]);

/** Foundation's part of the world: one statement for each table and each person who acts. */
export async function loadWorld(tx: Transaction, world: World, pipelineId: unknown): Promise<void> {
  await tx.query(
    `insert into platform.companies (name, domain) select name, domain from jsonb_to_recordset($1::jsonb) as w (name text, domain text)`,
    rows(world.companies),
  );
  const people = world.companies.flatMap(({ domain, people }) => people.map((person) => ({ ...person, domain })));
  await tx.query(
    `insert into platform.customers (email, name, phone, phone_key, company_id, account_tier, account_manager_id, crm_id)
     select w.email, w.name, w.phone, w.phone_key, o.id, w.tier, w.manager, nextval('crm.customer_number')
     from jsonb_to_recordset($1::jsonb) as w (email text, name text, phone text, phone_key text, domain text, tier text, manager text)
     join platform.companies o on o.domain = w.domain`,
    rows(people),
  );
  await tx.query(
    `insert into crm.contacts (company_id, customer_id, name, title, email, phone, phone_key)
     select c.company_id, c.id, c.name, w.title, c.email, c.phone, c.phone_key
     from jsonb_to_recordset($1::jsonb) as w (email text, title text) join platform.customers c on c.email_key = w.email`,
    rows(people),
  );
  for (const owner of new Set(world.deals.map((deal) => deal.owner))) {
    await actAs(tx, owner);
    const deals = rows(world.deals.filter((deal) => deal.owner === owner));
    await tx.query(
      `insert into crm.deals (customer_id, company_id, pipeline_id, stage_id, name, amount, currency, owner_id, expected_close_on)
       select c.id, c.company_id, $2, (select id from crm.pipeline_stages where pipeline_id = $2 order by position limit 1),
              w.name, w.amount, w.currency, w.owner, current_date + w."closesInDays"
       from jsonb_to_recordset($1::jsonb) as w (email text, name text, amount numeric, currency text, owner text, "closesInDays" integer)
       join platform.customers c on c.email_key = w.email`,
      [...deals, pipelineId],
    );
    await tx.query(
      `update crm.deals d set stage_id = s.id
       from jsonb_to_recordset($1::jsonb) as w (email text, name text, stage text)
       join platform.customers c on c.email_key = w.email, crm.pipeline_stages s
       where d.customer_id = c.id and d.name = w.name and s.pipeline_id = d.pipeline_id and s.name = w.stage and d.stage_id <> s.id`,
      deals,
    );
  }
  for (const by of new Set(world.activities.map((activity) => activity.by))) {
    await actAs(tx, by);
    await tx.query(
      `insert into crm.activities (customer_id, type, description, occurred_at, due_at, done_at)
       select c.id, w.type, w.text, w.at, date_trunc('day', now()) + make_interval(days => w."dueInDays", hours => 15),
              case when w.done then least(now(), w.at + interval '1 day') end
       from (select *, now() - make_interval(days => "daysAgo", mins => (n * 37 % 480)::integer) as at
             from rows from (jsonb_to_recordset($1::jsonb) as (email text, type text, text text, "daysAgo" integer, "dueInDays" integer,
               done boolean))
               with ordinality as r (email, type, text, "daysAgo", "dueInDays", done, n)) w
       join platform.customers c on c.email_key = w.email`,
      rows(world.activities.filter((activity) => activity.by === by)),
    );
  }
}

/** The organisation's custom fields and tags, and views that the sales team shares. */
export async function loadSettings(tx: Transaction): Promise<void> {
  await tx.query(`
    insert into crm.custom_fields (record, key, label, type, choices, position) values
      ('customer', 'channel', 'Preferred channel', 'choice', '{E-mail,Phone,Chat}', 0),
        ('customer', 'newsletter', 'Newsletter', 'checkbox', '{}', 1),
      ('company', 'employees', 'Employees', 'number', '{}', 0), ('deal', 'competitor', 'Competitor', 'text', '{}', 0),
        ('deal', 'renewal_on', 'Renewal on', 'date', '{}', 1)`);
  await tx.query(`
    insert into crm.custom_field_values (field_id, customer_id, value)
    select f.id, c.id, to_jsonb((array['E-mail', 'Phone', 'Chat'])[1 + c.crm_id % 3]) from crm.custom_fields f, platform.customers c
      where f.key = 'channel' and c.crm_id % 2 = 0
    union all select f.id, c.id, to_jsonb(c.crm_id % 5 < 3) from crm.custom_fields f, platform.customers c
      where f.key = 'newsletter' and c.crm_id % 3 = 0`);
  await tx.query(`
    insert into crm.custom_field_values (field_id, company_id, value)
    select f.id, o.id, to_jsonb((20 + row_number() over (order by o.name) * 37 % 900)) from crm.custom_fields f, platform.companies o
      where f.key = 'employees'`);
  await tx.query(`
    insert into crm.tags (name, colour) values
      ('VIP', 'gold'), ('Reference', 'green'), ('Renewal due', 'orange'), ('Beta', 'blue')`);
  await tx.query(`
    insert into crm.customer_tags (customer_id, tag_id)
    select c.id, t.id
    from platform.customers c
      join (values ('VIP', 9, 0), ('Reference', 11, 1), ('Renewal due', 7, 2), ('Beta', 13, 3)) w (name, every, n)
        on c.crm_id % w.every = w.n
      join crm.tags t on t.name = w.name
    where c.merged_into is null`);
  // Rates that move a little from month to month.
  await tx.query(`
    insert into crm.currency_rates (base, currency, valid_from, rate)
    select 'EUR', w.currency, (date_trunc('month', now()) - make_interval(months => n))::date,
      round((w.rate * (1 + (n * 7 % 5 - 2) / 100.0))::numeric, 4)
    from (values ('USD', 0.92), ('GBP', 1.16)) w (currency, rate), generate_series(0, 14) n`);
  await tx.query(
    `insert into crm.saved_views (owner_id, page, name, query, is_shared)
     select 'demo-maya', 'customers', v.name, v.query, true
     from (values ('Premium', 'sort=name&tier=premium'),
       ('Renewals', (select 'tag=' || t.id from crm.tags t where t.name = 'Renewal due'))) v (name, query)`,
  );
}

/** What colleagues wrote on companies, and who else of a company has a part in its deals. */
export async function loadCompanies(tx: Transaction): Promise<void> {
  const notes = [
    ['demo-maya', 'note', 'Everything goes through their procurement: allow three weeks for a signature.'],
    ['demo-jonas', 'meeting', 'Yearly review with the board. They want one contract for all sites from next year.'],
    ['demo-maya', 'call', 'Their switchboard: the finance team has moved, invoices go to the new address.'],
  ] as const;
  for (const [n, [by, type, description]] of notes.entries()) {
    await actAs(tx, by);
    await tx.query(
      `insert into crm.activities (company_id, type, description, occurred_at)
       select o.id, $1, $2, now() - make_interval(days => 3 + ($3 + 1) * 9, hours => o.n::integer)
       from (select id, row_number() over (order by name) as n from platform.companies) o where o.n % 3 = $3`,
      [type, description, n],
    );
  }
  await tx.query(`
    insert into crm.deal_contacts (deal_id, customer_id, role)
    select d.id, p.id, (array['Decision maker', 'User', 'Billing', 'Influencer'])[1 + (d.id + p.n) % 4]
    from crm.deals d join platform.customers c on c.id = d.customer_id
      cross join lateral (
        select k.id, row_number() over (order by k.id) as n from platform.customers k
        where k.company_id = c.company_id and k.id <> c.id and k.merged_into is null order by k.id limit 2) p
    where d.id % 2 = 0`);
}

/** Support's part: conversations, with one statement for each table. Each ends in the way the server ends one. */
export async function loadWorldChats(
  tx: Transaction,
  { chats }: World,
  widgetId: string,
  agentIds: Map<string, string>,
): Promise<void> {
  await tx.query(
    `update platform.customers c set support_id = nextval('support.customer_number')
     from jsonb_to_recordset($1::jsonb) as w (email text) where c.email_key = w.email and c.support_id is null`,
    rows(chats),
  );
  const sessions = await tx.query<{ id: string; email: string }>(
    `insert into support.sessions (widget_id, customer_id, identity, visitor_email, visitor_name, token_hash, handler)
     select $2, c.id, 'claimed', w.email, w.name, sha256(gen_random_uuid()::text::bytea), 'agent' -- of a token that nobody has
     from jsonb_to_recordset($1::jsonb) as w (email text, name text) join platform.customers c on c.email_key = w.email
     returning id, visitor_email as email`,
    [...rows(chats), widgetId],
  );
  const ids = new Map(sessions.map(({ id, email }) => [email, id]));
  const held = chats.map(({ email, agent, resolved, lines }) => ({
    id: ids.get(email) as string,
    agentId: agentIds.get(agent),
    resolved,
    lines,
  }));
  await tx.query(
    `insert into support.messages (session_id, number, author, agent_id, client_id, body)
     select w.id, line.number, line.said ->> 0,
       case when line.said ->> 0 = 'agent' then w."agentId" end, 'demo-' || line.number, line.said ->> 1
     from jsonb_to_recordset($1::jsonb) as w (id uuid, "agentId" uuid, lines jsonb),
       jsonb_array_elements(w.lines) with ordinality as line (said, number)`,
    rows(held),
  );
  await tx.query(
    `update support.sessions s
      set agent_id = w."agentId", message_count = jsonb_array_length(w.lines), asked_at = now(), last_message_at = now()
     from jsonb_to_recordset($1::jsonb) as w (id uuid, "agentId" uuid, lines jsonb) where s.id = w.id`,
    rows(held),
  );
  await tx.query(
    `insert into support.tags (name, colour) values ('Billing', 'blue'), ('Bug', 'red'), ('Feature', 'green')`,
  );
  await tx.query(
    `insert into support.session_tags (session_id, tag_id)
     select w.id, t.id
     from (select (r.id #>> '{}')::uuid as id, r.n from jsonb_array_elements($1::jsonb) with ordinality r (id, n)) w
       join (select t.id, row_number() over (order by t.id) as n from support.tags t) t on t.n = w.n % 5`,
    [JSON.stringify(held.map(({ id }) => id))],
  );
  await tx.query(
    `update support.sessions s set priority = case w.n % 7 when 0 then 'urgent' when 3 then 'high' else 'normal' end
     from (select (r.id #>> '{}')::uuid as id, r.n from jsonb_array_elements($1::jsonb) with ordinality r (id, n)) w where s.id = w.id`,
    [JSON.stringify(held.map(({ id }) => id))],
  );
  await writeEndings(tx, held);
  // What visitors say of about half of them: most are content.
  await tx.query(
    `insert into support.ratings (session_id, score, comment)
     select w.id, w.score, case
       when w.score < 4 then (array['It took a while until somebody answered.', 'Still not solved.', null])[w.n % 3 + 1]
       else (array['Quick and friendly.', null, 'Solved at once!', null])[w.n % 4 + 1] end
     from (select (r.id #>> '{}')::uuid as id, r.n, (array[5, 4, 5, 3, 5, 4, 2, 5, 4, 1])[r.n % 10 + 1] as score
       from jsonb_array_elements($1::jsonb) with ordinality r (id, n)) w
     where w.n % 9 < 5`,
    [JSON.stringify(held.map(({ id }) => id))],
  );
}

/**
 * Sets the times of the loaded history. No app may write those, so the owner of the tables does it, before the events
 * are numbered.
 *
 * @param url of platform_migrator
 */
export async function backdate(url: string, world: World): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('begin; set local role platform_owner');
    const tables = [
      'platform.customers',
      'crm.deals',
      'crm.activities',
      'support.sessions',
      'support.messages',
      'support.session_entries',
      'support.ratings',
    ];
    for (const table of tables) await client.query(`alter table ${table} disable trigger user`);
    const people = world.companies.flatMap((company) => company.people);
    await client.query(
      `update platform.customers c set created_at = t.at, updated_at = t.at
       from (select email, now() - make_interval(days => "sinceDaysAgo") as at
             from jsonb_to_recordset($1::jsonb) as w (email text, "sinceDaysAgo" integer)) t where c.email_key = t.email`,
      rows(people),
    );
    await client.query(
      `with moved as (
         update crm.deals d set created_at = now() - make_interval(days => w."madeDaysAgo"),
           updated_at = coalesce(w.closed_at, now() - make_interval(days => w."madeDaysAgo" / 2)),
           closed_at = case when d.status <> 'open' then w.closed_at end
         from (select *, now() - make_interval(days => "closedDaysAgo") as closed_at from jsonb_to_recordset($1::jsonb)
                 as r (email text, name text, "madeDaysAgo" integer, "closedDaysAgo" integer)) w
           join platform.customers c on c.email_key = w.email
         where d.customer_id = c.id and d.name = w.name returning d.id, d.closed_at)
       update crm.deal_closings k set closed_at = moved.closed_at,
         reason_id = case when k.outcome = 'lost' and moved.id % 6 > 0
           then (select r.id from crm.loss_reasons r order by r.position offset (moved.id * moved.id % 5) limit 1) end
       from moved where k.deal_id = moved.id and moved.closed_at is not null`,
      rows(world.deals),
    );
    // The deals and activities of data.ts.
    await client.query(`
      update platform.customers set created_at = now() - interval '190 days' - make_interval(days => coalesce(crm_id, 0)::integer % 40),
        updated_at = now() - make_interval(days => coalesce(crm_id, 0)::integer % 30, mins => 25)
          where created_at > now() - interval '1 hour';
      update crm.customer_order o set updated_at = c.updated_at from platform.customers c where c.id = o.customer_id;
      update crm.deals set created_at = now() - interval '45 days', updated_at = now() - interval '6 days'
        where created_at > now() - interval '1 hour'`);
    await client.query(
      `with chats as (select email, date_trunc('day', now()) - make_interval(days => "daysAgo")
                        + make_interval(hours => 7 + abs(hashtext(email)) % 11, mins => abs(hashtext(email)) % 60) as at
                      from jsonb_to_recordset($1::jsonb) as w (email text, "daysAgo" integer)
                      union all select visitor_email, now() - interval '2 days 3 hours' from support.sessions
                        where visitor_email not in (select email from jsonb_to_recordset($1::jsonb) as w (email text))),
       moved as (update support.sessions s
         set started_at = t.at, asked_at = t.at, first_waited_at = t.at,
           first_answered_at = t.at + make_interval(secs => 20 + abs(hashtext(t.email)) % 400),
           last_message_at = t.at + interval '6 minutes',
           ended_at = t.at + make_interval(mins => 7 + abs(hashtext(t.email)) % 50)
                 from chats t where s.visitor_email = t.email and s.ended_at is not null returning s.id, s.started_at, s.ended_at),
       told as (update support.messages m set created_at = moved.started_at + make_interval(mins => m.number) from moved
         where m.session_id = moved.id),
       rated as (update support.ratings g set created_at = moved.ended_at + interval '2 minutes' from moved where g.session_id = moved.id),
       noted as (update support.session_entries n set created_at = moved.ended_at from moved where n.session_id = moved.id)
       update crm.activities a
         set occurred_at = moved.ended_at, created_at = moved.ended_at,
           metadata = a.metadata || jsonb_build_object('duration_seconds', extract(epoch from moved.ended_at - moved.started_at))
       from moved where a.idempotency_key = 'session:' || moved.id`,
      rows(world.chats),
    );
    for (const table of tables) await client.query(`alter table ${table} enable trigger user`);
    await client.query(`
      update crm.customer_activity k set last_at = a.last_at, next_at = a.next_at
      from (select customer_id, max(occurred_at) filter (where occurred_at <= now()) as last_at,
          min(occurred_at) filter (where occurred_at > now()) as next_at from crm.activities group by customer_id) a
      where a.customer_id = k.customer_id`);
    // The customers came before anybody was there to be told, and a task that was due last week was seen last week.
    await client.query(`
      delete from platform.notices where kind = 'assignment' and record = 'customer';
      update platform.notices set at = clock_timestamp() - interval '50 minutes' where kind <> 'task';
      update platform.notices set read_at = at + interval '1 hour' where kind = 'task' and at < now() - interval '2 days'`);
    await client.query(`
      update sync.outbox e set occurred_at = c.created_at from platform.customers c
        where e.type = 'customer.created' and e.row_id = c.id::text;
      update sync.outbox e set occurred_at = case e.type when 'deal.created' then d.created_at else d.updated_at end,
          data = e.data || case when e.data ->> 'closed_at' is null then '{}' else jsonb_build_object('closed_at', d.closed_at) end
        from crm.deals d where e.type like 'deal.%' and e.row_id = d.id::text;
      update sync.outbox e set occurred_at = c.created_at, data = e.data || jsonb_build_object('created_at', c.created_at)
        from platform.customers c where e.type in ('custom_value.created', 'customer_tag.created') and e.customer = c.id;
      update sync.outbox e set occurred_at = least(d.created_at + interval '1 day', now())
        from crm.deal_contacts k join crm.deals d on d.id = k.deal_id
        where e.type = 'deal_contact.created' and e.row_id = k.id::text;
      update sync.outbox e set occurred_at = a.occurred_at from crm.activities a
        where e.type = 'activity.created' and e.row_id = a.id::text;
      update sync.outbox e
        set occurred_at = case e.type when 'session.created' then s.started_at else coalesce(s.ended_at, s.started_at) end
        from support.sessions s where e.type in ('session.created', 'session.updated') and e.row_id = s.id::text;
      update sync.outbox e set occurred_at = g.created_at, data = e.data || jsonb_build_object('created_at', g.created_at)
        from support.ratings g where e.type = 'rating.created' and e.row_id = g.id::text`);
    await client.query('commit');
  } finally {
    await client.end();
  }
}
