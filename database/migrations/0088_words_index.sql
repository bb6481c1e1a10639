-- aether: no-transaction
-- Nobody waits while it is made. See 0087_words.sql.
create index concurrently if not exists customers_words on platform.customers using gin (
  (platform.customer_words(name, email_key) collate "C") ext.gin_trgm_ops, platform.customer_beginnings(name, email_key));
