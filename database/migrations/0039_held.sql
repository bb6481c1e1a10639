-- Whom an erasure and a legal hold reach without a customer, and how who was erased is let back by the receipt.

-- A contact of a company that has neither a customer nor an address, and the person's number and name, is the person. With the name of
-- somebody else it is not: a number is often that of an office or a family. So it stays, and is in nobody's export.
create index contacts_numbered on crm.contacts (phone_key) where customer_id is null and email is null and phone_key is not null;
create function platform.names_of(people uuid[]) returns text[]
language sql stable security definer set search_path = pg_catalog, pg_temp
return (select coalesce(array_agg(distinct platform.fold(c.name)), '{}') from platform.customers c where c.id = any (people));
update platform.inventory_tables set belongs = 'r.customer_id = any ($1) or r.customer_id is null and lower(r.email) = any ($2)
  or r.customer_id is null and r.email is null and r.phone_key = any ($3) and platform.fold(r.name) = any (platform.names_of($1))',
  why = 'The person''s part at a company, also one without the customer that names the address, or the number with the name.'
where relation = 'crm.contacts';
grant execute on function platform.names_of(uuid[]) to erase_role;

-- The keys of the events of rows that name the person without being linked to them: chats by an address, contacts by an address, or by a
-- number and the name.
create function platform.unlinked_keys(people uuid[], addresses text[], numbers text[]) returns text[]
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select platform.unlinked_keys(addresses) || coalesce(array_agg(c.id::text), '{}')
  from crm.contacts c
  where c.customer_id is null and c.email is null and c.phone_key = any (numbers)
    and platform.fold(c.name) = any (platform.names_of(people));
end;
grant execute on function platform.unlinked_keys(uuid[], text[], text[]) to erase_role;

-- Addresses and numbers of the people whom a legal hold keeps: a chat, a line or a call of theirs that no customer is linked to is kept by
-- it as well.
create function platform.held_addresses() returns text[]
language sql stable security definer set search_path = pg_catalog, pg_temp
return (
  select coalesce(array_agg(distinct a), '{}')
  from platform.legal_holds h cross join lateral platform.person(h.customer_id) p cross join unnest(p.addresses) a
  where h.released_at is null);
create function platform.held_numbers() returns text[]
language sql stable security definer set search_path = pg_catalog, pg_temp
return (
  select coalesce(array_agg(distinct n), '{}')
  from platform.legal_holds h cross join lateral platform.person(h.customer_id) p cross join unnest(p.numbers) n
  where h.released_at is null);
grant execute on function platform.held_addresses(), platform.held_numbers() to erase_role;

do $$
declare
  former text;
  body text;
  change record;
  -- The arrays are read once a statement, not for each row.
  free_chat constant text := 'case when %1$s.customer_id is not null then platform.hold_of(%1$s.customer_id) is null
      else coalesce(lower(%1$s.visitor_email) <> all ((select platform.held_addresses())::text[]), true) end';
  free_line constant text := 'case when r.customer is not null then platform.hold_of(r.customer) is null
      when r.email_key is not null then r.email_key <> all ((select platform.held_addresses())::text[])
      else coalesce(r.phone_key <> all ((select platform.held_numbers())::text[]), true)
        and not platform.names_address(r.raw, (select platform.held_addresses())) end';
begin
  for change in select * from (values
    (1, 'platform.try_erase(uuid, text)', 'platform.unlinked_keys(p.addresses)',
      'platform.unlinked_keys(p.people, p.addresses, p.numbers)'),
    (2, 'platform.step_retention(platform.retention_rules, integer)',
      's.customer_id is null or platform.hold_of(s.customer_id) is null', format(free_chat, 's')),
    (3, 'platform.step_retention(platform.retention_rules, integer)', 'select c.id, c.customer_id, c.ended_at from support.sessions c',
      'select c.id, c.customer_id, c.ended_at, c.visitor_email from support.sessions c'),
    (4, 'platform.step_retention(platform.retention_rules, integer)',
      '(r.customer is null or platform.hold_of(r.customer) is null)', '(' || free_line || ')'),
    (5, 'platform.preview_retention(text, integer)', $p$(r.customer_id is null
      or platform.hold_of(r.customer_id) is null)$p$, '(' || format(free_chat, 'r') || ')'),
    (6, 'platform.preview_retention(text, integer)', '(s.customer_id is null or platform.hold_of(s.customer_id) is null)',
      '(' || format(free_chat, 's') || ')'),
    (7, 'platform.preview_retention(text, integer)', '(r.customer is null or platform.hold_of(r.customer) is null)',
      '(' || free_line || ')')) v (place, name, was, becomes) order by 1
  loop
    former := pg_get_functiondef(change.name::regprocedure);
    body := replace(former, change.was, change.becomes);
    if body = former then raise exception '% is not as this migration expects', change.name; end if;
    execute body;
  end loop;
end $$;

-- It belongs to erase_role.
grant create on schema platform to erase_role;
set local role erase_role;
do $$
declare
  former constant text := pg_get_functiondef('platform.preview_erasure(uuid)'::regprocedure);
  body constant text := replace(former, 'platform.unlinked_keys(p.addresses)', 'platform.unlinked_keys(p.people, p.addresses, p.numbers)');
begin
  if body = former then raise exception 'platform.preview_erasure is not as this migration expects'; end if;
  execute body;
end $$;
set local role platform_owner;
revoke create on schema platform from erase_role;

-- Lets a person come back by the receipt: every address, number and id that the erasure has listed, also keys of lines of imports that had
-- neither an address nor an id, which nobody can name. Returns how many were kept away.
create function platform.lift_erasure(of_erasure uuid, because text) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  reason constant text := platform.require_reason(because);
  lifted bigint;
begin
  if platform.current_actor() is null then
    raise exception 'say who: aether.actor is not set' using errcode = 'invalid_parameter_value', constraint = 'privacy_actor';
  elsif not exists (select from platform.erasures e where e.id = of_erasure and e.state <> 'asked') then
    raise exception 'there is no such receipt' using errcode = 'no_data_found', constraint = 'erasure_missing';
  end if;
  update platform.suppressions s
  set lifted_at = clock_timestamp(), lifted_by = platform.current_actor(), lift_reason = reason
  where s.erasure = of_erasure and s.lifted_at is null;
  get diagnostics lifted = row_count;
  return lifted;
end $$;
grant execute on function platform.lift_erasure(uuid, text) to privacy_role;
