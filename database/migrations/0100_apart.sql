-- As it was, with a line's end between both spellings of a name: Jean-Ina was found by "ina-jean", which ends the one and begins the other.
-- No name and no word of a search has a line's end. The trigrams are the same, so no index is made again.
create or replace function platform.search_text(name text) returns text
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
declare
  folded text := platform.fold(name);
  joined text;
begin
  if octet_length(folded) = char_length(folded) then
    joined := replace(folded, '-', '');
    return ' ' || replace(folded, '-', ' ') || case when joined <> folded then E'\n ' || joined else '' end;
  end if;
  joined := translate(folded, '-‐‑‒–—―−﹣－·・･', '');
  return regexp_replace(
    ' ' || translate(folded, '-‐‑‒–—―−﹣－·・･', '             ') || case when joined <> folded then E'\n ' || joined else '' end,
    ' *([\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3040-\u309f\u30a0-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff'
    '\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff])', ' \1', 'g');
end $$;
