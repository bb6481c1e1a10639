-- crm.customer_context by address, for many addresses at once: the row of the customer is found by its own address in one step. By way of
-- customer_emails, which only the other addresses need here, each takes the search of a second index. The two views say the same of a
-- customer; that one is not made from this one, because then PostgreSQL would not know any more that an id is of one customer.
create view crm.context_by_address as
select c.asked,
       c.id, c.email, c.name, c.phone, c.phone_key, c.phone_extension, c.company_id, c.version, c.created_at, c.updated_at,
       c.created_by_app, c.crm_id, c.account_tier, c.account_manager_id, c.support_id, c.preferred_language, c.timezone,
       c.merged_into, c.erased_at,
       manager.name as account_manager_name,
       coalesce(deals.open_deals, 0) as open_deals, coalesce(deals.open_deals_value, '{}') as open_deals_value,
       last.type as last_activity_type, last.occurred_at as last_activity_at, last.created_by_app as last_activity_app,
       (select count(*)::integer from crm.deal_contacts k join crm.deals d on d.id = k.deal_id
        where k.customer_id = c.id and d.customer_id <> c.id and d.status = 'open') as deals_of_others
from (
  select k.email_key as asked, k.* from platform.customers k where k.merged_into is null and k.erased_at is null
  union all
  select e.email_key, k.* from platform.customer_emails e join platform.customers k on k.id = e.customer_id where not e.is_primary
) c
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
comment on view crm.context_by_address is 'As crm.customer_context, once for each address.';
grant select on crm.context_by_address to foundation_role, support_role;
