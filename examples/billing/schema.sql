-- What billing keeps in its own database. It runs at each start, and may be repeated. The tables of `aether_inbox` are the library's.
create schema if not exists billing;

-- The copy: of each customer of the platform what billing needs, under the platform's id and version.
create table if not exists billing.customers (
  id uuid primary key,
  version bigint not null,
  -- Null of an erased customer, as are address and tier.
  name text,
  email text,
  tier text,
  -- The customer that goes on, if this one was merged.
  merged_into uuid,
  -- The place in the log as of which `merged_into` is known: a merge changes it without a new version of this row.
  merged_position bigint not null,
  is_erased boolean not null,
  -- The snapshot that has seen the row last; null: it came over the bus.
  snapshot uuid
);
create index if not exists customers_by_email on billing.customers (lower(email));
create index if not exists customers_merged on billing.customers (merged_into) where merged_into is not null;

-- What billing does when a tier changes: one row for each change that came over the bus, written with the copy.
create table if not exists billing.tier_changes (
  event text primary key,
  customer uuid not null,
  from_tier text,
  to_tier text,
  changed_at timestamptz not null,
  arrived_at timestamptz not null default clock_timestamp()
);
create index if not exists tier_changes_of_customer on billing.tier_changes (customer, changed_at);

-- Since when the copy is there, and until when it certainly followed. One row.
create table if not exists billing.following (
  only_one boolean primary key default true check (only_one),
  snapshot uuid,
  snapshot_position bigint,
  snapshot_at timestamptz,
  followed_until timestamptz
);
-- The snapshot that is being taken: since when, and behind which customer it goes on if it was cut short.
alter table billing.following
  add column if not exists taking uuid,
  add column if not exists taking_since timestamptz,
  add column if not exists taking_after uuid,
  add column if not exists taking_position bigint;
insert into billing.following default values on conflict do nothing;
