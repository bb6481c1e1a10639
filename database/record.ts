/**
 * `npm run schema`: runs the migrations on a temporary server and writes schema.sql, privileges.txt and
 * inventory.txt from it. With `--check` it writes nothing, and fails if the committed files differ.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { type LocalServer, startLocal } from './embedded/local.ts';
import { describeInventory, readInventory, writeInventory } from './inventory.ts';
import { migrate, withMigrator } from './migrator.ts';
import { compareMatrices, type Matrix, readPrivileges, writePrivileges } from './rights/matrix.ts';
import { observePrivileges } from './rights/privileges.ts';
import { describeDifference, describeSchema, readSnapshot, writeSnapshot } from './snapshot.ts';

const { values: options } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
const folder = await mkdtemp(join(tmpdir(), 'aether-schema-'));
await chmod(folder, 0o755); // as root the server runs as the user postgres
try {
  const local = await startLocal({ folder, database: 'aether_schema', port: 54390 });
  try {
    const observed = await observe(local);
    if (options.check) await check(observed);
    else await write(observed);
  } finally {
    await local.server.stop('immediate');
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

type Observed = { schema: string; inventory: string; privileges: Matrix };

async function observe(local: LocalServer): Promise<Observed> {
  await migrate(local.urlOf('platform_migrator'));
  const schema = await withMigrator(local.urlOf('platform_migrator'), describeSchema);
  const inventory = await withMigrator(local.urlOf('platform_migrator'), describeInventory);
  const clients: pg.Client[] = [];
  try {
    const privileges = await observePrivileges(async (login) => {
      const client = new pg.Client({ connectionString: local.urlOf(login) });
      clients.push(client);
      await client.connect();
      return client;
    });
    return { schema, inventory, privileges };
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

async function write({ schema, inventory, privileges }: Observed): Promise<void> {
  await writeSnapshot(schema);
  await writeInventory(inventory);
  await writePrivileges(privileges);
  console.log(
    'database/schema.sql, privileges.txt and inventory.txt are written: look at what changed in them, and commit it.',
  );
}

async function check({ schema, inventory, privileges }: Observed): Promise<void> {
  const drift = describeDifference(await readSnapshot(), schema);
  const differences = [
    ...(drift ? [drift] : []),
    ...(inventory === (await readInventory()) ? [] : ['database/inventory.txt says something else.']),
    ...compareMatrices(await readPrivileges(), privileges),
  ];
  if (differences.length === 0) {
    console.log('database/schema.sql, privileges.txt and inventory.txt are what the migrations make.');
    return;
  }
  console.error(
    `The migrations make something else. Run \`npm run schema\` and commit it.\n\n${differences.join('\n')}`,
  );
  process.exitCode = 1;
}
