-- A value of a custom field that somebody edited between two merges, and that was then removed from, or put away by, the last survivor, is
-- the middle one's: it comes back with the later merge, whichever merge is taken back first. Before, it came back only if the row was still
-- there when the earlier merge was taken back.
do $$
declare
  former constant text := pg_get_functiondef('platform.unmerge_one(platform.merges, uuid, jsonb)'::regprocedure);
  edited constant text := $p$
      -- It was edited while a later merge had it already, or before.
      insert into platform.merge_moves (merge, reference, key, was)
      select x.merge, x.reference, new_key, x.was || jsonb_build_object('id', new_key::bigint) from platform.merge_moves x
      where x.merge = any (path) and x.reference = r.reference and x.key = v.key and x.released is null
        and x.was -> 'value' <> v.was -> 'value';
    end if;$p$;
  body constant text := replace(former, edited, $p$
    end if;
    -- It was edited while a later merge had it already, or before: that part of the ledger is of a row of its own from now on.
    insert into platform.merge_moves (merge, reference, key, was)
    select x.merge, x.reference, new_key, x.was || jsonb_build_object('id', new_key::bigint) from platform.merge_moves x
    where x.merge = any (path) and x.reference = r.reference and x.key = v.key and x.released is null
      and x.was -> 'value' <> v.was -> 'value';$p$);
begin
  if body = former then raise exception 'platform.unmerge_one is not as this migration expects'; end if;
  execute body;
end $$;
