-- aether: no-transaction
-- The index of the texts of timelines. A chat shows its summary, which is what the visitor asked or what the agent says of it.
-- See 0052_texts.sql.
create index concurrently if not exists activities_words on crm.activities
  using gin (platform.text_terms(description || coalesce(E'\n' || (metadata ->> 'summary'), ''), occurred_at)) with (fastupdate = off);
