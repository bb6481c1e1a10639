-- An erased person stays away. Triggers on the addresses and numbers of customers refuse what platform.suppressions lists, whoever writes:
-- an app, a bulk write, an import, a merge that is taken back, a replay, a service that listens, a restore. The ways in that go on without
-- the person ask first: a chat is not linked, and an import leaves the line out. A test lists all ways in, and fails for a new one.
--
-- The triggers fire after the row is written. So an insert that waits for the erasure which takes the address away, sees its suppression.

create function platform.is_kept_away(kind text, value text) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
return value is not null and exists (select from platform.suppressions)
  and exists (select from platform.suppressions s where s.hash = platform.suppression_hash(kind, value) and s.lifted_at is null);
comment on function platform.is_kept_away is 'No login may call it: it would tell who was erased.';

-- Argument: the kind.
create function platform.keep_erased_away() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare given text;
begin
  if not exists (select from platform.suppressions) then return null; end if;
  if tg_argv[0] = 'email' then given := new.email_key; else given := new.phone_key; end if;
  if platform.is_kept_away(tg_argv[0], given) then
    raise exception 'this person was erased and is kept away' using errcode = 'check_violation', constraint = 'person_erased',
      schema = tg_table_schema, table = tg_table_name, column = case tg_argv[0] when 'email' then 'email' else 'phone' end,
      hint = 'If the person comes back of their own will, somebody who may erase lifts the suppression with a reason.';
  end if;
  return null;
end $$;
create trigger y_keep_away after insert or update of email_key on platform.customer_emails
  for each row when (current_user <> 'erase_role') execute function platform.keep_erased_away('email');
create trigger y_keep_away after insert or update of phone_key on platform.customer_phones
  for each row when (current_user <> 'erase_role') execute function platform.keep_erased_away('phone');

-- A contact at a company names a person as well. Its address is free text.
create function crm.keep_contact_away() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if platform.is_kept_away('email', lower(new.email)) or platform.is_kept_away('phone', new.phone_key) then
    raise exception 'this person was erased and is kept away' using errcode = 'check_violation', constraint = 'person_erased',
      schema = tg_table_schema, table = tg_table_name, column = 'email',
      hint = 'If the person comes back of their own will, somebody who may erase lifts the suppression with a reason.';
  end if;
  return null;
end $$;
create trigger y_keep_away after insert or update of email, phone_key on crm.contacts
  for each row when (current_user <> 'erase_role') execute function crm.keep_contact_away();

-- Lifts the suppression of one address, number or id for a person who comes back. kind: email, phone or source. The answer is false if
-- nothing is suppressed.
create function platform.lift_suppression(of_kind text, value text, because text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if platform.current_actor() is null then
    raise exception 'say who: aether.actor is not set' using errcode = 'invalid_parameter_value', constraint = 'privacy_actor';
  end if;
  update platform.suppressions s
  set lifted_at = clock_timestamp(), lifted_by = platform.current_actor(), lift_reason = platform.require_reason(because)
  where s.hash = platform.suppression_hash(of_kind, value) and s.kind = of_kind and s.lifted_at is null;
  return found;
end $$;
create function platform.is_suppressed(kind text, value text) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
return platform.is_kept_away(kind, value);

-- A restored database lacks the erasures since its backup. The list that is kept beside the backups has their customers and hashes: it is
-- done again before anything else starts (aether privacy keep, aether privacy repeat).
create function platform.list_suppressions() returns setof jsonb
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select jsonb_build_object('customer', e.customer_id, 'people', to_jsonb(e.people), 'reason', e.reason, 'erasedAt', e.erased_at,
    'suppressed', coalesce((select jsonb_agg(jsonb_build_object('kind', s.kind, 'hash', encode(s.hash, 'hex'))) from platform.suppressions s
      where s.erasure = e.id and s.lifted_at is null), '[]'))
  from platform.erasures e where e.state <> 'asked' order by e.erased_at;
end;
-- Whoever came after the backup is not there to be erased: their receipt is written again, so that the list of the restored database has
-- them as well.
create function platform.repeat_suppression(
  of_customer uuid, people uuid[], because text, erased_at timestamptz, suppressed jsonb) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  of_erasure uuid;
  written bigint;
begin
  select e.id into of_erasure from platform.erasures e where e.state <> 'asked'
    and (e.customer_id = of_customer or e.people && repeat_suppression.people) order by e.customer_id <> of_customer, e.id limit 1;
  if of_erasure is null then
    insert into platform.erasures (customer_id, people, reason, state, erased_at, erased_by, erased_by_login, clean_at, report)
    values (of_customer, repeat_suppression.people, platform.require_reason(because), 'clean', repeat_suppression.erased_at,
      platform.current_actor(), session_user, clock_timestamp(), jsonb_build_object('tables', '[]'::jsonb, 'events', 0,
        'addresses', (select count(*) from jsonb_array_elements(suppressed) x where x.value ->> 'kind' = 'email'),
        'numbers', (select count(*) from jsonb_array_elements(suppressed) x where x.value ->> 'kind' = 'phone'), 'files', 0))
    on conflict (customer_id) do nothing returning id into of_erasure;
  end if;
  insert into platform.suppressions as s (hash, kind, erasure)
  select distinct on (x.value ->> 'hash') decode(x.value ->> 'hash', 'hex'), x.value ->> 'kind', of_erasure
  from jsonb_array_elements(suppressed) x
  on conflict (hash) do nothing;
  get diagnostics written = row_count;
  return written;
end $$;

do $$
declare
  body text;
  former text;
begin
  -- Finding or creating a customer, and proving an address, answer without a customer. The caller's transaction goes on.
  foreach body in array array[
    pg_get_functiondef('platform.find_or_create_customer(text, text, text)'::regprocedure),
    pg_get_functiondef('platform.prove_address(text, text, text)'::regprocedure)] loop
    former := body;
    body := regexp_replace(body, '\n(\s*)exception when unique_violation then', $p$
\1exception when check_violation then
\1  get stacked diagnostics violated = constraint_name;
\1  if violated <> 'person_erased' then raise; end if;
\1  customer := null;
\1  created := false;
\1  return;
\1when unique_violation then$p$);
    if body = former then raise exception 'the function is not as it was'; end if;
    execute body;
  end loop;

  -- A bulk write refuses the row and writes the others.
  former := pg_get_functiondef('platform.find_bulk_conflicts(platform.customers[], platform.customers[])'::regprocedure);
  body := replace(former, $p$when o.id is null and exists (select from platform.customers c where c.id = r.id) then 'customers_pkey'$p$,
    $p$when r.email_key is distinct from o.email_key and platform.is_kept_away('email', r.email_key)
        or r.phone_key is distinct from o.phone_key and platform.is_kept_away('phone', r.phone_key) then 'person_erased'
      when o.id is null and exists (select from platform.customers c where c.id = r.id) then 'customers_pkey'$p$);
  if body = former then raise exception 'the function is not as it was'; end if;
  execute body;
  former := pg_get_functiondef('platform.bulk_refusal(integer, text, platform.customers)'::regprocedure);
  body := replace(former, $p$when 'customer_phones_primary_stays' then 'the primary number stays'$p$,
    $p$when 'customer_phones_primary_stays' then 'the primary number stays'
      when 'person_erased' then 'this person was erased and is kept away'$p$);
  if body = former then raise exception 'the function is not as it was'; end if;
  execute body;

  -- An import leaves out the lines of people who were erased, and keeps nothing of them: when it plans, and when it applies what was
  -- planned before the erasure.
  former := pg_get_functiondef('sync.plan_import(bigint)'::regprocedure);
  body := replace(former, 'perform sync.find_import_targets(of_run);',
    'perform sync.leave_out_erased(of_run);
  perform sync.find_import_targets(of_run);');
  if body = former then raise exception 'the function is not as it was'; end if;
  execute body;
  former := pg_get_functiondef('sync.apply_import(bigint, integer)'::regprocedure);
  body := replace(former, 'is_done := to_n >= r.lines;', 'perform sync.forget_refused(of_run, from_n, to_n);
  is_done := to_n >= r.lines;');
  if body = former then raise exception 'the function is not as it was'; end if;
  execute body;
  former := pg_get_functiondef('sync.write_import_extras(bigint, integer, uuid, jsonb, text, text[])'::regprocedure);
  body := replace(former, 'written := x.given;', $p$written := x.given;
    continue when starts_with(x.field, 'address:') and platform.is_kept_away('email', x.given ->> 'key')
      or starts_with(x.field, 'phone:') and platform.is_kept_away('phone', x.given ->> 'key');$p$);
  if body = former then raise exception 'the function is not as it was'; end if;
  execute body;
end $$;
grant execute on function platform.is_kept_away(text, text) to bulk_role;

-- Scrubs lines of a run as an erasure does, and says so. condition: over the row p.
create function sync.scrub_lines(of_run bigint, condition text) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
  becomes constant text := (
    select string_agg(format('%I = %s', i.column_name, coalesce(i.becomes, 'null')), ', ' order by i.column_name)
    from platform.inventory i where i.relation = 'sync.import_rows' and (i.becomes is not null or i.class <> 'technical' and not i.stays));
  done bigint;
begin
  execute format('update sync.import_rows p set %s, outcome = ''excluded'', code = ''erased'', customer = null, lead = null
    where p.run = %s and (%s)', becomes, of_run, condition);
  get diagnostics done = row_count;
  return done;
end $$;

create function sync.leave_out_erased(of_run bigint) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (select from platform.suppressions) then return 0; end if;
  -- All lines of a person go with the one that names them.
  return sync.scrub_lines(of_run, format($c$p.code is distinct from 'erased' and coalesce(p.lead, p.n) in (
    -- The hashes of platform.suppression_hash: a call for each of millions of lines would take minutes.
    select coalesce(q.lead, q.n)
    from sync.import_rows q join sync.import_files f on f.run = q.run and f.file = q.file cross join platform.suppression_key k
    where q.run = %s and (
      sha256(k.outer_pad || sha256(k.inner_pad || convert_to('email:' || q.email_key, 'UTF8')))
        in (select s.hash from platform.suppressions s where s.lifted_at is null and s.kind = 'email')
      or sha256(k.outer_pad || sha256(k.inner_pad || convert_to('phone:' || q.phone_key, 'UTF8')))
        in (select s.hash from platform.suppressions s where s.lifted_at is null and s.kind = 'phone')
      or sha256(k.outer_pad || sha256(k.inner_pad || convert_to('source:' || f.source || ':'
          || sync.import_key(q.external_id, q.email_key, q.digest), 'UTF8')))
        in (select s.hash from platform.suppressions s where s.lifted_at is null and s.kind = 'source')))$c$, of_run));
end $$;

create function sync.forget_refused(of_run bigint, from_n integer, to_n integer) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (select from platform.suppressions) then return 0; end if;
  return sync.scrub_lines(of_run, format($c$p.n in (
    select w.n from sync.import_rows l join sync.import_rows w on w.run = l.run and (w.n = l.n or w.lead = l.n)
    where l.run = %1$s and w.run = %1$s and l.n between %2$s and %3$s and l.detail ->> 'constraint' = 'person_erased')$c$,
    of_run, from_n, to_n));
end $$;

grant execute on function platform.lift_suppression(text, text, text), platform.is_suppressed(text, text), platform.list_suppressions(),
    platform.repeat_suppression(uuid, uuid[], text, timestamptz, jsonb)
  to privacy_role;
