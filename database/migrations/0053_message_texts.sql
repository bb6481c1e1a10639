-- aether: no-transaction
-- The index of the texts of messages, which are many: nobody waits while it is made. See 0052_texts.sql.
create index concurrently if not exists messages_words on support.messages using gin (platform.text_terms(body, created_at))
  with (fastupdate = off);
