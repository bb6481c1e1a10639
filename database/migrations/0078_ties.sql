-- What ties the shares of a subscription together is looked for in a third of the time.

-- Two processes drained a backlog more slowly than one, because of this: for each batch it sorted the events between the shares by keys and
-- customers, and looked up every customer. Events of different shares can be tied in two ways only: one of them is linked to a customer
-- while its key is something else, or its customer was merged. Most stretches of a log have neither, and one look at them tells.
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
  if not (
    with w as materialized (
      select e.customer as id, bool_or(e.customer::text collate "C" <> e.key) as is_linked from sync.events e
      where e.position > lowest and e.position <= until_position and (s.types is null or e.type = any (s.types)) group by e.customer)
    select exists (select from w where w.is_linked) or s.holds = 'customer' and exists (
      select from w cross join lateral (
        select from platform.customers k where k.id = w.id and k.merged_into is not null offset 0) c)) then
    return null;
  end if;
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

-- Whether a transaction that merges customers may have ended within the last minutes: what was found of events before that may be out of
-- date. None takes that long. Ids of merges begin with their time.
create function sync.were_merged_lately() returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
return exists (select from platform.merges m where m.id > (select uuidv7(interval '-10 minutes')));
grant execute on function sync.were_merged_lately() to app_role, sync_role;
