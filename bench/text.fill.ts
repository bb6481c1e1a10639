import { bootstrap, type LocalServer, migrate } from '@aether/database';
import pg from 'pg';

/** Whether an earlier run has filled the database in this folder. */
export async function isFilled({ server }: LocalServer): Promise<boolean> {
  const superuser = new pg.Client({ connectionString: server.superuserUrl('bench') });
  await superuser.connect();
  const { rows } = await superuser.query(`select to_regclass('support.messages_words') as found`);
  await superuser.end();
  return rows[0].found !== null;
}

const perSession = 20;
const widgets = 20;

/**
 * Fills the messages of two years as the owner and without triggers, and makes the indexes afterwards, because loading is not measured.
 * Words are as frequent as in a language: a few in very many messages, most in few. One message in twenty is Japanese.
 */
export async function fillTexts(local: LocalServer, messages: number): Promise<void> {
  const startedAt = performance.now();
  const tell = (what: string) => console.log(`${((performance.now() - startedAt) / 1_000).toFixed(0)} s: ${what}`);
  await bootstrap(local.adminUrl, { database: 'bench', passwords: {} });
  await migrate(local.urlOf('platform_migrator'));
  const owner = new pg.Client({ connectionString: local.urlOf('platform_migrator') });
  owner.on('error', () => {}); // the server stops when the bench fails
  await owner.connect();
  await owner.query(`set role platform_owner; set statement_timeout = 0; set maintenance_work_mem = '1GB'; set work_mem = '256MB';
    set max_parallel_maintenance_workers = 2;
    alter table support.messages disable trigger user;
    alter table support.sessions disable trigger user;
    select setseed(0.5);
    insert into platform.users (id, email, name) select 'agent' || n, 'agent' || n || '@aether.example', 'Agent ' || n
      from generate_series(1, ${widgets}) n;
    insert into support.agents (user_id) select 'agent' || n from generate_series(1, ${widgets}) n;
    insert into support.widgets (key, name) select 'bench-widget-' || n, 'Widget ' || n from generate_series(1, ${widgets}) n;
    insert into support.widget_agents (widget_id, agent_id)
      select w.id, a.id from support.widgets w join support.agents a on a.user_id = 'agent' || substr(w.key, 14)`);
  const { rows: indexes } = await owner.query<{ name: string; definition: string }>(
    `select i.indexrelid::regclass as name, pg_get_indexdef(i.indexrelid) as definition from pg_index i
     where not i.indisunique and i.indrelid = any ('{support.messages,support.sessions}'::regclass[])`,
  );
  for (const { name } of indexes) await owner.query(`drop index ${name}`);
  // Pieces of texts: three words each, of 20,000 syllables, the first ones in most texts; and of Japanese ones, eight characters.
  await owner.query(`
    create unlogged table platform.bench_pieces as
      select n as piece, (select string_agg(w.word, ' ') from generate_series(1, 4) k cross join lateral (
          select substr('aeiou', 1 + r.rank % 5, 1)
            || (array['bl','ch','dr','f','gr','k','l','m','n','p','qu','r','st','t','v','w'])[1 + r.rank / 5 % 16]
            || (array['ane','ent','ing','o','urs','ility','er','ack','ow','ipt'])[1 + r.rank / 80 % 10]
            || coalesce((array['s','ed','ly'])[r.rank / 800 % 25], '') as word
          from (select floor(20000 * power(random(), 4))::int + 0 * n as rank) r) w) as words,
        (select string_agg(chr(c.code), '') from generate_series(1, 8) k cross join lateral (
          select case when k % 2 = 0 then 12354 + floor(80 * random())::int
                   else 20000 + floor(1500 * power(random(), 3))::int end + 0 * n as code) c)
          as signs
      from generate_series(0, 19999) n;
    alter table platform.bench_pieces add primary key (piece);
    analyze platform.bench_pieces`);
  await owner.query(
    `insert into support.sessions (id, widget_id, visitor_name, token_hash, status, resolved, message_count, started_at, asked_at, ended_at,
       last_message_at)
     select md5('s' || n)::uuid, w.id, 'Visitor ' || n, sha256(n::text::bytea), 'ended', true, ${perSession}, t.at, t.at, t.at, t.at
     from generate_series(0, $1::int / ${perSession} - 1) n
       cross join lateral (select now() - interval '730 days' * (1 - n::float / ($1::int / ${perSession}))) t (at)
       join support.widgets w on w.key = 'bench-widget-' || 1 + n % ${widgets}`,
    [messages],
  );
  // The newest are open, for the messages that the bench adds.
  await owner.query(`update support.sessions set status = 'active', resolved = null, ended_at = null
    where id in (select id from support.sessions order by started_at desc limit 1000)`);
  tell('conversations');
  await owner.query(
    `insert into support.messages (id, session_id, number, author, client_id, body, created_at)
     select uuidv7(t.at - now()), md5('s' || n / ${perSession})::uuid, 1 + n % ${perSession}, 'visitor', 'm' || n,
       case when n % 20 = 0 then p.signs || '。' || case when n % 40 = 0 then '返金は' else '' end || q.signs
             || case when n % 2000 = 0 then '、金継ぎ' else '' end
            else p.words || ' ' || q.words || '. ' || r.words end
         || case when n % 3 = 0 then ', my refund please' else '' end
         || case when n % 50 = 0 then ' voucher' else '' end
         || case when n % 50 = 25 and n % 3 > 0 then ' postcard' else '' end
         || case when n % 5000 = 0 then ' kintsugi' else '' end
         || case when n % 4 = 0 then '. It is AB-' || n else '' end
         || case when n % 40 = 0 then ', write to mary+' || n || '@shop.example' else '' end
         || ' unique' || n,
       t.at
     from generate_series(0, $1::int - 1) n
       cross join lateral (select now() - interval '730 days' * (1 - n::float / $1::int)) t (at)
       join platform.bench_pieces p on p.piece = abs(hashint4(n)) % 20000
       join platform.bench_pieces q on q.piece = abs(hashint4(n + 1)) % 20000
       join platform.bench_pieces r on r.piece = abs(hashint4(-n)) % 20000`,
    [messages],
  );
  tell('messages');
  await owner.query(`drop table platform.bench_pieces;
    alter table support.messages enable trigger user;
    alter table support.sessions enable trigger user`);
  // That of the texts is the last one: a run that is ended before it is filled again.
  for (const { name, definition } of indexes.sort((one) => (one.name.includes('messages_words') ? 1 : -1))) {
    await owner.query(definition);
    if (name.includes('messages_words')) tell('the index of texts');
  }
  await owner.query('vacuum analyze support.messages, support.sessions');
  tell('vacuumed');
  await owner.end();
}
