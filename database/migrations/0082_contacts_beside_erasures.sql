-- A contact that names somebody was looked up among the erased before its transaction had ended, so that an erasure at the same moment
-- neither saw the contact nor was seen by it, and the contact stayed. An address of a customer is in an index of one entry each, where one
-- waits for the other; contacts have none. So who writes a contact's address or number shares the row of the key until the transaction
-- ends, and who erases takes it: contacts under way are waited for and then erased, later ones wait and are refused.
create or replace function crm.keep_contact_away() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform from platform.suppression_key k for key share;
  if platform.is_kept_away('email', lower(new.email)) or platform.is_kept_away('phone', new.phone_key) then
    raise exception 'this person was erased and is kept away' using errcode = 'check_violation', constraint = 'person_erased',
      schema = tg_table_schema, table = tg_table_name, column = 'email',
      hint = 'If the person comes back of their own will, somebody who may erase lifts the suppression with a reason.';
  end if;
  return null;
end $$;

do $$
declare
  former constant text := pg_get_functiondef('platform.try_erase(uuid, text)'::regprocedure);
  body constant text := replace(former, '  unlinked := platform.unlinked_keys(p.people, p.addresses, p.numbers);',
    '  perform from platform.suppression_key k for update; -- contacts under way
  unlinked := platform.unlinked_keys(p.people, p.addresses, p.numbers);');
begin
  if body = former then raise exception 'platform.try_erase is not as this migration expects'; end if;
  execute body;
end $$;
