-- A company takes in the customers without company whose address has its domain. It looks for them by this index, which has only those; the
-- answer of each look is as quick with two million of them.
create index customers_without_company_at on platform.customers (split_part(email_key, '@', 2), id)
  where company_id is null and merged_into is null and erased_at is null;

-- Taking them in is one act on many customers, and is undone as one.
alter table crm.acts drop constraint acts_kind_check;
alter table crm.acts add constraint acts_kind_check check (kind in ('owner', 'tier', 'tag', 'untag', 'task', 'company'));
comment on column crm.act_customers.was is
  'The user, the tier or the company before; of a task a digest, by which an undo knows whether it was changed since.';
