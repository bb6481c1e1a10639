/*
 * `npm run test:pooled`: the suites that use the databases of the apps, with the apps behind a real PgBouncer in transaction mode; the worker, all
 * listeners and the migrations reach PostgreSQL itself. It is beside `npm test`, because it needs Debian's package.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { findPgBouncer } from './testing.pgbouncer.ts';

const version = findPgBouncer();
if (version === undefined) {
  console.log('Nothing was tested: there is no PgBouncer on this machine (apt-get install pgbouncer).');
} else {
  console.log(`Behind PgBouncer ${version}, in transaction mode.`);
  const root = join(import.meta.dirname, '..');
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const config = join(import.meta.dirname, 'testing.pooled.config.ts');
  const child = spawn(process.execPath, [vitest, 'run', '--config', config, '--root', root, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, AETHER_TEST_POOLER: 'pgbouncer' },
  });
  const [code] = await once(child, 'exit');
  process.exitCode = code ?? 1;
}
