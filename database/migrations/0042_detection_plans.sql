-- The walk over all customers begins with an empty table of pairs, and adds thousands a minute. The first plan of each of these statements,
-- to read the whole table, was kept until statistics were taken: each page read all pairs, once or for each pair of its own. Whoever asks
-- for some customers out of many reads by an index, whatever the size of the table was when its statement was planned.

-- Few pairs are called different, and each proposal asks for those of two customers.
create index review_candidates_different on platform.review_candidates (customer_id, other_id) where state = 'different';
create index review_candidates_different_other on platform.review_candidates (other_id, customer_id) where state = 'different';

-- The pairs of each of these customers. `offset 0` keeps what else is asked out of the choice of an index: the one of all open pairs that
-- detection has found would be read from end to end.
create function sync.pairs_of(ids uuid[]) returns setof platform.review_candidates
language sql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
begin atomic
  select r.* from unnest(ids) i (id) cross join lateral (
    select c.* from platform.review_candidates c where c.customer_id = i.id offset 0) r
  union all
  select r.* from unnest(ids) i (id) cross join lateral (
    select c.* from platform.review_candidates c where c.other_id = i.id offset 0) r;
end;

create or replace function sync.list_detected(ids uuid[], out customer_id uuid, out other_id uuid) returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select distinct r.customer_id, r.other_id from sync.pairs_of(ids) r
  where r.reason = 'detected' and r.state in ('open', 'unsure') and r.is_asked;
end;

create or replace function sync.keep_match_keys(looked jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
  ids constant uuid[] := array(select l.customer from jsonb_to_recordset(looked) l (customer uuid));
  live uuid[];
begin
  perform set_config('lock_timeout', '500ms', true);
  live := array(
    select c.id from platform.customers c where c.id = any (ids) and c.merged_into is null and c.erased_at is null
    order by c.id for key share);
  if cardinality(live) < cardinality(ids) then
    delete from sync.match_keys k where k.customer = any (array(select i.id from unnest(ids) i (id) where i.id <> all (live)));
  end if;
  insert into sync.match_keys as k (customer, keys, cut_off)
  select l.customer, array(select jsonb_array_elements_text(l.keys)::bigint), array(select jsonb_array_elements_text(l.cut_off))
  from jsonb_to_recordset(looked) l (customer uuid, keys jsonb, cut_off jsonb) where l.customer = any (live) order by l.customer
  on conflict (customer) do update set keys = excluded.keys, cut_off = excluded.cut_off
  where (k.keys, k.cut_off) is distinct from (excluded.keys, excluded.cut_off);
end $$;

create or replace function sync.keep_detected(looked jsonb, pairs jsonb, by_rules text, by_walk boolean default false) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
  ids constant uuid[] := array(select l.customer from jsonb_to_recordset(looked) l (customer uuid));
  added integer;
begin
  perform set_config('lock_timeout', '500ms', true);
  -- In the order of a merge, which holds its customers before it changes their pairs.
  perform from platform.customers c
  where c.id = any (ids || array(select unnest(array[p.a, p.b]) from jsonb_to_recordset(pairs) p (a uuid, b uuid)))
  order by c.id for key share;
  perform sync.keep_match_keys(looked);
  delete from platform.review_candidates r
  where r.id = any (array(select o.id from sync.pairs_of(ids) o)) and r.reason = 'detected' and r.state = 'open' and r.is_asked
    and r.follows is null
    and not exists (
      select from jsonb_to_recordset(pairs) p (a uuid, b uuid)
      where least(p.a, p.b) = r.customer_id and greatest(p.a, p.b) = r.other_id)
    and not exists (select from platform.review_decisions d where d.candidate = r.id);
  added := platform.propose_candidates(pairs, 'detected', by_rules);
  if by_walk then update sync.match_walk w set pairs = w.pairs + added; end if;
  return added;
end $$;
