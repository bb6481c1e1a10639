-- A company that gets another name or another domain: its customers are compared anew, because matching compares both. A company may have
-- any number of customers, so they are looked at as the walk looks at all: in pages, each of which is one transaction that says how far it
-- is. So a worker that is killed loses at most a page, and the event itself costs a row.

create table sync.match_looks (
  company uuid primary key,
  after uuid not null default '00000000-0000-0000-0000-000000000000',
  asked_at timestamptz not null default clock_timestamp()
);
comment on table sync.match_looks is 'Companies whose customers are to be compared anew. No reference: a company that goes needs no look.';
comment on column sync.match_looks.after is 'Every customer of the company up to this id has been looked at.';
call platform.protect_table('sync.match_looks');
call platform.classify('sync.match_looks', null, 'keep', 'How far a look is.', technical => 'company after asked_at');
-- Grants are absent: the functions below read and write it.

-- A page of a large company is read in the order of the ids, without those of other companies.
create index customers_by_company on platform.customers (company_id, id) where company_id is not null;
drop index platform.customers_company_id_idx;

-- Asks for a look at the customers of these companies; one that is under way begins again.
create function sync.ask_match_looks(companies uuid[]) returns void
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  insert into sync.match_looks (company) select distinct c from unnest(companies) c order by c
  on conflict (company) do update set after = default, asked_at = excluded.asked_at;
end;

-- The next customers of a company that is to be looked at, for the caller's transaction alone; null: there is none, or
-- another worker has it.
create function sync.next_company_page(most integer) returns uuid[]
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  l sync.match_looks;
  ids uuid[] := '{}';
begin
  loop
    select * into l from sync.match_looks o order by o.asked_at, o.company limit 1 for update skip locked;
    if not found then return null; end if;
    ids := array(
      select c.id from platform.customers c
      where c.company_id = l.company and c.id > l.after and c.merged_into is null and c.erased_at is null order by c.id limit most);
    exit when cardinality(ids) > 0;
    delete from sync.match_looks o where o.company = l.company;
  end loop;
  update sync.match_looks o set after = ids[cardinality(ids)] where o.company = l.company;
  return ids;
end $$;
grant execute on function sync.ask_match_looks(uuid[]), sync.next_company_page(integer) to sync_role;
