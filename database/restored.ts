import pg from 'pg';
import type { Address } from './address.ts';
import { withMigrator } from './migrator.ts';
import { readSnapshot } from './snapshot.ts';

/**
 * Gives the functions that belong to a role of their own back to it, after pg_dump and psql or pg_restore: PostgreSQL lets a login hand
 * a function over only if its new owner may create in that schema, which no role may for longer than that takes. It may be repeated.
 *
 * @param address as `platform_migrator`, of the restored database.
 * @returns the functions that were given back.
 */
export async function giveBack(address: Address): Promise<string[]> {
  const snapshot = await readSnapshot();
  const owned = [...snapshot.matchAll(/^alter function (.+) owner to (\w+);$/gm)].map(([, name = '', owner = '']) => ({
    name,
    owner,
  }));
  return withMigrator(address, async (client) => {
    const given: string[] = [];
    await client.query('begin');
    for (const { name, owner } of owned) {
      const { rows } = await client.query<{ has: boolean; schema: string }>(
        `select pg_get_userbyid(p.proowner) = $2 as has, p.pronamespace::regnamespace::text as schema from pg_proc p
         where format('%I.%I(%s)', p.pronamespace::regnamespace, p.proname, pg_get_function_arguments(p.oid)) = $1
           or format('%I.%I(%s)', p.pronamespace::regnamespace, p.proname, pg_get_function_identity_arguments(p.oid)) = $1`,
        [name, owner],
      );
      const [found] = rows;
      if (!found) throw new Error(`The database has no function ${name}: is it restored, and of this version?`);
      if (found.has) continue;
      const role = pg.escapeIdentifier(owner);
      await client.query(`grant create on schema ${found.schema} to ${role}; alter function ${name} owner to ${role};
        revoke create on schema ${found.schema} from ${role}`);
      if (snapshot.includes(`\ngrant execute on function ${name} to platform_owner;\n`))
        await client.query(
          `set local role ${role}; grant execute on function ${name} to platform_owner; set local role platform_owner`,
        );
      given.push(name);
    }
    await client.query('commit');
    return given;
  });
}

/**
 * The apps whose role this server does not have: a dump has no roles, and what it gives to one that is not there, PostgreSQL refuses.
 *
 * @param address as `platform_migrator`.
 */
export async function listRoleless(address: Address): Promise<{ app: string; role: string }[]> {
  return withMigrator(address, async (client) => {
    const { rows } = await client.query<{ app: string; role: string }>(
      `select name as app, role from platform.apps a where not exists (select from pg_roles r where r.rolname = a.role) order by name`,
    );
    return rows;
  });
}

/** A sequence that would give a number again, and where a row has it. */
export type SequenceBehind = { sequence: string; next: string; column: string; highest: string };

/**
 * The sequences that would give a number again that a row has already, as after a dump that was taken in parts, or a row that was
 * written by hand. A whole restore has none. The log has the numbers of `sync.outbox_id` after they have moved from the outbox.
 *
 * @param address as `platform_migrator`.
 */
export async function listBehind(address: Address): Promise<SequenceBehind[]> {
  return withMigrator(address, async (client) => {
    const { rows: uses } = await client.query<{ sequence: string; relation: string; attribute: string }>(`
      select distinct d.objid::regclass::text as sequence, d.refobjid::regclass::text as relation, quote_ident(a.attname) as attribute
      from pg_depend d join pg_class s on s.oid = d.objid and s.relkind = 'S'
      join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
      where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.deptype in ('i', 'a')
        and s.relnamespace::regnamespace::text in ('platform', 'crm', 'support', 'sync')
      union
      select d.refobjid::regclass::text, e.adrelid::regclass::text, quote_ident(a.attname)
      from pg_depend d join pg_class s on s.oid = d.refobjid and s.relkind = 'S'
      join pg_attrdef e on e.oid = d.objid join pg_attribute a on a.attrelid = e.adrelid and a.attnum = e.adnum
      where d.classid = 'pg_attrdef'::regclass and s.relnamespace::regnamespace::text in ('platform', 'crm', 'support', 'sync')
      union values ('sync.outbox_id', 'sync.events', 'id')
      order by 1, 2, 3`);
    const behind: SequenceBehind[] = [];
    for (const { sequence, relation, attribute } of uses) {
      const { rows } = await client.query<{ next: string; highest: string }>(`
        select next::text, highest::text
        from (select last_value + case when is_called then 1 else 0 end as next from ${sequence}) as given,
          (select max(${attribute})::bigint as highest from ${relation}) as used
        where highest >= next`);
      const [found] = rows;
      if (found) behind.push({ sequence, column: `${relation}.${attribute}`, ...found });
    }
    return behind;
  });
}
