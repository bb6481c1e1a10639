import { setTimeout as wait } from 'node:timers/promises';
import type pg from 'pg';

const lookEveryMs = 100;

/**
 * Waits for the advisory lock of this name, and holds it until the connection ends. Any login may hold such a lock, so
 * it reports the holder while it waits: an operator can end a session that should not hold it. It polls instead of
 * waiting in the server, because a waiting statement has a snapshot, and `create index concurrently` of the holder
 * would wait for that snapshot for ever.
 */
export async function takeTurn(
  client: pg.ClientBase,
  name: 'aether bootstrap' | 'aether migrations',
  onProgress: (line: string) => void = () => {},
): Promise<void> {
  for (let told = ''; ; await wait(lookEveryMs)) {
    const { rows } = await client.query(
      `select pg_try_advisory_lock(hashtext($1)) as mine,
            (select string_agg(format('%s (process %s)', a.usename, a.pid), ', ') from pg_locks l join pg_stat_activity a using (pid)
             where l.locktype = 'advisory' and l.granted and l.objsubid = 1 and a.datname = current_database()
               and l.classid::bigint << 32 | l.objid::bigint = hashtext($1)) as holder`,
      [name],
    );
    if (rows[0].mine) return;
    const waiting = `waiting for ${rows[0].holder ?? 'another session'}, which holds the lock “${name}”`;
    if (waiting !== told) onProgress(waiting);
    told = waiting;
  }
}
