-- An erasure finds the results of requests with an Idempotency-Key by an index. Before, it read all of a day for each person: seconds, with
-- the customer locked. And a contact without an address is the person by number and name, as in crm.contacts.

-- Hashes of the ids, ends of addresses and numbers in a text. What names a person has a mark of that person; the reverse is not certain.
create function platform.marks_in(line text) returns int[]
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
return (select array_agg(distinct hashtext(m.found[1])) from regexp_matches(lower(line),
  '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[[:alnum:]]*@[[:alnum:]]+(?:(?:\.|-+)[[:alnum:]]+)*|\+[0-9]+', 'g') m (found));
create function platform.marks_in(result json) returns int[]
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
return platform.marks_in(result::text);
grant execute on function platform.marks_in(text), platform.marks_in(json) to app_role, erase_role;
create index idempotency_keys_by_mark on platform.idempotency_keys using gin (platform.marks_in(result));

update platform.inventory_tables set belongs = 'platform.marks_in(r.result)
    && platform.marks_in(array_to_string($1::text[] || $2 || $3, '' ''))
  and (exists (select from unnest($1::text[]) c where strpos(r.result::text, c) > 0) or platform.names_address(r.result::text, $2)
    or platform.fold(r.result ->> ''name'') = any (platform.names_of($1))
      and exists (select from unnest($3::text[]) n where strpos(r.result::text, n) > 0))'
where relation = 'platform.idempotency_keys';

-- The books keep how a deal was closed, and the tier that it gave (crm.deal_closings). So do the events that tell other apps of it: an app
-- that reads one after the erasure could not tell a won deal from a lost one.
create or replace function sync.kept_columns(out entity text, out known text[], out kept text[]) returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select c.entity, array_agg(c.column_name), array_agg(c.column_name) filter (where c.stays)
  from (select t.entity, i.column_name, i.class = 'technical' and i.becomes is null or i.stays
      or i.column_name in ('version', 'updated_at', 'erased_at', 'status', 'resolved', 'ended_at', 'waiting_since', 'snoozed_until')
      as stays
    from platform.inventory_tables t join platform.inventory i on i.relation = t.relation where t.entity is not null
    union all select 'deal', unnest('{outcome,tier,previous_tier}'::text[]), true) c
  group by c.entity;
end;
