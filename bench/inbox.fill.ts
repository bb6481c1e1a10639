import { bootstrap, type LocalServer, migrate } from '@aether/database';
import pg from 'pg';

/** The directory of the people who are there. */
export const tenant = 'bench';
const widgets = 20;
const open = 2_000;
const customers = 100_000;

/**
 * Fills conversations of two years without triggers and references, and makes the indexes afterwards, because loading is not measured. Of each one only
 * the last message is there, which lists show. The newest 2,000 are open. Each widget has a team of one agent: agent1 to agent20.
 */
export async function fillConversations(local: LocalServer, conversations: number): Promise<void> {
  await bootstrap(local.adminUrl, { database: 'bench', passwords: {} });
  await migrate(local.urlOf('platform_migrator'));
  const owner = new pg.Client({ connectionString: local.server.superuserUrl('bench') });
  owner.on('error', () => {}); // the server stops when the bench fails
  await owner.connect();
  await owner.query(`set statement_timeout = 0; set maintenance_work_mem = '1GB'; set work_mem = '256MB'; select setseed(0.5);
    set session_replication_role = replica; set role platform_owner`);
  const { rows: indexes } = await owner.query<{ name: string; definition: string }>(
    `select i.indexrelid::regclass as name, pg_get_indexdef(i.indexrelid) as definition from pg_index i
     where not i.indisunique
       and i.indrelid = any ('{support.messages,support.sessions,support.ratings,support.session_tags,platform.customers}'::regclass[])`,
  );
  for (const { name } of indexes) await owner.query(`drop index ${name}`);
  await owner.query(`
    insert into platform.users (id, email, name, directory_tenant_id, directory_object_id)
      select a.id, a.id || '@aether.example', a.id, '${tenant}', a.id
      from (select 'agent' || n as id from generate_series(1, ${widgets}) n) a;
    insert into platform.users (id, email, name, role, directory_tenant_id, directory_object_id)
      values ('admin', 'admin@aether.example', 'Admin', 'admin', '${tenant}', 'admin');
    insert into support.agents (user_id) select 'agent' || n from generate_series(1, ${widgets}) n;
    insert into support.agents (user_id) values ('admin');
    insert into support.widgets (key, name) select 'bench-widget-' || n, 'Widget ' || n from generate_series(1, ${widgets}) n;
    insert into support.widget_agents (widget_id, agent_id)
      select w.id, a.id from support.widgets w join support.agents a on a.user_id = 'agent' || substr(w.key, 14);
    insert into support.tags (name) select 'Tag ' || n from generate_series(1, 30) n;
    insert into platform.customers (id, email, email_key, name, created_by_app)
      select md5('c' || n)::uuid, 'c' || n || '@example.com', 'c' || n || '@example.com', 'Customer ' || n, 'support'
      from generate_series(1, ${customers}) n`);
  await owner.query(
    `insert into support.sessions (id, widget_id, customer_id, visitor_email, visitor_name, token_hash, agent_id, status, resolved,
       priority, message_count, started_at, asked_at, first_waited_at, first_answered_at, ended_at, last_message_at, first_due_at,
       resolve_due_at, due_at, waiting_since, clocked_at)
     select md5('s' || n)::uuid, w.id, case when h.chance % 5 < 3 then md5('c' || 1 + n % ${customers})::uuid end,
       'v' || n || '@example.com',
       (array['Amara','Bruno','Clara','Daan','Elif','Farid','Giulia','Hugo','Ines','Jasper'])[1 + h.chance % 10] || ' Visitor' || n % 20000,
       sha256(n::text::bytea), case when h.chance % 10 > 0 then a.agent_id end, case when o.is_open then 'active' else 'ended' end,
       case when not o.is_open then h.chance % 5 > 0 end,
       case when h.chance % 3000 = 0 then 'urgent' when h.chance % 6 = 0 then 'high' when h.chance % 6 = 1 then 'low' else 'normal' end,
       6, t.at, t.at, t.at,
       case when h.chance % 20 > 2 and not (o.is_open and h.chance % 2 = 0) then d.answered end, case when not o.is_open then d.ended end,
       case when o.is_open then t.at else d.ended end,
       case when h.chance % 200 = 0 or o.is_open then t.at + interval '15 min' end, t.at + interval '30 days',
       case when o.is_open then t.at + interval '8 hours' end, case when o.is_open and h.chance % 2 = 0 then t.at end, t.at
     from generate_series(1, $1::integer) n
       cross join lateral (select now() - interval '730 days' * (1 - n::float / $1::integer) as at) t
       cross join lateral (select n > $1::integer - ${open} as is_open) o
       cross join lateral (select t.at + make_interval(secs => 200 * -ln(1 - random() * 0.9999)) as answered,
         t.at + make_interval(mins => (60 * -ln(1 - random() * 0.9999))::integer + 1 + 0 * n) as ended) d
       cross join lateral (select abs(hashint4(n)) / 3 as chance) h
       join support.widgets w on w.key = 'bench-widget-' || 1 + n % ${widgets}
       join support.widget_agents a on a.widget_id = w.id`,
    [conversations],
  );
  await owner.query(`
    insert into support.messages (session_id, number, author, client_id, body, created_at)
      select s.id, 6, 'visitor', 'm6', 'Thank you, the parcel has come in the meantime and everything is in it.', s.last_message_at
      from support.sessions s;
    insert into support.session_tags (session_id, tag_id)
      select s.id, case when h.chance % 2 = 0 then 1 else 1 + h.chance / 100 % 30 end
      from support.sessions s cross join lateral (select abs(hashtext(s.id::text)) / 3 as chance) h where h.chance / 10 % 3 = 0;
    insert into support.ratings (session_id, score, comment, created_at)
      select s.id, 1 + h.chance / 10 % 5, case when h.chance / 100 % 10 = 0 then 'Very quick, thank you.' end, s.ended_at
      from support.sessions s cross join lateral (select abs(hashtext(s.id::text)) / 3 as chance) h
      where s.status = 'ended' and h.chance % 5 = 0`);
  for (const { definition } of indexes) await owner.query(definition);
  await owner.query('reset role');
  await owner.query('vacuum analyze');
  await owner.end();
}
