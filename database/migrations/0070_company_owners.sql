-- Who looks after a company. Foundation gives it, as it gives a customer's account manager; every app reads it.
alter table platform.companies add column owner_id text collate "C" references platform.users;
comment on column platform.companies.owner_id is 'Who looks after the company; null: nobody.';
grant insert (owner_id), update (owner_id) on platform.companies to foundation_role;
call platform.classify_columns('platform.companies', technical => 'owner_id');
call sync.capture('platform.companies', 'company', 'platform', 'r.id', 'null', '{name}');

-- The list of somebody's companies, or of nobody's, in the order of their names.
create index companies_by_owner on platform.companies (owner_id, name, id);

create trigger require_staff before insert on platform.companies
  for each row when (new.owner_id is not null) execute function platform.require_staff('owner_id');
create trigger require_staff_then before update of owner_id on platform.companies
  for each row when (new.owner_id is distinct from old.owner_id) execute function platform.require_staff('owner_id');

-- The new owner is told, and the inbox leads to the company. Such a notice is about no customer.
alter table platform.notices drop constraint notices_record_check, add constraint notices_record_check check (
  record in ('customer', 'company', 'deal', 'activity', 'session'));
create trigger tell_of_first_assignment after insert on platform.companies
  for each row when (new.owner_id is not null) execute function platform.tell_of_assignment('company', 'owner_id');
create trigger tell_of_assignment after update of owner_id on platform.companies
  for each row when (new.owner_id is distinct from old.owner_id) execute function platform.tell_of_assignment('company', 'owner_id');

-- What somebody had who leaves is handed over, and given back if they return.
alter table crm.handovers drop constraint handovers_kind_check, add constraint handovers_kind_check check (
  kind in ('customer', 'company', 'deal', 'task', 'view'));
comment on column crm.handovers.customer_id is
  'The customer whose row it is; null for a company and a view. No reference: the row was held when this was written, and customers are '
  'never deleted.';
