-- aether: no-transaction
-- The first and the last day of the timelines, between which their texts are searched. See 0052_texts.sql.
create index concurrently if not exists activities_by_time on crm.activities (occurred_at);
