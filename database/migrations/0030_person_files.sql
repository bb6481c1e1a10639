-- What came after persons: stored files with a line of a person, and the answers that a plan followed. And the events of a chat that was
-- never linked to a customer, which are found by the address that was typed, as the chat itself is.
insert into platform.person_sources (place, relation, category, why, ordering, hidden) values
  (77, 'sync.import_uploads', 'imports', 'Stored files with a line of the person. Their bytes, which hold other people too, are not given.',
    'r.id', '{recognition,refusal,settings}'),
  (78, 'sync.import_plan_answers', 'imports', 'Which answers a plan followed.', 'r.run', '{one,other}');
update platform.person_sources set belongs = 'r.customer = any ($1) or r.customer is null and r.key = any ($4::text[])'
where relation in ('sync.events', 'sync.outbox');
update platform.person_sources set belongs = 'r.position in (select e.position from sync.events e
  where e.customer = any ($1) or e.customer is null and e.key = any ($4::text[]))'
where relation = 'sync.attempts';
