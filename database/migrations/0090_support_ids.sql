-- aether: no-transaction
-- Most customers never come to the help desk, and had an entry that says so.
create unique index concurrently if not exists customers_by_support_id on platform.customers (support_id) where support_id is not null;
