import type pg from 'pg';

/** What no export of Ada may hold: it is in every text of everybody else. */
export const canary = 'CANARY';

export const ada = '00000000-0000-7000-8000-00000000ada1';
export const formerAda = '00000000-0000-7000-8000-00000000ada2';
export const eve = '00000000-0000-7000-8000-00000000e0e1';
export const talk = '00000000-0000-4000-8000-0000000000c1';
export const evesTalk = '00000000-0000-4000-8000-0000000000c2';
export const strangersTalk = '00000000-0000-4000-8000-0000000000c3';

/**
 * A house in which Ada is known in every table that holds people: merged from two records, with a deal, notes, a chat, calls, imports and a
 * colleague's account; and Eve, who met her everywhere: a chat that was moved to her, a merge that was taken back, a pair to be decided.
 *
 * @param superuser for rows that the apps would write
 * @param sync as sync_app, which merges and numbers events
 */
export async function fillHouse(superuser: pg.Client, sync: pg.Client): Promise<void> {
  await superuser.query(`
    insert into platform.users (id, email, name, role) values
      ('u-jonas', 'jonas@${canary}.example', 'Jonas Berg', 'user'), ('u-boss', 'boss@${canary}.example', '${canary} Boss', 'steward'),
      ('u-ada', 'Ada@person.example', 'Ada King', 'user');
    insert into platform.sign_ins (user_id, app, token_hash, csrf_token, agent, idle_max, expires_at)
      values ('u-ada', 'foundation', sha256('a'), repeat('x', 40), 'Firefox', '1 day', now() + '1 day'),
             ('u-boss', 'foundation', sha256('b'), repeat('x', 40), '${canary}', '1 day', now() + '1 day');
    insert into support.agents (id, user_id) values
      ('00000000-0000-7000-8000-0000000000a1', 'u-jonas'), ('00000000-0000-7000-8000-0000000000a2', 'u-boss');
    insert into platform.companies (id, name, domain, created_by_app)
      values ('00000000-0000-7000-8000-0000000000ac', 'Acme', 'acme.example', 'foundation');
    insert into platform.customers (id, email, name, phone, phone_key, created_by_app, company_id, account_tier, account_manager_id,
        preferred_language, timezone) values
      ('${ada}', 'Ada@person.example', 'Ada King', '+49 30 1234567', '+49301234567', 'foundation', '00000000-0000-7000-8000-0000000000ac',
        'premium', 'u-boss', 'de', 'Europe/Berlin'),
      ('${formerAda}', 'a.king@work.example', 'A. King', '+49 30 7654321', '+49307654321', 'support', null, null, null, null, null),
      ('${eve}', 'eve@${canary}.example', '${canary} Eve', '+49 40 99999', '+494099999', 'foundation', null, 'basic', 'u-boss', null, null);
    update platform.customers set crm_id = 4711 where id = '${ada}';
    insert into platform.customer_external_ids (app, external_id, customer_id) values
      ('foundation', 'A-17', '${ada}'), ('foundation', '${canary}-1', '${eve}');
    insert into crm.custom_fields (record, key, label, type) values ('customer', 'shoe_size', 'Shoe size', 'text');
    insert into crm.custom_field_values (field_id, field_key, field_label, customer_id, value)
      select f.id, f.key, f.label, c.id, c.value from crm.custom_fields f,
        (values ('${ada}'::uuid, '"39"'::jsonb), ('${eve}', '"${canary}"')) c (id, value);
    insert into crm.pipelines (name) values ('Sales');
    insert into crm.pipeline_stages (pipeline_id, name, position) values (1, 'New', 1);
    insert into crm.deals (customer_id, pipeline_id, stage_id, name, amount, owner_id) values
      ('${ada}', 1, 1, 'Ten chairs', 900, 'u-boss'), ('${eve}', 1, 1, '${canary} deal', 1, 'u-boss');
    insert into crm.deal_contacts (deal_id, customer_id, role)
      select d.id, d.customer_id, case when d.customer_id = '${ada}' then 'Chooses the wood' else '${canary} pays' end from crm.deals d;
    insert into crm.contacts (company_id, customer_id, name, email) values
      ('00000000-0000-7000-8000-0000000000ac', '${ada}', 'Ada King', null),
      ('00000000-0000-7000-8000-0000000000ac', null, 'Ada at work', 'a.king@work.example'),
      ('00000000-0000-7000-8000-0000000000ac', '${eve}', '${canary}', null);
    insert into crm.activities (customer_id, type, description, created_by_app, created_by, created_by_login) values
      ('${ada}', 'note', 'Likes <b>oak</b> & "walnut"', 'foundation', 'u-boss', 'foundation_app'),
      ('${eve}', 'note', '${canary} note', 'foundation', 'u-boss', 'foundation_app');
    insert into support.widgets (key, name) values ('widget-1', 'Shop');
    insert into support.sessions (id, widget_id, customer_id, visitor_email, visitor_name, token_hash, agent_id)
      select s.id::uuid, w.id, s.customer::uuid, s.email, s.name, sha256(convert_to(s.id, 'UTF8')), s.agent::uuid from support.widgets w,
        (values ('${talk}', '${ada}', 'ada@person.example', 'Ada', '00000000-0000-7000-8000-0000000000a1'),
                ('${evesTalk}', '${ada}', null, '${canary}', '00000000-0000-7000-8000-0000000000a2'),
                ('${strangersTalk}', null, 'Nora@nowhere.example', 'Nora', null)) s (id, customer, email, name, agent);
    insert into support.messages (session_id, number, author, agent_id, client_id, body) values
      ('${talk}', 1, 'visitor', null, 'c1', 'Where is <script>alert(1)</script> my chair?'),
      ('${talk}', 2, 'agent', '00000000-0000-7000-8000-0000000000a1', 'c2', 'On its way.'),
      ('${evesTalk}', 1, 'visitor', null, 'c1', '${canary} question'), ('${strangersTalk}', 1, 'visitor', null, 'c1', 'Do you ship?');
    insert into support.session_entries (session_id, kind, agent_id, client_id, body) values
      ('${talk}', 'note', '00000000-0000-7000-8000-0000000000a1', 'n1', 'A friendly person');
    insert into support.calls (customer_id, agent_id, direction, number_e164, outcome, notes, started_at) values
      ('${ada}', '00000000-0000-7000-8000-0000000000a1', 'inbound', '+49301234567', 'resolved', 'Asked for oak', now()),
      ('${eve}', '00000000-0000-7000-8000-0000000000a2', 'inbound', '+494099999', 'resolved', '${canary} call', now());
    insert into platform.review_candidates (customer_id, other_id, reason, evidence)
      values ('${ada}', '${eve}', 'same_name', '{"name": "${canary}"}');`);
  await sync.query(`select set_config('aether.actor', 'u-boss', false)`);
  const merge = async (survivor: string, loser: string) =>
    (
      await sync.query(`select platform.merge_customers($1, array[$2]::uuid[], '{}', $3) as answer`, [
        survivor,
        loser,
        `${canary} said so`,
      ])
    ).rows[0].answer.merges[0].merge;
  await merge(ada, formerAda);
  const wrong = await merge(ada, eve);
  await sync.query('select platform.unmerge_customers($1)', [wrong]);
  // As Support does when an agent sees that it is somebody else's.
  await superuser.query(`
    insert into platform.moves (kind, record_id, from_id, to_id, reason, app, actor)
      values ('session', '${evesTalk}', '${ada}', '${eve}', '${canary}', 'support', 'u-boss');
    alter table support.sessions disable trigger user;
    update support.sessions set customer_id = '${eve}' where id = '${evesTalk}';
    alter table support.sessions enable trigger user`);
  await fillImports(superuser);
  await number(sync);
}

/** A run with lines of Ada, of Eve, and lines that were refused. */
async function fillImports(superuser: pg.Client): Promise<void> {
  const { rows } = await superuser.query(
    `insert into sync.import_runs (app, state, rules) values ('foundation', 'applied', 'import-1') returning id`,
  );
  const run = rows[0].id;
  await superuser.query(`
    create table sync.import_rows_p${run} partition of sync.import_rows for values in (${run});
    insert into sync.import_rows (run, n, file, line, outcome, customer, email, email_key, name, detail, raw) values
      (${run}, 1, 1, 2, 'updated', '${ada}', 'ada@person.example', 'ada@person.example', 'Ada K.', '{"with": "${canary}"}', null),
      (${run}, 2, 1, 3, 'created', '${eve}', 'eve@${canary}.example', 'eve@canary.example', '${canary}', null, null),
      (${run}, 3, 1, 4, 'rejected', null, null, null, null, null, '17,Ada@Person.example,+49 3o'),
      (${run}, 4, 1, 5, 'rejected', null, null, null, null, null, '18,${canary}-ada@person.example,x'),
      (${run}, 5, 1, 6, 'rejected', null, null, null, null, null, 'Nora,nora@nowhere.example');
    insert into sync.import_keys (source, key, customer, run) values
      ('old-crm', '17', '${ada}', ${run}), ('old-crm', '${canary}', '${eve}', ${run});
    insert into sync.import_writes (run, n, customer, field, before, after, version) values
      (${run}, 1, '${ada}', 'name', '"Ada"', '"Ada King"', 2), (${run}, 1, '${ada}', 'account_manager_id', null, '"u-boss"', 2),
      (${run}, 2, '${eve}', 'name', '"${canary}"', '"${canary}"', 2)`);
}

/** Numbers what is committed, as the worker does. */
export async function number(sync: pg.Client): Promise<void> {
  await sync.query('begin; select from sync.sequencer for update; select sync.sequence(10000, 0); commit');
}
