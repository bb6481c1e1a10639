-- A line that is known by its id is that customer's, whoever shares its number and its name. Matching knows the ids of lines, and those of
-- customers only from lines that have not changed: it put such a line to the other customer, who then got what the line brings. As before
-- a line whose address is another customer's holds its whole person, and what a person has answered about a line counts more than its id.
do $$
declare
  change record;
  body text := pg_get_functiondef('sync.plan_import(bigint)'::regprocedure);
begin
  for change in select * from (values
    ('  passes_same boolean;
begin',
     '  passes_same boolean;
  answered constant integer[] := array(
    select v.n from sync.list_import_decisions(of_run) d cross join lateral (values (d.n), (d.other_n)) v (n) where v.n is not null);
begin'),
    ('        coalesce(g.lead, l.n) as leading, g.lead is not null as is_grouped, g.customer as group_customer,',
     '        case when o.is_own then l.n else coalesce(g.lead, l.n) end as leading,
        g.lead is not null and not o.is_own as is_grouped, case when not o.is_own then g.customer end as group_customer,'),
    ('        left join platform.customer_emails e on e.email_key = l.email_key
      where not l.is_known
    ), news as (',
     '        left join platform.customer_emails e on e.email_key = l.email_key
        -- Its id says whose it is, its address does not say otherwise, and nobody has answered for it: it leaves the group of another one.
        cross join lateral (
          select l.external_id is not null and not l.n = any ($3) and exists (
            select from platform.customers c where c.id = k.customer and coalesce(c.merged_into, c.id) <> g.customer
              and coalesce(e.customer_id = coalesce(c.merged_into, c.id), true)) as is_own offset 0) o
      where not l.is_known
    ), news as ('),
    ('$f$, of_run) using sources, passes_same;
  execute format(''analyze sync.import_rows',
     '$f$, of_run) using sources, passes_same, answered;
  execute format(''analyze sync.import_rows')) as c (was, becomes) loop
    if length(body) - length(replace(body, change.was, '')) <> length(change.was) then
      raise exception 'the function does not say once: %', change.was;
    end if;
    body := replace(body, change.was, change.becomes);
  end loop;
  execute body;
end $$;
