-- Support's read model of the customers: what it shows beside a chat, kept by the events of customer.*.

create table support.customer_cache (
  id uuid primary key,
  version bigint not null,
  email text not null,
  name text not null,
  phone text,
  company_id uuid,
  account_tier text collate "C",
  account_manager_id text collate "C",
  crm_id bigint,
  support_id bigint,
  preferred_language text collate "C",
  timezone text collate "C",
  created_by_app text collate "C" not null,
  created_at timestamptz not null,
  merged_into uuid,
  erased_at timestamptz,
  changed_by text collate "C",
  changed_at timestamptz not null
);
comment on table support.customer_cache is
  'No foreign keys: it says what was so at a version, and would stand in another database as well. Its columns have the names that events use.';
call platform.protect_table('support.customer_cache');
create policy support_all on support.customer_cache to support_role using (true) with check (true);
grant select, insert, update, delete on support.customer_cache to support_role;

-- How long the oldest committed event has waited: an app that caches must know when nobody numbers.
grant execute on function sync.outbox_age() to foundation_role, support_role;
