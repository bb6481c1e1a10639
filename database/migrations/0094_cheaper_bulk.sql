-- Each new customer is asked a dozen times whether the role is one for which the row triggers do not fire. A list of texts takes a third of
-- the time of a pattern. A list of names does too, but each of them is 64 bytes long, and PostgreSQL reads the conditions of a table's
-- triggers in every statement that writes to it; a list of texts is a quarter longer than a pattern. Lists of names stay: they are quick,
-- and platform.require_present_customer makes them.
do $$
declare
  condition constant text := $p$CURRENT_USER !~ '\^\(([a-z|]+)\)_role\$'::text$p$;
  former text;
  roles text;
begin
  for former, roles in
    select definition, replace(substring(definition from condition), '|', '_role,') || '_role'
    from pg_trigger, pg_get_triggerdef(oid) definition
    where not tgisinternal and definition ~ condition and tgrelid in ('platform.customers'::regclass,
      'platform.customer_emails'::regclass, 'platform.customer_phones'::regclass, 'platform.customer_external_ids'::regclass)
    order by tgrelid::regclass::text, tgname
  loop
    execute regexp_replace(regexp_replace(former, '^CREATE ', 'create or replace '), condition,
      format('current_user <> all (%L::text[])', '{' || roles || '}'));
  end loop;
end $$;
