-- aether: no-transaction
-- Nobody waits while it is made. With the customers in its order, who has addresses at a mailbox is found without reading every one of the
-- addresses: see 0105_fair_looks.sql.
create index concurrently if not exists customer_emails_by_mailbox on platform.customer_emails (sync.mailbox(email_key), customer_id)
  where sync.is_variant(email_key);
