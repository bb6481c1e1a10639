-- aether: no-transaction
-- As 0108, for names with other letters than a to z, hyphens or apostrophes: see platform.search_text.
create index concurrently if not exists sessions_folded on support.sessions using gin (
  platform.search_text(coalesce(visitor_name, '')) ext.gin_trgm_ops) where platform.is_folded(coalesce(visitor_name, ''));
