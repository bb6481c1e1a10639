-- Customers who begin with a word, and customers who have it elsewhere, are apart in the index of words: a search in the order of names or
-- addresses gets the first from the index of that order, and asks the index of words for the others only. One list of the index had them
-- all, and going through it to leave out those who begin with the word took 28 ms of 46 with two million customers, and more with more.
--
-- The words of a name or an address do not have the letter with which it begins, so that no trigram there leads to its beginning: that is
-- kept by customer_beginnings. The next two migrations make the index of both and drop the former one.

-- The searched text of a customer: the name and the address. A letter or digit with which one of them begins is replaced by a 0. A first
-- character of another kind stays, and so does that of a name which the order of names puts elsewhere (see platform.name_beginning).
create function platform.customer_words(name text, email_key text) returns text
language sql immutable parallel safe
return ' '
  || case when case when octet_length(name) = char_length(name)
         then name collate "C" >= 'A' and name collate "C" < '[' or name collate "C" >= 'a' and name collate "C" < '{'
           or name collate "C" >= '0' and name collate "C" < ':'
         else platform.name_beginning(name) is not null end
     then '0' || substr(lower(name collate pg_c_utf8), 2) else lower(name collate pg_c_utf8) end
  || ' '
  || case when email_key collate "C" >= 'a' and email_key collate "C" < '{' or email_key collate "C" >= '0' and email_key collate "C" < ':'
     then '0' || substr(email_key, 2) else email_key end;
grant execute on function platform.customer_words(text, text) to app_role, bulk_role, merge_role, erase_role;

-- How a customer's name and address begin, in letters and digits of ASCII, sixteen at most: b and what both begin with, n and how the name
-- goes on, e and how the address goes on. Behind n and e stands in one hexadecimal digit how much of it both have: Ada with adalovelace@
-- has bada and e3adalovelace. So those whose address begins with a word but not their name have e0, e1 and so on before it, with less than
-- the word's length.
--
-- It is asked for every new name. With settings of its own and bounds in its patterns a call takes 5 µs in place of 3.
create function platform.customer_beginnings(name text, email_key text) returns tsvector
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
declare
  of_name constant text := coalesce(case when octet_length(name) = char_length(name)
    then substring(left(lower(name collate "C"), 16) from '^[a-z0-9]+') else platform.name_beginning(name) end, '');
  of_email constant text := coalesce(substring(left(email_key, 16) collate "C" from '^[a-z0-9]+'), '');
  shared integer := 0;
begin
  if of_name = of_email then return array_to_tsvector(array['b' || of_name]); end if;
  while left(of_name, shared + 1) = left(of_email, shared + 1) loop shared := shared + 1; end loop;
  return array_to_tsvector(array_remove(array[
    case when shared > 0 then 'b' || left(of_name, shared) end,
    case when length(of_name) > shared then 'n' || to_hex(shared) || of_name end,
    case when length(of_email) > shared then 'e' || to_hex(shared) || of_email end], null));
end $$;
grant execute on function platform.customer_beginnings(text, text) to app_role, bulk_role, merge_role, erase_role;

-- As before, but for the indexes that there are.
create or replace function platform.sort_customer_search() returns bigint
language sql security definer set search_path = pg_catalog, pg_temp
return (
  select coalesce(sum(gin_clean_pending_list(i.indexrelid)), 0)::bigint
  from pg_index i join pg_class x on x.oid = i.indexrelid join pg_am a on a.oid = x.relam
  where i.indrelid = 'platform.customers'::regclass and a.amname = 'gin' and i.indisvalid);
