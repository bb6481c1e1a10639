import { setTimeout as wait } from 'node:timers/promises';
import type { LocalServer } from '@aether/database';
import pg from 'pg';

/** Until the worker has looked at the new customers once, for their quality and for duplicates: that takes a fifth of a core for half a minute. */
export async function settleWorker({ server }: LocalServer): Promise<void> {
  const superuser = new pg.Client({ connectionString: server.superuserUrl('bench') });
  await superuser.connect();
  await superuser.query(`update sync.quality_scans set asked_at = now()`);
  for (let quiet = 0; quiet < 10; ) {
    const { rows } = await superuser.query(
      `select exists (select from sync.quality_scans where asked_at is not null)
         or exists (select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and state = 'active'
           and (query like '%sync.keep_detected%' or query like '%match_keys%')) as is_busy`,
    );
    quiet = rows[0].is_busy ? 0 : quiet + 1;
    await wait(100);
  }
  await superuser.end();
}
