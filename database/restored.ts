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
