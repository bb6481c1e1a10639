-- Values that both apps can read, and a customer found without stumbling over a number that nobody asked for.

-- PostgreSQL takes a year before Christ, infinity and NaN; what the apps make of them is an endless page or no answer at all.
create function platform.is_time(value timestamptz) returns boolean
language sql immutable parallel safe
return value >= timestamptz '1900-01-01 00:00:00+00' and value < timestamptz '3000-01-01 00:00:00+00';
create function platform.is_day(value date) returns boolean
language sql immutable parallel safe
return value >= date '1900-01-01' and value < date '3000-01-01';
grant execute on function platform.is_time(timestamptz), platform.is_day(date) to foundation_role, support_role;

-- Every time that a login may write.
do $$
declare written record;
begin
  for written in
    select * from (values
      ('platform.users', 'last_signed_in'), ('platform.sign_ins', 'last_seen_at'), ('platform.sign_ins', 'expires_at'),
      ('platform.sign_ins', 'rotated_at'), ('platform.sign_ins', 'next_token_at'), ('platform.sign_ins', 'ended_at'),
      ('crm.deals', 'closed_at'), ('crm.activities', 'occurred_at'), ('crm.activities', 'due_at'), ('crm.activities', 'done_at'),
      ('crm.changes', 'occurred_at'), ('support.agents', 'last_seen_at'), ('support.sessions', 'asked_at'),
      ('support.sessions', 'last_message_at'), ('support.sessions', 'ended_at'), ('support.sessions', 'snoozed_until'),
      ('support.sessions', 'waiting_since'), ('support.calls', 'started_at'), ('support.widget_secrets', 'retires_at')
    ) as columns (of_table, name)
  loop
    execute format('alter table %s add constraint %I check (platform.is_time(%I))', written.of_table,
      format('%s_%s_time', split_part(written.of_table, '.', 2), written.name), written.name);
  end loop;
end $$;
alter table crm.deals
  add constraint deals_expected_close_on_day check (platform.is_day(expected_close_on)),
  add constraint deals_amount_number check (amount <> 'NaN');

-- JavaScript counts to 2^53 - 1; beyond, two numbers become one.
alter table platform.customers
  add constraint customers_crm_id_safe check (crm_id <= 9007199254740991),
  add constraint customers_support_id_safe check (support_id <= 9007199254740991);
alter table platform.users
  add constraint users_foundation_user_id_safe check (foundation_user_id between -9007199254740991 and 9007199254740991),
  add constraint users_support_user_id_safe check (support_user_id between -9007199254740991 and 9007199254740991);

-- The last activity is the last that has happened: a meeting of next week is none yet. With the customer in it, who asks for both reads
-- the row once: a context costs six searches of an index instead of seven.
create or replace view crm.customer_context as
select c.id as customer_id, manager.name as account_manager_name,
       coalesce(deals.open_deals, 0) as open_deals, coalesce(deals.open_deals_value, '{}') as open_deals_value,
       last.type as last_activity_type, last.occurred_at as last_activity_at, last.created_by_app as last_activity_app, c as customer
from platform.customers c
left join platform.users manager on manager.id = c.account_manager_id
left join lateral (
  select sum(per_currency.deals)::integer as open_deals, jsonb_object_agg(per_currency.currency, per_currency.amount) as open_deals_value
  from (select d.currency, count(*) as deals, sum(d.amount) as amount
        from crm.deals d where d.customer_id = c.id and d.status = 'open' group by d.currency) per_currency
) deals on true
left join lateral (
  select a.type, a.occurred_at, a.created_by_app from crm.activities a
  where a.customer_id = c.id and a.occurred_at <= now() order by a.occurred_at desc, a.id desc limit 1
) last on true;
-- In the order in which the view groups: nothing is sorted.
drop index crm.deals_customer;
create index deals_customer on crm.deals (customer_id, status, currency);
-- An address leads to its customer without a visit to the table.
alter table platform.customer_emails
  drop constraint customer_emails_pkey,
  add constraint customer_emails_pkey primary key (email_key) include (customer_id);

-- The caller gave no number: when a rival's has been committed meanwhile, the next one is free.
create or replace function platform.find_or_create_customer(key text, address text, full_name text, out customer platform.customers, out created boolean)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare violated text;
begin
  for attempt in 1..5 loop
    select c.* into customer from platform.customer_emails e join platform.customers c on c.id = e.customer_id where e.email_key = key;
    if found then created := false; return; end if;
    begin
      insert into platform.customers (email, email_key, name) values (address, key, full_name) returning * into customer;
      created := true;
      return;
    exception when unique_violation then
      get stacked diagnostics violated = constraint_name;
      if violated not in ('customer_emails_pkey', 'customers_crm_id_key', 'customers_support_id_key', 'customer_external_ids_pkey') then
        raise; -- trying again would not help
      end if;
    end;
  end loop;
  -- Only under repeatable read, where the rival's row stays invisible however often one looks.
  raise exception 'a customer with this address or number appeared meanwhile' using errcode = 'serialization_failure';
end $$;

comment on function platform.sign_in_user is
  'Whoever may call it says whom a directory account is: the logins of the apps are trusted to have asked the directory. See docs/signin.md.';
