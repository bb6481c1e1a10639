-- aether: no-transaction
-- The index of the notes of agents. See 0052_texts.sql.
create index concurrently if not exists session_entries_words on support.session_entries
  using gin (platform.text_terms(body, created_at)) with (fastupdate = off) where body is not null and kind <> 'snoozed';
