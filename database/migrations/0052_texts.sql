-- Search in texts: messages, notes, activities, deals, calls. An index on each table has the words of a text, so that what is erased,
-- merged, moved or corrected is so in the search as well, and no second copy of a text has rights of its own. platform/texts has the same
-- rules in TypeScript, and decides what of a found text is marked.
--
-- Each word in the index begins with the day of its text. A search goes through the days, the newest first, and ends when it has enough: a
-- word of every third message costs what a day costs, not what five million messages cost. And a new text is put where those of its day
-- are, into pages that are in memory. That is why fastupdate is off: each of the many looks of a search would read the whole list of what
-- waits.

-- The day of a text, as its words begin with it. What is before 2000 has the first day, and what is after 2179 the last one.
create function platform.text_day(at timestamptz) returns text
language sql immutable strict parallel safe
return lpad(to_hex(least(greatest(floor(extract(day from (at - timestamptz '2000-01-01 00:00:00+00'))), 0), 65535)::int), 4, '0');

-- The words of a text: folded, as platform.fold does; each character of Han, kana and Hangul and each two neighbours of them; what joiners
-- join, written together (ab1234 for AB-1234, and an address as a whole); and the digits behind letters (1234 for AB1234).
create function platform.text_words(body text) returns text[]
language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp as $$
declare
  separators constant text := '\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7'
    '\u037e\u0387\u055a-\u055f\u0589\u058a\u05be\u05c0\u05c3\u05c6\u05f3\u05f4\u060c\u061b\u061f\u066a-\u066d\u06d4\u0964\u0965'
    '\u0e3f\u0e4f\u0e5a\u0e5b\u2000-\u206f\u20a0-\u20cf\u2190-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030'
    '\u303d-\u303f\u30fb\ue000-\uf8ff\ufe00-\ufe6f\ufff0-\uffff\U0001f000-\U0001faff\U000e0000-\U000e0fff';
  unspaced constant text := '\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3040-\u309f\u30a0-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf'
    '\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff';
  is_ascii constant boolean := octet_length(body) = char_length(body);
  folded constant text := case when is_ascii then lower(translate(body, '''`', '') collate "C") else platform.fold(body) end collate "C";
  -- The classes of ASCII alone are quicker, and most texts need no others.
  part constant text := case when is_ascii then '[0-9a-z]+' else '[^' || separators || unspaced || ']+' end;
  joiner constant text := case when is_ascii then '[-_./@+:#&]' else '[-_./@+:#&\u2010-\u2013]' end;
  words text[];
begin
  if is_ascii then
    words := regexp_split_to_array(folded, '[^0-9a-z]+'); -- translate takes ten times as long
  elsif folded ~ ('[' || unspaced || ']') then
    words := regexp_split_to_array(regexp_replace(folded, '([' || unspaced || '])', ' \1 ', 'g'), '[' || separators || ']+')
      || array(
        select substr(r.run[1], n, 2) from regexp_matches(folded, '[' || unspaced || ']{2,}', 'g') r (run)
          cross join generate_series(1, char_length(r.run[1]) - 1) n);
  else
    words := regexp_split_to_array(folded, '[' || separators || ']+');
  end if;
  if folded ~ (part || joiner || part) then
    words := words || array(
      select w.word from regexp_matches(folded, '(?:' || part || joiner || ')+' || part, 'g') m (found)
        cross join regexp_replace(m.found[1], joiner, '', 'g') w (word) where char_length(w.word) <= 64);
  end if;
  if folded ~ '[a-z][0-9]{3}' then
    words := words || array(
      select m.found[1] from regexp_matches(folded, '(?<=[a-z])[0-9]{3,}', 'g') m (found) where char_length(m.found[1]) <= 64);
  end if;
  return words;
end $$;

-- What the indexes hold. Its cost keeps PostgreSQL from reading a table instead.
create function platform.text_terms(body text, at timestamptz) returns tsvector
language plpgsql immutable strict parallel safe cost 10000 set search_path = pg_catalog, pg_temp as $$
declare day constant text := platform.text_day(at);
begin
  return array_to_tsvector(array(select day || left(w, 64) from unnest(platform.text_words(body)) w where w <> ''));
end $$;
grant execute on function platform.text_day(timestamptz), platform.text_words(text), platform.text_terms(text, timestamptz)
  to app_role, bulk_role, merge_role, erase_role;

-- Calls and deals are few. The indexes of messages, notes and timelines come after this, without keeping writers out.
create index calls_words on support.calls using gin (platform.text_terms(notes, started_at)) with (fastupdate = off)
  where notes is not null;
create index deals_words on crm.deals using gin (platform.text_terms(name, created_at)) with (fastupdate = off);
