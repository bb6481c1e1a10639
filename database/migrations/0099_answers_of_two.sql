-- Of a line that could be of two customers an answer that it is not one of them says something: it is the other one's, or somebody new. So
-- the plan must be decided again for it, as for two who were one person.
create function sync.is_of_two_customers(of_run bigint, lines integer[]) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
return exists (
  select from sync.import_rows p where p.run = of_run and p.n = any (lines) and p.outcome = 'held' and p.code = 'two-customers');
revoke all on function sync.is_of_two_customers(bigint, integer[]) from public;

do $$
declare
  body text := pg_get_functiondef('sync.decide_import_pair(bigint, integer, integer, uuid, text)'::regprocedure);
  change record;
begin
  for change in select * from (values
    ('  changes := sync.note_plan_answer(of_run, mine, theirs, answered, before.answer,
    coalesce(a.lead = b.lead, a.customer = with_customer, false));
',
     '  changes := sync.note_plan_answer(of_run, mine, theirs, answered, before.answer,
    coalesce(a.lead = b.lead, a.customer = with_customer, false) or sync.is_of_two_customers(of_run, array[a.n, b.n]));
'),
    ('        coalesce(a.lead = b.lead, a.customer = with_customer, false));
    end if;',
     '        coalesce(a.lead = b.lead, a.customer = with_customer, false) or sync.is_of_two_customers(planned, array[a.n, b.n]));
    end if;')) as c (was, becomes) loop
    if length(body) - length(replace(body, change.was, '')) <> length(change.was) then
      raise exception 'the function does not say once: %', change.was;
    end if;
    body := replace(body, change.was, change.becomes);
  end loop;
  execute body;
end $$;
