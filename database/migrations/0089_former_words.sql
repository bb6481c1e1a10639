-- aether: no-transaction
-- Processes of the version before search without it, so slowly, until they are replaced; two such indexes would cost every writer more.
drop index concurrently if exists platform.customers_search;
