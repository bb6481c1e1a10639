-- What an update of a customer costs beside its indexes, measured on a name: a seventh less of the server's time. And shares that drain a
-- backlog together.

-- What has not changed was checked when it was written: an update of a name, which is what most updates are, costs one check. And one
-- trigger does what two did, each of which costs an update 10 µs before it does anything.
create or replace function platform.check_customer() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare violated text;
begin
  if tg_op = 'INSERT'
    or (new.id, new.email, new.email_key, new.phone, new.phone_key, new.phone_extension, new.created_by_app, new.crm_id, new.support_id,
        new.preferred_language, new.timezone, new.merged_into)
      is distinct from (old.id, old.email, old.email_key, old.phone, old.phone_key, old.phone_extension, old.created_by_app, old.crm_id,
        old.support_id, old.preferred_language, old.timezone, old.merged_into) then
    violated := platform.customer_violation(new);
  elsif new.name collate "C" <> old.name collate "C" and not platform.is_line(new.name, 200) then
    violated := 'customers_name_check';
  end if;
  if violated is not null then
    raise exception 'new row for relation "customers" violates check constraint "%"', violated
      using errcode = 'check_violation', schema = 'platform', table = 'customers', constraint = violated;
  end if;
  if tg_op = 'UPDATE' and new is distinct from old then
    new.version := old.version + 1;
    new.updated_at := clock_timestamp();
  end if;
  return new;
end $$;
comment on function platform.check_customer() is 'Checks what has changed, and counts the version.';
drop trigger b_count_version on platform.customers;
create or replace trigger b_check before insert or update on platform.customers
  for each row when (current_user <> all ('{bulk_role,merge_role,erase_role}')) execute function platform.check_customer();

-- PostgreSQL parses the stored text of a trigger's condition in every statement. A condition with an array of names is six hundred
-- bytes long, because zeros fill up each name. A pattern is a third as long, and saves 5 µs a trigger.
do $$
declare t record;
begin
  for t in
    select pg_get_triggerdef(g.oid) as definition from pg_trigger g
    where not g.tgisinternal and g.tgparentid = 0 and (g.tgrelid = 'platform.customers'::regclass or g.tgname = 'z_capture')
      and pg_get_triggerdef(g.oid) ~ 'CURRENT_USER <> ALL'
  loop
    execute regexp_replace(replace(replace(t.definition,
        $w$CURRENT_USER <> ALL ('{bulk_role,merge_role,erase_role}'::name[])$w$, $w$CURRENT_USER !~ '^(bulk|merge|erase)_role$'$w$),
        $w$CURRENT_USER <> ALL ('{merge_role,erase_role}'::name[])$w$, $w$CURRENT_USER !~ '^(merge|erase)_role$'$w$),
      '^CREATE', 'CREATE OR REPLACE');
  end loop;
  -- As do those of tables to come.
  execute replace(pg_get_functiondef('sync.capture(regclass, text, text, text, text, text[], text[], boolean)'::regprocedure),
    $w$current_user <> all (''{merge_role,erase_role}'')$w$, $w$current_user !~ ''^(merge|erase)_role$''$w$);
  if exists (select from pg_trigger g where g.tgname = 'z_capture' and pg_get_triggerdef(g.oid) ~ 'CURRENT_USER <>')
    or pg_get_functiondef('sync.capture(regclass, text, text, text, text, text[], text[], boolean)'::regprocedure) !~ '\(merge\|erase' then
    raise exception 'what captures changes is not as this migration expects';
  end if;
end $$;

-- Two processes on one subscription could drain nothing at all: this was planned when the log had few events, and joined by loops then.
-- With 5,000 events on either side that is 25,000,000 comparisons; it ended at the limit of statements, half a minute, and began again. Now
-- each key and each customer of the others counts once, by its first event; only customers who were merged have relations at all; and no
-- plan may join by a loop where there is another way.
create or replace function sync.first_blocked(of_name text, of_shares integer[], after_position bigint, until_position bigint)
returns bigint
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set enable_nestloop = off set enable_seqscan = off as $$
declare
  s sync.subscriptions;
  lowest bigint;
begin
  select x.* into s from sync.subscriptions x where x.name = of_name and x.layout > 1 and x.layout_by = 'customer';
  if not found then return null; end if;
  select min(h.position) into lowest from sync.shares h where h.subscription = of_name and h.share <> all (of_shares);
  if coalesce(lowest, until_position) >= until_position then return null; end if;
  return (
    with open as materialized (
      select e.position, e.key, e.customer, sync.share_of(e.key, e.customer, 'customer', s.layout) as share
      from sync.events e where e.position > lowest and e.position <= until_position and (s.types is null or e.type = any (s.types))),
    own as materialized (
      select o.position, o.key, o.customer from open o where o.position > after_position and o.share = any (of_shares)),
    before as materialized (
      select o.key, o.customer, min(o.position) as first
      from open o join sync.shares h on h.subscription = of_name and h.share = o.share
      where o.share <> all (of_shares) and o.position > h.position group by o.key, o.customer),
    merged as materialized (
      select p.id, c.merged_into as root
      from (select o.customer as id from own o union select x.customer from before x) p
        cross join lateral (select k.merged_into from platform.customers k where k.id = p.id offset 0) c
      where s.holds = 'customer' and c.merged_into is not null),
    roots as materialized (select m.id, m.root from merged m union select m.root, m.root from merged m)
    select min(b.position) from (
      select o.position from own o join before x on x.key = o.key and x.first < o.position
      union all
      select o.position from own o join roots r on r.id = o.customer join roots n on n.root = r.root and n.id <> r.id
        join before x on x.customer = n.id and x.first < o.position) b);
end $$;
