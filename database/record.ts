/** `npm run schema`: writes schema.sql and privileges.txt as the migrations leave them, from a server of its own that is gone afterwards. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startLocal } from './local.ts';
import { migrate, withMigrator } from './migrator.ts';
import { observePrivileges, writePrivileges } from './privileges.ts';
import { describeSchema, writeSnapshot } from './snapshot.ts';

const database = 'aether_schema';
const folder = await mkdtemp(join(tmpdir(), 'aether-schema-'));
await chmod(folder, 0o755); // as root the server runs as the user postgres
const clients: pg.Client[] = [];
try {
  const local = await startLocal({ folder, database, port: 54390 });
  try {
    await migrate(local.urlOf('platform_migrator'));
    await writeSnapshot(await withMigrator(local.urlOf('platform_migrator'), describeSchema));
    await writePrivileges(
      await observePrivileges(async (login) => {
        const client = new pg.Client({ connectionString: local.urlOf(login) });
        clients.push(client);
        await client.connect();
        return client;
      }),
    );
    console.log('database/schema.sql and database/privileges.txt are written: look at what changed in them, and commit it.');
  } finally {
    await Promise.all(clients.map((client) => client.end()));
    await local.server.stop('immediate');
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
