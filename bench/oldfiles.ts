import type pg from 'pg';

/** Of 16 MB each: enough for 50,000 customers and the numbering of their events. */
const oldFiles = 40;

/**
 * Gives the server old files of its log to write into, as one has that has run for a while: to make a new one takes a tenth of a second, and
 * everybody who commits waits for it (docs/configuration.md). It keeps them if min_wal_size lets it.
 */
export async function keepOldFiles(superuser: pg.Client): Promise<void> {
  for (let n = 0; n < oldFiles; n++) {
    await superuser.query(`select pg_logical_emit_message(false, 'bench', 'one more file')`);
    await superuser.query('select pg_switch_wal()');
  }
  await superuser.query('checkpoint');
}
