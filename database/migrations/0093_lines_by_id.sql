-- A line that is known by its id (without an id, by its address) is that customer's, whoever shares its number and its name. Matching knows
-- the ids of lines, and those of customers only from lines that have not changed: it put such a line to another customer, who then got what
-- it brings, or it was held with that one's lines. Now each line of a group that leads to several customers needs a reason of its own. As
-- before a line whose address is another customer's holds its whole person, except lines that are known; and what a person has said of a
-- line counts more than its id.
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
    select v.n from sync.list_import_decisions(of_run) d cross join lateral (values (d.n), (d.other_n)) v (n)
    where d.answer = ''same'' and v.n is not null);
begin'),
    ('    with found as materialized (
      select l.*,',
     '    with compared as materialized (
      select l.*, l.n = any ($3) as is_answered,'),
    ('      where not l.is_known
    ), news as (',
     '      where not l.is_known
    ), split as materialized (
      -- Addresses of lines whose ids are of others than have the address, also of such a line that is in no group.
      select c.email_key from compared c where not c.is_same and c.key_customer <> c.address_customer
      union select p.email_key from sync.import_rows_p%1$s p where p.outcome = ''held'' and p.code = ''two-customers''
    ), doubtful as materialized (
      -- A line whose id and address are of two customers holds the new lines of its address: nothing of it may reach one of them by another
      -- line. So does a line that a person has given to one customer while another one has its address.
      select s.leading, coalesce(bool_or(s.is_split), false) as is_split
      from (
        select x.leading, x.group_customer, coalesce(x.key_customer, x.address_customer)::text as claim,
          not x.is_same and (coalesce(x.key_customer, x.group_customer) <> x.address_customer
            or x.key_customer is null and x.email_key in (select t.email_key from split t)) as is_split,
          not (x.is_same or x.is_answered) and x.key_customer <> x.group_customer as is_others
        from compared x where x.is_grouped) s
      group by s.leading, s.group_customer
      having bool_or(s.is_split) or bool_or(s.is_others) or s.group_customer is null and min(s.claim) <> max(s.claim)
    ), found as not materialized (
      -- In a group that leads to several customers each line needs a reason of its own: it is known and its address does not say otherwise;
      -- a person has given it to the customer of the group; or that one has its address. Whose the others are nobody knows.
      select c.*, o.own_customer, d.leading is not null and o.own_customer is null as is_in_doubt
      from compared c left join doubtful d on d.leading = c.leading and c.is_grouped
        cross join lateral (
          select case when d.leading is null or c.is_same then null
            when not c.is_answered and c.key_customer = coalesce(c.address_customer, c.key_customer) then c.key_customer
            when not d.is_split and (c.is_answered or c.address_customer = c.group_customer) then c.group_customer end as own_customer) o
    ), news as ('),
    ('      select f.leading, min(f.n) filter (where not f.is_same) as first,
        count(distinct coalesce(f.group_customer, f.key_customer, f.address_customer)) as customers,
        min(coalesce(f.group_customer, f.key_customer, f.address_customer)::text)::uuid as customer,
        -- A line whose id and address are of two customers holds its whole person: nothing of it may reach one of them by another line. So
        -- does a line that a person has given to one customer while another one has its address.
        coalesce(bool_or(not f.is_same and coalesce(f.key_customer, f.group_customer) <> f.address_customer), false) as is_split
      from found f where f.is_grouped group by f.leading
',
     '      select f.leading, f.own_customer, min(f.n) filter (where not f.is_same) as first,
        count(distinct coalesce(f.own_customer, f.group_customer, f.key_customer, f.address_customer)) as customers,
        min(coalesce(f.own_customer, f.group_customer, f.key_customer, f.address_customer)::text)::uuid as customer,
        bool_or(f.is_in_doubt) as is_in_doubt
      from found f where f.is_grouped group by f.leading, f.own_customer
'),
    ('        select f.leading as of,
',
     '        select f.leading as of, f.own_customer,
'),
    ('        where f.is_grouped and not f.is_same group by f.leading) v on v.of = w.leading
',
     '        where f.is_grouped and not f.is_same group by f.leading, f.own_customer) v
          on v.of = w.leading and v.own_customer is not distinct from w.own_customer
'),
    ('    from found f left join groups g on g.leading = f.leading and f.is_grouped
',
     '    from found f
      left join groups g on f.is_grouped and g.leading = f.leading and g.own_customer is not distinct from f.own_customer
'),
    ('            when f.is_held or g.customers > 1 or g.is_split or',
     '            when f.is_held or g.customers > 1 or g.is_in_doubt or'),
    ('            when g.customers > 1 or g.is_split or',
     '            when g.customers > 1 or g.is_in_doubt or'),
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
