-- The records that both apps share.

create table platform.users (
  id text collate "C" primary key check (octet_length(id) between 1 and 255),
  email text not null check (platform.is_line(email, 254)),
  name text not null check (platform.is_line(name, 200)),
  role text not null default 'user' check (role in ('admin', 'user')),
  foundation_user_id bigint unique,
  support_user_id bigint unique,
  directory_tenant_id text collate "C",
  directory_object_id text collate "C",
  created_at timestamptz not null default now(),
  last_signed_in timestamptz,
  unique (directory_tenant_id, directory_object_id),
  check ((directory_tenant_id is null) = (directory_object_id is null))
);
comment on column platform.users.id is 'The identity provider''s subject at the first sign-in.';
comment on column platform.users.directory_object_id is
  'With the tenant, what finds a person again: the subject differs from app registration to app registration.';

-- Sign-in finds a person by the directory account: whoever could move it could sign in as an administrator.
create function platform.keep_directory_account() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'a user keeps the directory account of the first sign-in' using errcode = 'insufficient_privilege',
    hint = 'Another directory account is another user.';
end $$;
create trigger keep_directory_account before update of directory_tenant_id, directory_object_id on platform.users for each row
  when (old.directory_object_id is not null
    and (old.directory_tenant_id, old.directory_object_id) is distinct from (new.directory_tenant_id, new.directory_object_id))
  execute function platform.keep_directory_account();

call platform.protect_table('platform.users');
create policy apps_read on platform.users for select to foundation_role, support_role using (true);
create policy apps_add on platform.users for insert to foundation_role, support_role with check (true);
create policy apps_edit on platform.users for update to foundation_role, support_role using (true) with check (true);
grant select on platform.users to foundation_role, support_role;
-- id is granted because the identity provider, not the database, gives it; role is not: Foundation's users page sets it.
grant insert (id, email, name, directory_tenant_id, directory_object_id, last_signed_in) on platform.users to foundation_role, support_role;
grant update (email, name, directory_tenant_id, directory_object_id, last_signed_in) on platform.users to foundation_role, support_role;
grant insert (foundation_user_id), update (foundation_user_id, role) on platform.users to foundation_role;
grant insert (support_user_id), update (support_user_id) on platform.users to support_role;

create table platform.companies (
  id uuid primary key default uuidv7(),
  name text not null check (platform.is_line(name, 200)),
  domain text collate "C" unique check (domain ~ '^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$' and octet_length(domain) <= 253),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  created_by_app text collate "C" not null default platform.current_app() check (created_by_app in ('foundation', 'support'))
);
create index companies_search on platform.companies using gin ((' ' || lower(name)) ext.gin_trgm_ops);
create trigger count_version before update on platform.companies for each row execute function platform.count_version();

call platform.protect_table('platform.companies');
create policy apps_read on platform.companies for select to foundation_role, support_role using (true);
create policy foundation_add on platform.companies for insert to foundation_role with check (created_by_app = 'foundation');
create policy support_add on platform.companies for insert to support_role with check (created_by_app = 'support');
create policy apps_edit on platform.companies for update to foundation_role, support_role using (true) with check (true);
grant select on platform.companies to foundation_role, support_role;
grant insert (name, domain, created_by_app), update (name, domain) on platform.companies to foundation_role, support_role;

create table platform.customers (
  id uuid primary key default uuidv7(),
  email text not null,
  email_key text collate "C" not null,
  name text not null check (platform.is_line(name, 200)),
  phone text check (platform.is_line(phone, 40)),
  company_id uuid references platform.companies,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  created_by_app text collate "C" not null default platform.current_app() check (created_by_app in ('foundation', 'support')),
  crm_id bigint unique check (crm_id > 0),
  account_tier text collate "C" check (account_tier ~ '^[a-z][a-z0-9_-]{0,39}$'),
  account_manager_id text collate "C" references platform.users,
  support_id bigint unique check (support_id > 0),
  preferred_language text collate "C" check (preferred_language ~ '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$'),
  timezone text collate "C" check (timezone ~ '^[A-Za-z][A-Za-z0-9_+/-]{0,63}$'),
  merged_into uuid references platform.customers check (merged_into <> id),
  erased_at timestamptz,
  constraint customers_email_well_formed check (platform.is_line(email, 254) and octet_length(email) <= 254),
  -- For plain ASCII the database itself vouches for the key; beyond it PostgreSQL and JavaScript lower-case differently,
  -- and only platform/email.ts makes keys.
  constraint customers_email_key_canonical check (
    octet_length(email_key) <= 254 and email_key ~ '^[^@[:space:][:cntrl:]A-Z]+@[a-z0-9.-]+$'
    and (email ~ '[^\x01-\x7f]' or email_key = lower(email collate "C")))
);
comment on column platform.customers.email_key is
  'The canonical form of email. It stands here, not only in customer_emails, so that a plain insert cannot leave a customer without an address.';
comment on column platform.customers.merged_into is 'The customer that goes on for this one; never one that is itself merged.';
create index on platform.customers (company_id) where company_id is not null;
create index on platform.customers (account_manager_id) where account_manager_id is not null;
create index on platform.customers (merged_into) where merged_into is not null;
-- The blank in front lets "begins a word" be asked as '% jo%', which even two letters can be found by.
create index customers_search on platform.customers using gin ((' ' || lower(name) || ' ' || email_key) ext.gin_trgm_ops);

create table platform.customer_emails (
  email_key text collate "C" primary key,
  customer_id uuid not null references platform.customers,
  is_primary boolean not null,
  verified_at timestamptz,
  created_at timestamptz not null default now()
);
comment on table platform.customer_emails is
  'Every address a customer is known by. Its primary key is what makes a customer unique; a trigger on platform.customers writes it.';
create index on platform.customer_emails (customer_id);
create unique index customer_emails_one_primary on platform.customer_emails (customer_id) where is_primary;

create table platform.customer_external_ids (
  app text collate "C" not null check (app in ('foundation', 'support')),
  external_id text collate "C" not null check (octet_length(external_id) between 1 and 128),
  customer_id uuid not null references platform.customers,
  created_at timestamptz not null default now(),
  primary key (app, external_id)
);
create index on platform.customer_external_ids (customer_id);

create sequence crm.customer_number as bigint start 1000;
create sequence support.customer_number as bigint start 1000;
grant usage on sequence crm.customer_number to foundation_role;
grant usage on sequence support.customer_number to support_role;

-- The app that creates a customer has adopted it: it gets its number in the same statement.
create function platform.complete_customer() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if new.email_key is null or (tg_op = 'UPDATE' and new.email <> old.email and new.email_key = old.email_key) then
    if new.email !~ '[^\x01-\x7f]' then
      new.email_key := lower(new.email collate "C");
    elsif new.email_key is null then
      raise exception 'email_key is missing' using errcode = 'not_null_violation', column = 'email_key',
        hint = 'An address beyond ASCII needs the key that @aether/platform makes: use platformDb.createCustomer.';
    end if;
  end if;
  if tg_op = 'INSERT' then
    case platform.current_app()
      when 'foundation' then new.crm_id := coalesce(new.crm_id, nextval('crm.customer_number'));
      when 'support' then new.support_id := coalesce(new.support_id, nextval('support.customer_number'));
      else null;
    end case;
  end if;
  return new;
end $$;
create trigger a_complete before insert or update on platform.customers for each row execute function platform.complete_customer();
create trigger b_count_version before update on platform.customers for each row execute function platform.count_version();

-- Definer: no app may write these tables itself, or it could take another customer's address.
create function platform.record_known_by() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare taken text;
begin
  if tg_op = 'INSERT' then
    insert into platform.customer_emails (email_key, customer_id, is_primary) values (new.email_key, new.id, true);
  elsif new.email_key <> old.email_key then
    update platform.customer_emails set is_primary = false where customer_id = new.id and is_primary;
    insert into platform.customer_emails as known (email_key, customer_id, is_primary) values (new.email_key, new.id, true)
    on conflict (email_key) do update set is_primary = true where known.customer_id = new.id;
    if not found then taken := 'customer_emails_pkey'; end if;
  end if;
  if new.crm_id is not null and (tg_op = 'INSERT' or new.crm_id is distinct from old.crm_id) then
    insert into platform.customer_external_ids as known (app, external_id, customer_id) values ('foundation', new.crm_id, new.id)
    on conflict (app, external_id) do update set app = known.app where known.customer_id = new.id;
    if not found then taken := 'customer_external_ids_pkey'; end if;
  end if;
  if new.support_id is not null and (tg_op = 'INSERT' or new.support_id is distinct from old.support_id) then
    insert into platform.customer_external_ids as known (app, external_id, customer_id) values ('support', new.support_id, new.id)
    on conflict (app, external_id) do update set app = known.app where known.customer_id = new.id;
    if not found then taken := 'customer_external_ids_pkey'; end if;
  end if;
  if taken is not null then
    raise exception 'another customer is known by this' using errcode = 'unique_violation', constraint = taken;
  end if;
  return null;
end $$;
create trigger c_record_known_by after insert or update of email_key, email, crm_id, support_id on platform.customers
  for each row execute function platform.record_known_by();

call platform.protect_table('platform.customers');
create policy apps_read on platform.customers for select to foundation_role, support_role using (true);
create policy foundation_add on platform.customers for insert to foundation_role with check (created_by_app = 'foundation');
create policy support_add on platform.customers for insert to support_role with check (created_by_app = 'support');
create policy apps_edit on platform.customers for update to foundation_role, support_role using (erased_at is null) with check (true);
grant select on platform.customers to foundation_role, support_role;
-- Nobody is granted id, version, the times, merged_into or erased_at, nor update of created_by_app; nobody may delete.
grant insert (email, email_key, name, phone, company_id, created_by_app) on platform.customers to foundation_role, support_role;
grant update (email, email_key, name, phone, company_id) on platform.customers to foundation_role, support_role;
grant insert (crm_id, account_tier, account_manager_id), update (crm_id, account_tier, account_manager_id) on platform.customers to foundation_role;
grant insert (support_id, preferred_language, timezone), update (support_id, preferred_language, timezone) on platform.customers to support_role;

call platform.protect_table('platform.customer_emails');
create policy apps_read on platform.customer_emails for select to foundation_role, support_role using (true);
grant select on platform.customer_emails to foundation_role, support_role;  -- no writes: see record_known_by
call platform.protect_table('platform.customer_external_ids');
create policy apps_read on platform.customer_external_ids for select to foundation_role, support_role using (true);
grant select on platform.customer_external_ids to foundation_role, support_role;  -- no writes: see record_known_by

-- Find or create in one statement, with the caller's own rights. The insert can lose a race only to a committed or
-- committing rival, for which the unique index makes it wait; the next look then finds the rival's row.
create function platform.find_or_create_customer(key text, address text, full_name text, out customer platform.customers, out created boolean)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  for attempt in 1..3 loop
    select c.* into customer from platform.customer_emails e join platform.customers c on c.id = e.customer_id where e.email_key = key;
    if found then created := false; return; end if;
    begin
      insert into platform.customers (email, email_key, name) values (address, key, full_name) returning * into customer;
      created := true;
      return;
    exception when unique_violation then
      null;
    end;
  end loop;
  -- Only under repeatable read, where the rival's row stays invisible however often one looks.
  raise exception 'a customer with this address appeared meanwhile' using errcode = 'serialization_failure';
end $$;
grant execute on function platform.find_or_create_customer(text, text, text) to foundation_role, support_role;
