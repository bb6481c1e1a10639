-- Customers: numbers that are free, keys that are meant, no writes to who was merged; users are made by signing in alone.

-- Numbers also come from elsewhere, as from the app that was there before: the sequence steps over those that are taken.
create function platform.next_customer_number(app text) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  sequence text := case app when 'foundation' then 'crm.customer_number' when 'support' then 'support.customer_number' end;
  number bigint;
begin
  loop
    number := nextval(sequence);
    exit when number is null or not exists (
      select from platform.customer_external_ids x where x.app = next_customer_number.app and x.external_id = number::text);
  end loop;
  return number;
end $$;
grant execute on function platform.next_customer_number(text) to foundation_role, support_role;

-- What platform/email.ts makes of an address, as far as PostgreSQL can tell: what it never makes would be out of its reach.
create function platform.is_email_key(key text) returns boolean
language sql immutable parallel safe
return octet_length(key) <= 254 and octet_length(split_part(key, '@', 1)) <= 64 and key !~ '^//'
  and key ~ '^[^].@[:space:][:cntrl:]A-Z"(),:;<>[\\%]+(\.[^].@[:space:][:cntrl:]A-Z"(),:;<>[\\%]+)*@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$';
grant execute on function platform.is_email_key(text) to foundation_role, support_role;
alter table platform.customers
  drop constraint customers_email_key_canonical,
  add constraint customers_email_key_canonical check (
    platform.is_email_key(email_key) and (email ~ '[^\x01-\x7f]' or email_key = lower(email collate "C")));

-- A row trigger cannot see whether the statement gave the key; one that fires only then leaves a mark for complete_customer. Without it
-- a new address beyond ASCII would keep the key of the old one, by which nobody would find it.
create function platform.mark_email_key() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.email_key := e'\x01' || new.email_key;
  return new;
end $$;
create trigger a_before_complete before update of email_key on platform.customers for each row execute function platform.mark_email_key();

create or replace function platform.complete_customer() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if starts_with(new.email_key, e'\x01') then
    new.email_key := substr(new.email_key, 2);
  elsif new.email_key is null or (tg_op = 'UPDATE' and new.email <> old.email) then
    if new.email ~ '[^\x01-\x7f]' then
      raise exception 'email_key is missing' using errcode = 'not_null_violation', column = 'email_key',
        hint = 'An address beyond ASCII needs the key that @aether/platform makes: use createCustomer or updateCustomer of platformDb.';
    end if;
    new.email_key := lower(new.email collate "C");
  end if;
  if tg_op = 'INSERT' then
    case platform.current_app()
      when 'foundation' then new.crm_id := coalesce(new.crm_id, platform.next_customer_number('foundation'));
      when 'support' then new.support_id := coalesce(new.support_id, platform.next_customer_number('support'));
      else null;
    end case;
  end if;
  return new;
end $$;

create or replace function platform.find_or_create_customer(key text, address text, full_name text, out customer platform.customers, out created boolean)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare violated text;
begin
  for attempt in 1..3 loop
    select c.* into customer from platform.customer_emails e join platform.customers c on c.id = e.customer_id where e.email_key = key;
    if found then created := false; return; end if;
    begin
      insert into platform.customers (email, email_key, name) values (address, key, full_name) returning * into customer;
      created := true;
      return;
    exception when unique_violation then
      get stacked diagnostics violated = constraint_name;
      if violated <> 'customer_emails_pkey' then raise; end if; -- it is not about the address: trying again would not help
    end;
  end loop;
  -- Only under repeatable read, where the rival's row stays invisible however often one looks.
  raise exception 'a customer with this address appeared meanwhile' using errcode = 'serialization_failure';
end $$;

-- A write that was waiting while its customer was merged must not land on the one that is left behind.
alter policy apps_edit on platform.customers using (erased_at is null and merged_into is null);

-- Users are made by sign_in_user alone: who could insert one could tie somebody's future name to another directory account.
revoke insert on platform.users from foundation_role, support_role;
drop policy apps_add on platform.users;
