-- The records that both apps share: users, companies, customers.

create table platform.users (
  id text collate "C" primary key check (octet_length(id) between 1 and 255),
  email text not null check (platform.is_line(email, 254)),
  name text collate platform.people not null check (platform.is_line(name, 200)),
  role text not null default 'user' check (role in ('admin', 'steward', 'user')),
  -- JavaScript counts to 2^53 - 1. Beyond that, two numbers become one.
  foundation_user_id bigint unique
    constraint users_foundation_user_id_safe check (foundation_user_id between -9007199254740991 and 9007199254740991),
  support_user_id bigint unique
    constraint users_support_user_id_safe check (support_user_id between -9007199254740991 and 9007199254740991),
  directory_tenant_id text collate "C",
  directory_object_id text collate "C",
  created_at timestamptz not null default now(),
  last_signed_in timestamptz constraint users_last_signed_in_time check (platform.is_time(last_signed_in)),
  unique (directory_tenant_id, directory_object_id),
  check ((directory_tenant_id is null) = (directory_object_id is null))
);
comment on column platform.users.id is 'The identity provider''s subject at the first sign-in.';
comment on column platform.users.role is
  'steward: a user who may also decide about duplicates, merge customers and take merges apart. admin: a steward who may also administer.';
comment on column platform.users.directory_object_id is
  'Together with the tenant it identifies a person: the subject differs from app registration to app registration.';

-- Sign-in finds a person by the directory account: a caller that could move the account could sign in as an administrator.
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
create policy apps_read on platform.users for select to app_role using (true);
create policy apps_edit on platform.users for update to app_role using (true) with check (true);
-- No app inserts a user or writes a directory account; only platform.sign_in_user does. An app that could insert one could tie somebody's
-- future name to another directory account, and an app that could tie an account to an administrator who has none yet could make anybody
-- an administrator.
grant select, update (email, name, last_signed_in) on platform.users to app_role;
-- Foundation's users page sets the role.
grant update (foundation_user_id, role) on platform.users to foundation_role;
grant update (support_user_id) on platform.users to support_role;

-- The letters of a text as people type them: without accents and apostrophes, of ordinary width. platform/folding.ts does the same, and a
-- test compares both. The extension unaccent would have to be installed on every server, so it is not used.
create function platform.fold(value text) returns text
language sql immutable parallel safe
return normalize(replace(replace(replace(
  translate(regexp_replace(lower(normalize(lower(translate(value, '''’‘‛`´ʼʻʹ′＇', '') collate pg_catalog.pg_c_utf8), nfkd)),
    '[\u0300-\u036f\u0591-\u05bd\u064b-\u0652]', '', 'g'), 'øłđıħŧς''’‘‛`´ʼʻʹ′＇', 'oldihtσ'),
  'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), nfc);
grant execute on function platform.fold(text) to app_role;

-- Whether a name needs search_text: it has letters beyond ASCII, an apostrophe or a hyphen. Only such names have a second index entry, so
-- that the search of all others costs no more. A search reads thousands of names row by row: a replacement that replaces nothing costs
-- little, and a third of what translate costs.
create function platform.is_folded(name text) returns boolean
language sql immutable parallel safe
return octet_length(name) <> char_length(name)
  or name collate "C" <> replace(replace(replace(name collate "C", '-', ''), '''', ''), '`', '');
grant execute on function platform.is_folded(text) to app_role;

-- What the search reads of a name besides the name itself: folded, with its hyphens as blanks and without them, so that Jean-Pierre is
-- found as "jean pierre" and as "jeanpierre". A blank precedes each character of Han, kana and Hangul: those scripts have none between
-- their words, and a trigram needs three letters. As a word of its own, even one character is found by the index.
create function platform.search_text(name text) returns text
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
declare
  folded text := platform.fold(name);
  joined text := translate(folded, '-‐‑‒–—―−﹣－·・･', '');
begin
  return regexp_replace(
    ' ' || translate(folded, '-‐‑‒–—―−﹣－·・･', '             ') || case when joined <> folded then ' ' || joined else '' end,
    '\s*([\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3040-\u309f\u30a0-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff'
    '\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff])', ' \1', 'g');
end $$;
grant execute on function platform.search_text(text) to app_role;

-- The letters and digits of ASCII with which a name begins, in lower case, sixteen at most; null if there are none. All names with the
-- same beginning are together in the order of names: a name that the collation puts elsewhere has none.
create function platform.name_beginning(name text) returns text
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
declare beginning constant text := substring(lower(name collate pg_catalog.pg_c_utf8) from '^[a-z0-9]{1,16}');
begin
  return case when name collate platform.people >= beginning and name collate platform.people < beginning || u&'\FFFF' then beginning end;
end $$;
grant execute on function platform.name_beginning(text) to app_role;

-- What the search's index knows of a customer besides its trigrams: how the name begins and how the address does. A search in the order of
-- names asks for those that have a word and do not begin with it: the others are together, and need no sorting. PostgreSQL answers a
-- "not" by an index only if it is asked for something that is there as well, so everybody has a star.
create function platform.search_beginnings(name text, email_key text) returns tsvector
language sql immutable parallel safe
return array_to_tsvector(array[
  '*',
  'n:' || coalesce(platform.name_beginning(name), ''),
  'e:' || coalesce(substring(email_key collate "C" from '^[a-z0-9]{1,16}'), '')]);
grant execute on function platform.search_beginnings(text, text) to app_role;

create table platform.companies (
  id uuid primary key default uuidv7(),
  name text collate platform.people not null check (platform.is_line(name, 200)),
  domain text collate "C" unique
    check (domain ~ '^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$' and octet_length(domain) <= 253),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  created_by_app text collate "C" not null default platform.current_app() check (platform.is_app(created_by_app))
);
create index companies_by_name on platform.companies (name, id);
create index companies_by_change on platform.companies (updated_at, id);
-- Searches lower-case by pg_c_utf8, which gives the same result on every server and never looks at neighbouring letters.
create index companies_search on platform.companies using gin ((' ' || lower(name collate pg_catalog.pg_c_utf8)) ext.gin_trgm_ops);
create index companies_folded on platform.companies using gin (platform.search_text(name) ext.gin_trgm_ops)
  where platform.is_folded(name);
create trigger count_version before update on platform.companies for each row execute function platform.count_version();

call platform.protect_table('platform.companies');
create policy apps_read on platform.companies for select to app_role using (true);
create policy apps_add on platform.companies for insert to app_role with check (created_by_app = platform.current_app());
create policy apps_edit on platform.companies for update to app_role using (true) with check (true);
-- Nobody may delete a company: both apps share it, and Support may refer to it.
grant select, insert (name, domain, created_by_app), update (name, domain) on platform.companies to app_role;

-- Checks, as far as PostgreSQL can, that platform/email.ts could have made this key. A key that email.ts never makes could never be
-- looked up. No label of a domain is longer than 63 letters. Almost every domain is shorter than that as a whole, and then the pattern
-- need not count: a counting one is compiled into hundreds of states, and took 15 µs in place of 3.
create function platform.is_email_key(key text) returns boolean
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
begin
  return octet_length(key) <= 254 and octet_length(split_part(key, '@', 1)) <= 64 and key !~ '^//'
    and key ~ '^[^].@[:space:][:cntrl:]A-Z"(),:;<>[\\%]+(\.[^].@[:space:][:cntrl:]A-Z"(),:;<>[\\%]+)*'
      '@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$'
    and (octet_length(split_part(key, '@', 2)) <= 63
      or key ~ '@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$');
end $$;
grant execute on function platform.is_email_key(text) to app_role;

-- Of a telephone number there is the text that was written, its key in E.164, and the extension apart. Only platform/phone.ts makes
-- keys: it needs to know how every country numbers. The database checks the shape, and of a number in ASCII that the key and the extension
-- end as the number does, so that a key of another number is refused.
create function platform.is_phone(phone text, key text, extension text) returns boolean
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
begin
  return case when phone is null then key is null and extension is null else
    coalesce(key ~ '^\+[1-9][0-9]{5,14}$', false) and coalesce(extension ~ '^[0-9]{1,20}$', true)
    and (phone ~ '[^\x01-\x7f]' or regexp_replace(phone, '[^0-9]', '', 'g') like '%' || right(key, 4) || coalesce(extension, '')) end;
end $$;
grant execute on function platform.is_phone(text, text, text) to app_role;

-- A row trigger cannot see whether the statement gave the key. These two fire only if it did, and leave a mark for complete_phone. Without
-- the mark, a new number would keep the key of the old one, and a call would be taken for somebody else's.
create function platform.mark_phone_key() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.phone_key := e'\x01' || coalesce(new.phone_key, '');
  return new;
end $$;
create function platform.mark_phone_extension() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.phone_extension := e'\x01' || coalesce(new.phone_extension, '');
  return new;
end $$;

create function platform.complete_phone() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  is_key_given boolean := tg_op = 'INSERT' or coalesce(starts_with(new.phone_key, e'\x01'), false);
  is_extension_given boolean := tg_op = 'INSERT' or coalesce(starts_with(new.phone_extension, e'\x01'), false);
begin
  new.phone_key := nullif(ltrim(new.phone_key, e'\x01'), '');
  new.phone_extension := nullif(ltrim(new.phone_extension, e'\x01'), '');
  if tg_op = 'INSERT' or new.phone is distinct from old.phone then
    if new.phone is not null and (new.phone_key is null or not is_key_given) then
      raise exception 'phone_key is missing' using errcode = 'not_null_violation', column = 'phone',
        hint = 'needs the key that @aether/platform makes: use createCustomer or updateCustomer of platformDb, or phoneColumns.';
    end if;
    if not is_key_given then new.phone_key := null; end if;
    if not is_extension_given then new.phone_extension := null; end if;
  end if;
  return new;
end $$;

-- What customers may be worth to the organisation, in its own words: administrators of Foundation edit them, both apps show them.
create table platform.tiers (
  id bigint generated always as identity primary key,
  key text collate "C" not null unique check (key ~ '^[a-z][a-z0-9_-]{0,39}$'),
  label text collate platform.people not null check (platform.is_line(label, 40)),
  colour text collate "C" not null default 'grey' check (colour in ('grey', 'blue', 'green', 'orange', 'red', 'gold')),
  position integer not null check (position >= 0),
  is_retired boolean not null default false,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on column platform.tiers.key is 'What customers refer to. It never changes: another name is another label.';
comment on column platform.tiers.colour is 'One of the soft colours of a tag, each legible in light and dark.';
comment on column platform.tiers.is_retired is 'It is offered no more, and no customer gets it; those who have it keep it.';
create unique index tiers_label_key on platform.tiers (lower(label collate pg_catalog.pg_c_utf8));
create trigger count_version before update on platform.tiers for each row execute function platform.count_version();

insert into platform.tiers (key, label, colour, position) values
  ('free', 'Free', 'grey', 0), ('basic', 'Basic', 'grey', 1), ('standard', 'Standard', 'blue', 2),
  ('premium', 'Premium', 'gold', 3), ('enterprise', 'Enterprise', 'gold', 4);

call platform.protect_table('platform.tiers');
create policy foundation_all on platform.tiers to foundation_role using (true) with check (true);
create policy apps_read on platform.tiers for select to app_role using (true);
-- The key is absent from the update: what a customer had would change with it, without an event of the customer.
grant select,
      insert (key, label, colour, position),
      update (label, colour, position, is_retired),
      delete
  on platform.tiers to foundation_role;
grant select on platform.tiers to app_role;

-- The checks of its columns are in check_customer: PostgreSQL reads and evaluates all checks of a table at every update of a row,
-- whatever columns that sets.
create table platform.customers (
  id uuid primary key default uuidv7(),
  email text not null,
  email_key text collate "C" not null,
  name text collate platform.people not null,
  phone text,
  phone_key text collate "C",
  phone_extension text collate "C",
  company_id uuid references platform.companies,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  created_by_app text collate "C" not null default platform.current_app(),
  crm_id bigint unique,
  account_tier text collate "C", -- no foreign key: see check_tier and keep_used_tier
  account_manager_id text collate "C" references platform.users,
  support_id bigint unique,
  preferred_language text collate "C",
  timezone text collate "C",
  merged_into uuid references platform.customers,
  erased_at timestamptz
) with (fillfactor = 90); -- room for the next version of a row in its page
comment on table platform.customers is
  'Its row triggers do not fire for bulk_role, whose functions do the same with sets, nor for merge_role, whose functions merge.';
comment on column platform.customers.email_key is
  'The canonical form of email. It is here, not only in customer_emails, '
  'so that a plain insert cannot leave a customer without an address.';
comment on column platform.customers.phone_key is 'The phone in E.164, as platform/phone.ts makes it. Searches and lookups use it.';
comment on column platform.customers.merged_into is
  'The survivor of the merge; never a customer that is itself merged. See platform.keep_merges_flat.';

create index on platform.customers (company_id) where company_id is not null;
create index on platform.customers (merged_into) where merged_into is not null;
-- The leading blank lets "begins a word" be asked as '% jo%', which an index answers even for two letters.
create index customers_search on platform.customers using gin (
  (' ' || lower(name collate pg_catalog.pg_c_utf8) || ' ' || email_key) ext.gin_trgm_ops,
  platform.search_beginnings(name, email_key));
create index customers_folded on platform.customers using gin (platform.search_text(name) ext.gin_trgm_ops)
  where platform.is_folded(name);
-- An index for each order that the lists offer, without merged and erased customers, because no list shows those. None holds
-- account_tier, updated_at or version: a write that leaves the indexed columns alone stays in its page (HOT) and touches no index.
-- The orders by tier and by change are in crm.customer_order.
create index customers_by_name on platform.customers (name, id) where merged_into is null and erased_at is null;
create index customers_by_email on platform.customers (email_key, id) where merged_into is null and erased_at is null;
create index customers_by_creation on platform.customers (created_at, id) where merged_into is null and erased_at is null;
create index customers_of_app on platform.customers (created_by_app, created_at, id) where merged_into is null and erased_at is null;
create index customers_without_company on platform.customers (id)
  where company_id is null and merged_into is null and erased_at is null;
create index customers_without_manager on platform.customers (created_at, id)
  where account_manager_id is null and merged_into is null and erased_at is null;
create index customers_of_manager on platform.customers (account_manager_id, name, id) where account_manager_id is not null;
create index customers_by_phone on platform.customers (phone_key) where phone_key is not null;
-- The end of a number finds it as people write it within their country, or when only the last digits were noted.
create index customers_by_phone_end on platform.customers (reverse(phone_key) text_pattern_ops) where phone_key is not null;

-- A merge is flat: merged_into leads in one step to the survivor. A customer can be merged only if no customer is merged into it; such
-- customers are led to the new survivor first. The target's key share lock conflicts with the lock that the target's own merge or erasure
-- takes here, so of two merges that meet the second sees the first. The row's own lock is the strongest, although the update itself needs
-- less: it waits for every transaction that has just given this customer a child (see platform.require_present_customer).
create function platform.keep_merges_flat() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  survivor uuid;
  survivor_erased_at timestamptz;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'a merge and an erasure run under read committed' using errcode = 'feature_not_supported',
      hint = 'With an older snapshot a merge that has just committed would be invisible.';
  end if;
  if tg_op = 'UPDATE' then perform from platform.customers c where c.id = new.id for update; end if;
  if new.merged_into is null or tg_op = 'UPDATE' and new.merged_into is not distinct from old.merged_into then return new; end if;
  if new.erased_at is not null then
    raise exception 'an erased customer is not merged' using errcode = 'foreign_key_violation', constraint = 'customer_erased',
      column = 'id';
  end if;
  select c.merged_into, c.erased_at into survivor, survivor_erased_at
  from platform.customers c where c.id = new.merged_into for key share;
  if survivor_erased_at is not null then
    raise exception 'the customer was erased' using errcode = 'foreign_key_violation', constraint = 'customer_erased',
      column = 'merged_into';
  elsif survivor is not null then
    raise exception 'the customer was merged into another one' using errcode = 'foreign_key_violation',
      constraint = 'customer_merged', column = 'merged_into', detail = survivor, hint = 'Merge into the customer in the detail.';
  elsif exists (select from platform.customers c where c.merged_into = new.id) then
    raise exception 'customers are merged into this one' using errcode = 'check_violation',
      constraint = 'customers_merged_into_flat', column = 'merged_into', hint = 'Lead those to the new survivor first.';
  end if;
  return new;
end $$;
create trigger d_keep_merges_flat before update of merged_into, erased_at on platform.customers
  for each row when ((new.merged_into, new.erased_at) is distinct from (old.merged_into, old.erased_at))
  execute function platform.keep_merges_flat();
create trigger d_keep_new_merges_flat before insert on platform.customers
  for each row when (new.merged_into is not null) execute function platform.keep_merges_flat();

-- A merged or erased customer gets no new child, for every writer and every statement. The refusal names the survivor. The key share
-- lock is the foreign key's own, so writers of the customer do not wait for it; a merge and an erasure do, and this waits for them.
-- Security definer, because a row lock needs a right to update, and the policies hide merged and erased customers from a lock.
create function platform.require_present_customer() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  customer uuid;
  survivor uuid;
  erased_at timestamptz;
begin
  -- The row is converted only if its column has another name: that costs more than the rest of this function.
  if tg_argv[0] = 'customer_id' then customer := new.customer_id; else customer := (to_jsonb(new) ->> tg_argv[0])::uuid; end if;
  if customer is null then return new; end if;
  select c.merged_into, c.erased_at into survivor, erased_at from platform.customers c where c.id = customer for key share;
  if erased_at is not null then
    raise exception 'the customer was erased' using errcode = 'foreign_key_violation', constraint = 'customer_erased',
      table = tg_table_name, column = tg_argv[0];
  elsif survivor is not null then
    raise exception 'the customer was merged into another one' using errcode = 'foreign_key_violation',
      constraint = 'customer_merged', table = tg_table_name, column = tg_argv[0], detail = survivor,
      hint = 'Write the row for the customer in the detail.';
  end if;
  return new;
end $$;

-- Every foreign key to customers needs a call of this procedure; a lint finds a key without it. If a column holds merged customers on
-- purpose, as the ledger of merges does, the comment of its constraint begins with "any customer".
create procedure platform.require_present_customer(target regclass, customer_column name default 'customer_id')
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  execute format(
    'create trigger %I before insert or update of %I on %s for each row when (current_user <> all (''{bulk_role,merge_role}''))
      execute function platform.require_present_customer(%L)',
    'present_' || customer_column, customer_column, target, customer_column);
end $$;

call platform.protect_table('platform.customers');
create policy apps_read on platform.customers for select to app_role using (true);
create policy apps_add on platform.customers for insert to app_role with check (created_by_app = platform.current_app());
-- A write that waited while its customer was merged must not change the merged customer.
create policy apps_edit on platform.customers for update to app_role
  using (erased_at is null and merged_into is null) with check (true);
-- These grants are absent on purpose: id, version, the times, merged_into and erased_at, the update of created_by_app, and every delete.
grant select,
      insert (email, email_key, name, phone, phone_key, phone_extension, company_id, created_by_app),
      update (email, email_key, name, phone, phone_key, phone_extension, company_id)
  on platform.customers to app_role;
grant insert (crm_id, account_tier, account_manager_id), update (crm_id, account_tier, account_manager_id)
  on platform.customers to foundation_role;
grant insert (support_id, preferred_language, timezone), update (support_id, preferred_language, timezone)
  on platform.customers to support_role;

create table platform.customer_emails (
  -- Names the address where the address itself must not be seen, such as in a URL. It is looked up among the addresses of its customer.
  id uuid not null default uuidv7(),
  email_key text collate "C",
  email text not null,
  customer_id uuid not null references platform.customers,
  is_primary boolean not null,
  verified_at timestamptz constraint customer_emails_verified_at_time check (platform.is_time(verified_at)),
  verified_by text collate "C" check (verified_by in ('signed_identity')),
  created_at timestamptz not null default now(),
  added_by_app text collate "C" not null default platform.current_app(),
  added_by text collate "C" default platform.current_actor(),
  -- The index includes the customer, so that an address leads to it without a visit to the table.
  primary key (email_key) include (customer_id),
  constraint customer_emails_email_well_formed check (platform.is_line(email, 254) and octet_length(email) <= 254),
  constraint customer_emails_email_key_canonical check (
    platform.is_email_key(email_key) and (email ~ '[^\x01-\x7f]' or email_key = lower(email collate "C"))),
  check ((verified_at is null) = (verified_by is null))
);
comment on table platform.customer_emails is
  'Every address of a customer. The primary key makes sure that an address belongs to one customer. Functions and a trigger on '
  'platform.customers write it.';
comment on column platform.customer_emails.email is 'The spelling that people see.';
comment on column platform.customer_emails.verified_at is
  'When it was proven that the address is the customer''s; null: somebody typed it.';
comment on column platform.customer_emails.verified_by is 'How it was proven. signed_identity: a host page signed a visitor''s identity.';
comment on column platform.customer_emails.added_by is
  'The user, as the app said. Not a reference, so that the record outlives the user.';
create index on platform.customer_emails (customer_id);
create unique index customer_emails_one_primary on platform.customer_emails (customer_id) where is_primary;
-- Few customers have another address, so the beginning of one is found among few.
create index customer_emails_others on platform.customer_emails (email_key) where not is_primary;

-- An address that was taken away from a customer: which customer, when, and why. An undo reads it.
create table platform.removed_emails (
  id uuid primary key,
  email_key text collate "C" not null,
  email text not null,
  customer_id uuid not null references platform.customers,
  verified_at timestamptz,
  verified_by text collate "C",
  created_at timestamptz not null,
  added_by_app text collate "C" not null,
  added_by text collate "C",
  reason text collate "C" not null check (reason in ('removed', 'claimed')),
  removed_at timestamptz not null default now(),
  removed_by_app text collate "C" not null default platform.current_app(),
  removed_by text collate "C" default platform.current_actor()
);
comment on column platform.removed_emails.reason is 'removed: a person took it away. claimed: another person proved that it is theirs.';
create index on platform.removed_emails (customer_id);

-- Every telephone number of a customer. Unlike an address, a number may be that of several customers: they share a line.
create table platform.customer_phones (
  id uuid primary key default uuidv7(),
  customer_id uuid not null references platform.customers,
  phone text not null check (platform.is_line(phone, 40)),
  phone_key text collate "C" not null,
  phone_extension text collate "C",
  is_primary boolean not null,
  created_at timestamptz not null default now(),
  added_by_app text collate "C" not null default platform.current_app(),
  added_by text collate "C" default platform.current_actor(),
  -- The numbers of a customer are read by this index as well.
  unique nulls not distinct (customer_id, phone_key, phone_extension),
  constraint customer_phones_phone_canonical check (platform.is_phone(phone, phone_key, phone_extension))
);
comment on table platform.customer_phones is
  'Every telephone number of a customer. The primary one is also in platform.customers, where lists show it. '
  'Functions and a trigger on platform.customers write it.';
comment on column platform.customer_phones.phone is 'As it was written.';
comment on column platform.customer_phones.phone_key is 'The number in E.164, as platform/phone.ts makes it. Searches and lookups use it.';
comment on column platform.customer_phones.added_by is
  'The user, as the app said. Not a reference, so that the record outlives the user.';
create unique index customer_phones_one_primary on platform.customer_phones (customer_id) where is_primary;
-- A primary number is found by the indexes of platform.customers, in the row that a search reads anyway. These hold the others, which
-- are few.
create index customer_phones_by_key on platform.customer_phones (phone_key) where not is_primary;
create index customer_phones_by_end on platform.customer_phones (reverse(phone_key) text_pattern_ops) where not is_primary;

-- A number that was taken away from a customer. An undo reads it.
create table platform.removed_phones (
  id uuid primary key,
  customer_id uuid not null references platform.customers,
  phone text not null,
  phone_key text collate "C" not null,
  phone_extension text collate "C",
  created_at timestamptz not null,
  added_by_app text collate "C" not null,
  added_by text collate "C",
  removed_at timestamptz not null default now(),
  removed_by_app text collate "C" not null default platform.current_app(),
  removed_by text collate "C" default platform.current_actor()
);
create index on platform.removed_phones (customer_id);

-- Two customers that may be the same person. A person decides.
create table platform.review_candidates (
  id uuid primary key default uuidv7(),
  customer_id uuid not null references platform.customers,
  other_id uuid not null references platform.customers,
  reason text collate "C" not null check (reason ~ '^[a-z][a-z0-9_]{0,39}$'),
  evidence jsonb not null default '{}' check (jsonb_typeof(evidence) = 'object' and octet_length(evidence::text) <= 16384),
  state text collate "C" not null default 'open' check (state in ('open', 'same', 'different')),
  created_at timestamptz not null default now(),
  created_by_app text collate "C" not null default platform.current_app(),
  decided_at timestamptz,
  decided_by text collate "C",
  -- The smaller id comes first, so that a pair is a pair in either order.
  check (customer_id < other_id),
  unique (customer_id, other_id, reason),
  check ((state = 'open') = (decided_at is null))
);
comment on column platform.review_candidates.reason is
  'verified_claim: one of the two proved an unverified address of the other; evidence names the address and the customer that lost it.';
create index on platform.review_candidates (other_id);

create table platform.customer_external_ids (
  app text collate "C" not null check (platform.is_app(app)),
  external_id text collate "C" not null check (octet_length(external_id) between 1 and 128),
  customer_id uuid not null references platform.customers,
  created_at timestamptz not null default now(),
  primary key (app, external_id)
);
create index on platform.customer_external_ids (customer_id);
call platform.require_present_customer('platform.customer_emails');
call platform.require_present_customer('platform.removed_emails');
call platform.require_present_customer('platform.customer_phones');
call platform.require_present_customer('platform.removed_phones');
call platform.require_present_customer('platform.review_candidates');
call platform.require_present_customer('platform.review_candidates', 'other_id');
call platform.require_present_customer('platform.customer_external_ids');

call platform.protect_table('platform.customer_emails');
call platform.protect_table('platform.removed_emails');
call platform.protect_table('platform.customer_phones');
call platform.protect_table('platform.removed_phones');
call platform.protect_table('platform.customer_external_ids');
call platform.protect_table('platform.review_candidates');
create policy apps_read on platform.customer_emails for select to app_role using (true);
create policy apps_read on platform.customer_phones for select to app_role using (true);
create policy apps_read on platform.customer_external_ids for select to app_role using (true);
create policy apps_read on platform.review_candidates for select to app_role using (true);
-- The apps have no writes here: see platform.record_known_by, platform.add_address, platform.record_phone and platform.add_phone. No app
-- reads platform.removed_emails and platform.removed_phones.
grant select on platform.customer_emails, platform.customer_phones, platform.customer_external_ids, platform.review_candidates
  to app_role;

-- The servers seal the cursors of their lists with this key, and any of them opens a cursor that another sealed. The key only hides the
-- names that a cursor in an address contains: a person with the key could make a cursor, but only for a list that is open to that person
-- anyway.
create table platform.cursor_key (
  only_one boolean primary key default true check (only_one),
  key bytea not null default sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) check (octet_length(key) = 32)
);
insert into platform.cursor_key default values;
call platform.protect_table('platform.cursor_key');
create policy apps_read on platform.cursor_key for select to app_role using (true);
grant select on platform.cursor_key to app_role;

-- Some numbers were not drawn from the sequence, for example those of a former app. So the sequence steps over numbers that are taken.
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
grant execute on function platform.next_customer_number(text) to app_role;

-- A row trigger cannot see whether the statement gave the key. This one fires only if it did, and leaves a mark for complete_customer.
-- Without the mark, a new address beyond ASCII would keep the key of the old one, and a search would not find the customer.
create function platform.mark_email_key() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.email_key := e'\x01' || new.email_key;
  return new;
end $$;
create trigger a_before_complete before update of email_key on platform.customers
  for each row when (current_user <> all ('{bulk_role,merge_role}')) execute function platform.mark_email_key();

-- The app that creates a customer has adopted it: the customer gets its number in the same statement.
create function platform.complete_customer() returns trigger
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
create trigger a_complete
  before insert or update of email, email_key on platform.customers
  for each row when (current_user <> all ('{bulk_role,merge_role}')) execute function platform.complete_customer();
create trigger a_before_phone before update of phone_key on platform.customers
  for each row when (current_user <> all ('{bulk_role,merge_role}')) execute function platform.mark_phone_key();
create trigger a_before_phone_extension before update of phone_extension on platform.customers
  for each row when (current_user <> all ('{bulk_role,merge_role}')) execute function platform.mark_phone_extension();
create trigger a_phone before insert or update of phone, phone_key, phone_extension on platform.customers
  for each row when (current_user <> all ('{bulk_role,merge_role}')) execute function platform.complete_phone();

-- A tier that does not exist, or is retired, is refused with those that may be chosen. It does what a foreign key would do, without its
-- lock: every change of a customer's tier would lock one of a few rows, and sixteen writers at once did a fifth less (bench/updates.ts).
-- keep_used_tier is the other half. A transaction with one snapshot for all of its statements does lock: it would see a removed tier.
create function platform.tier_hint() returns text
language sql stable
return (
  select coalesce('must be one of ' || string_agg(t.key, ', ' order by t.position), 'must be left empty: there are no tiers')
  from platform.tiers t where not t.is_retired);
grant execute on function platform.tier_hint() to app_role;
create function platform.check_tier() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if new.account_tier is not null and current_setting('transaction_isolation') <> 'read committed' then
    perform from platform.tiers t where t.key = new.account_tier for key share;
  end if;
  if new.account_tier is null or exists (select from platform.tiers t where t.key = new.account_tier and not t.is_retired) then
    return new;
  end if;
  if tg_op = 'UPDATE' and new.account_tier = old.account_tier then return new; end if;  -- who has a retired tier keeps it
  raise exception 'no such tier' using errcode = 'check_violation', constraint = 'customers_account_tier_choice',
    table = 'customers', schema = 'platform', column = 'account_tier',
    hint = platform.tier_hint();
end $$;
create trigger a_tier before insert or update of account_tier on platform.customers
  for each row when (current_user <> all ('{bulk_role,merge_role}')) execute function platform.check_tier();

-- A tier that a customer has is not removed. The lock waits for every transaction that has written customers and delays the others, whose
-- check then sees the removal. It gives up after two seconds, so that a long transaction does not stop the writers behind it. Without an
-- index it reads all customers, merged ones too: tiers change often and are removed almost never.
create function platform.keep_used_tier() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('lock_timeout', '2s', true);
  lock table platform.customers in share row exclusive mode;
  if exists (select from platform.customers c where c.account_tier = old.key) then
    raise exception 'customers have this tier' using errcode = 'foreign_key_violation', constraint = 'customers_account_tier_used',
      table = 'customers', schema = 'platform', column = 'account_tier',
      hint = 'Retire it: its customers keep it, and nobody else gets it.';
  end if;
  return old;
end $$;
create trigger keep_used before delete on platform.tiers for each row execute function platform.keep_used_tier();

-- What check constraints would do, with their names and their error, but only in a statement that sets one of these columns. As check
-- constraints they took a sixth of an update of a customer's tier (bench/updates.ts). A new check belongs in customer_violation, and its
-- columns in the trigger. The trigger runs after those above, which complete the row. customer_violation returns the name of the first
-- broken constraint, or null; writes of many customers ask it as well (0007_bulk.sql).
create function platform.customer_violation(c platform.customers) returns text
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
begin
  return case
    when not platform.is_line(c.name, 200) then 'customers_name_check'
    when not platform.is_line(c.email, 254) or octet_length(c.email) > 254 then 'customers_email_well_formed'
    -- For plain ASCII the database itself checks the key. Beyond it PostgreSQL and JavaScript lower-case differently, and only
    -- platform/email.ts makes keys.
    when not platform.is_email_key(c.email_key) or c.email !~ '[^\x01-\x7f]' and c.email_key <> lower(c.email collate "C")
      then 'customers_email_key_canonical'
    when not platform.is_line(c.phone, 40) then 'customers_phone_check'
    when not platform.is_phone(c.phone, c.phone_key, c.phone_extension) then 'customers_phone_canonical'
    when not platform.is_app(c.created_by_app) then 'customers_created_by_app_check'
    when c.crm_id not between 1 and 9007199254740991 then 'customers_crm_id_check'
    when c.support_id not between 1 and 9007199254740991 then 'customers_support_id_check'
    when c.preferred_language !~ '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$' then 'customers_preferred_language_check'
    when c.timezone !~ '^[A-Za-z][A-Za-z0-9_+/-]{0,63}$' then 'customers_timezone_check'
    when c.merged_into = c.id then 'customers_merged_into_check'
  end;
end $$;

grant execute on function platform.customer_violation(platform.customers) to app_role;

create function platform.check_customer() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare violated constant text := platform.customer_violation(new);
begin
  if violated is not null then
    raise exception 'new row for relation "customers" violates check constraint "%"', violated
      using errcode = 'check_violation', schema = 'platform', table = 'customers', constraint = violated;
  end if;
  return new;
end $$;
create trigger b_check before insert or update of
    id, name, email, email_key, phone, phone_key, phone_extension, created_by_app, crm_id, support_id, preferred_language, timezone,
    merged_into
  on platform.customers for each row when (current_user <> all ('{bulk_role,merge_role}')) execute function platform.check_customer();

create trigger b_count_version before update on platform.customers
  for each row when (current_user <> all ('{bulk_role,merge_role}')) execute function platform.count_version();

-- The primary address of a customer of whom no address is known any more: see prove_address. Nothing is ever delivered to .invalid.
create function platform.no_address(customer uuid) returns text
language sql immutable parallel safe
return 'no-address-' || replace(customer::text, '-', '') || '@unknown.invalid';
grant execute on function platform.no_address(uuid) to app_role;

-- Security definer: no app may write these tables itself, or it could take another customer's address.
create function platform.record_known_by() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare taken text;
begin
  if tg_op = 'INSERT' then
    insert into platform.customer_emails (email_key, email, customer_id, is_primary) values (new.email_key, new.email, new.id, true);
  elsif new.email_key <> old.email_key then
    -- Before anything is written: two customers that exchange their addresses at once would otherwise wait for each other. The lock waits
    -- for a removal of the address, and not for a change of its marks.
    perform from platform.customer_emails known where known.email_key = new.email_key and known.customer_id <> new.id for key share;
    if found then
      raise exception 'another customer is known by this' using errcode = 'unique_violation', constraint = 'customer_emails_pkey',
        detail = new.email_key;
    end if;
    -- The former primary address stays with the customer until somebody takes it away. The mark of a customer without an address goes.
    delete from platform.customer_emails where customer_id = new.id and is_primary and email_key = platform.no_address(new.id);
    update platform.customer_emails set is_primary = false where customer_id = new.id and is_primary;
    insert into platform.customer_emails as known (email_key, email, customer_id, is_primary)
    values (new.email_key, new.email, new.id, true)
    on conflict (email_key) do update set is_primary = true, email = excluded.email where known.customer_id = new.id;
    if not found then taken := 'customer_emails_pkey'; end if;
  elsif new.email <> old.email then
    update platform.customer_emails set email = new.email where email_key = new.email_key and customer_id = new.id;
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
    raise exception 'another customer is known by this' using errcode = 'unique_violation', constraint = taken,
      detail = case taken when 'customer_emails_pkey' then new.email_key else '' end;
  end if;
  return null;
end $$;
create trigger c_record_known_by after insert or update of email_key, email, crm_id, support_id on platform.customers
  for each row when (current_user <> all ('{bulk_role,merge_role}')) execute function platform.record_known_by();

-- Finds or creates a customer in one statement, with the caller's own rights. The insert can lose a race only to a committed or committing
-- rival, for which the unique index makes it wait; the next attempt then finds the rival's row. The caller gave no number: if a rival has
-- committed the same one, the next number is free.
create function platform.find_or_create_customer(
  key text, address text, full_name text, out customer platform.customers, out created boolean)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare violated text;
begin
  for attempt in 1..5 loop
    select c.* into customer
    from platform.customer_emails e join platform.customers c on c.id = e.customer_id
    where e.email_key = key;
    if found then created := false; return; end if;
    begin
      insert into platform.customers (email, email_key, name) values (address, key, full_name) returning * into customer;
      created := true;
      return;
    exception when unique_violation then
      get stacked diagnostics violated = constraint_name;
      if violated not in ('customer_emails_pkey', 'customers_crm_id_key', 'customers_support_id_key', 'customer_external_ids_pkey') then
        raise; -- another attempt would not help
      end if;
    end;
  end loop;
  -- Reached only under repeatable read, where the rival's row stays invisible to every attempt.
  raise exception 'a customer with this address or number appeared meanwhile' using errcode = 'serialization_failure';
end $$;
grant execute on function platform.find_or_create_customer(text, text, text) to app_role;

-- The addresses of a customer. All changes go through these functions: an app that could write platform.customer_emails itself could take
-- another customer's address. If they refuse an address because another customer has it, the detail is its key. Each one first holds the
-- customer, so that the addresses of one customer change one at a time, and counts as a change of the customer. If the answer lacks
-- `held`, the customer may not be changed: it does not exist, is erased, or is no longer at the expected version. If it lacks
-- `address_id`, the customer has no such address.

-- Locks a customer that may be changed, with the caller's rights. A merged customer's id leads to its survivor.
create function platform.hold_customer(of_customer uuid, expected_version bigint default null) returns uuid
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare held uuid;
begin
  select c.id into held from platform.customers c
  where c.id = (select coalesce(m.merged_into, m.id) from platform.customers m where m.id = of_customer)
    and c.merged_into is null and c.erased_at is null and c.version = coalesce(expected_version, c.version)
  for no key update;
  return held;
end $$;

-- The apps have no grant on this function: only the functions below count an address or a telephone number as a change.
create function platform.count_change(of_customer uuid) returns bigint
language sql set search_path = pg_catalog, pg_temp
begin atomic
  update platform.customers set version = version + 1 where id = of_customer returning version;
end;

-- Adds an address. An address that the customer has already stays as it is.
create function platform.add_address(
  of_customer uuid, address text, key text, expected_version bigint default null, out held uuid, out address_id uuid, out version bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  held := platform.hold_customer(of_customer, expected_version);
  if held is null then return; end if;
  insert into platform.customer_emails (email_key, email, customer_id, is_primary) values (key, address, held, false)
  on conflict (email_key) do nothing returning id into address_id;
  if address_id is not null then
    version := platform.count_change(held);
    return;
  end if;
  select e.id, c.version into address_id, version
  from platform.customer_emails e join platform.customers c on c.id = e.customer_id
  where e.email_key = key and e.customer_id = held;
  if not found then
    raise exception 'another customer is known by this' using errcode = 'unique_violation', constraint = 'customer_emails_pkey',
      detail = key;
  end if;
end $$;

-- Makes one of the customer's addresses the primary one. The trigger record_known_by updates platform.customer_emails.
create function platform.make_address_primary(
  of_customer uuid, of_address uuid, expected_version bigint default null, out held uuid, out address_id uuid, out version bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  held := platform.hold_customer(of_customer, expected_version);
  if held is null then return; end if;
  update platform.customers c set email = e.email, email_key = e.email_key
  from platform.customer_emails e
  where c.id = held and e.customer_id = held and e.id = of_address
  returning e.id, c.version into address_id, version;
end $$;

-- Moves an address to platform.removed_emails. The caller holds the customer's lock.
create function platform.put_away_address(of_address platform.customer_emails, why text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  insert into platform.removed_emails
         (id, email_key, email, customer_id, verified_at, verified_by, created_at, added_by_app, added_by, reason)
  values (of_address.id, of_address.email_key, of_address.email, of_address.customer_id, of_address.verified_at, of_address.verified_by,
          of_address.created_at, of_address.added_by_app, of_address.added_by, why);
  delete from platform.customer_emails where email_key = of_address.email_key;
end $$;

-- Takes an address away from a customer. Then it is free for another customer.
create function platform.remove_address(
  of_customer uuid, of_address uuid, expected_version bigint default null, out held uuid, out address_id uuid, out version bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare known platform.customer_emails;
begin
  held := platform.hold_customer(of_customer, expected_version);
  if held is null then return; end if;
  select e.* into known from platform.customer_emails e where e.customer_id = held and e.id = of_address;
  if not found then return; end if;
  if known.is_primary then
    raise exception 'the primary address stays' using errcode = 'check_violation', constraint = 'customer_emails_primary_stays';
  end if;
  perform platform.put_away_address(known, 'removed');
  address_id := known.id;
  version := platform.count_change(held);
end $$;

-- Gives a removed address back as it was, including its author, its time and its verification.
create function platform.restore_address(
  of_customer uuid, of_address uuid, expected_version bigint default null, out held uuid, out address_id uuid, out version bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare removed platform.removed_emails;
begin
  held := platform.hold_customer(of_customer, expected_version);
  if held is null then return; end if;
  delete from platform.removed_emails r
  where r.id = of_address and r.customer_id = held and r.reason = 'removed'
  returning r.* into removed;
  if not found then return; end if;
  select e.id, c.version into address_id, version
  from platform.customer_emails e join platform.customers c on c.id = e.customer_id
  where e.email_key = removed.email_key and e.customer_id = held;
  if found then return; end if; -- it was added again meanwhile
  insert into platform.customer_emails
         (id, email_key, email, customer_id, is_primary, verified_at, verified_by, created_at, added_by_app, added_by)
  values (removed.id, removed.email_key, removed.email, held, false, removed.verified_at, removed.verified_by, removed.created_at,
          removed.added_by_app, removed.added_by)
  on conflict (email_key) do nothing;
  if not found then
    raise exception 'another customer is known by this' using errcode = 'unique_violation', constraint = 'customer_emails_pkey',
      detail = removed.email_key;
  end if;
  address_id := removed.id;
  version := platform.count_change(held);
end $$;

-- Whether two names are hardly those of one person: they have no word in common. A name in another alphabet cannot be compared, and one
-- that was made of the address says nothing.
create function platform.names_clash(known text, proven text, address text) returns boolean
language sql immutable parallel safe
return (
  select cardinality(k.words) > 0 and cardinality(p.words) > 0 and not k.words && p.words and not k.words <@ a.words
    and (known ~* '[a-z]') = (proven ~* '[a-z]')
  from (select array(select w from regexp_split_to_table(platform.fold(known), '[^[:alnum:]]+') w where length(w) > 1)) k (words),
    (select array(select w from regexp_split_to_table(platform.fold(proven), '[^[:alnum:]]+') w where length(w) > 1)) p (words),
    (select regexp_split_to_array(lower(split_part(address, '@', 1) collate "C"), '[^[:alnum:]]+')) a (words));

-- Finds or creates the customer of an address that was just proven, and marks the address as verified.
-- - A verified address leads to its customer.
-- - A proof wins over an unverified address that its customer has beside the primary one: the address goes to a new customer.
-- - An unverified primary address leads to its customer, which confirms it: nearly every primary address was typed by somebody, and is
--   right. But if the customer's name has no word in common with the proven one, it was mistyped or claimed by somebody else, and the
--   proof wins as well. The customer keeps its next address as the primary one, a verified one first, or has none: platform.no_address.
-- If a proof wins, the two customers become a candidate for review. An erased customer stays as it is. Locks: first the customer and then
-- the address, as in all functions above. Everything that was read before the lock is read again under it. An attempt that found the
-- address gone releases the customer, so that no proof holds one customer while it waits for another.
create function platform.prove_address(
  key text, address text, full_name text, out customer platform.customers, out created boolean, out taken_from uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  owner_id uuid;
  known platform.customer_emails;
  next platform.customer_emails;
  violated text;
begin
  for attempt in 1..5 loop
    select e.customer_id into owner_id from platform.customer_emails e where e.email_key = key;
    if found then
      begin
        perform from platform.customers c where c.id = owner_id for no key update;
        select c.* into customer from platform.customers c where c.id = owner_id;
        select e.* into strict known from platform.customer_emails e where e.email_key = key and e.customer_id = owner_id;
      exception when no_data_found then
        continue; -- it was taken away while this waited for the lock
      end;
      created := false;
      if known.verified_at is not null or customer.erased_at is not null then return; end if;
      if known.is_primary and customer.merged_into is null and platform.names_clash(customer.name, full_name, address) then
        select e.* into next from platform.customer_emails e where e.customer_id = owner_id and not e.is_primary
        order by e.verified_at desc nulls last, e.created_at desc limit 1;
        -- The trigger record_known_by keeps the proven address as another one until put_away_address takes it.
        update platform.customers c
        set email = coalesce(next.email, platform.no_address(owner_id)), email_key = coalesce(next.email_key, platform.no_address(owner_id))
        where c.id = owner_id;
      elsif known.is_primary then
        update platform.customer_emails e set verified_at = now(), verified_by = 'signed_identity' where e.email_key = key;
        perform platform.count_change(owner_id);
        select c.* into customer from platform.customers c where c.id = owner_id;
        return;
      end if;
      perform platform.put_away_address(known, 'claimed');
      perform platform.count_change(owner_id);
      taken_from := owner_id;
    end if;
    begin
      insert into platform.customers (email, email_key, name) values (address, key, full_name) returning * into customer;
    exception when unique_violation then
      get stacked diagnostics violated = constraint_name;
      if violated not in ('customer_emails_pkey', 'customers_crm_id_key', 'customers_support_id_key', 'customer_external_ids_pkey') then
        raise; -- another attempt would not help
      end if;
      continue;
    end;
    created := true;
    update platform.customer_emails e set verified_at = now(), verified_by = 'signed_identity' where e.email_key = key;
    if taken_from is not null then
      insert into platform.review_candidates (customer_id, other_id, reason, evidence)
      values (least(taken_from, customer.id), greatest(taken_from, customer.id), 'verified_claim',
              jsonb_build_object('address', address, 'taken_from', taken_from, 'was_primary', known.is_primary));
    end if;
    return;
  end loop;
  -- Reached only under repeatable read, where the rival's row stays invisible to every attempt.
  raise exception 'a customer with this address or number appeared meanwhile' using errcode = 'serialization_failure';
end $$;

-- Foundation cannot prove an address: signed identities come from the pages that embed Support's widget.
grant execute on function platform.prove_address(text, text, text) to support_role;
grant execute on function platform.add_address(uuid, text, text, bigint), platform.make_address_primary(uuid, uuid, bigint),
    platform.remove_address(uuid, uuid, bigint), platform.restore_address(uuid, uuid, bigint)
  to app_role;

-- The telephone numbers of a customer. platform.customers has the primary one, and this trigger keeps the two in step, for every
-- statement. A number that is written over is replaced: a correction is not a second number. But if the new one is another number of the
-- customer, the two exchange their places. A customer with other numbers has a primary one. Security definer: no app may write the table,
-- so that each number says who added it and when.
create function platform.record_phone() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  known uuid;
  is_known_primary boolean;
begin
  if tg_op = 'UPDATE' then
    if new.phone is null and exists (select from platform.customer_phones p where p.customer_id = new.id and not p.is_primary) then
      raise exception 'the primary number stays' using errcode = 'check_violation', constraint = 'customer_phones_primary_stays';
    end if;
    select p.id, p.is_primary into known, is_known_primary from platform.customer_phones p
    where p.customer_id = new.id and p.phone_key = new.phone_key and p.phone_extension is not distinct from new.phone_extension;
    if is_known_primary then
      update platform.customer_phones p set phone = new.phone where p.id = known;
      return null;
    elsif known is not null then
      update platform.customer_phones p set is_primary = false where p.customer_id = new.id and p.is_primary;
      update platform.customer_phones p set is_primary = true, phone = new.phone where p.id = known;
      return null;
    end if;
    delete from platform.customer_phones p where p.customer_id = new.id and p.is_primary;
  end if;
  if new.phone is not null then
    insert into platform.customer_phones (customer_id, phone, phone_key, phone_extension, is_primary)
    values (new.id, new.phone, new.phone_key, new.phone_extension, true);
  end if;
  return null;
end $$;
-- An update that leaves the number alone does not even come here.
create trigger c_record_new_phone after insert on platform.customers
  for each row when (new.phone is not null and current_user <> all ('{bulk_role,merge_role}')) execute function platform.record_phone();
create trigger c_record_phone after update of phone, phone_key, phone_extension on platform.customers
  for each row
  when ((new.phone, new.phone_key, new.phone_extension) is distinct from (old.phone, old.phone_key, old.phone_extension)
    and current_user <> all ('{bulk_role,merge_role}'))
  execute function platform.record_phone();

-- An erased customer has no number, also none that was removed before.
create function platform.forget_phones() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from platform.customer_phones p where p.customer_id = new.id;
  delete from platform.removed_phones p where p.customer_id = new.id;
  new.phone := null;
  new.phone_key := null;
  new.phone_extension := null;
  return new;
end $$;
create trigger e_forget_phones before update of erased_at on platform.customers
  for each row when (old.erased_at is null and new.erased_at is not null) execute function platform.forget_phones();

-- The functions are those of the addresses, with the same answers. A number that several customers have is refused to none of them.

-- Adds a number. The first one of a customer is the primary one. A number that the customer has already stays as it is.
create function platform.add_phone(
  of_customer uuid, number text, key text, extension text, expected_version bigint default null,
  out held uuid, out phone_id uuid, out version bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  held := platform.hold_customer(of_customer, expected_version);
  if held is null then return; end if;
  select p.id, c.version into phone_id, version
  from platform.customers c
    left join platform.customer_phones p
      on p.customer_id = c.id and p.phone_key = key and p.phone_extension is not distinct from extension
  where c.id = held;
  if phone_id is not null then return; end if;
  update platform.customers c set phone = number, phone_key = key, phone_extension = extension
  where c.id = held and c.phone is null returning c.version into version;
  if found then
    select p.id into phone_id from platform.customer_phones p where p.customer_id = held and p.is_primary;
    return;
  end if;
  insert into platform.customer_phones (customer_id, phone, phone_key, phone_extension, is_primary)
  values (held, number, key, extension, false) returning id into phone_id;
  version := platform.count_change(held);
end $$;

-- Makes one of the customer's numbers the primary one. The trigger record_phone updates platform.customer_phones.
create function platform.make_phone_primary(
  of_customer uuid, of_phone uuid, expected_version bigint default null, out held uuid, out phone_id uuid, out version bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  held := platform.hold_customer(of_customer, expected_version);
  if held is null then return; end if;
  update platform.customers c set phone = p.phone, phone_key = p.phone_key, phone_extension = p.phone_extension
  from platform.customer_phones p
  where c.id = held and p.customer_id = held and p.id = of_phone
  returning p.id, c.version into phone_id, version;
end $$;

-- Takes a number away from a customer. The primary one goes as the last.
create function platform.remove_phone(
  of_customer uuid, of_phone uuid, expected_version bigint default null, out held uuid, out phone_id uuid, out version bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare known platform.customer_phones;
begin
  held := platform.hold_customer(of_customer, expected_version);
  if held is null then return; end if;
  select p.* into known from platform.customer_phones p where p.customer_id = held and p.id = of_phone;
  if not found then return; end if;
  insert into platform.removed_phones (id, customer_id, phone, phone_key, phone_extension, created_at, added_by_app, added_by)
  values (known.id, held, known.phone, known.phone_key, known.phone_extension, known.created_at, known.added_by_app, known.added_by);
  phone_id := known.id;
  if known.is_primary then
    update platform.customers c set phone = null, phone_key = null, phone_extension = null
    where c.id = held returning c.version into version;
  else
    delete from platform.customer_phones p where p.id = known.id;
    version := platform.count_change(held);
  end if;
end $$;

-- Gives a removed number back with its author and its time: as the primary one if the customer has none.
create function platform.restore_phone(
  of_customer uuid, of_phone uuid, expected_version bigint default null, out held uuid, out phone_id uuid, out version bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare removed platform.removed_phones;
begin
  held := platform.hold_customer(of_customer, expected_version);
  if held is null then return; end if;
  delete from platform.removed_phones r where r.id = of_phone and r.customer_id = held returning r.* into removed;
  if not found then return; end if;
  select p.id, c.version into phone_id, version
  from platform.customer_phones p join platform.customers c on c.id = p.customer_id
  where p.customer_id = held and p.phone_key = removed.phone_key and p.phone_extension is not distinct from removed.phone_extension;
  if found then return; end if; -- it was added again meanwhile
  phone_id := removed.id;
  update platform.customers c
  set phone = removed.phone, phone_key = removed.phone_key, phone_extension = removed.phone_extension
  where c.id = held and c.phone is null returning c.version into version;
  if found then
    update platform.customer_phones p
    set id = removed.id, created_at = removed.created_at, added_by_app = removed.added_by_app, added_by = removed.added_by
    where p.customer_id = held and p.is_primary;
    return;
  end if;
  insert into platform.customer_phones
         (id, customer_id, phone, phone_key, phone_extension, is_primary, created_at, added_by_app, added_by)
  values (removed.id, held, removed.phone, removed.phone_key, removed.phone_extension, false, removed.created_at,
          removed.added_by_app, removed.added_by);
  version := platform.count_change(held);
end $$;

grant execute on function platform.add_phone(uuid, text, text, text, bigint), platform.make_phone_primary(uuid, uuid, bigint),
    platform.remove_phone(uuid, uuid, bigint), platform.restore_phone(uuid, uuid, bigint)
  to app_role;
