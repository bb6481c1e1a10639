-- The former index of the help desk's numbers goes, and the new one has its name, which refusals say. At no moment is there none.
alter table platform.customers drop constraint customers_support_id_key;
alter index platform.customers_by_support_id rename to customers_support_id_key;

-- Few customers without a company are found by customers_without_company_at and sorted; of many, the primary key soon finds a page.
drop index platform.customers_without_company;
